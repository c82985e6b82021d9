"""What `show` of an OS9 switch says of its ports, neighbours and itself. Pure, and total on any text.

The running configuration tells the ports there are, their modes, whether they are shut and bundled, and whether the
default VLAN is disabled; `show interfaces switchport` tells the VLANs of each, by codes: U and T are the untagged and
tagged ones that somebody configured, any other code is something that HIL cannot mean. Only `portmode hybrid` ports
are read as states: HIL's road from any other leads through a shut port, and begins with not knowing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hil.core.model import CLOSED, Observed, PortState
from hil.core.wiring import About, Mac, Neighbour, canonical_mac
from hil.drivers.switch.cli.lists import listed
from hil.drivers.switch.os9.names import expanded, known
from hil.drivers.switch.os9.render import Standing

_HARMLESS: Final = ("ip address", "ipv6 address")


@dataclass(frozen=True, slots=True)
class Found:
    """A reading: what the ports are to HIL, how they stand, and what the switch does with those in no VLAN."""

    ports: Mapping[str, Observed] = field(default_factory=dict)
    standing: Mapping[str, Standing] = field(default_factory=dict)
    default_vlan_disabled: bool = False


def found(running: str, switchports: str, config: Mapping[str, Any]) -> Found:
    """Read both outputs. Raises ValueError."""
    members = dict(_members(switchports, config))
    bundled = _bundled(running, config)
    ports: dict[str, Observed] = {}
    standing: dict[str, Standing] = {}
    for name, lines in _interfaces(running, config):
        codes, raw = members.get(name, ({}, ""))
        standing[name] = _standing(lines, codes)
        state = f"member of LAG {bundled[name]}" if name in bundled else _state(lines, codes, standing[name])
        text = "\n".join([f"interface {name}", *lines, raw]).strip()
        ports[name] = Observed(None, state, text) if isinstance(state, str) else Observed(state)
    disabled = re.search(r"^default-vlan disable\s*$", running, re.MULTILINE) is not None
    return Found(ports, standing, disabled)


def _standing(lines: list[str], codes: Mapping[str, frozenset[int] | None]) -> Standing:
    untagged, tagged = codes.get("U") or frozenset(), codes.get("T") or frozenset()
    return Standing("switchport" in lines, "portmode hybrid" in lines, untagged, tagged)


def _state(lines: list[str], codes: Mapping[str, frozenset[int] | None], stands: Standing) -> PortState | str:
    """Answer a state, or why there is none."""
    if any(line.startswith(_HARMLESS) for line in lines):
        return "no switch port: it has an address"
    if strange := sorted(codes.keys() - {"U", "T"}):
        return f"in VLANs by code {strange[0]}"
    if "shutdown" in lines:
        return CLOSED
    if not stands.switchport:
        return "no switch port"
    if not stands.hybrid:
        return "no hybrid port: HIL's ports are"
    if None in codes.values():
        return "a VLAN list that is none"
    if len(stands.untagged) > 1 or stands.untagged & stands.tagged:
        return "its untagged VLAN is not one, or tagged too"
    native = min(stands.untagged, default=None)
    return PortState(native, stands.tagged) if stands.tagged or native else "open without a VLAN"


def _interfaces(running: str, config: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Every interface that may be a port, with its lines; a block ends with the first line that is not indented."""
    for name, lines in _blocks(running):
        if port := known(config, name):
            yield port, lines


def _blocks(running: str) -> Iterator[tuple[str, list[str]]]:
    name, lines = "", list[str]()
    for line in [*running.splitlines(), "!"]:
        if line.startswith(" "):
            lines.append(line.strip())
            continue
        if name:
            yield name, lines
        head = re.fullmatch(r"interface (\S+(?: \S+)?)\s*", line)
        name, lines = head[1] if head else "", []


