"""Who hears whom, as an answer: what was heard, how it was found out, and a table of it for people.

An answer says what it rests on. Frames prove what they did; a state that devices tell proves no more than that they
tell it. The two are never mixed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

SILENT: Final = "·"
UNTAGGED: Final = "untagged"


class Heard(NamedTuple):
    """One way in which a node hears another: `untagged`, `tag 102`, or `tag 102 to untagged`."""

    receiver: str
    sender: str
    how: str


@dataclass(frozen=True, slots=True)
class Hearing:
    """Everything that was heard among `listeners`, of which `nodes` also sent. `frames` is 0 if none was sent."""

    nodes: tuple[str, ...]
    listeners: tuple[str, ...]
    heard: frozenset[Heard]
    frames: int
    basis: str

    @property
    def pairs(self) -> set[frozenset[str]]:
        """Every two of which at least one hears the other."""
        return {frozenset((entry.receiver, entry.sender)) for entry in self.heard}

    @property
    def node_pairs(self) -> set[frozenset[str]]:
        """The same without the switches' own ports."""
        return {pair for pair in self.pairs if pair <= set(self.nodes)}

    def between(self, one: Collection[str], other: Collection[str]) -> list[Heard]:
        """What crosses from one side to the other, either way."""
        return sorted(
            entry
            for entry in self.heard
            if (entry.receiver in one and entry.sender in other) or (entry.receiver in other and entry.sender in one)
        )

    def of(self, node: str) -> list[Heard]:
        """What reaches a node or leaves it for another."""
        return sorted(entry for entry in self.heard if node in (entry.receiver, entry.sender))

    def how(self, receiver: str, sender: str) -> list[str]:
        return sorted(entry.how for entry in self.heard if entry[:2] == (receiver, sender))

    def table(self) -> Iterator[list[str]]:
        """Rows of words: who listens, then what they hear of each node."""
        yield ["hears", *self.nodes]
        for receiver in self.listeners:
            if receiver in self.nodes or any(entry.receiver == receiver for entry in self.heard):
                yield [receiver, *(self._cell(receiver, sender) for sender in self.nodes)]

    def _cell(self, receiver: str, sender: str) -> str:
        if receiver == sender:
            return ""
        ways = self.how(receiver, sender)
        if UNTAGGED in ways:  # the same VLAN, sent with its tag, is no other way
            ways = [way for way in ways if not way.endswith(f" to {UNTAGGED}")]
        return "+".join(map(_short, reversed(ways))) or SILENT


def _short(how: str) -> str:
    return how.replace("untagged", "native").replace("tag ", "")
