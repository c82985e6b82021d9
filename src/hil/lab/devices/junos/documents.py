"""An ELS switch's configuration as XML, and what an edit makes of it. No session, no socket.

An edit knows the operations merge, replace and delete (RFC 6241, section 7.2). As on the real thing, deleting what is
not there is an error, VLANs have a name and an id, and a commit refuses members that are not defined.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, MutableMapping
from dataclasses import replace
from xml.sax.saxutils import escape

from hil.core.vlans import unfold
from hil.drivers.xml import child, children, element, local, text
from hil.lab.devices.junos.rule import BARE
from hil.lab.devices.model import Config, Mode, PortConfig

Names = MutableMapping[int, str]
"""Names of VLANs by id; one without is `default` (VLAN 1) or `vN`."""


class Invalid(Exception):
    """The edit or commit is refused: the words, and the place in the hierarchy."""

    def __init__(self, words: str, place: str) -> None:
        super().__init__(words)
        self.words, self.place = words, place


def name_of(names: Names, vlan: int) -> str:
    return names.get(vlan, "default" if vlan == 1 else f"v{vlan}")


def configuration(config: Config, names: Names) -> str:
    """Print the whole."""
    vlans = [
        element("vlan", element("name", escape(name_of(names, vlan))), element("vlan-id", str(vlan)))
        for vlan in sorted(config.vlans)
    ]
    ports = [interface(port, entry) for port, entry in config.ports.items()]
    return element("configuration", element("interfaces", *ports), element("vlans", *vlans))


def interface(port: str, entry: PortConfig) -> str:
    """Print one interface."""
    parts = [element("name", port)]
    parts += [element("description", escape(line[12:])) for line in sorted(entry.lines) if line[:12] == "description "]
    if entry.shut:
        parts.append("<disable/>")
    if entry.lag:
        parts.append(element("ether-options", element("ieee-802.3ad", element("bundle", entry.lag))))
    if entry.native is not None:
        parts.append(element("native-vlan-id", str(entry.native)))
    if entry.mode is not Mode.ROUTED:
        parts.append(element("unit", element("name", "0"), element("family", _switching(entry))))
    return element("interface", *parts)


def _switching(entry: PortConfig) -> str:
    if entry.mode is Mode.ACCESS:
        members = [] if entry.access in (None, 1) else [str(entry.access)]
    else:
        members = ["all"] if entry.allowed is None else [str(vlan) for vlan in sorted(entry.allowed)]
    parts = [element("interface-mode", entry.mode.value)]
    if members:
        parts.append(element("vlan", *(element("members", member) for member in members)))
    return element("ethernet-switching", *parts)


def edited(config: Config, names: Names, change: ET.Element) -> Config:
    """Answer a configuration after an edit. Raises Invalid."""
    new = config.copy()
    for vlan in children(change, "vlans", "vlan"):
        number, name = text(vlan, "vlan-id"), text(vlan, "name")
        if number:
            new.vlans.add(int(number))
            names[int(number)] = name
    for part in children(change, "interfaces", "interface"):
        port = text(part, "name")
        place = f"[edit interfaces {port}]"
        if port not in new.ports:
            raise Invalid(f"interface {port} is not there", place)
        new.ports[port] = _interface(new.ports[port], part, place)
    edges = {text(part, "name") for part in children(change, "protocols", "rstp", "interface")}
    for port in edges & set(new.ports):
        new.ports[port] = replace(new.ports[port], lines=new.ports[port].lines | {"edge"})
    if child(change, "protocols", "rstp", "bpdu-block-on-edge") is not None:
        new.lines.add("bpdu-block-on-edge")
    return new


def _interface(old: PortConfig, part: ET.Element, place: str) -> PortConfig:
    replaces = _operation(part) == "replace"
    entry = replace(BARE, lines=old.lines & {"edge"}) if replaces else old
    for inner in part:
        deletes = _operation(inner) == "delete"
        match local(inner):
            case "disable":
                if deletes and not entry.shut:
                    raise Invalid("statement not found: disable", place)
                entry = replace(entry, shut=not deletes)
            case "native-vlan-id":
                entry = replace(entry, native=None if deletes else int(inner.text or "0"))
            case "description":
                entry = replace(entry, lines=entry.lines | {f"description {inner.text}"})
            case "ether-options" | "gigether-options":
                entry = replace(entry, lag=text(inner, "ieee-802.3ad", "bundle"))
            case "unit":
                entry = _unit(entry, inner, place)
            case "name":
                pass
            case other:
                raise Invalid(f"syntax error, unknown statement {other}", place)
    return entry


def _unit(entry: PortConfig, unit: ET.Element, place: str) -> PortConfig:
    switching = child(unit, "family", "ethernet-switching")
    if text(unit, "name") != "0" or switching is None:
        raise Invalid("only unit 0 family ethernet-switching is understood", f"{place[:-1]} unit]")
    members = [(part.text or "").strip() for part in children(switching, "vlan", "members")]
    if text(switching, "interface-mode") == "trunk":
        allowed = None if "all" in members else numbers(members)
        return replace(entry, mode=Mode.TRUNK, access=None, allowed=allowed)
    vlans = numbers(members)
    if len(vlans) > 1:
        raise Invalid("access interface can be part of only one vlan", place)
    return replace(entry, mode=Mode.ACCESS, access=next(iter(vlans), 1), allowed=frozenset())


def numbers(members: Iterable[str]) -> frozenset[int]:
    return frozenset(vlan for member in members for vlan in unfold(member))


def check(config: Config) -> None:
    """What a commit checks. Raises Invalid."""
    for port, entry in config.ports.items():
        access = frozenset() if entry.access is None else frozenset({entry.access})
        wanted = entry.allowed or frozenset() if entry.mode is Mode.TRUNK else access
        if missing := sorted(wanted - config.vlans):
            raise Invalid(f"vlan member {missing[0]} is not defined", f"[edit interfaces {port} unit 0]")
        if entry.lag and entry.mode is not Mode.ROUTED:
            raise Invalid("a member of an aggregated interface has no family", f"[edit interfaces {port}]")


def _operation(part: ET.Element) -> str:
    return next((value for key, value in part.attrib.items() if key.rpartition("}")[2] == "operation"), "merge")
