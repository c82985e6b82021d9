"""What `show` of an OS10 switch says of its ports, neighbours and itself. Pure, and total on any text.

Ports are read from the running configuration, where the access VLAN of a trunk is its untagged one. What has lines
that the driver does not know to be harmless to VLANs is declined only where they are known to matter: aggregation,
routing, other modes, a voice VLAN.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, Observed, PortState
from hil.core.wiring import About, Mac, Neighbour, canonical_mac
from hil.drivers.switch.cli.lists import listed, unwrapped
from hil.drivers.switch.os10.spec import SPEC

_ALL: Final = frozenset(range(2, 4094))
_HEADS: Final = ("Loc PortID", "Rem Host Name", "Rem Port Id", "Rem Chassis Id")


def ports(running: str, parked: int) -> dict[str, Observed]:
    """Answer every Ethernet port and aggregation of the running configuration. Raises ValueError."""
    found: dict[str, Observed] = {}
    for name, lines in _interfaces(running):
        state = _state(lines, parked)
        text = "\n".join([f"interface {name}", *lines])
        found[name] = Observed(None, state, text) if isinstance(state, str) else Observed(state)
    return found


def _state(lines: list[str], parked: int) -> PortState | str:
    """Answer a state, or why there is none."""
    if group := _after(lines, "channel-group "):
        return f"member of LAG {group[0].split()[0]}"
    if "no switchport" in lines or any(line.startswith(("ip address", "ipv6 address")) for line in lines):
        return "no switch port"
    if any(line.startswith(("switchport voice", "voice vlan", "vlan-stack")) for line in lines):
        return "a voice VLAN or stacked VLANs"
    mode = (_after(lines, "switchport mode ") or ["access"])[-1]
    if mode not in ("access", "trunk"):
        return f"mode {mode}"
    if "shutdown" in lines:
        return CLOSED
    try:
        return _open(
            mode, _after(lines, "switchport access vlan "), _after(lines, "switchport trunk allowed vlan "), parked
        )
    except ValueError:
        return "a VLAN list that is none"


def _open(mode: str, access: list[str], allowed: list[str], parked: int) -> PortState | str:
    """What a port that is up carries. Raises ValueError."""
    native = listed(access[-1]) if access else frozenset()
    tagged = frozenset().union(*map(listed, allowed)) if mode == "trunk" else frozenset()
    if len(native) != 1:
        return "no untagged VLAN is shown"
    if tagged >= _ALL - native:
        return "trunk of all VLANs"
    if parked in native | tagged:
        return f"open in the parked VLAN {parked}"
    if native & tagged:
        return "its untagged VLAN is tagged too"
    return PortState(min(native), tagged)


def _after(lines: list[str], start: str) -> list[str]:
    return [line.removeprefix(start) for line in lines if line.startswith(start) and line != start.strip()]


def _interfaces(running: str) -> Iterator[tuple[str, list[str]]]:
    """Every interface that may be a port, with its lines; a block ends with the first line that is not indented."""
    name, lines = "", list[str]()
    for line in [*unwrapped(running), "!"]:
        if line.startswith(" "):
            lines.append(line.strip())
            continue
        if name:
            yield name, lines
        head = re.fullmatch(r"interface (\S+(?: \S+)?)\s*", line)
        name, lines = _name(head[1]) if head else "", []


def _name(text: str) -> str:
    """The canonical name; empty for what is no port."""
    try:
        return SPEC.port_name(text)
    except BadArgument:
        return ""


# -- who it is, who is there ------------------------------------------------------------------------------------------


def about(version: str, inventory: str) -> About:
    """Read `show version` and `show inventory`, where a service tag follows the piece part."""
    fields = dict(re.findall(r"^([A-Z][\w ]*?)\s*: *(\S.*?)\s*$", version, re.MULTILINE))
    unit = re.search(r"^\*?\s*1\s+\S+\s+\S+\s+\S+\s+(\S+-\S+)\s+(\S+)", inventory, re.MULTILINE)
    return About(fields.get("System Type", ""), fields.get("OS Version", ""), unit[2] if unit else "")


def neighbours(table: str) -> dict[str, list[Neighbour]]:
    """Read `show lldp neighbors`, whose columns begin where their heads do."""
    found: dict[str, list[Neighbour]] = {}
    starts: list[int] = []
    for line in table.splitlines():
        if all(head in line for head in _HEADS):
            starts = [line.index(head) for head in _HEADS]
        elif starts and (port := _name(line[: starts[1]].strip())):
            name, other, chassis = (
                line[start:end].strip() for start, end in zip(starts[1:], [*starts[2:], None], strict=True)
            )
            found.setdefault(port, []).append(
                Neighbour(
                    canonical_mac(chassis) or chassis,
                    canonical_mac(other) or other,
                    "" if name == "Not Advertised" else name,
                )
            )
    return found


def macs(table: str) -> dict[str, list[Mac]]:
    """Read `show mac address-table dynamic`."""
    found: dict[str, list[Mac]] = {}
    for line in table.splitlines():
        row = re.fullmatch(r"\s*(\d{1,4})\s+([0-9A-Fa-f.:]{12,17})\s+dynamic\s+(\S+)\s*", line, re.IGNORECASE)
        if row and (port := _name(row[3])) and (address := canonical_mac(row[2])):
            found.setdefault(port, []).append(Mac(address, int(row[1])))
    return found