def _bundled(running: str, config: Mapping[str, Any]) -> dict[str, str]:
    """Ports of aggregations: those that say so themselves (LACP), and those that an aggregation names."""
    bundled: dict[str, str] = {}
    for name, lines in _blocks(running):
        for line in lines:
            if found := re.match(r"port-channel (\d+) mode", line):
                bundled[known(config, name)] = found[1]
            elif line.startswith("channel-member "):
                bundled |= dict.fromkeys(expanded(config, line.removeprefix("channel-member ")), name.split()[-1])
    return bundled


def _members(
    switchports: str, config: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[dict[str, frozenset[int] | None], str]]]:
    """Each port with its VLANs by code; None stands for a list that is none."""
    for block in re.split(r"^(?=Name: )", switchports, flags=re.MULTILINE)[1:]:
        head, _, table = block.partition("Vlan membership:")
        codes: dict[str, str] = {}
        code = ""
        for line in table.splitlines():
            row = re.match(r"([A-Za-z])\s+(\d.*)", line)
            code = row[1] if row else code if re.fullmatch(r"\s+[\d,\s-]+", line) else ""
            if code:
                codes[code] = f"{codes.get(code, '')} {row[2] if row else line.strip()}"
        native = re.search(r"^Native VlanId:\s*(\d+)\.?\s*$", table, re.MULTILINE)
        if native:
            codes["U"] = f"{codes.get('U', '')} {native[1]}"
        if name := known(config, head.splitlines()[0].removeprefix("Name:")):
            yield name, ({key: _listed(text) for key, text in codes.items()}, block.strip())


def _listed(text: str) -> frozenset[int] | None:
    try:
        return listed(text)
    except ValueError:
        return None


# -- who it is, who is there ------------------------------------------------------------------------------------------


def about(version: str, inventory: str) -> About:
    """Read `show version` and `show inventory`, where a service tag follows the piece part and its revision."""

    def first(pattern: str, text: str) -> str:
        hit = re.search(pattern, text, re.MULTILINE | re.IGNORECASE)
        return hit[1].strip() if hit else ""

    serial = first(r"\b[A-Z]{2}-\w{6}-\w{5}-\w{3}-\w{4}\s+(?:\w{3}\s+)?(\w{7})\b", inventory)
    return About(
        first(r"^System Type\s*: *(.*)$", version), first(r"Application Software Version\s*: *(\S+)", version), serial
    )


def neighbours(detail: str, config: Mapping[str, Any]) -> dict[str, list[Neighbour]]:
    """Read `show lldp neighbors detail`. What a neighbour says of itself may be a lie, and may look like a field."""
    found: dict[str, list[Neighbour]] = {}
    for part in re.split(r"^ *Local Interface ", detail, flags=re.MULTILINE)[1:]:
        port = known(config, part.partition(" has ")[0])
        for block in re.split(r"^ *Remote Chassis ID Subtype:", part, flags=re.MULTILINE)[1:] if port else ():
            fields: dict[str, str] = {}
            for line in block.partition("Remote System Desc:")[0].splitlines():
                key, colon, value = line.partition(":")
                if colon:
                    fields.setdefault(key.strip(), value.strip())
            chassis, other = fields.get("Remote Chassis ID", ""), fields.get("Remote Port ID", "")
            found.setdefault(port, []).append(
                Neighbour(
                    canonical_mac(chassis) or chassis,
                    canonical_mac(other) or other,
                    fields.get("Remote System Name", ""),
                )
            )
    return found


def macs(table: str, config: Mapping[str, Any]) -> dict[str, list[Mac]]:
    """Read `show mac-address-table dynamic`."""
    found: dict[str, list[Mac]] = {}
    for line in table.splitlines():
        row = re.fullmatch(
            r"\s*(\d{1,4})\s+([0-9A-Fa-f:]{17})\s+Dynamic\s+([A-Za-z]{2} \S+)\s+\w+\s*", line, re.IGNORECASE
        )
        if row and (port := known(config, row[3])) and (address := canonical_mac(row[2])):
            found.setdefault(port, []).append(Mac(address, int(row[1])))
    return found
