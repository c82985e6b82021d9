"""The verbs of an inventory: what `node`, `nic` and `port` do for one object, for many at once.

A data centre is written down in one go: thousands of nodes and ports in one transaction. Each verb keeps the rules, the
locks and the journal lines of its single counterpart; the number of its queries grows with chunks, not with objects.
Nothing is removed here: what goes, goes one by one, through the verbs that judge it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import delete, insert, select, update

from hil.core import names
from hil.core.errors import Blocked, Duplicate, NotFound
from hil.core.policy import Act, Kind
from hil.drivers.registry import switch_spec
from hil.services import wish
from hil.services.context import Context
from hil.services.nic import mac_is_meant
from hil.store.tables import Nic, Node, NodeLabel, NodeMetadata, Port, Switch

T = TypeVar("T")
_CHUNK = 500
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class NewNode:
    """A node to register, as `node_register` takes it."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewNic:
    node: str
    name: str
    macaddr: str = ""


@dataclass(frozen=True, slots=True)
class NewPort:
    switch: str
    name: str
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Wire:
    """This port is behind that NIC."""

    switch: str
    port: str
    node: str
    nic: str


def nodes_register(ctx: Context, nodes: Sequence[NewNode]) -> None:
    """Make free nodes without NICs. Raises Duplicate naming the first that exists."""
    ctx.require(Act.ADMIN, Kind.NODE)
    for node in nodes:
        names.name("node", node.name)
    for some in _chunks([node.name for node in nodes]):
        if taken := ctx.session.scalar(select(Node.name).where(Node.name.in_(some)).order_by(Node.name).limit(1)):
            raise Duplicate(f"Node {taken!r} exists already.")
    if not nodes:
        return
    made = ctx.session.execute(insert(Node).returning(Node.name, Node.id), [{"name": node.name} for node in nodes])
    ids = {row.name: row.id for row in made}
    _describe(ctx, {ids[node.name]: (node.labels, node.metadata) for node in nodes})
    for node in nodes:
        ctx.record("node_register", Kind.NODE, node.name, after={"labels": dict(node.labels)})


def nodes_describe(ctx: Context, wanted: Mapping[str, tuple[Mapping[str, str], Mapping[str, Any]]]) -> None:
    """Set labels and metadata entries of nodes; others that they have stay. Raises NotFound."""
    ctx.require(Act.ADMIN, Kind.NODE)
    nodes = _lock_nodes(ctx, wanted)
    _describe(ctx, {nodes[name].id: said for name, said in wanted.items()}, replace=True)
    _touch(ctx, nodes.values())
    for name, (labels, metadata) in wanted.items():
        project_id = nodes[name].project_id
        if labels:
            ctx.record("node_label_set", Kind.NODE, name, project_id=project_id, after=dict(labels))
        for key in metadata:
            ctx.record("node_metadata_set", Kind.NODE, name, project_id=project_id, after={"key": key})


def _describe(
    ctx: Context, said: Mapping[int, tuple[Mapping[str, str], Mapping[str, Any]]], *, replace: bool = False
) -> None:
    labels = [
        {"node_id": identity, "key": key, "value": value}
        for identity, (wanted, _) in said.items()
        for key, value in (names.label(*pair) for pair in wanted.items())
    ]
    entries = [
        {"node_id": identity, "key": names.name("metadata", key), "value": json.dumps(value)}
        for identity, (_, wanted) in said.items()
        for key, value in wanted.items()
    ]
    for table, rows in ((NodeLabel, labels), (NodeMetadata, entries)):
        if replace:
            _drop(ctx, table, rows)
        if rows:
            ctx.session.execute(insert(table), rows)


def _drop(ctx: Context, table: type[NodeLabel] | type[NodeMetadata], rows: Iterable[Mapping[str, Any]]) -> None:
    by_key: dict[str, list[int]] = {}
    for row in rows:
        by_key.setdefault(row["key"], []).append(row["node_id"])
    for key, nodes in by_key.items():
        for some in _chunks(nodes):
            ctx.session.execute(
                delete(table)
                .where(table.key == key, table.node_id.in_(some))
                .execution_options(synchronize_session=False)
            )


