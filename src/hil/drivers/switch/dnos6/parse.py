"""What `show` of an N-series switch says of its ports, neighbours and itself. Pure, and total on any text.

The fields of all three modes are printed at once, and only those of the port's mode mean anything. Only trunks are
read as states, and only if their native VLAN is allowed or is the parked one: HIL's road from any other port leads
through a shut one, and begins with not knowing. Whether a port is shut or in an aggregation is read from the running
configuration, which leaves out what is as it comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, Observed, PortState
from hil.core.wiring import About, Mac, Neighbour, canonical_mac
from hil.drivers.switch.cli.lists import listed, unwrapped
from hil.drivers.switch.dnos6.spec import SPEC

ALL: Final = re.compile(r"all|1-4093", re.IGNORECASE)
_NOT_A_SWITCH_PORT: Final = (
    "routing",
    "ip address",
    "switchport mode private-vlan",
    "mode dvlan-tunnel",
    "dvlan-tunnel",
)


def ports(running: str, switchports: str, parked: int) -> dict[str, Observed]:
    """Answer every port of which `show interfaces switchport` tells. Raises ValueError."""
    configured = interfaces(running)
    found: dict[str, Observed] = {}
    for name, fields, raw in _blocks(switchports):
        lines = configured.get(name, [])
        state = _state(lines, fields, parked)
        text = "\n".join([f"interface {name}", *lines, raw])
        found[name] = Observed(None, state, text) if isinstance(state, str) else Observed(state)
    return found


def interfaces(running: str) -> dict[str, list[str]]:
    """Answer the lines of each interface in the running configuration, which end with `exit`."""
    found: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in map(str.strip, running.splitlines()):
        if head := re.fullmatch(r"interface (\S+(?: \d+)?)", line):
            lines = found.setdefault(_name(head[1]), [])
        elif line in ("exit", "!"):
            lines = None
        elif lines is not None:
            lines.append(line)
    return found


def names(status: str) -> list[str]:
    """Answer the ports that `show interfaces status` lists."""
    first = (line.split()[0] for line in status.splitlines() if line.strip())
    return list(dict.fromkeys(name for name in map(_name, first) if name))


def _state(lines: list[str], fields: dict[str, str], parked: int) -> PortState | str:
    """Answer a state, or why there is none."""
    if group := next((line.split()[1] for line in lines if re.match(r"channel-group \S", line)), None):
        return f"member of LAG {group}"
    if any(line.startswith(_NOT_A_SWITCH_PORT) for line in lines):
        return "no plain switch port"
    if any(re.match(r"(?:switchport )?voice vlan \d", line) for line in lines):
        return "a voice VLAN"
    mode = fields["VLAN Membership Mode"].lower().removesuffix(" mode")
    if mode not in ("trunk", "access", "general"):
        return f"mode {mode or 'unknown'}"
    if "shutdown" in lines:
        return CLOSED
    if mode != "trunk":
        return f"mode {mode}: HIL's ports are trunks"
    return _trunk(fields, parked)


def _trunk(fields: dict[str, str], parked: int) -> PortState | str:
    allowed, native = fields.get("Trunking Mode VLANs Enabled", ""), _native(fields)
    if ALL.fullmatch(allowed):
        return "trunk of all VLANs"
    if native is None:
        return "a native VLAN that is none"
    if fields.get("Trunking Mode Native VLAN Tagging", "disabled").lower() not in ("disable", "disabled"):
        return "the native VLAN is tagged"
    try:
        carried = listed("" if allowed.lower() == "none" else allowed)
    except ValueError:
        return "a VLAN list that is none"
    if not carried:
        return "open without a VLAN"
    if parked in carried:
        return f"the parked VLAN {parked} is allowed"
    if native not in carried:
        return (
            PortState(None, carried) if native == parked else f"the native VLAN {native} is neither allowed nor parked"
        )
    return PortState(native, carried - {native})


def _native(fields: dict[str, str]) -> int | None:
    """A VLAN at the beginning of a value, as in `1 (default)`."""
    found = re.match(r"(\d{1,4})(?![\w-])", fields.get("Trunking Mode Native VLAN", ""))
    return int(found[1]) if found and 1 <= int(found[1]) <= 4093 else None


def _blocks(switchports: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Answer each port with its fields; keys are compared as the newer firmware writes them."""
    for block in re.split(r"^(?=Port: )", switchports, flags=re.MULTILINE):
        fields = dict[str, str]()
        for line in unwrapped(block):
            key, colon, value = line.partition(":")
            if colon:
                fields.setdefault(key.strip().replace(" tagging", " Tagging"), value.strip())
        if (name := _name(fields.get("Port", ""))) and "VLAN Membership Mode" in fields:
            yield name, fields, block.strip()


def _name(text: str) -> str:
    """The canonical name; empty for what is no port."""
    try:
        return SPEC.port_name(text)
    except BadArgument:
        return ""


# -- who it is, who is there ------------------------------------------------------------------------------------------


def about(version: str) -> About:
    """Read `show version`: keys followed by dots, then a table of images with the running one in its fourth column."""
    fields = dict(re.findall(r"^([A-Z][\w ]*?)\.{3,} ?(.*)$", version, re.MULTILINE))
    image = re.search(r"^\d+\s+\S+\s+\S+\s+(\d\S*)\s+\S+\s*$", version, re.MULTILINE)
    model = fields.get("System Model ID") or fields.get("Machine Model") or fields.get("Machine Type", "")
    return About(model.strip(), image[1] if image else "", fields.get("Serial Number", "").strip())


def neighbours(summary: str) -> dict[str, list[Neighbour]]:
    """Read `show lldp remote-device all`: port, number, chassis, port, name; a row that ends before has nobody."""
    found: dict[str, list[Neighbour]] = {}
    for line in summary.splitlines():
        row = re.fullmatch(r"(\S+)\s+(\d+)\s+(\S+)\s+(\S+)(?:\s+(\S.*?))?\s*", line)
        if row and (port := _name(row[1])):
            chassis, other = row[3], row[4]
            found.setdefault(port, []).append(
                Neighbour(canonical_mac(chassis) or chassis, canonical_mac(other) or other, row[5] or "")
            )
    return found


def macs(table: str) -> dict[str, list[Mac]]:
    """Read `show mac address-table dynamic`."""
    found: dict[str, list[Mac]] = {}
    for line in table.splitlines():
        row = re.fullmatch(r"\s*(\d{1,4})\s+([0-9A-Fa-f.:]{12,17})\s+(?:Dynamic|Learned)\s+(\S+)\s*", line)
        if row and (port := _name(row[3])) and (address := canonical_mac(row[2])):
            found.setdefault(port, []).append(Mac(address, int(row[1])))
    return found
