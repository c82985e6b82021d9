"""What travels between the emulated driver and the lab's switch: JSON objects, one per line. Pure.

A request is `{"do": login | read | write | save | neighbours | macs, …}`; an answer is `{"ok": …}` or
`{"error": kind, "words": text}`. A port's state is `[native or null, "tagged in notation 10,20-22"]`; one that is not
representable is `{"reason": …, "raw": …}`. Decoding trusts nothing: whatever is malformed is a ValueError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from hil.core.devices import Atomicity
from hil.core.errors import BadArgument, DeviceBusy, DeviceError, LeaseLost, LoginRefused, Refused
from hil.core.model import Observed, PortState
from hil.core.vlans import fold, unfold, vlan_id
from hil.core.wiring import Mac, Neighbour, canonical_mac

ERRORS: Final[dict[str, type[DeviceError]]] = {
    "refused": Refused,
    "busy": DeviceBusy,
    "login": LoginRefused,
    "fence": LeaseLost,
}
"""The ways in which the device says no; everything else is a broken connection."""


def write_message(changes: Mapping[str, PortState], fence: int | None = None) -> dict[str, Any]:
    """The request that writes these ports. The fence is the lane's; a text for people has none."""
    message: dict[str, Any] = {
        "do": "write",
        "ports": {port: state_out(want) for port, want in changes.items()},
    }
    return message if fence is None else message | {"fence": fence}


def error_out(error: DeviceError) -> dict[str, str]:
    kind = next(kind for kind, shape in ERRORS.items() if isinstance(error, shape))
    return {"error": kind, "words": error.message}


def reply_in(reply: Mapping[str, Any]) -> Any:
    """Answer what an `ok` holds. Raises the DeviceError that the device names, or ValueError."""
    if "ok" in reply:
        return reply["ok"]
    match reply:
        case {"error": str() as kind, "words": str() as words} if kind in ERRORS:
            raise ERRORS[kind](words)
    raise ValueError("the answer is neither ok nor a known error")


def atomicity_in(found: Any) -> Atomicity:
    return Atomicity(str(_object(found).get("atomicity")))


def refusals_in(found: Any, ports: Mapping[str, PortState]) -> dict[str, Refused | None]:
    """Answer per port written: refused with these words, or done."""
    said = _object(_object(found).get("refused"))
    if not said.keys() <= ports.keys() or not all(isinstance(words, str) for words in said.values()):
        raise ValueError("the answer speaks of other ports")
    return {port: Refused(said[port]) if port in said else None for port in ports}


def state_out(state: PortState) -> list[Any]:
    return [state.native, fold(state.tagged)]


def state_in(found: Any) -> PortState:
    match found:
        case [(int() | None) as native, str() as tagged] if not isinstance(native, bool):
            try:
                return PortState(None if native is None else vlan_id(native), unfold(tagged))
            except BadArgument as error:
                raise ValueError(error.message) from error
        case _:
            raise ValueError("not the state of a port")


def observed_out(observed: Observed) -> Any:
    if observed.state is not None:
        return state_out(observed.state)
    return {"reason": observed.reason, "raw": observed.raw}


def ports_in(found: Any) -> dict[str, Observed]:
    return {port: _observed_in(value) for port, value in _object(found).items()}


def neighbours_out(found: Mapping[str, Iterable[Neighbour]]) -> dict[str, Any]:
    return {port: [[each.chassis, each.port, each.name] for each in seen] for port, seen in found.items()}


def neighbours_in(found: Any) -> dict[str, list[Neighbour]]:
    return {port: [_neighbour_in(each) for each in _list(seen)] for port, seen in _object(found).items()}


def macs_out(found: Mapping[str, Iterable[Mac]]) -> dict[str, Any]:
    return {port: [[each.address, each.vlan] for each in seen] for port, seen in found.items()}


def macs_in(found: Any) -> dict[str, list[Mac]]:
    return {port: [_mac_in(each) for each in _list(seen)] for port, seen in _object(found).items()}


def _neighbour_in(found: Any) -> Neighbour:
    match found:
        case [str() as chassis, str() as port, str() as name]:
            return Neighbour(chassis, port, name)
    raise ValueError("not a neighbour")


def _mac_in(found: Any) -> Mac:
    match found:
        case [str() as address, (int() | None) as vlan] if canonical_mac(address) == address:
            return Mac(address, vlan)
    raise ValueError("not a MAC address")


def _observed_in(found: Any) -> Observed:
    match found:
        case {"reason": str() as reason, "raw": str() as raw}:
            return Observed(None, reason, raw)
        case _:
            return Observed(state_in(found))


def _list(found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise ValueError("not a list")
    return found


def _object(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found
