"""The configuration of an emulated Cumulus switch as NVUE's JSON: trees of interfaces, merging, and what they mean.

A patch merges and `null` unsets. A port in the bridge without VLANs of its own inherits the bridge's and PVID 1. A
VLAN need not exist anywhere to be carried by a port that lists it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortState
from hil.core.vlans import fold, unfold
from hil.drivers.switch.mock.device import Carried, Foreign, Held
from hil.lab.devices.model import Config, Mode, PortConfig, trunk_of_all

BRIDGE: Final = "br_default"
FACTORY: Final = PortConfig(mode=Mode.TRUNK, native=1, allowed=None)
"""A member of the bridge with nothing of its own: `nv set interface swp1-48 bridge domain br_default`."""


class NvueRule:
    """What Cumulus makes of a configured port: `routed` is in no bridge, `hybrid` lists its own, `trunk` inherits."""

    def carried(self, config: Config, port: str) -> Carried:
        found = config.ports[port]
        if found.shut or found.lag or found.mode is Mode.ROUTED:
            return Carried(None, frozenset())
        if found.mode is Mode.ACCESS:
            return Carried(found.access, frozenset())
        if found.allowed is None:
            return Carried(1, frozenset(config.vlans) - {1})
        return Carried(found.native, found.allowed - {found.native})

    def held(self, config: Config, port: str) -> Held:
        found = config.ports[port]
        if found.lag:
            return Foreign(f"a member of {found.lag}", "{}", CLOSED)
        if found.shut or (found.mode is Mode.ROUTED and not found.lines):
            return CLOSED
        if found.mode is Mode.ROUTED:
            return Foreign("more than a switch port: ip", "{}", CLOSED)
        if found.mode is Mode.ACCESS:
            return PortState(found.access)
        if not found.allowed:
            return Foreign("it inherits VLANs of the bridge", "{}")
        return PortState(found.native, found.allowed - {found.native})

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        before = config.ports[port]
        if isinstance(held, Foreign):
            return replace(before, lag="bond7") if "member" in held.reason else trunk_of_all(before)
        if not held.enabled:
            return replace(before, shut=True)
        if not held.tagged:
            return replace(before, mode=Mode.ACCESS, access=held.native, shut=False)
        return replace(before, mode=Mode.HYBRID, native=held.native, allowed=held.tagged, shut=False)


def tree(port: PortConfig) -> dict[str, Any]:
    """A port's configuration as NVUE prints it with `filled=false`."""
    found: dict[str, Any] = {"type": "swp", "link": {"state": {"down" if port.shut else "up": {}}}}
    if port.mode is Mode.ROUTED:
        return found | ({"ip": {"address": {line: {} for line in sorted(port.lines)}}} if port.lines else {})
    member: dict[str, Any] = {"stp": dict.fromkeys(sorted(port.lines), "on")} if port.lines else {}
    if port.mode is Mode.ACCESS:
        member["access"] = port.access
    elif port.mode is Mode.HYBRID and port.allowed:
        member["untagged"] = port.native or "none"
        member["vlan"] = {part: {} for part in fold(port.allowed).split(",")}
    return found | {"bridge": {"domain": {BRIDGE: member}}}


def merged(old: Any, patch: Any) -> Any:
    """A tree after a patch (NVUE: objects merge, null unsets, anything else replaces)."""
    if not isinstance(patch, dict):
        return patch
    found = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


def meant(tree: dict[str, Any], before: PortConfig) -> PortConfig:
    """What a tree makes of a port. Raises ValueError about values that NVUE would not take."""
    state = tree.get("link", {}).get("state", "up")
    shut = state == "down" or (isinstance(state, dict) and "down" in state)
    domain = tree.get("bridge", {}).get("domain", {})
    if BRIDGE not in domain:
        addresses = frozenset(tree.get("ip", {}).get("address", {}))
        return PortConfig(mode=Mode.ROUTED, shut=shut, lag=before.lag, lines=addresses)
    member = domain[BRIDGE]
    port = PortConfig(mode=Mode.TRUNK, allowed=None, shut=shut, lag=before.lag, lines=frozenset(member.get("stp", {})))
    if "access" in member:
        return replace(port, mode=Mode.ACCESS, access=_id(member["access"]))
    if not member.get("vlan"):
        return port
    untagged = member.get("untagged", 1)
    native = None if untagged == "none" else _id(untagged)
    try:
        listed = frozenset[int]().union(*(unfold(part) for part in member["vlan"]))
    except BadArgument as error:
        raise ValueError(error.message) from None
    return replace(port, mode=Mode.HYBRID, native=native, allowed=listed)


def _id(value: Any) -> int:
    if not isinstance(value, int) or not 1 <= value <= 4094:
        raise ValueError(f"{value!r} is no VLAN")
    return value
