"""What `show` of a PowerConnect 5500 says of its ports, neighbours and itself. Pure, and total on any text.

A port's values go on in lines that begin with a blank, lists have blanks in them, and VLANs without a member that is
up are marked `(Inactive)`, which says nothing of the configuration. Only trunks are read as states: HIL's road from
any other mode leads through a shut port, and begins with not knowing. Whether a port is shut or in an aggregation is
read from the running configuration, where one block may stand for a range of ports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, Observed, PortState
from hil.core.wiring import About, Mac, Neighbour, canonical_mac
from hil.drivers.switch.cli.lists import listed
from hil.drivers.switch.powerconnect.spec import SPEC

_INACTIVE: Final = re.compile(r"\(inactive\)", re.IGNORECASE)
_WIDEST: Final = 512
"""Ports that a range in the running configuration may stand for: eight units have fewer."""


def ports(running: str, switchports: str) -> dict[str, Observed]:
    """Answer every port of which `show interfaces switchport` tells. Raises ValueError."""
    configured = interfaces(running)
    found: dict[str, Observed] = {}
    for name, fields, raw in _blocks(switchports):
        lines = configured.get(name, [])
        state = _state(lines, fields)
        text = "\n".join([f"interface {name}", *lines, raw])
        found[name] = Observed(None, state, text) if isinstance(state, str) else Observed(state)
    return found


def interfaces(running: str) -> dict[str, list[str]]:
    """Answer the lines of each interface in the running configuration, those of ranges too."""
    found: dict[str, list[str]] = {}
    open_for: list[list[str]] = []
    for line in map(str.strip, running.splitlines()):
        if head := re.fullmatch(r"interface (?:range )?(\S.*)", line):
            open_for = [found.setdefault(name, []) for name in _expanded(head[1])]
        elif line in ("exit", "!"):
            open_for = []
        else:
            for lines in open_for:
                lines.append(line)
    return found


def names(status: str) -> list[str]:
    """Answer the ports that `show interfaces status` lists."""
    first = (line.split()[0] for line in status.splitlines() if line.strip())
    return list(dict.fromkeys(name for name in map(_name, first) if name))


def _expanded(text: str) -> Iterator[str]:
    """Ports of a list such as `gi1/0/1-8,te1/0/1`."""
    for part in text.split(","):
        found = re.fullmatch(r"(.*?)(\d{1,3})-(\d{1,3})", part.strip())
        if found and int(found[3]) - int(found[2]) < _WIDEST:
            yield from filter(
                None, (_name(f"{found[1]}{number}") for number in range(int(found[2]), int(found[3]) + 1))
            )
        elif name := _name(part.strip()):
            yield name


def _state(lines: list[str], fields: dict[str, str]) -> PortState | str:
    """Answer a state, or why there is none."""
    if group := next((line.split()[1] for line in lines if re.match(r"channel-group \S", line)), None):
        return f"member of LAG {group}"
    mode = (fields.get("Administrative Mode") or fields.get("Port Mode", "")).lower()
    if fields.get("Switchport", "enable").lower().startswith("disable") or "no switchport" in lines:
        return "no switch port"
    if mode not in ("trunk", "access", "general", "customer"):
        return f"mode {mode or 'unknown'}"
    if "shutdown" in lines:
        return CLOSED
    if mode != "trunk":
        return f"mode {mode}: HIL's ports are trunks"
    return _trunk(fields)


def _trunk(fields: dict[str, str]) -> PortState | str:
    allowed = _INACTIVE.sub("", fields.get("Trunking VLANs Enabled", "")).strip()
    native = _INACTIVE.sub("", fields.get("Trunking Native Mode VLAN", "")).strip()
    if allowed.lower() == "all":
        return "trunk of all VLANs"
    if not re.fullmatch(r"none|[1-9]\d{0,3}", native, re.IGNORECASE):
        return "a native VLAN that is none"
    try:
        carried = frozenset() if allowed.lower() == "none" else listed(allowed)
    except ValueError:
        return "a VLAN list that is none"
    if native.lower() == "none":
        return PortState(None, carried) if carried else "open without a VLAN"
    if int(native) not in carried:
        return f"the native VLAN {native} is not allowed"
    return PortState(int(native), carried - {int(native)})


def _blocks(switchports: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Answer each port with its fields: up to the rules, whose table has no keys."""
    for block in re.split(r"^(?=(?:Name|Port) ?:)", switchports, flags=re.MULTILINE):
        fields = dict[str, str]()
        for line in re.sub(r"\n[ \t]+", " ", block.partition("Classification rules:")[0]).splitlines():
            key, colon, value = line.partition(":")
            if colon:
                fields.setdefault(key.strip(), value.strip())
        if (name := _name(fields.get("Name") or fields.get("Port", ""))) and "Trunking VLANs Enabled" in fields:
            yield name, fields, block.strip()


def _name(text: str) -> str:
    """The canonical name; empty for what is no port."""
    try:
        return SPEC.port_name(text)
    except BadArgument:
        return ""


# -- who it is, who is there ------------------------------------------------------------------------------------------


def about(system: str, version: str, identity: str) -> About:
    """Read `show system`, `show version` and `show system id`: keys, or a table that begins with unit 1."""
    model = re.search(r"^(?:System )?Type: +(\S.*?) *$", system, re.MULTILINE)
    firmware = re.search(r"\b\d+\.\d+\.\d+\.\d+\b", version)
    serial = re.search(r"^Serial number *: *(\S+)", identity, re.MULTILINE | re.IGNORECASE) or re.search(
        r"^ *1 +\S+ +(\S+)", identity, re.MULTILINE
    )
    return About(model[1] if model else "", firmware[0] if firmware else "", serial[1] if serial else "")


def neighbours(table: str) -> dict[str, list[Neighbour]]:
    """Read `show lldp neighbors`, whose columns are as wide as the dashes below their heads."""
    found: dict[str, list[Neighbour]] = {}
    spans: list[tuple[int, int]] = []
    for line in table.splitlines():
        if re.fullmatch(r"[- ]*-{3}[- ]*", line):
            spans = [part.span() for part in re.finditer(r"-+", line)]
        elif len(spans) >= 4 and (port := _name(_cell(line, spans, 0))):
            chassis, other = _cell(line, spans, 1), _cell(line, spans, 2)
            found.setdefault(port, []).append(
                Neighbour(canonical_mac(chassis) or chassis, canonical_mac(other) or other, _cell(line, spans, 3))
            )
    return found


def _cell(line: str, spans: list[tuple[int, int]], number: int) -> str:
    return line[spans[number][0] : spans[number][1]].strip()


def macs(table: str) -> dict[str, list[Mac]]:
    """Read `show mac address-table`."""
    found: dict[str, list[Mac]] = {}
    for line in table.splitlines():
        row = re.fullmatch(r"\s*(\d{1,4})\s+([0-9A-Fa-f.:]{12,17})\s+(\S+)\s+dynamic\s*", line, re.IGNORECASE)
        if row and (port := _name(row[3])) and (address := canonical_mac(row[2])):
            found.setdefault(port, []).append(Mac(address, int(row[1])))
    return found
