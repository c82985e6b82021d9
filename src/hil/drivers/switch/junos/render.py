"""A batch as one change of the candidate configuration. Pure.

An interface is replaced as a whole, so that nothing of an older configuration shines through; what says nothing of
VLANs (description, speed, …) is taken over. Closed is `disable` and no unit. The commit makes all of it one step.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape

from hil.core.model import PortChange, PortState
from hil.core.vlans import fold
from hil.drivers.switch.junos.parse import KEPT, Configuration
from hil.drivers.switch.order import differing
from hil.drivers.xml import element, local

VLAN_NAME = "hil-{}"


def edit(
    wants: Mapping[str, PortState], config: Configuration, *, edge: bool, protocol: str, storm_control: str
) -> str:
    """Write the `configuration` that makes these ports what they must become; `config` is the candidate as it is."""
    parts = [
        element(
            "interfaces",
            *(_interface(port, want, config.interfaces.get(port), storm_control) for port, want in wants.items()),
        )
    ]
    if vlans := _vlans(wants, config):
        parts.append(element("vlans", *vlans))
    if edge and (opened := [port for port, want in wants.items() if want.enabled]):
        parts.append(element("protocols", element(protocol, "<bpdu-block-on-edge/>", *(map(_edge, opened)))))
    if phones := [port for port in wants if port in config.voice]:
        voip = element("voip", *(_named("interface", port, operation="delete") for port in phones))
        parts.append(element("switch-options", voip))
    return element("configuration", *parts)


def _interface(port: str, want: PortState, old: ET.Element | None, storm_control: str) -> str:
    kept = [plain(part) for part in old if local(part) in KEPT] if old is not None else []
    parts = [_text("name", port), *kept]
    if not want.enabled:
        return element("interface", *parts, "<disable/>", operation="replace")
    if want.native is not None and want.tagged:
        parts.append(_text("native-vlan-id", str(want.native)))
    mode = "trunk" if want.tagged else "access"
    members = element("vlan", *(_text("members", span) for span in fold(want.vlans).split(",")))
    storm = [element("storm-control", _text("profile-name", storm_control))] if storm_control else []
    family = element("ethernet-switching", _text("interface-mode", mode), members, *storm)
    unit = element("unit", _text("name", "0"), element("family", family))
    return element("interface", *parts, unit, operation="replace")


def _vlans(wants: Mapping[str, PortState], config: Configuration) -> list[str]:
    """VLANs that must be made, and those that have to let go of a port that they name by themselves."""
    new = sorted({vlan for want in wants.values() for vlan in want.vlans} - config.ids)
    made = [element("vlan", _text("name", VLAN_NAME.format(vlan)), _text("vlan-id", str(vlan))) for vlan in new]
    claims: dict[str, list[str]] = {}
    for port in wants:
        for vlan in config.claimed.get(port, ()):
            claims.setdefault(vlan, []).append(port)
    freed = [
        element("vlan", _text("name", vlan), *(_named("interface", f"{port}.0", operation="delete") for port in ports))
        for vlan, ports in claims.items()
    ]
    return made + freed


def plain(part: ET.Element) -> str:
    """Write an element anew, without namespaces and attributes."""
    inner = "".join(plain(deeper) for deeper in part) if len(part) else escape((part.text or "").strip())
    return element(local(part), inner) if inner else element(local(part))


def _edge(port: str) -> str:
    return element("interface", _text("name", port), "<edge/>")


def _named(name: str, value: str, **attributes: str) -> str:
    return element(name, _text("name", value), **attributes)


def _text(name: str, value: str) -> str:
    return element(name, escape(value))


def lines(batch: Iterable[PortChange], *, edge: bool, protocol: str, storm_control: str) -> list[str]:
    """Write a batch as the commands that would do the same at the console."""
    todo = differing(batch)
    new = sorted({vlan for change in todo for vlan in change.want.vlans - _had(change)})
    found = [f"set vlans {VLAN_NAME.format(vlan)} vlan-id {vlan}  # unless there is a VLAN {vlan}" for vlan in new]
    for change in todo:
        found += _port_lines(change.port, change.want, edge, protocol, storm_control)
    return found


def _had(change: PortChange) -> frozenset[int]:
    return change.have.vlans if change.have else frozenset()


def _port_lines(port: str, want: PortState, edge: bool, protocol: str, storm_control: str) -> Sequence[str]:
    here = f"interfaces {port}"
    found = [f"delete {here}  # all but description, speed and the like"]
    if not want.enabled:
        return [*found, f"set {here} disable"]
    unit = f"{here} unit 0 family ethernet-switching"
    if want.native is not None and want.tagged:
        found.append(f"set {here} native-vlan-id {want.native}")
    found.append(f"set {unit} interface-mode {'trunk' if want.tagged else 'access'}")
    found.append(f"set {unit} vlan members [ {fold(want.vlans).replace(',', ' ')} ]")
    if storm_control:
        found.append(f"set {unit} storm-control {storm_control}")
    return [*found, f"set protocols {protocol} interface {port} edge"] if edge else found
