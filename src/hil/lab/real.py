"""The data plane of real frames: the lab's Open vSwitch and its network namespaces, behind the face of `plane`.

Everything that it says about isolation was seen on cables. Faults are those of an Open vSwitch: both switches are one
pair of programs, so what breaks one breaks the other.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final

from hil.core.errors import BadArgument
from hil.core.model import PortState
from hil.drivers.switch.ovs import render
from hil.lab.hearing import UNTAGGED, Heard, Hearing
from hil.lab.ovs.datacentre import EDGES, PRIORITY, DataCentre
from hil.lab.ovs.sandbox import process_of
from hil.lab.plane import place_of, unknown
from hil.lab.site import NIC, SWITCHES, Facts, Place, Site

DRIVER: Final = "ovs"
TITLE: Final = "Open vSwitch"
BASIS: Final = "real frames"
FAULTS: Final = {
    "unreachable": "HIL's way to the switches is cut",
    "freeze": "ovs-vswitchd stands still: it neither forwards nor applies anything",
    "power-off": "ovs-vswitchd is off: nothing is forwarded",
}
_SWITCHD: Final = "ovs-vswitchd"
_PROGRAMS: Final = (_SWITCHD, "ovsdb-server")


def start(site: Site, wiring: Mapping[str, Place]) -> DataCentre:
    """Build it; it ends with this process. Raises Unavailable."""
    return DataCentre.start(site.ovs, {(node, NIC): place for node, place in wiring.items()}, SWITCHES)


class RealPlane:
    """Open vSwitch and its machines, asked over the sandbox's control socket."""

    title = TITLE

    def __init__(self, site: Site, facts: Facts) -> None:
        self.facts = facts
        self._site = site
        self.centre = DataCentre.attach(site.ovs)

    def hearing(self, vlans: Collection[int]) -> Hearing:
        """Send a marked frame from every node: untagged, on each of these VLANs and at the rim of the ids."""
        tags = list(dict.fromkeys(chain(EDGES, sorted(vlans))))
        seen = self.centre.probe(tags)
        nodes = tuple(self.facts.wiring)
        found = {Heard(_node(entry.receiver), _node(entry.sender), _how(entry.sent, entry.got)) for entry in seen}
        return Hearing(nodes, (*nodes, *self.centre.switches), frozenset(found), len(nodes) * len(tags), BASIS)

    def ping(self, one: str, other: str) -> tuple[bool, str]:
        for node in (one, other):
            place_of(self.facts, node)
        address = self.centre.address((other, NIC))
        # A kernel that has just asked for this address in vain asks again only after seconds.
        self.centre.run(one, "ip", "neighbour", "flush", "dev", NIC)
        if self.centre.ping((one, NIC), (other, NIC)):
            return True, f"{one} has an answer of {other} ({address})"
        return False, f"{one} has no answer of {other} ({address})"

    def shell(self, node: str, argv: Sequence[str]) -> list[str]:
        place_of(self.facts, node)
        return self.centre.shell(node, *argv)

    def capture(self, node: str, file: Path) -> bool:
        self.centre.capture(f"{node}/{NIC}", file)
        return True

    def captured(self, node: str) -> int:
        return self.centre.captured(f"{node}/{NIC}")

    def programs(self) -> list[tuple[str, int, str]]:
        found = _below(process_of(self._site.ovs / "control.sock"))
        return [(name, pid, "stands still" if state == "T" else "") for name, pid, state in found]

    def addresses(self, node: str) -> tuple[str, str]:
        return self.centre.mac((node, NIC)), self.centre.address((node, NIC))

    def faults(self) -> list[tuple[str, str]]:
        running = {name: state for name, _, state in _below(process_of(self._site.ovs / "control.sock"))}
        true = {
            "unreachable": not (self._site.ovs / "db.sock").exists(),
            "freeze": running.get(_SWITCHD) == "T",
            "power-off": _SWITCHD not in running,
        }
        return [("all", f"{name}: {FAULTS[name]}") for name, holds in true.items() if holds]

    def fault_set(self, switch: str, kind: str, settings: Sequence[str] = ()) -> None:
        self._known(switch)
        if settings:
            raise BadArgument("The faults of an Open vSwitch have no settings: they last until they are cleared.")
        match kind:
            case "unreachable":
                self.centre.reachable(False)
            case "freeze":
                self.centre.freeze(_SWITCHD)
            case "power-off":
                self.centre.power(False)
            case _:
                raise BadArgument(f"{kind[:40]!a} is no fault of an Open vSwitch: use one of {', '.join(FAULTS)}.")

    def fault_clear(self, switch: str | None) -> None:
        if switch is not None:
            self._known(switch)
        present = {words.partition(":")[0] for _, words in self.faults()}
        if "freeze" in present:
            self.centre.freeze(_SWITCHD, frozen=False)
        if "power-off" in present:
            self.centre.power(True)
        if "unreachable" in present:
            self.centre.reachable(True)

    def reboot(self, switch: str) -> None:
        self._known(switch)
        self.centre.reboot()

    def kept(self, place: Place) -> str:
        select = {"op": "select", "table": "Port", "where": [["name", "==", place[1]]], "columns": [*render.COLUMNS]}
        return str(self.centre.transact(select)[0]["rows"])

    def by_hand(self, place: Place, state: PortState | None) -> None:
        self.centre.by_hand(place[1], **(_EVERYTHING if state is None else render.row(state)))

    def _known(self, switch: str) -> None:
        if switch not in SWITCHES:
            unknown(switch, "switch", SWITCHES)


_EVERYTHING: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("vlan_mode", "tag", "trunks", "cvlans"), render.EMPTY),
    "protected": False,
}


def _node(place: str) -> str:
    return place.partition("/")[0]


def _how(sent: int | None, got: int | None) -> str:
    """A frame that has a priority and no VLAN counts as untagged: switches hand it on with or without its tag."""
    one, other = (UNTAGGED if tag in (None, PRIORITY) else f"tag {tag}" for tag in (sent, got))
    return one if one == other else f"{one} to {other}"


def _below(root: int) -> list[tuple[str, int, str]]:
    """The programs that a process has started: name, number, state as in proc(5)."""
    found: list[tuple[str, int, str]] = []
    for entry in sorted((name for name in os.listdir("/proc") if name.isdigit()), key=int):
        try:
            told = Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue
        name, _, rest = told.partition("(")[2].rpartition(")")
        state, parent = rest.split()[:2]
        if int(parent) == root and name in _PROGRAMS and state != "Z":
            found.append((name, int(entry), state))
    return found
