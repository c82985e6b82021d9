"""What `show` of a Catalyst says of its ports, neighbours and itself. Pure, and total on any text.

VLANs are read from the administrative lines of `show interfaces switchport`, never from the operational ones, which
say `down` of a port without a link. Whether a port is shut, is a member of an aggregation, or has a private VLAN is
read from the running configuration. What is not exactly a HIL state is said to be none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, Observed, PortState
from hil.core.wiring import About, Mac, Neighbour, canonical_mac
from hil.drivers.switch.cli.lists import listed, unwrapped
from hil.drivers.switch.ios.spec import SPEC

_INTERFACE: Final = re.compile(r"^interface (\S+)[ \t]*$", re.MULTILINE)
_TAGS_NATIVES: Final = re.compile(r"^vlan dot1q tag native\b", re.MULTILINE)


def ports(running: str, switchports: str, parked: int) -> dict[str, Observed]:
    """Answer every Ethernet port and aggregation that the running configuration has. Raises ValueError."""
    shown = {_name(fields.get("Name", "")): (fields, raw) for fields, raw in _blocks(switchports)}
    natives_tagged = _TAGS_NATIVES.search(running) is not None
    found: dict[str, Observed] = {}
    for name, lines in _interfaces(running):
        fields, raw = shown.get(name, ({}, ""))
        text = "\n".join([f"interface {name}", *lines, raw]).strip()
        state = _state(frozenset(lines), fields, parked, natives_tagged)
        found[name] = Observed(None, state, text) if isinstance(state, str) else Observed(state)
    return found


def _state(lines: frozenset[str], fields: dict[str, str], parked: int, natives_tagged: bool) -> PortState | str:
    """Answer a state, or why there is none."""
    if group := next((line.split()[1] for line in lines if re.match(r"channel-group \S", line)), None):
        return f"member of LAG {group}"
    if "no switchport" in lines or not fields or fields.get("Switchport") == "Disabled":
        return "no switch port"
    if fields.get("Voice VLAN", "none") != "none":
        return "a voice VLAN"
    if any(line.startswith("switchport private-vlan") for line in lines):
        return "a private VLAN"
    if "shutdown" in lines:
        return CLOSED
    match fields.get("Administrative Mode"):
        case "trunk":
            return _trunk(fields, parked, natives_tagged)
        case "static access":
            native = _number(fields.get("Access Mode VLAN", ""))
            return "an access port of no VLAN" if native is None else PortState(native)
        case mode:
            return f"mode {mode or 'unknown'}"


def _trunk(fields: dict[str, str], parked: int, natives_tagged: bool) -> PortState | str:
    allowed, native = fields.get("Trunking VLANs Enabled", ""), _number(fields.get("Trunking Native Mode VLAN", ""))
    if allowed.upper() == "ALL":
        return "trunk of all VLANs"
    if native is None and not re.match(r"0\b", fields.get("Trunking Native Mode VLAN", "")):
        return "a native VLAN that is none"
    if allowed.upper() == "NONE":
        return "open without a VLAN"
    try:
        carried = listed(allowed)
    except ValueError:
        return "a VLAN list that is none"
    if not carried or parked in carried:
        return "open without a VLAN" if not carried else f"the parked VLAN {parked} is allowed"
    if native not in carried:
        return PortState(None, carried)
    if natives_tagged:
        return "the switch tags native VLANs"
    return PortState(native, carried - {native})


def _interfaces(running: str) -> Iterator[tuple[str, list[str]]]:
    """Every interface that may be a port, with its lines; VLAN interfaces, loopbacks and the like are none."""
    places = [*_INTERFACE.finditer(running)]
    for place, after in zip(places, [*places[1:], None], strict=False):
        lines = []
        for line in running[place.end() : after.start() if after else len(running)].splitlines()[1:]:
            if not line.startswith(" "):
                break
            lines.append(line.strip())
        if name := _name(place[1]):
            yield name, lines


def _blocks(switchports: str) -> Iterator[tuple[dict[str, str], str]]:
    for block in re.split(r"^(?=Name: )", switchports, flags=re.MULTILINE):
        fields = dict[str, str]()
        for line in unwrapped(block):
            key, colon, value = line.partition(":")
            if colon:
                fields.setdefault(key.strip(), value.strip())
        if "Name" in fields:
            yield fields, block.strip()


def _name(text: str) -> str:
    """The canonical name; empty for what is no port."""
    try:
        return SPEC.port_name(text)
    except BadArgument:
        return ""


def _number(text: str) -> int | None:
    """A VLAN at the beginning of a value, as in `900 (Inactive)`; None for 0 and anything else."""
    found = re.match(r"(\d{1,4})(?![\w-])", text)
    return int(found[1]) if found and 1 <= int(found[1]) <= 4094 else None


# -- who it is, who is there ------------------------------------------------------------------------------------------


def about(version: str) -> About:
    """Read `show version`."""

    def first(*patterns: str) -> str:
        hits = (re.search(pattern, version, re.MULTILINE | re.IGNORECASE) for pattern in patterns)
        return next((hit[1].strip() for hit in hits if hit), "")

    return About(
        first(r"^Model number\s*: *(\S+)", r"^cisco (\S+) .*processor"),
        first(r"\bVersion ([^,\s]+)"),
        first(r"^System serial number\s*: *(\S+)", r"^Processor board ID (\S+)"),
    )


def neighbours(detail: str) -> dict[str, list[Neighbour]]:
    """Read `show lldp neighbors detail`. What a neighbour says of itself may be a lie, and may look like a field."""
    found: dict[str, list[Neighbour]] = {}
    for block in re.split(r"^-{20,}\s*$", detail, flags=re.MULTILINE):
        fields: dict[str, str] = {}
        for line in block.partition("System Description")[0].splitlines():
            key, colon, value = line.partition(":")
            if colon:
                fields.setdefault(key.strip(), value.strip())
        if port := _name(fields.get("Local Intf", "")):
            chassis, other = fields.get("Chassis id", ""), fields.get("Port id", "")
            name = fields.get("System Name", "")
            found.setdefault(port, []).append(
                Neighbour(canonical_mac(chassis) or chassis, canonical_mac(other) or other, name)
            )
    return found


def macs(table: str) -> dict[str, list[Mac]]:
    """Read `show mac address-table dynamic`."""
    found: dict[str, list[Mac]] = {}
    for line in table.splitlines():
        hit = re.fullmatch(
            r"[\s*]*(\d{1,4})\s+([0-9a-fA-F]{4}(?:\.[0-9a-fA-F]{4}){2})\s+DYNAMIC\s+(?:.*\s)?(\S+)\s*", line
        )
        if hit and (port := _name(hit[3])) and (address := canonical_mac(hit[2])):
            found.setdefault(port, []).append(Mac(address, _number(hit[1])))
    return found
