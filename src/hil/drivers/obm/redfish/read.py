"""What resources say, in HIL's words. Pure and total: a resource without the property is declined, never guessed.

Properties are those of DMTF's schemas (DSP8010): ComputerSystem, Chassis, Sensor, Thermal, Power, LogEntry,
VirtualMedia, SoftwareInventory. ValueError stands for what makes no sense, Refused for what the service lacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from hil.core.errors import Refused
from hil.core.obms import BootChoice, BootDevice, Firmware, LogEntry, Medium, PowerAction, Sensor

Resource = Mapping[str, Any]
RESETS: Final[Mapping[PowerAction, tuple[str, ...]]] = {
    PowerAction.ON: ("On", "ForceOn"),
    PowerAction.OFF: ("ForceOff",),
    PowerAction.SOFT_OFF: ("GracefulShutdown",),
    PowerAction.CYCLE: ("PowerCycle",),
    PowerAction.RESET: ("ForceRestart",),
}
"""ResetType, best first. PushPowerButton is not among them: what it does depends on a state that may just change."""
USUAL: Final = frozenset({"On", "ForceOff", "GracefulShutdown", "ForceRestart"})
"""What a service that names no allowable values is believed to have."""
TARGETS: Final[Mapping[BootDevice, tuple[str, ...]]] = {
    BootDevice.NONE: ("None",),
    BootDevice.PXE: ("Pxe",),
    BootDevice.DISK: ("Hdd",),
    BootDevice.CDROM: ("Cd", "UsbCd"),
    BootDevice.BIOS: ("BiosSetup",),
}
_DEVICES: Final = {target: device for device, targets in TARGETS.items() for target in targets}
_POWER: Final = {"On": True, "PoweringOff": True, "Paused": True, "Off": False, "PoweringOn": False}
_KINDS: Final = {"CD": "cd", "DVD": "cd", "Floppy": "floppy", "USBStick": "usb"}


def path(found: Any) -> str:
    """A path on the service that was asked: credentials go nowhere else. Raises ValueError."""
    text = found if isinstance(found, str) else ""
    if "://" in text:
        text = urlsplit(text).path
    if not text.startswith("/") or text.startswith("//") or not text.isascii() or any(c <= " " for c in text):
        raise ValueError("a link that is no path of this service")
    return text


def link(resource: Resource, *names: str) -> str | None:
    """Follow properties to a link; None if there is none. Raises ValueError for one to elsewhere."""
    found: Any = resource
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or "@odata.id" not in found:
        return None
    return path(found["@odata.id"])


def links(found: Any) -> list[str]:
    """All links of a list, such as `Members`. Raises ValueError."""
    if not isinstance(found, list):
        return []
    return [path(each["@odata.id"]) for each in found if isinstance(each, Mapping) and "@odata.id" in each]


def power(system: Resource) -> bool:
    state = system.get("PowerState")
    if not isinstance(state, str) or state not in _POWER:
        raise Refused("The controller tells no power state.")
    return _POWER[state]


def reset_type(action: PowerAction, allowed: frozenset[str]) -> str | None:
    return next((kind for kind in RESETS[action] if kind in allowed), None)


def allowed(found: Resource, name: str) -> frozenset[str] | None:
    """Allowable values of a property or parameter; None if the service does not say."""
    values = found.get(f"{name}@Redfish.AllowableValues")
    return frozenset(filter(_is_text, values)) if isinstance(values, list) else None


def action_info(found: Resource, name: str) -> frozenset[str] | None:
    """Allowable values of a parameter in an ActionInfo resource."""
    parameters = found.get("Parameters")
    for each in parameters if isinstance(parameters, list) else []:
        if isinstance(each, Mapping) and each.get("Name") == name and isinstance(each.get("AllowableValues"), list):
            return frozenset(filter(_is_text, each["AllowableValues"]))
    return None


def boot(system: Resource) -> BootChoice:
    """Read the override. Raises Refused for a target that HIL has no word for."""
    found = system.get("Boot")
    if not isinstance(found, Mapping):
        raise Refused("The controller tells no boot override.")
    mode = {"UEFI": True, "Legacy": False}.get(str(found.get("BootSourceOverrideMode")))
    target, enabled = found.get("BootSourceOverrideTarget"), found.get("BootSourceOverrideEnabled")
    if enabled == "Disabled" or target in (None, "None"):
        return BootChoice(BootDevice.NONE, False, mode)
    if not isinstance(target, str) or target not in _DEVICES:
        raise Refused(f"The controller would boot from {str(target)[:40]!a}, for which HIL has no word.")
    return BootChoice(_DEVICES[target], enabled == "Continuous", mode)


def boot_change(system: Resource, choice: BootChoice, *, mode_always: bool) -> dict[str, Any]:
    """The properties of Boot to set. Raises Refused for what the service cannot."""
    have = system.get("Boot")
    if not isinstance(have, Mapping):
        raise Refused("The controller has no boot override.")
    can = allowed(have, "BootSourceOverrideTarget")
    target = next((each for each in TARGETS[choice.device] if can is None or each in can), None)
    if target is None and choice.device is not BootDevice.NONE:
        raise Refused(f"The controller cannot boot from {choice.device}: it offers {', '.join(sorted(can or ()))}.")
    change: dict[str, Any] = {"BootSourceOverrideTarget": target or "None"}
    change["BootSourceOverrideEnabled"] = "Continuous" if choice.persistent else "Once"
    if choice.device is BootDevice.NONE:
        change["BootSourceOverrideEnabled"] = "Disabled"
    mode = have.get("BootSourceOverrideMode")
    if choice.uefi is not None:
        if mode is None:
            raise Refused("The controller does not let the boot mode (UEFI or legacy) be chosen.")
        change["BootSourceOverrideMode"] = "UEFI" if choice.uefi else "Legacy"
    elif mode_always and isinstance(mode, str):
        change["BootSourceOverrideMode"] = mode
    return change


def sensor(found: Resource) -> Sensor | None:
    """A Sensor resource (1.0 and later)."""
    return _sensor(found, found.get("Reading"), str(found.get("ReadingUnits") or ""))


def thermal_and_power(found: Resource) -> list[Sensor]:
    """The lists of the older resources Thermal and Power."""
    lists = (
        ("Temperatures", "ReadingCelsius", "Cel"),
        ("Fans", "Reading", ""),
        ("Voltages", "ReadingVolts", "V"),
        ("PowerControl", "PowerConsumedWatts", "W"),
        ("PowerSupplies", "LastPowerOutputWatts", "W"),
    )
    sensors = (
        _sensor(each, each.get(reading), str(each.get("ReadingUnits") or unit))
        for name, reading, unit in lists
        for each in (found[name] if isinstance(found.get(name), list) else [])
        if isinstance(each, Mapping)
    )
    return [each for each in sensors if each is not None]


def _sensor(found: Resource, reading: Any, unit: str) -> Sensor | None:
    name = found.get("Name") or found.get("FanName") or found.get("MemberId")
    status = found.get("Status")
    state = (status.get("Health") or status.get("State")) if isinstance(status, Mapping) else None
    if not isinstance(name, str) or not name:
        return None
    return Sensor(name, _number(reading), unit, str(state or "").lower())


def _number(found: Any) -> float | None:
    if not isinstance(found, (int, float)) or isinstance(found, bool) or abs(found) > 1e18:
        return None
    return float(found)


def entries(found: Iterable[Any], limit: int) -> list[LogEntry]:
    """The newest entries, oldest first. Services list them either way round: their times decide."""
    read = [_entry(each) for each in found if isinstance(each, Mapping)]
    if (first := _time(read, 0)) is not None and (last := _time(read, -1)) is not None and first > last:
        read.reverse()
    read.sort(key=lambda entry: entry.at if entry.at is not None else 0.0)
    return read[-limit:] if limit > 0 else []


def _time(read: list[LogEntry], index: int) -> float | None:
    return read[index].at if read else None


def _entry(found: Resource) -> LogEntry:
    at = None
    if isinstance(created := found.get("EventTimestamp") or found.get("Created"), str):
        try:
            moment = datetime.fromisoformat(created)
            at = moment.timestamp() if moment.tzinfo is not None else None
        except ValueError:
            at = None
    words = (str(found.get(key) or "") for key in ("Id", "Severity", "Message"))
    number, severity, message = words
    return LogEntry(number, at, severity.lower(), message)


def medium(found: Resource) -> Medium | None:
    slot, kinds, image = found.get("Id"), found.get("MediaTypes"), found.get("Image")
    if not isinstance(slot, str) or not slot:
        return None
    named = {_KINDS[kind] for kind in filter(_is_text, kinds) if kind in _KINDS} if isinstance(kinds, list) else set()
    there = isinstance(image, str) and image and found.get("Inserted") is not False
    return Medium(slot, tuple(sorted(named)), str(image) if there else None)


def firmware(found: Resource) -> Firmware | None:
    name, version = found.get("Name") or found.get("Id"), found.get("Version")
    return Firmware(name, str(version or "")) if isinstance(name, str) and name else None


def words(body: Any) -> str:
    """What an error says (DSP0266, 8.6): its extended messages, or its message."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return ""
    extended = error.get("@Message.ExtendedInfo")
    found = (
        [each.get("Message") for each in extended if isinstance(each, Mapping)] if isinstance(extended, list) else []
    )
    said = [str(each) for each in found if each] or [str(error.get("message") or "")]
    return " ".join(" ".join(said).split())[:500]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
