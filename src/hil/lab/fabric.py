"""Who can hear whom, computed from what the switches really carry: the question that isolation is about.

It asks neither HIL's database nor what a driver said, only each device's data plane (`carried`). It errs on the side
of hearing: a NIC may send any frame, tagged or not; a port takes frames tagged with its native VLAN too; every VLAN
crosses every link between switches. It forwards no frame, so it proves nothing about a real switch; the lab's Open
vSwitch does.

Two NICs hear each other exactly when their ports carry a common VLAN within one island of trunked switches. That is
symmetric, and not transitive: what one NIC relays, it does on purpose.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from itertools import combinations
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

Nic = TypeVar("Nic", bound=Hashable)

EVERY: Final = 0
"""Stands for *every VLAN* where two ports that carry everything hear each other."""


class Carries(Protocol):
    """A switch, as far as its data plane goes."""

    def carried(self, port: str) -> tuple[int | None, Collection[int], bool]:
        """Answer the port's untagged VLAN, its tagged ones, and whether it carries every other one as well."""
        ...


class Heard(NamedTuple):
    """A VLAN on which two NICs hear each other, and how: `untagged`, or the tag that each side sees."""

    vlan: int
    how: str


class _Reach(NamedTuple):
    """What one NIC can be heard on."""

    island: int
    native: int | None
    vlans: frozenset[int]
    everything: bool


class Fabric(Generic[Nic]):
    """The wiring of NICs to ports of trunked switches. It holds no state of theirs: each question reads them anew.

    `islands` are groups of switches with no link between the groups; switches in none are one more. By default all are
    trunked together.
    """

    def __init__(
        self,
        switches: Mapping[str, Carries],
        wiring: Mapping[Nic, tuple[str, str]],
        islands: Iterable[Collection[str]] = (),
    ) -> None:
        taken: set[tuple[str, str]] = set()
        for nic, (switch, port) in wiring.items():
            if switch not in switches:
                raise ValueError(f"{nic} is wired to {switch}, which is no switch here")
            if (switch, port) in taken:
                raise ValueError(f"port {port} of {switch} has two cables")
            taken.add((switch, port))
        self._switches, self._wiring = dict(switches), dict(wiring)
        self._island = dict.fromkeys(switches, 0)
        self.divide(islands)

    def divide(self, islands: Iterable[Collection[str]]) -> None:
        """Cut the links between groups of switches; no groups join all again. Raises ValueError."""
        island = dict.fromkeys(self._switches, 0)
        for number, group in enumerate(islands, start=1):
            for switch in group:
                if island.get(switch, -1):
                    raise ValueError(f"{switch} is no switch here, or is in two islands")
                island[switch] = number
        self._island = island

    def hears(self, a: Nic, b: Nic) -> list[Heard]:
        """Answer every VLAN on which these two hear each other, lowest first; an empty list is silence."""
        return list(self._shared(self._reach(a), self._reach(b)))

    def domains(self, island: int = 0) -> dict[int, frozenset[Nic]]:
        """Answer the NICs on each VLAN of an island. A NIC that carries everything is on each; alone, on EVERY."""
        reaches = self._reaches().items()
        everywhere = {nic for nic, reach in reaches if reach.everything and reach.island == island}
        found: dict[int, set[Nic]] = defaultdict(lambda: set(everywhere))
        for nic, reach in reaches:
            if reach.island == island:
                for vlan in reach.vlans:
                    found[vlan].add(nic)
        if everywhere:
            found[EVERY] = everywhere
        return {vlan: frozenset(nics) for vlan, nics in found.items()}

    def pairs(self) -> set[frozenset[Nic]]:
        """Answer every pair of NICs that hear each other."""
        groups: dict[tuple[int, int], list[Nic]] = defaultdict(list)
        found: set[frozenset[Nic]] = set()
        reaches = self._reaches()
        for nic, reach in reaches.items():
            for vlan in reach.vlans:
                groups[reach.island, vlan].append(nic)
            if reach.everything:
                found.update(
                    frozenset((nic, other))
                    for other, its in reaches.items()
                    if other != nic and its.island == reach.island and (its.vlans or its.everything)
                )
        for nics in groups.values():
            if len(nics) > 1:
                found.update(map(frozenset, combinations(nics, 2)))
        return found

    def _reaches(self) -> dict[Nic, _Reach]:
        return {nic: self._reach(nic) for nic in self._wiring}

    def _reach(self, nic: Nic) -> _Reach:
        switch, port = self._wiring[nic]
        native, tagged, everything = self._switches[switch].carried(port)
        vlans = frozenset(tagged) if native is None else frozenset((*tagged, native))
        return _Reach(self._island[switch], native, vlans, everything)

    @staticmethod
    def _shared(one: _Reach, other: _Reach) -> Iterator[Heard]:
        if one.island != other.island:
            return
        if one.everything and other.everything:
            yield Heard(EVERY, "any tag")
        common = one.vlans & other.vlans
        if one.everything:
            common |= other.vlans
        if other.everything:
            common |= one.vlans
        for vlan in sorted(common):
            yield Heard(vlan, _how(vlan, one.native, other.native))


def _how(vlan: int, native: int | None, other: int | None) -> str:
    one_side, other_side = ("untagged" if vlan == here else f"tag {vlan}" for here in (native, other))
    return one_side if one_side == other_side else f"{one_side} to {other_side}"
