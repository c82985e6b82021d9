"""What the parent says of a machine, as values of the contract. Pure; any JSON has an answer or a ValueError.

An error of the parent's own controller is told as what it means here: that the parent may not log in at its BMC is no
fault of our key, so it is Unreachable with the parent's words, not LoginRefused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from hil.core.errors import DeviceBusy, DeviceError, LoginRefused, LostReply, Refused, Unreachable
from hil.core.obms import BootChoice, BootDevice, Firmware, LogEntry, Medium, Sensor
from hil.drivers.switch.parent.parse import problem

T = TypeVar("T")
PROTOCOL: Final = "hil.console.1"
_KINDS: Final[Mapping[str, type[DeviceError]]] = {
    "device-busy": DeviceBusy,
    "device-identity-changed": Unreachable,
    "device-login-refused": Unreachable,
    "device-lost-reply": LostReply,
    "device-refused": Refused,
    "device-unreachable": Unreachable,
    "pending": DeviceBusy,
    "rate-limited": DeviceBusy,
}
_UNSURE: Final = frozenset({"", "device", "internal", "unavailable"})
_TOKEN: Final = re.compile(r"[!-~]{16,8192}")
_URL: Final = re.compile(r"[!-~]{1,2000}")


def refusal(device: str, status: int, text: str, *, changing: bool) -> DeviceError:
    """What an answer that is no success means. An error without a type of HIL's comes from something in between."""
    kind, words = problem(text)
    said = f"{device}: {words or f'HTTP {status}'}"
    if status == 401:
        return LoginRefused(f"{device} does not accept the API key.")
    if kind in _KINDS:
        return _KINDS[kind](said)
    if 400 <= status < 500 and kind:
        return Refused(said)
    return LostReply(said) if changing else Unreachable(said)


def ended(device: str, kind: str, words: str, *, begun: bool) -> DeviceError:
    """What it means that the parent's obmd ends a console with this type and these words."""
    said = f"{device}: {words}"
    if begun:
        return LostReply(said)
    return _KINDS.get(kind, Unreachable if kind in _UNSURE else Refused)(said)


def power(found: Any) -> bool:
    match found:
        case {"power": "on"}:
            return True
        case {"power": "off"}:
            return False
    raise ValueError("not a power state")


def boot(found: Any) -> BootChoice:
    match found:
        case {"device": str() as device, "persistent": bool() as persistent, "uefi": (bool() | None) as uefi}:
            return BootChoice(BootDevice(device), persistent, uefi)
    raise ValueError("not a boot device")


def items(found: Any, read: Callable[[Any], T]) -> list[T]:
    match found:
        case {"items": list() as listed}:
            return [read(each) for each in listed]
    raise ValueError("not a list of a HIL")


def sensor(found: Any) -> Sensor:
    match found:
        case {"name": str() as name, "value": value, "unit": str() as unit, "state": str() as state} if _real(value):
            return Sensor(name, None if value is None else float(value), unit, state)
    raise ValueError("not a sensor")


def _real(value: Any) -> bool:
    return value is None or type(value) in (int, float)


def entry(found: Any) -> LogEntry:
    match found:
        case {"id": str() as name, "at": (str() | None) as at, "severity": str() as severity, "message": str() as said}:
            return LogEntry(name, None if at is None else datetime.fromisoformat(at).timestamp(), severity, said)
    raise ValueError("not an entry of an event log")


def medium(found: Any) -> Medium:
    match found:
        case {"slot": str() as slot, "kinds": list() as kinds, "image": (str() | None) as image}:
            return Medium(slot, tuple(str(kind) for kind in kinds), image)
    raise ValueError("not a slot for media")


def firmware(found: Any) -> Firmware:
    match found:
        case {"name": str() as name, "version": str() as version}:
            return Firmware(name, version)
    raise ValueError("not a version of firmware")


@dataclass(frozen=True, slots=True)
class Ticket:
    """The way to a console: `address` is `https://host:port` (or http), `path` what is asked for there."""

    address: str
    path: str
    capability: str = field(repr=False)


def ticket(found: Any) -> Ticket:
    """Read the answer to `POST /v1/nodes/{node}/console`. Raises ValueError."""
    match found:
        case {"url": str() as url, "protocol": str() as spoken, "capability": str() as capability}:
            parts = urlsplit(url) if _URL.fullmatch(url) else None
            if spoken != PROTOCOL or not _TOKEN.fullmatch(capability):
                raise ValueError("a console of another protocol")
            if parts is None or parts.scheme not in ("ws", "wss") or not parts.hostname or "@" in parts.netloc:
                raise ValueError("not the address of a console")
            return Ticket(f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}", parts.path, capability)
    raise ValueError("not a ticket for a console")


@dataclass(frozen=True, slots=True)
class Event:
    """One message about a console. `me` and `writer` are viewers' numbers; `writer` None: nobody types."""

    kind: str
    type: str
    words: str
    me: int | None
    writer: int | None


def event(data: bytes) -> Event:
    """Take what the mapping holds; what is unknown is an event that means nothing here. Raises ValueError."""
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("not an event of a console")
    writer = found.get("writer")
    number = writer.get("number") if isinstance(writer, dict) else None
    me = found.get("you")
    return Event(
        str(found.get("event")),
        str(found.get("type") or ""),
        str(found.get("detail") or "the console has ended"),
        me if type(me) is int else None,
        number if type(number) is int else None,
    )