def nics_register(ctx: Context, nics: Sequence[NewNic]) -> None:
    """Add NICs to nodes. Raises Duplicate, NotFound, BadArgument."""
    ctx.require(Act.ADMIN, Kind.NODE)
    nodes = _lock_nodes(ctx, {nic.node for nic in nics})
    known = _nics(ctx, nodes.values())
    for nic in nics:
        names.name("NIC", nic.name)
        mac_is_meant(nic.macaddr)
        if (nic.node, nic.name) in known:
            raise Duplicate(f"Node {nic.node!r} has a NIC {nic.name!r} already.")
        known[nic.node, nic.name] = 0
    if nics:
        rows = [{"node_id": nodes[nic.node].id, "name": nic.name, "macaddr": nic.macaddr} for nic in nics]
        ctx.session.execute(insert(Nic), rows)
    _touch(ctx, nodes.values())
    for nic in nics:
        facts = {"nic": nic.name, "macaddr": nic.macaddr}
        ctx.record("nic_register", Kind.NODE, nic.node, project_id=nodes[nic.node].project_id, after=facts)


def nics_readdress(ctx: Context, nics: Sequence[NewNic]) -> None:
    """Write down other MAC addresses for NICs that exist. Raises NotFound, BadArgument."""
    ctx.require(Act.ADMIN, Kind.NODE)
    nodes = _lock_nodes(ctx, {nic.node for nic in nics})
    known = _nics(ctx, nodes.values())
    for nic in nics:
        mac_is_meant(nic.macaddr)
    if nics:
        rows = [{"id": _nic_id(known, (nic.node, nic.name)), "macaddr": nic.macaddr} for nic in nics]
        ctx.session.execute(update(Nic), rows)
    _touch(ctx, nodes.values())
    for nic in nics:
        facts = {"nic": nic.name, "macaddr": nic.macaddr}
        ctx.record("nic_readdress", Kind.NODE, nic.node, project_id=nodes[nic.node].project_id, after=facts)


def ports_register(ctx: Context, ports: Sequence[NewPort]) -> None:
    """Register ports under their drivers' canonical names; some as infrastructure. Raises Duplicate, BadArgument."""
    by_switch: dict[str, list[NewPort]] = {}
    for port in ports:
        by_switch.setdefault(port.switch, []).append(port)
    for name in sorted(by_switch):
        _switch_ports(ctx, ctx.switch(name, Act.ADMIN), by_switch[name])


def _switch_ports(ctx: Context, owner: Switch, ports: Sequence[NewPort]) -> None:
    spec = switch_spec(owner.driver)
    canonical = {spec.port_name(names.port_name(port.name)): port.locked for port in ports}
    for some in _chunks(list(canonical)):
        query = select(Port.name).where(Port.switch_id == owner.id, Port.name.in_(some)).limit(1)
        if taken := ctx.session.scalar(query):
            raise Duplicate(f"Switch {owner.name!r} has a port {taken!r} already.")
    rows = [{"switch_id": owner.id, "name": name, "locked": locked} for name, locked in canonical.items()]
    ctx.session.execute(insert(Port), rows)
    owner.version += 1
    for name, locked in canonical.items():
        ctx.record("port_register", Kind.PORT, f"{owner.name}/{name}")
        if locked:
            ctx.record("port_lock", Kind.PORT, f"{owner.name}/{name}")


