"""The two kinds of data plane that a lab can have, behind one face: real Open vSwitch, or emulated switches.

The face is what a person can do in a server room: look who hears whom, ping, break something, change a port at the
switch. What only one kind can do, the other refuses with a word about why.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

from hil.cli.session import Fault
from hil.core.errors import BadArgument
from hil.core.model import PortState
from hil.core.vlans import unfold, vlan_id
from hil.lab.hearing import Hearing
from hil.lab.site import Facts, Place, Site

EVERYTHING = "everything"


class Plane(Protocol):
    """A data plane as another process sees it."""

    title: str
    facts: Facts

    def hearing(self, vlans: Collection[int]) -> Hearing:
        """Find out who hears whom on these VLANs, untagged, and at the rim of the ids."""
        ...

    def ping(self, one: str, other: str) -> tuple[bool, str]:
        """Whether `one` gets an answer of `other`, and words about it."""
        ...

    def shell(self, node: str, argv: Sequence[str]) -> list[str]:
        """The command that steps into a node. Raises Fault where nodes are no more than ports."""
        ...

    def capture(self, node: str, file: Path) -> bool:
        """Begin to write what passes a node into a pcap file; False where no frames are."""
        ...

    def captured(self, node: str) -> int:
        """End a capture; answer the number of frames."""
        ...

    def programs(self) -> list[tuple[str, int, str]]:
        """Its processes: name, number, and what is to be said of each."""
        ...

    def addresses(self, node: str) -> tuple[str, str]:
        """MAC and IP address of a node; the latter is empty where there is none."""
        ...

    def faults(self) -> list[tuple[str, str]]:
        """The faults that are in force: switch and words."""
        ...

    def fault_set(self, switch: str, kind: str, settings: Sequence[str] = ()) -> None:
        """Break something. Raises BadArgument that says what can be broken."""
        ...

    def fault_clear(self, switch: str | None) -> None:
        """Mend a switch, or all."""
        ...

    def reboot(self, switch: str) -> None:
        """Power off and on: what was not saved is lost, and so is every session."""
        ...

    def kept(self, place: Place) -> str:
        """What the switch has kept of a port's configuration, whether or not it obeys it yet."""
        ...

    def by_hand(self, place: Place, state: PortState | None) -> None:
        """Change a port as somebody at the switch would; None: it carries every VLAN."""
        ...


def attach(site: Site) -> Plane:
    """The data plane of a lab that is up. Raises Unavailable."""
    site.ask("status")
    return plane_of(site)


def plane_of(site: Site) -> Plane:
    """The same, for those who know that it runs."""
    facts = site.facts
    if facts.kind == "ovs":
        from hil.lab.real import RealPlane

        return RealPlane(site, facts)
    from hil.lab.plain import PlainPlane

    return PlainPlane(site, facts)


def place_of(facts: Facts, node: str) -> Place:
    """Where a node is plugged in. Raises Fault that names the nodes."""
    if node not in facts.wiring:
        unknown(node, "node", facts.wiring)
    return facts.wiring[node]


def unknown(name: str, kind: str, known: Collection[str]) -> NoReturn:
    raise Fault(f"there is no {kind} {name[:64]!r} here", f"use one of {', '.join(known)}")


def state_in(words: Sequence[str]) -> PortState | None:
    """Read what a port shall carry: `closed`, `everything`, or `native=100` and `tagged=101,103-105`.

    >>> state_in(["native=100", "tagged=7"])
    PortState(native=100, tagged=frozenset({7}), enabled=True)
    """
    if list(words) == [EVERYTHING]:
        return None
    if list(words) == ["closed"]:
        return PortState()
    native, tagged = None, frozenset[int]()
    for word in words:
        key, _, value = word.partition("=")
        if key == "native" and value.isascii() and value.isdigit():
            native = vlan_id(int(value[:9]))
        elif key == "tagged" and value:
            tagged = unfold(value)
        else:
            raise BadArgument(
                f"{word[:40]!a} is no state of a port: use native=ID, tagged=IDS, closed or {EVERYTHING}."
            )
    if native in tagged:
        raise BadArgument(f"VLAN {native} cannot be native and tagged on one port.")
    return PortState(native, tagged)
