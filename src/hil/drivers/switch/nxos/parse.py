"""What a Nexus says of its ports, neighbours and itself. Pure, and total on any text.

VLANs are read from the running configuration, which leaves out defaults (they are known) and cuts long lists into
`add` lines; `show interface switchport`, which knows only operational modes, tells whether a port is a switch port, and
must agree on the VLANs: where it does not, a profile or something else that is not on the port decides. What is not
exactly a HIL state is said to be none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, Observed, PortState
from hil.core.wiring import About, Mac, Neighbour, canonical_mac
from hil.drivers.switch.cli.lists import listed
from hil.drivers.switch.nxos.spec import SPEC

EVERY: Final = frozenset(range(1, 4095))
_BY_HAND: Final = re.compile(
    r"inherit port-profile|switchport voice|switchport private-vlan|fex associate|vpc peer-link"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What `show interface switchport` says of a port; None is what it says nothing of, or nothing usable."""

    switchport: bool
    access: int | None = None
    native: int | None = None
    allowed: frozenset[int] | None = None


def ports(running: str, shown: Mapping[str, Shown], parked: int) -> dict[str, Observed]:
    """Answer every Ethernet port and port channel that the running configuration has."""
    rules = _Rules(running, parked)
    found: dict[str, Observed] = {}
    for name, lines in _interfaces(running):
        state = rules.state(lines, shown.get(name))
        text = "\n".join([f"interface {name}", *lines, str(shown.get(name, "not among the switch ports"))])
        found[name] = Observed(None, state, text) if isinstance(state, str) else Observed(state)
    return found


class _Rules:
    """How a port's lines are meant on this switch."""

    def __init__(self, running: str, parked: int) -> None:
        whole = frozenset(running.splitlines())
        self.parked = parked
        self.shut = "system default switchport shutdown" in whole
        self.natives_tagged = "vlan dot1q tag native" in whole
        self.parked_exists = any(_has(line, parked) for line in whole)

    def state(self, lines: Sequence[str], shown: Shown | None) -> PortState | str:
        """Answer a state, or why there is none."""
        if group := next((line.split()[1] for line in lines if re.match(r"channel-group \S", line)), None):
            return f"member of LAG {group}"
        if stuck := next((line for line in lines if _BY_HAND.match(line)), None):
            return f"only by hand: {stuck}"
        if shown is None or not shown.switchport or "no switchport" in lines:
            return "no switch port"
        if "shutdown" in lines or (self.shut and "no shutdown" not in lines):
            return CLOSED
        match _value(lines, "switchport mode ", "access"):
            case "trunk":
                return self._trunk(lines, shown)
            case "access":
                native = _number(_value(lines, "switchport access vlan ", "1"))
                agreed = native is not None and native == shown.access
                return PortState(native) if agreed else "an access VLAN other than it is shown"
            case mode:
                return f"mode {mode}"

    def _trunk(self, lines: Sequence[str], shown: Shown) -> PortState | str:
        native = _number(_value(lines, "switchport trunk native vlan ", "1"))
        try:
            allowed = _allowed(lines)
        except ValueError:
            return "a VLAN list that is none"
        if allowed == EVERY:
            return "trunk of all VLANs"
        if native is None or native != shown.native or allowed != shown.allowed:
            return "VLANs other than they are shown"
        if not allowed:
            return "open without a VLAN"
        if self.parked in allowed:
            return f"the parked VLAN {self.parked} is allowed"
        if native not in allowed:
            return f"the parked VLAN {self.parked} exists" if self.parked_exists else PortState(None, allowed)
        return "the switch tags native VLANs" if self.natives_tagged else PortState(native, allowed - {native})


def _allowed(lines: Sequence[str]) -> frozenset[int]:
    """Join the allowed list of a port; all if there is none. Raises ValueError."""
    found: frozenset[int] | None = None
    for line in lines:
        if not (hit := re.match(r"switchport trunk allowed vlan (add )?(\S.*)", line)):
            continue
        vlans = frozenset[int]() if hit[2] == "none" else listed(hit[2])
        found = vlans | (found or frozenset()) if hit[1] else vlans
    return EVERY if found is None else found


def _has(line: str, vlan: int) -> bool:
    """Whether a line of the configuration makes this VLAN."""
    try:
        return line.startswith("vlan ") and vlan in listed(line.removeprefix("vlan "))
    except ValueError:
        return False


