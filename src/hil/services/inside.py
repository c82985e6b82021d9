"""One node with everything inside of it, in one query: this is what most requests of tenants ask for.

The look-up judges, as every look-up does; the views decide what of it is shown to whom.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Float, Integer, String, Text, bindparam, cast, literal, null, select, union_all

from hil.core.policy import Act
from hil.services.context import Context
from hil.store.question import Question
from hil.store.tables import Attachment, Network, Nic, Node, NodeLabel, NodeMetadata, Port, Project, Switch


@dataclass(slots=True)
class Card:
    """A NIC with the port behind it, and its networks as (channel, network, state)."""

    name: str
    macaddr: str
    switch: str | None
    port: str | None
    networks: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Inside:
    """A node with what it is made of. `metadata` holds JSON text, `deadline` UTC seconds since 1970."""

    name: str
    state: str
    project: str | None
    reason: str
    version: int
    project_id: int | None
    deadline: float | None
    labels: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    nics: dict[str, Card] = field(default_factory=dict)


def _part(kind: str, *text: Any, numbers: tuple[Any, Any, Any] | None = None) -> Any:
    """One branch of the union: what kind of row it is, seven columns of text, two whole numbers, one time."""
    columns = [cast(column, Text) for column in text] + [cast(null(), Text)] * (7 - len(text))
    version, project, deadline = numbers or (cast(null(), Integer), cast(null(), Integer), cast(null(), Float(53)))
    return select(literal(kind, String), *columns, version, project, deadline)


_NAMED: Final = Node.name == bindparam("name", type_=String())
_QUERY: Final = Question(union_all(
    _part(
        "node", Node.name, Node.state, Project.name, Node.reason,
        numbers=(Node.version, Node.project_id, Node.deadline),
    ).select_from(Node).outerjoin(Project, Project.id == Node.project_id).where(_NAMED),
    _part("label", NodeLabel.key, NodeLabel.value).join(Node, Node.id == NodeLabel.node_id).where(_NAMED),
    _part("entry", NodeMetadata.key, NodeMetadata.value).join(Node, Node.id == NodeMetadata.node_id).where(_NAMED),
    _part("nic", Nic.name, Nic.macaddr, Switch.name, Port.name, Attachment.channel, Network.name, Attachment.state)
    .select_from(Nic).join(Node, Node.id == Nic.node_id)
    .outerjoin(Port, Port.nic_id == Nic.id).outerjoin(Switch, Switch.id == Port.switch_id)
    .outerjoin(Attachment, Attachment.nic_id == Nic.id).outerjoin(Network, Network.id == Attachment.network_id)
    .where(_NAMED),
))  # fmt: skip


def node_inside(ctx: Context, name: str) -> Inside:
    """Find and judge a node, and read all of it. Raises NotFound, Denied."""
    rows = _QUERY.ask(ctx.session, name=name)
    found = next((Inside(*row[1:5], *row[8:11]) for row in rows if row[0] == "node"), None)
    ctx.node_judged(name, Act.READ, found)
    assert found is not None, "an absent node was judged as one"
    for kind, one, two, switch, port, channel, network, state, *_ in sorted(rows, key=_order):
        if kind == "label":
            found.labels[one] = two
        elif kind == "entry":
            found.metadata[one] = two
        elif kind == "nic":
            card = found.nics.setdefault(one, Card(one, two, switch, port))
            if channel is not None:
                card.networks.append((channel, network, state))
    return found


def _order(row: Any) -> tuple[str, str, str, str]:
    """By kind and name, the networks of a NIC by channel, what stays before what leaves."""
    return row[0], row[1], row[5] or "", row[7] or ""
