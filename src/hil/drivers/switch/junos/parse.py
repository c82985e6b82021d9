"""What a Junos configuration says of each port. Pure, and total: any document has an answer.

Only the ELS style is understood (`interface-mode`, `native-vlan-id` at the interface); the older one (`port-mode`)
and every statement that is not known here make a port *not representable*. Deactivated statements are left out, groups
and interface ranges are expected to be expanded by the device (`inherit`). A trunk without `native-vlan-id` drops
untagged frames; a native VLAN is one of the members (Juniper, Ethernet switching user guide).
"""

from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, Observed, PortState
from hil.core.vlans import FIRST, LAST, unfold
from hil.core.wiring import About, Mac, Neighbour, canonical_mac
from hil.drivers.xml import child, children, local, text

PORT: Final = re.compile(r"(?:ge|xe|et|mge)-[0-9]{1,3}/[0-9]{1,3}/[0-9]{1,3}(?::[0-9]{1,2})?|ae[0-9]{1,4}")
LAG: Final = "member of LAG"
KEPT: Final = frozenset(
    {"description", "mtu", "speed", "link-mode", "hold-time", "ether-options", "gigether-options", "traps", "no-traps"}
    | {"aggregated-ether-options", "optics-options"}
)
"""Statements of an interface that say nothing of VLANs."""
_SWITCHING: Final = frozenset({"interface-mode", "vlan", "storm-control", "recovery-timeout"})
_RANGE: Final = re.compile(r"([0-9]{1,4})-([0-9]{1,4})")


class _Foreign(Exception):
    """The port is in a state that HIL cannot mean; the argument says why."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The parts of a configuration that decide: interfaces and VLANs by name, ports that a VLAN or a phone has."""

    interfaces: Mapping[str, ET.Element]
    vlans: Mapping[str, int | None]
    """VLAN id by name; None where it has none, or several."""
    claimed: Mapping[str, tuple[str, ...]]
    """VLANs that name a port themselves, by port."""
    voice: frozenset[str]

    @property
    def ids(self) -> frozenset[int]:
        return frozenset(vlan for vlan in self.vlans.values() if vlan is not None)


def configuration(root: ET.Element) -> Configuration:
    """Find the configuration in a reply, without what is deactivated."""
    found = next((part for part in root.iter() if local(part) == "configuration"), None)
    whole = active(found) if found is not None else None
    vlans: dict[str, int | None] = {}
    claimed: dict[str, tuple[str, ...]] = {}
    for vlan in children(whole, "vlans", "vlan"):
        name = text(vlan, "name")
        vlans[name] = _id(text(vlan, "vlan-id"))
        for port in children(vlan, "interface"):
            base = text(port, "name").partition(".")[0]
            claimed[base] = (*claimed.get(base, ()), name)
    named = {text(part, "name"): part for part in children(whole, "interfaces", "interface")}
    voice = children(whole, "switch-options", "voip", "interface")
    phones = frozenset(text(part, "name").partition(".")[0] for part in voice)
    return Configuration(named, vlans, claimed, phones)


def active(element: ET.Element) -> ET.Element:
    """Copy an element without its deactivated parts."""
    whole = copy.deepcopy(element)
    for part in list(whole.iter()):
        for inner in list(part):
            if "inactive" in inner.attrib:
                part.remove(inner)
    return whole


def observed(config: Configuration, port: str) -> Observed:
    """Answer what a port is configured to be."""
    element = config.interfaces.get(port)
    raw = "not configured" if element is None else shown(element)
    try:
        return Observed(_state(config, port, element), raw=raw)
    except _Foreign as reason:
        return Observed(None, str(reason), raw)


def lag_of(config: Configuration, port: str) -> str:
    """The bundle that has taken a port; an empty text if none has."""
    element = config.interfaces.get(port)
    for options in ("ether-options", "gigether-options"):
        if (bundle := child(element, options, "ieee-802.3ad")) is not None:
            return text(bundle, "bundle") or "without a name"
    return ""


def shown(element: ET.Element) -> str:
    """Show an element as Junos shows configuration, in one line."""

    def show(part: ET.Element) -> str:
        if len(part):
            return f"{local(part)} {{ {' '.join(show(inner) for inner in part)} }}"
        value = (part.text or "").strip()
        return f"{local(part)} {value};" if value else f"{local(part)};"

    return " ".join(" ".join(show(part) for part in element).split())[:500]


def _state(config: Configuration, port: str, element: ET.Element | None) -> PortState:
    if bundle := lag_of(config, port):
        raise _Foreign(f"{LAG} {bundle}")
    if element is None:
        raise _Foreign("it is not configured, but up")
    if port in config.claimed:
        raise _Foreign(f"VLAN {', '.join(config.claimed[port])} names it by itself")
    if port in config.voice:
        raise _Foreign("it has a voice VLAN")
    known = KEPT | {"name", "disable", "unit", "native-vlan-id"}
    if unknown := sorted({local(part) for part in element} - known):
        raise _Foreign(f"it has {', '.join(unknown)}")
    switching = _switching(children(element, "unit"))
    shut = child(element, "disable") is not None
    if switching is None:
        if shut and child(element, "native-vlan-id") is None:
            return CLOSED
        raise _Foreign("it switches nothing, but is up" if not shut else "it is disabled, but has a native VLAN")
    state = _carried(config, switching, text(element, "native-vlan-id"))
    if shut:
        raise _Foreign(f"it is disabled, but would carry ({state})")
    return state