def wires_register(ctx: Context, wires: Sequence[Wire]) -> None:
    """Say which ports are behind which NICs; their lanes close them and read them back.

    Raises NotFound, Duplicate if a port or NIC is wired already, Blocked for a locked port.
    """
    ctx.require(Act.ADMIN, Kind.PORT)
    nodes = _lock_nodes(ctx, {wire.node for wire in wires})
    nics = _nics(ctx, nodes.values())
    wired = _wired(ctx, {_nic_id(nics, (wire.node, wire.nic)) for wire in wires})
    ports = _lock_ports(ctx, wires)
    rows = []
    for wire in wires:
        nic, port = nics[wire.node, wire.nic], ports[wire.switch, wire.port]
        if nic in wired:
            raise Duplicate(f"NIC {wire.nic!r} of node {wire.node!r} is wired already.")
        if port.nic_id is not None:
            raise Duplicate(f"Port {wire.port!r} of switch {wire.switch!r} is wired already.")
        if port.locked:
            raise Blocked(f"Port {wire.port!r} is locked as infrastructure: unlock it first.")
        wired.add(nic)
        rows.append({"id": port.id, "nic_id": nic})
    if rows:
        ctx.session.execute(update(Port), rows)
    for some in _chunks(sorted(ports.values(), key=lambda port: port.id)):
        wish.bump(ctx, some)
    _touch(ctx, nodes.values())
    for wire in wires:
        facts = {"node": wire.node, "nic": wire.nic}
        ctx.record("port_connect_nic", Kind.PORT, f"{wire.switch}/{wire.port}", after=facts)


def _lock_nodes(ctx: Context, wanted: Collection[str]) -> dict[str, Node]:
    """Find and lock nodes, in the order of their ids."""
    found: list[int] = []
    for some in _chunks(sorted(wanted)):
        found += ctx.session.scalars(select(Node.id).where(Node.name.in_(some)))
    nodes: dict[str, Node] = {}
    for some_ids in _chunks(sorted(found)):
        query = select(Node).where(Node.id.in_(some_ids)).order_by(Node.id).with_for_update(key_share=True, of=Node)
        nodes |= {node.name: node for node in ctx.session.scalars(query.execution_options(populate_existing=True))}
    if missing := sorted(set(wanted) - nodes.keys()):
        raise NotFound(f"There is no node {missing[0]!r}.")
    return nodes


def _lock_ports(ctx: Context, wires: Sequence[Wire]) -> dict[Pair, Port]:
    """Find and lock ports, in the order of their ids."""
    by_switch: dict[str, list[str]] = {}
    for wire in wires:
        by_switch.setdefault(wire.switch, []).append(wire.port)
    found: dict[int, Pair] = {}
    for switch, wanted in by_switch.items():
        owner = ctx.switch(switch, Act.READ)
        for some in _chunks(wanted):
            query = select(Port.id, Port.name).where(Port.switch_id == owner.id, Port.name.in_(some))
            found |= {identity: (switch, name) for identity, name in ctx.session.execute(query)}
    known = set(found.values())
    if missing := next((wire for wire in wires if (wire.switch, wire.port) not in known), None):
        raise NotFound(f"Switch {missing.switch!r} has no port {missing.port!r}.")
    ports: dict[Pair, Port] = {}
    for some_ids in _chunks(sorted(found)):
        locked = select(Port).where(Port.id.in_(some_ids)).order_by(Port.id).with_for_update(key_share=True, of=Port)
        for port in ctx.session.scalars(locked.execution_options(populate_existing=True)):
            ports[found[port.id]] = port
    return ports


def _nics(ctx: Context, nodes: Iterable[Node]) -> dict[Pair, int]:
    """The id of every NIC of these nodes."""
    names_of = {node.id: node.name for node in nodes}
    found: dict[Pair, int] = {}
    for some in _chunks(sorted(names_of)):
        query = select(Nic.id, Nic.node_id, Nic.name).where(Nic.node_id.in_(some))
        found |= {(names_of[node_id], name): identity for identity, node_id, name in ctx.session.execute(query)}
    return found


def _nic_id(known: Mapping[Pair, int], pair: Pair) -> int:
    if pair not in known:
        raise NotFound(f"Node {pair[0]!r} has no NIC {pair[1]!r}.")
    return known[pair]


def _wired(ctx: Context, nics: Collection[int]) -> set[int]:
    found: set[int] = set()
    for some in _chunks(sorted(nics)):
        found.update(nic for nic in ctx.session.scalars(select(Port.nic_id).where(Port.nic_id.in_(some))) if nic)
    return found


def _touch(ctx: Context, nodes: Iterable[Node]) -> None:
    for some in _chunks([node.id for node in nodes]):
        ctx.session.execute(
            update(Node)
            .where(Node.id.in_(some))
            .values(version=Node.version + 1)
            .execution_options(synchronize_session=False)
        )


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
