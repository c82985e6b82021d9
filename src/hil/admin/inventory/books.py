"""What HIL has in its books of the things that an inventory describes, read in a constant number of queries."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from hil.core.policy import Act, Kind
from hil.services.context import Context
from hil.store.keys import Keyring
from hil.store.tables import Nic, Node, NodeLabel, NodeMetadata, Port, Project, Switch, Vlan

PortKey = tuple[str, str]
NicKey = tuple[str, str]


@dataclass(slots=True)
class PortBooks:
    locked: bool
    nic: NicKey | None = None


@dataclass(slots=True)
class SwitchBooks:
    driver: str
    audit: str
    config: dict[str, Any]
    secrets: dict[str, Any] = field(repr=False)
    ports: dict[str, PortBooks] = field(default_factory=dict)


@dataclass(slots=True)
class NicBooks:
    macaddr: str
    port: PortKey | None = None


@dataclass(slots=True)
class NodeBooks:
    """`project` is the one that has the node; `state` its life."""

    state: str
    project: str | None
    labels: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    nics: dict[str, NicBooks] = field(default_factory=dict)


@dataclass(slots=True)
class Books:
    """Everything, by name."""

    pool: frozenset[int]
    switches: dict[str, SwitchBooks]
    nodes: dict[str, NodeBooks]


def read(ctx: Context, keys: Keyring | None = None) -> Books:
    """Read all of it; with `keys`, the secrets of the switches too, so that they can be compared."""
    for kind in (Kind.SWITCH, Kind.NODE, Kind.PORT, Kind.POOL):
        ctx.require(Act.ADMIN, kind)
    books = Books(frozenset(ctx.session.scalars(select(Vlan.id).where(Vlan.pool))), {}, {})
    _read_switches(ctx, books, keys)
    _read_nodes(ctx, books)
    _read_wiring(ctx, books)
    return books


def _read_switches(ctx: Context, books: Books, keys: Keyring | None) -> None:
    query = select(Switch.name, Switch.driver, Switch.audit, Switch.config, Switch.secrets).order_by(Switch.name)
    for name, driver, audit, config, hidden in ctx.session.execute(query):
        secrets = {} if keys is None else keys.open_up(hidden)
        books.switches[name] = SwitchBooks(driver, audit, config, secrets)


def _read_nodes(ctx: Context, books: Books) -> None:
    nodes = (
        select(Node.name, Node.state, Project.name)
        .outerjoin(Project, Project.id == Node.project_id)
        .order_by(Node.name)
    )
    for name, state, project in ctx.session.execute(nodes):
        books.nodes[name] = NodeBooks(state, project)
    labels = select(Node.name, NodeLabel.key, NodeLabel.value).join(Node, Node.id == NodeLabel.node_id)
    for name, key, value in ctx.session.execute(labels.order_by(NodeLabel.key)):
        books.nodes[name].labels[key] = value
    entries = select(Node.name, NodeMetadata.key, NodeMetadata.value).join(Node, Node.id == NodeMetadata.node_id)
    for name, key, value in ctx.session.execute(entries.order_by(NodeMetadata.key)):
        books.nodes[name].metadata[key] = json.loads(value)
    nics = select(Node.name, Nic.name, Nic.macaddr).join(Node, Node.id == Nic.node_id)
    for name, nic, macaddr in ctx.session.execute(nics.order_by(Nic.name)):
        books.nodes[name].nics[nic] = NicBooks(macaddr)


def _read_wiring(ctx: Context, books: Books) -> None:
    query = (
        select(Switch.name, Port.name, Port.locked, Node.name, Nic.name)
        .join(Switch, Switch.id == Port.switch_id)
        .outerjoin(Nic, Nic.id == Port.nic_id)
        .outerjoin(Node, Node.id == Nic.node_id)
        .order_by(Port.name)
    )
    rows: Iterable[Any] = ctx.session.execute(query)  # node and NIC may be missing, which the types do not know
    for switch, port, locked, node, nic in rows:
        books.switches[switch].ports[port] = PortBooks(locked, None if node is None else (node, nic))
        if node is not None:
            books.nodes[node].nics[nic].port = (switch, port)
