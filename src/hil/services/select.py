"""Label selectors: `cpu=64,gpu,!ssd,rack!=r1` means all of it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists

from hil.core import names
from hil.core.errors import BadArgument
from hil.store.tables import Node, NodeLabel


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: the label is there (`value` None) or has this value; `holds` False turns it round."""

    key: str
    value: str | None
    holds: bool = True


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions on a node's labels, all of which must hold; none means every node."""

    terms: tuple[Term, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Read a selector. Raises BadArgument with the part that cannot be read."""
        return cls(tuple(_term(part.strip()) for part in text.split(",") if part.strip()))

    def clauses(self) -> list[Any]:
        """The conditions as SQL over `Node`."""
        found = []
        for term in self.terms:
            there = exists().where(NodeLabel.node_id == Node.id, NodeLabel.key == term.key)
            if term.value is not None:
                there = there.where(NodeLabel.value == term.value)
            found.append(there if term.holds else ~there)
        return found


def _term(part: str) -> Term:
    if part.count("=") > 1:
        raise BadArgument(f"{part!a} is no selector: use key=value, key!=value, key or !key.")
    key, equals, value = part.partition("=")
    if equals:
        holds = not key.endswith("!")
        return Term(*names.label(key.removesuffix("!").strip(), value.strip()), holds)
    return Term(names.label(key.removeprefix("!"), "")[0], None, not key.startswith("!"))
