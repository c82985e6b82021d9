"""Lines that belong together, and the ports that they are for: what a plan of a batch is made of. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hil.core.model import PortChange
from hil.drivers.switch.cli.lists import pieces


@dataclass(frozen=True, slots=True)
class Step:
    """Written in turn up to the first line that is refused. A port that failed takes part in no later step."""

    ports: tuple[str, ...]
    lines: tuple[str, ...]


def new_vlans(batch: Iterable[PortChange], longest: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """Answer lists of VLANs to be made, each with the ports that need it; what a port carries already is there.

    VLANs that the same ports need are made together, so that one that cannot be made stops nobody else.
    """
    needed: dict[int, list[str]] = defaultdict(list)
    for change in batch:
        for vlan in change.want.vlans - (change.have.vlans if change.have else frozenset()):
            needed[vlan].append(change.port)
    together: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for vlan in sorted(needed):
        together[tuple(needed[vlan])].append(vlan)
    for ports, vlans in together.items():
        for part in pieces(vlans, longest):
            yield ports, part


def flat(steps: Sequence[Step]) -> list[str]:
    """All lines in their order, for people."""
    return [line for step in steps for line in step.lines]