def _switching(units: list[ET.Element]) -> ET.Element | None:
    """Answer the one family that switches; None if there is no unit."""
    if not units:
        return None
    if len(units) > 1 or text(units[0], "name") != "0":
        raise _Foreign("it has several units, or another than unit 0")
    if unknown := sorted({local(part) for part in units[0]} - {"name", "family", "description"}):
        raise _Foreign(f"its unit 0 has {', '.join(unknown)}")
    families = [local(part) for family in children(units[0], "family") for part in family]
    found = child(units[0], "family", "ethernet-switching")
    if families != ["ethernet-switching"] or found is None:
        raise _Foreign(f"its unit 0 has {'family ' + ', '.join(families) if families else 'no family'}")
    if unknown := sorted({local(part) for part in found} - _SWITCHING):
        raise _Foreign(f"its switching has {', '.join(unknown)}")
    return found


def _carried(config: Configuration, switching: ET.Element, native: str) -> PortState:
    mode = text(switching, "interface-mode") or "access"
    members = _members(config, [(part.text or "").strip() for part in children(switching, "vlan", "members")])
    if not members:
        raise _Foreign(f"its mode is {mode[:40]}, and it is in no VLAN but the default one")
    match mode:
        case "access" if len(members) == 1 and not native:
            return PortState(next(iter(members)))
        case "access":
            raise _Foreign("an access port has several VLANs, or a native one")
        case "trunk" if not native:
            return PortState(None, members)
        case "trunk":
            vlan = _id(native) or config.vlans.get(native)
            if vlan is None or vlan not in members:
                raise _Foreign("its native VLAN is none of its members")
            return PortState(vlan, members - {vlan})
        case _:
            raise _Foreign("its mode is unknown")


def _members(config: Configuration, members: Iterable[str]) -> frozenset[int]:
    """Resolve VLANs by name, id and range. A VLAN that is not defined forwards nothing, and is not guessed."""
    found: set[int] = set()
    for member in members:
        if member == "all":
            raise _Foreign("a trunk of all VLANs")
        if member in config.vlans:
            if (vlan := config.vlans[member]) is None:
                raise _Foreign(f"VLAN {member} has not exactly one id")
            found.add(vlan)
        else:
            found |= _numbers(member)
    if missing := sorted(found - config.ids):
        raise _Foreign(f"VLAN {', '.join(map(str, missing[:8]))} is not defined")
    return frozenset(found)


def _numbers(member: str) -> frozenset[int]:
    try:
        if _RANGE.fullmatch(member) or _id(member):
            return unfold(member)
    except BadArgument:
        pass
    raise _Foreign(f"VLAN {member[:40]} is not defined")


def _id(text: str) -> int | None:
    """A VLAN id; None for an empty text, `none`, and anything else."""
    digits = text.isascii() and text.isdigit() and len(text) <= 4
    return int(text) if digits and FIRST <= int(text) <= LAST else None


# -- what else a switch tells -------------------------------------------------------------------------------------


def ports(root: ET.Element) -> list[str]:
    """The physical interfaces of `get-interface-information` that can be ports."""
    names = [text(part, "name") for part in root.iter() if local(part) == "physical-interface"]
    return [name for name in names if PORT.fullmatch(name)]


def about(version: ET.Element, chassis: ET.Element) -> About:
    """Read `get-software-information` and `get-chassis-inventory`."""
    found = {local(part): (part.text or "").strip() for part in reversed(list(version.iter())) if part.text}
    inventory = next((part for part in chassis.iter() if local(part) == "chassis"), None)
    release = found.get("junos-version") or found.get("comment", "")
    return About(found.get("product-model", ""), release, text(inventory, "serial-number"))


def neighbours(root: ET.Element) -> dict[str, list[Neighbour]]:
    """Read `get-lldp-neighbors-information`; old releases name the logical interface."""
    found: dict[str, list[Neighbour]] = {}
    for part in root.iter():
        if local(part) != "lldp-neighbor-information":
            continue
        name = text(part, "lldp-local-port-id") or text(part, "lldp-local-interface")
        name = name.removesuffix(".0")
        if not PORT.fullmatch(name):
            continue
        remote = text(part, "lldp-remote-port-id") or text(part, "lldp-remote-port-description")
        chassis = text(part, "lldp-remote-chassis-id")
        told = Neighbour(
            canonical_mac(chassis) or chassis, canonical_mac(remote) or remote, text(part, "lldp-remote-system-name")
        )
        found.setdefault(name, []).append(told)
    return found


def macs(root: ET.Element, vlans: Mapping[str, int | None]) -> dict[str, list[Mac]]:
    """Read `get-ethernet-switching-table-information`, in the form of ELS. Only learned entries count."""
    found: dict[str, list[Mac]] = {}
    for part in root.iter():
        if local(part) != "l2ng-mac-entry":
            continue
        name = text(part, "l2ng-l2-mac-logical-interface").partition(".")[0]
        address = canonical_mac(text(part, "l2ng-l2-mac-address"))
        flags = text(part, "l2ng-l2-mac-flags")
        if PORT.fullmatch(name) and address and "D" in flags.split(","):
            vlan = vlans.get(text(part, "l2ng-l2-mac-vlan-name"))
            found.setdefault(name, []).append(Mac(address, vlan))
    return found
