"""What a Cumulus switch says of itself: its applied configuration as JSON, judged without guessing.

Configuration is asked for as it was set (`filled=false`): what is absent is inherited, and a port that inherits its
VLANs from the bridge is not representable. A port that is in no bridge and has nothing else set forwards nothing.
Functions here raise ValueError about what is no such answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, Observed, PortState
from hil.core.vlans import unfold, vlan_id
from hil.core.wiring import About, Mac, Neighbour, canonical_mac

_PORT: Final = re.compile(r"swp[0-9]+(s[0-9]+)?")
_PLAIN: Final = frozenset({"type", "link", "description", "lldp", "bridge"})
"""What a port may have set besides its VLANs and still be a plain switch port."""


@dataclass(frozen=True, slots=True)
class View:
    """The switch at one moment: ports, and members of bonds."""

    ports: Mapping[str, Observed]
    lags: Mapping[str, str] = field(default_factory=dict)


def view(operational: Any, applied: Any, bridge: str) -> View:
    """Put two answers of `/interface` together: the ports that there are, and what is configured."""
    there, trees = _table(operational), _table(applied)
    lags = dict[str, str]()
    for name, tree in trees.items():
        lags.update(dict.fromkeys(_members(tree), name))
    ports = [name for name in {**there, **trees} if _PORT.fullmatch(name)]
    return View({port: observed(trees.get(port, {}), bridge, lags.get(port)) for port in ports}, lags)


def observed(tree: Any, bridge: str, lag: str | None = None) -> Observed:
    """Judge one port by its part of the applied configuration."""
    raw = json.dumps(tree, sort_keys=True)[:4000]
    if lag is not None:
        return Observed(None, f"a member of {lag}", raw)
    if not isinstance(tree, dict):
        return Observed(None, "no configuration that HIL can mean", raw)
    if _down(tree):
        return Observed(CLOSED, raw=raw)
    domains = _inside(tree, "bridge", "domain")
    if others := tree.keys() - _PLAIN:
        return Observed(None, f"more than a switch port: {', '.join(sorted(others))[:80]}", raw)
    if not domains:
        return Observed(CLOSED, raw=raw)
    if domains.keys() != {bridge}:
        return Observed(None, "a member of another bridge", raw)
    try:
        return _member(domains[bridge], raw)
    except (BadArgument, ValueError) as error:
        return Observed(None, f"no VLANs that HIL can mean: {error}", raw)


def _member(member: Any, raw: str) -> Observed:
    """Read a member of the bridge. Raises ValueError or BadArgument about values that say nothing."""
    if not isinstance(member, dict):
        raise ValueError("no member of a bridge")
    if "access" in member:
        if "vlan" in member or "untagged" in member:
            return Observed(None, "an access port and a trunk at once", raw)
        return Observed(PortState(_vlan(member["access"])), raw=raw)
    vlans = member.get("vlan")
    if "untagged" not in member or not isinstance(vlans, dict) or not vlans:
        return Observed(None, "it inherits VLANs of the bridge", raw)
    listed = frozenset[int]().union(*(unfold(part) for part in vlans))
    if not listed:
        raise ValueError("an empty list of VLANs")
    native = None if member["untagged"] == "none" else _vlan(member["untagged"])
    return Observed(PortState(native, listed - {native}), raw=raw)


def _vlan(value: Any) -> int:
    if not isinstance(value, int | str):
        raise ValueError("no VLAN id")
    return vlan_id(value)


def _down(tree: Mapping[str, Any]) -> bool:
    """`down`, or `{"down": {}}` as later releases write it."""
    link = tree.get("link")
    state = link.get("state") if isinstance(link, dict) else None
    return state == "down" or (isinstance(state, dict) and state.keys() == {"down"})


def _members(tree: Any) -> list[str]:
    return list(_inside(tree, "bond", "member"))


def _inside(tree: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def about(system: Any, platform: Any) -> About:
    """Read `/system` and `/platform`; their keys differ between releases."""
    told = {**_inside(system), **_inside(platform)}

    def first(*keys: str) -> str:
        return next((str(told[key]) for key in keys if told.get(key)), "")

    return About(first("product-name", "model"), first("build", "product-release"), first("serial-number", "system-sn"))


def neighbours(operational: Any) -> dict[str, list[Neighbour]]:
    """Read the LLDP neighbours in an operational answer of `/interface`."""
    found: dict[str, list[Neighbour]] = {}
    for port, tree in _table(operational).items():
        if not _PORT.fullmatch(port):
            continue
        for entry in _inside(tree, "lldp", "neighbor").values():
            chassis, far = _inside(entry, "chassis"), _inside(entry, "port")
            identity, name = str(chassis.get("chassis-id") or ""), str(far.get("name") or "")
            found.setdefault(port, []).append(
                Neighbour(
                    canonical_mac(identity) or identity,
                    canonical_mac(name) or name,
                    str(chassis.get("system-name") or ""),
                )
            )
    return found


def macs(answer: Any) -> dict[str, list[Mac]]:
    """Read the bridge's `mac-table`: what was learned on ports."""
    found: dict[str, list[Mac]] = {}
    for entry in _table(answer).values():
        row = _inside(entry)
        port, address = str(row.get("interface") or ""), canonical_mac(str(row.get("mac") or ""))
        if address and _PORT.fullmatch(port) and row.get("entry-type") in (None, "dynamic"):
            vlan = row.get("vlan")
            found.setdefault(port, []).append(Mac(address, vlan if isinstance(vlan, int) else None))
    return found


def _table(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise ValueError("an answer that is no table")
    return answer