def _interfaces(running: str) -> Iterator[tuple[str, list[str]]]:
    """Every interface that may be a port, with its lines."""
    places = [*re.finditer(r"^interface (\S+)[ \t]*$", running, re.MULTILINE)]
    for place, after in zip(places, [*places[1:], None], strict=False):
        lines = []
        for line in running[place.end() : after.start() if after else len(running)].splitlines()[1:]:
            if not line.startswith(" "):
                break
            lines.append(" ".join(line.split()))
        if name := _name(place[1]):
            yield name, lines


def _value(lines: Sequence[str], key: str, default: str) -> str:
    return next((line.removeprefix(key) for line in lines if line.startswith(key)), default)


def _name(text: str) -> str:
    """The canonical name; empty for what is no port."""
    try:
        return SPEC.port_name(text)
    except BadArgument:
        return ""


def _number(text: str) -> int | None:
    """A VLAN at the beginning of a value, as in `5 (Vlan not created)`; None for anything else."""
    found = re.match(r"(\d{1,4})(?![\w-])", text)
    return int(found[1]) if found and 1 <= int(found[1]) <= 4094 else None


def _list(text: str) -> frozenset[int] | None:
    try:
        return frozenset() if text.strip().lower() == "none" else listed(text)
    except ValueError:
        return None


# -- show interface switchport ----------------------------------------------------------------------------------------


def switchports_text(text: str) -> dict[str, Shown]:
    """Read what the shell prints."""
    found: dict[str, Shown] = {}
    for block in re.split(r"^(?=Name: )", text, flags=re.MULTILINE):
        fields: dict[str, str] = {}
        key = ""
        for line in block.splitlines():
            name, colon, value = line.partition(":")
            if colon:
                key = name.strip()
                fields.setdefault(key, value.strip())
            elif key == "Trunking VLANs Allowed":
                fields[key] += line.strip()
        if port := _name(fields.get("Name", "")):
            found[port] = Shown(
                fields.get("Switchport") == "Enabled",
                _number(fields.get("Access Mode VLAN", "")),
                _number(fields.get("Trunking Native Mode VLAN", "")),
                _list(fields.get("Trunking VLANs Allowed", "-")),
            )
    return found


def switchports_json(body: Any) -> dict[str, Shown]:
    """Read what NX-API answers: one port alone is an object, several are a list. Raises ValueError."""
    found: dict[str, Shown] = {}
    for row in rows(body, "interface"):
        if port := _name(str(row.get("interface", ""))):
            found[port] = Shown(
                row.get("switchport") == "Enabled",
                _number(str(row.get("access_vlan", ""))),
                _number(str(row.get("native_vlan", ""))),
                _list(str(row.get("trunk_vlans", "-"))),
            )
    return found


def rows(body: Any, name: str) -> list[Mapping[str, Any]]:
    """The rows of a table of NX-API, none if it is empty. Raises ValueError for what is no table."""
    if body in ("", None, {}):
        return []
    try:
        found = body[f"TABLE_{name}"][f"ROW_{name}"]
    except (KeyError, TypeError, IndexError):
        raise ValueError("an answer without the table that was asked for") from None
    listed_rows = found if isinstance(found, list) else [found]
    if not all(isinstance(row, dict) for row in listed_rows):
        raise ValueError("a table whose rows are none")
    return listed_rows


# -- who it is, who is there ------------------------------------------------------------------------------------------


def about(version: str) -> About:
    """Read `show version`."""

    def first(pattern: str) -> str:
        hit = re.search(pattern, version, re.MULTILINE)
        return hit[1].strip() if hit else ""

    model = first(r"^\s+cisco (?:Nexus\S*\s+)?(\S+)")
    return About(model, first(r"^\s+(?:NXOS|system): +version (\S+)"), first(r"Processor [Bb]oard ID (\S+)"))


def neighbours(detail: str) -> dict[str, list[Neighbour]]:
    """Read `show lldp neighbors detail`. What a neighbour says of itself may be a lie, and may look like a field."""
    found: dict[str, list[Neighbour]] = {}
    for block in re.split(r"^(?=Chassis id: )", detail, flags=re.MULTILINE):
        fields: dict[str, str] = {}
        for line in block.partition("System Description")[0].splitlines():
            key, colon, value = line.partition(":")
            if colon:
                fields.setdefault(key.strip(), value.strip())
        if port := _name(fields.get("Local Port id", "")):
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
            r"[\s*+GRCE~()]*(\d{1,4})\s+([0-9a-fA-F]{4}(?:\.[0-9a-fA-F]{4}){2})\s+dynamic\s+(?:.*\s)?(\S+)\s*", line
        )
        if hit and (port := _name(hit[3])) and (address := canonical_mac(hit[2])):
            found.setdefault(port, []).append(Mac(address, _number(hit[1])))
    return found
