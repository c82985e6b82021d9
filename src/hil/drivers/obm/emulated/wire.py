"""What travels between the emulated driver and the lab's BMC: JSON objects, one per line. Pure.

A request is `{"do": login | power | power-set | boot | …}`; an answer is `{"ok": …}` or `{"error": kind, "words":
text}`. After `{"do": "console"}` was answered, the connection carries the bytes of the console and nothing else.
Decoding trusts nothing: whatever is malformed is a ValueError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from hil.core.errors import DeviceBusy, DeviceError, LoginRefused, Refused
from hil.core.obms import BootChoice, BootDevice, Firmware, LogEntry, Medium, Sensor

T = TypeVar("T")
ERRORS: Final[dict[str, type[DeviceError]]] = {"refused": Refused, "busy": DeviceBusy, "login": LoginRefused}
"""The ways in which the controller says no; everything else is a broken connection."""


def error_out(error: DeviceError) -> dict[str, str]:
    kind = next(kind for kind, shape in ERRORS.items() if isinstance(error, shape))
    return {"error": kind, "words": error.message}


def reply_in(reply: Mapping[str, Any]) -> Any:
    """Answer what an `ok` holds. Raises the DeviceError that the controller names, or ValueError."""
    if "ok" in reply:
        return reply["ok"]
    match reply:
        case {"error": str() as kind, "words": str() as words} if kind in ERRORS:
            raise ERRORS[kind](words)
    raise ValueError("the answer is neither ok nor a known error")


def power_in(found: Any) -> bool:
    if not isinstance(found, bool):
        raise ValueError("not a power state")
    return found


def boot_out(choice: BootChoice) -> list[Any]:
    return [str(choice.device), choice.persistent, choice.uefi]


def boot_in(found: Any) -> BootChoice:
    match found:
        case [str() as device, bool() as persistent, (bool() | None) as uefi]:
            return BootChoice(BootDevice(device), persistent, uefi)
    raise ValueError("not a boot device")


def sensor_out(sensor: Sensor) -> list[Any]:
    return [sensor.name, sensor.value, sensor.unit, sensor.state]


def sensor_in(found: Any) -> Sensor:
    match found:
        case [str() as name, (int() | float() | None) as value, str() as unit, str() as state]:
            return Sensor(name, None if value is None else float(value), unit, state)
    raise ValueError("not a sensor")


def entry_out(entry: LogEntry) -> list[Any]:
    return [entry.id, entry.at, entry.severity, entry.message]


def entry_in(found: Any) -> LogEntry:
    match found:
        case [str() as number, (int() | float() | None) as at, str() as severity, str() as message]:
            return LogEntry(number, None if at is None else float(at), severity, message)
    raise ValueError("not an entry of the event log")


def medium_out(medium: Medium) -> list[Any]:
    return [medium.slot, list(medium.kinds), medium.image]


def medium_in(found: Any) -> Medium:
    match found:
        case [str() as slot, list() as kinds, (str() | None) as image] if all(isinstance(kind, str) for kind in kinds):
            return Medium(slot, tuple(kinds), image)
    raise ValueError("not a slot for media")


def firmware_out(firmware: Firmware) -> list[Any]:
    return [firmware.name, firmware.version]


def firmware_in(found: Any) -> Firmware:
    match found:
        case [str() as name, str() as version]:
            return Firmware(name, version)
    raise ValueError("not a firmware")


def all_in(found: Any, one: Callable[[Any], T]) -> list[T]:
    if not isinstance(found, list):
        raise ValueError("not a list")
    return [one(each) for each in found]
