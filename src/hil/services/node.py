"""Nodes: register and delete, allocate and release, labels and metadata.

A node is handed out only when every port behind it was read back as carrying nothing, its old tokens are dead and its
last release is whole. What `node_release` begins, the worker's release step ends; `node_free` is the original API's
release, which refuses until nothing is left to do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.orm import selectinload

from hil.core import names
from hil.core.errors import (
    BadArgument,
    Blocked,
    Duplicate,
    Exhausted,
    IllegalState,
    NotFound,
    Pending,
    QuotaExceeded,
)
from hil.core.model import AttachmentState, NodeState
from hil.core.policy import Act, Kind, Standing
from hil.services import wish
from hil.services.context import Context
from hil.services.select import Selector
from hil.store.tables import Action, Nic, Node, NodeLabel, NodeMetadata, Operation, Port, Project


def node_register(ctx: Context, name: str, labels: Mapping[str, str], metadata: Mapping[str, Any]) -> Node:
    """Make a free node without NICs. Raises Duplicate."""
    ctx.require(Act.ADMIN, Kind.NODE)
    names.name("node", name)
    if ctx.session.scalar(select(exists().where(Node.name == name))):
        raise Duplicate(f"Node {name!r} exists already.")
    node = Node(name=name)
    ctx.session.add(node)
    ctx.session.flush()
    for key, value in labels.items():
        _put_label(ctx, node, key, value)
    for key, value in metadata.items():
        _put_metadata(ctx, node, key, value)
    ctx.record("node_register", Kind.NODE, name, after={"labels": dict(labels)})
    return node


def node_delete(ctx: Context, name: str, version: int | None = None) -> None:
    """Forget a free node; its NICs must be gone. Labels and metadata go with it."""
    node = ctx.node(name, Act.ADMIN, version)
    if node.project_id is not None or node.state == NodeState.RELEASING:
        raise Blocked(f"Node {name!r} is in a project: release it first.")
    if ctx.session.scalar(select(exists().where(Nic.node_id == node.id))):
        raise Blocked(f"Node {name!r} has NICs: delete them first.")
    if node.obm_revoke:
        raise Blocked(f"An OBM token of node {name!r} may be alive: disable its OBM first.")
    ctx.session.execute(delete(Node).where(Node.id == node.id))
    ctx.record("node_delete", Kind.NODE, name)


def node_allocate(ctx: Context, project: str, name: str) -> Node:
    """Give one free node to a project. Raises Blocked unless it is free and known to carry nothing."""
    owner = _receiver(ctx, project, 1)
    node = ctx.node(name, Act.ALLOCATE)
    _ready(ctx, node)
    _give(ctx, node, owner)
    return node


def nodes_allocate(ctx: Context, project: str, selector: Selector, count: int) -> list[Node]:
    """Give `count` free nodes that match to a project, all or none. Raises Exhausted with the number that match."""
    if count < 1:
        raise BadArgument("Ask for at least one node.")
    owner = _receiver(ctx, project, count)
    chosen = _lock_free(ctx, selector, count)
    for node in chosen:
        _give(ctx, node, owner)
    return chosen


def nodes_take(ctx: Context, project: str, wanted: Sequence[str]) -> list[Node]:
    """Give these free nodes to a project, all or none. Raises Blocked or Pending for one that is not free and clean."""
    owner = _receiver(ctx, project, len(wanted))
    chosen = list(ctx.nodes(wanted, Act.ALLOCATE).values())
    for node in chosen:
        _ready(ctx, node)
        _give(ctx, node, owner)
    return chosen


def _receiver(ctx: Context, name: str, count: int) -> Project:
    project = ctx.project(name, Act.ALLOCATE)
    if not project.enabled:
        raise IllegalState(f"Project {name!r} is disabled.")
    held = ctx.session.scalar(select(func.count()).where(Node.project_id == project.id)) or 0
    if project.quota_nodes is not None and held + count > project.quota_nodes:
        raise QuotaExceeded(f"Project {name!r} holds {held} of at most {project.quota_nodes} nodes.")
    return project


def _clean() -> Any:
    unsettled = (Port.wanted > Port.applied) | Port.tainted | Port.quarantined | Port.drifted
    return ~exists().where(Nic.node_id == Node.id, Port.nic_id == Nic.id, unsettled)


def _lock_free(ctx: Context, selector: Selector, count: int) -> list[Node]:
    """Lock `count` matching free nodes: first those that nobody else is taking, then, if short, wait for the others."""
    chosen: list[Node] = []
    for patient in (False, True):
        query = (
            select(Node)
            .where(Node.state == NodeState.FREE, ~Node.obm_revoke, _clean(), *selector.clauses())
            .order_by(Node.id)
            .limit(count)
            .with_for_update(of=Node, key_share=True, skip_locked=not patient)
        )
        # While we waited for a row its node may have got a port, which only a new query sees.
        ids = [node.id for node in ctx.session.scalars(query)]
        still = select(Node).where(Node.id.in_(ids), _clean()).order_by(Node.id)
        chosen = list(ctx.session.scalars(still.execution_options(populate_existing=True)))
        if len(chosen) == count:
            return chosen
    raise Exhausted(f"{len(chosen)} free nodes match, {count} were asked for: none was taken.")


def _ready(ctx: Context, node: Node) -> None:
    if node.state != NodeState.FREE:
        raise Blocked(f"Node {node.name!r} is not free.")
    if node.obm_revoke:
        raise Blocked(f"An OBM token of node {node.name!r} may be alive at its OBMd: disable its OBM first.")
    if unsettled := wish.unsettled_ports(ctx.session, node.id):
        nic, port = unsettled[0]
        why = port.error or "it has not been read back yet"
        raise Pending(
            f"Node {node.name!r} is not clean: the port of its NIC {nic!r} is not known to carry nothing ({why})."
        )


def _give(ctx: Context, node: Node, owner: Project) -> None:
    node.state, node.project_id, node.reason = NodeState.ALLOCATED, owner.id, ""
    node.version += 1
    ctx.record("node_allocate", Kind.NODE, node.name, project_id=owner.id, after={"project": owner.name})


def _own(ctx: Context, project: str, name: str) -> tuple[Project, Node]:
    owner = ctx.project(project, Act.MODIFY)
    absent = f"Node {name!r} is not in project {project!r}."
    if ctx.node(name, Act.LIST).project_id != owner.id:
        raise NotFound(absent)
    node = ctx.node(name, Act.MODIFY)
    if node.project_id != owner.id:  # it changed hands before it was locked
        raise NotFound(absent)
    return owner, node


def node_free(ctx: Context, project: str, name: str) -> Node:
    """The original API's release: at once, and only when nothing is attached, pending or unknown."""
    owner, node = _own(ctx, project, name)
    if node.state != NodeState.ALLOCATED:
        raise Pending(wish.PENDING_WORDS)
    if node.obm_token is not None:
        raise Blocked("The node's OBM is enabled: disable it first.")
    if wish.has_attachments(ctx.session, node.id, AttachmentState.ATTACHED):
        raise Blocked("The node is attached to a network: detach it first.")
    if wish.has_attachments(ctx.session, node.id) or wish.unsettled_ports(ctx.session, node.id):
        raise Pending(wish.PENDING_WORDS)
    limits = ctx.unit.store.limits
    if node.obm_revoke or limits.cleaning_url or limits.power_off_on_release or limits.maintenance_project:
        _begin_release(ctx, node, owner)
    else:
        _let_go(ctx, node, owner)
    return node


def _let_go(ctx: Context, node: Node, owner: Project) -> None:
    node.state, node.project_id, node.reason = NodeState.FREE, None, ""
    node.version += 1
    ctx.record("node_free", Kind.NODE, node.name, project_id=owner.id, before={"project": owner.name})


def node_release(ctx: Context, name: str, version: int | None = None) -> Operation:
    """Begin the whole way out of a project: fence the ports, drop tokens, power off, clean, free."""
    seen = ctx.node(name, Act.LIST)
    ctx.require(Act.MODIFY, Kind.NODE, Standing.of(ctx.actor, seen.project_id))
    locked = select(Project).where(Project.id == seen.project_id).with_for_update(key_share=True)
    owner = ctx.session.scalar(locked)  # project before node, as everyone does
    node = ctx.node(name, Act.MODIFY, version)
    if owner is None or node.state != NodeState.ALLOCATED or node.project_id != owner.id:
        raise IllegalState(f"Node {name!r} is {node.state}: only an allocated node is released.")
    return _begin_release(ctx, node, owner)


def _begin_release(ctx: Context, node: Node, owner: Project) -> Operation:
    nics = ctx.nics([node])
    wired = [nic for nic in nics if nic.port is not None and not nic.port.locked]
    generations = wish.bump(ctx, [nic.port for nic in wired if nic.port is not None])
    wish.withdraw(ctx, [nic.id for nic in wired], "The node was released.", only="connect")
    wish.detach_everything(ctx, wired)
    operation = wish.operation_open(
        ctx, "node_release", owner.id, node=node, deadline=ctx.unit.store.limits.release_deadline
    )
    rows = [wish.action_row(operation, node, nic, "close", generations[nic.port.id]) for nic in wired if nic.port]
    if rows:
        ctx.session.execute(insert(Action), rows)
    node.state, node.release_id, node.deadline = NodeState.RELEASING, operation.id, operation.deadline
    node.reason, node.cleaned = "waiting for its ports to be read back as closed", False
    if node.obm_token is not None:
        node.obm_token, node.obm_revoke = None, True
    node.obm_epoch += 1
    node.version += 1
    ctx.record("node_release", Kind.NODE, node.name, project_id=owner.id, before={"project": owner.name})
    ctx.unit.rings.add("release")
    return operation


def node_quarantine(ctx: Context, name: str, reason: str) -> Node:
    """The forced way out of any waiting state: nobody's, not free, its ports closed until an operator returns it."""
    node = ctx.node(name, Act.ADMIN)
    if node.state == NodeState.QUARANTINED:
        raise IllegalState(f"Node {name!r} is quarantined already.")
    nics = [nic for nic in ctx.nics([node]) if nic.port is not None and not nic.port.locked]
    wish.bump(ctx, [nic.port for nic in nics if nic.port is not None])
    wish.withdraw(ctx, [nic.id for nic in nics], "The node was quarantined.", only="connect")
    wish.detach_everything(ctx, nics)
    before = {"state": node.state, "project_id": node.project_id}
    last = node.project_id
    if node.obm_token is not None:
        node.obm_token, node.obm_revoke = None, True
    node.state, node.project_id, node.release_id, node.deadline = NodeState.QUARANTINED, None, None, None
    node.reason, node.cleaned = reason or "quarantined by an operator", False
    node.obm_epoch += 1
    node.version += 1
    ctx.record("node_quarantine", Kind.NODE, name, project_id=last, before=before, after={"reason": node.reason})
    ctx.unit.rings.add("release")
    return node


def node_maintenance(ctx: Context, name: str, reason: str) -> Node:
    """Take a free node out of service."""
    node = ctx.node(name, Act.ADMIN)
    if node.state != NodeState.FREE:
        raise IllegalState(f"Node {name!r} is {node.state}: only a free node goes into maintenance.")
    node.state, node.reason = NodeState.MAINTENANCE, reason
    node.version += 1
    ctx.record("node_maintenance", Kind.NODE, name, after={"reason": reason})
    return node


def node_return(ctx: Context, name: str) -> Node:
    """Put a node from maintenance or quarantine back into the free pool, once its ports are known to carry nothing."""
    node = ctx.node(name, Act.ADMIN)
    if node.state not in (NodeState.MAINTENANCE, NodeState.QUARANTINED):
        raise IllegalState(f"Node {name!r} is {node.state}: only maintenance and quarantine end this way.")
    if wish.has_attachments(ctx.session, node.id) or wish.unsettled_ports(ctx.session, node.id):
        raise Pending(f"Node {name!r} has a port that is not known to carry nothing.")
    if node.obm_revoke:
        raise Blocked(f"An OBM token of node {name!r} may be alive at its OBMd: disable its OBM first.")
    before = {"state": node.state, "reason": node.reason}
    node.state, node.reason, node.cleaned = NodeState.FREE, "", True
    node.version += 1
    ctx.record("node_return", Kind.NODE, name, before=before)
    return node


def node_label_set(ctx: Context, name: str, key: str, value: str) -> None:
    """Set one hardware label."""
    node = ctx.node(name, Act.ADMIN)
    _put_label(ctx, node, key, value)
    node.version += 1
    ctx.record("node_label_set", Kind.NODE, name, after={key: value})


def node_label_remove(ctx: Context, name: str, key: str) -> None:
    node = ctx.node(name, Act.ADMIN)
    row = ctx.session.get(NodeLabel, (node.id, key))
    if row is None:
        raise NotFound(f"Node {name!r} has no label {key!r}.")
    ctx.record("node_label_remove", Kind.NODE, name, before={key: row.value})
    ctx.session.delete(row)
    node.version += 1


def node_metadata_set(ctx: Context, name: str, key: str, value: Any) -> None:
    """Set one metadata entry to any JSON value."""
    node = ctx.node(name, Act.ADMIN)
    _put_metadata(ctx, node, key, value)
    node.version += 1
    ctx.record("node_metadata_set", Kind.NODE, name, after={"key": key})


def node_metadata_remove(ctx: Context, name: str, key: str) -> None:
    node = ctx.node(name, Act.ADMIN)
    row = ctx.session.get(NodeMetadata, (node.id, key))
    if row is None:
        raise NotFound(f"Node {name!r} has no metadata {key!r}.")
    ctx.session.delete(row)
    node.version += 1
    ctx.record("node_metadata_remove", Kind.NODE, name, before={"key": key})


def _put_label(ctx: Context, node: Node, key: str, value: str) -> None:
    names.label(key, value)
    ctx.session.merge(NodeLabel(node_id=node.id, key=key, value=value))


def _put_metadata(ctx: Context, node: Node, key: str, value: Any) -> None:
    names.name("metadata", key)
    ctx.session.merge(NodeMetadata(node_id=node.id, key=key, value=json.dumps(value)))


def nodes_list(
    ctx: Context, selector: Selector, *, after: str, limit: int, state: str | None = None,
    project: str | None = None, named: Sequence[str] = (),
) -> Sequence[Node]:  # fmt: skip
    """One page of nodes by name, with labels and project, in a constant number of queries. Raises NotFound."""
    ctx.require(Act.LIST, Kind.NODE)
    query = select(Node).where(Node.name > after, *selector.clauses()).order_by(Node.name).limit(limit)
    if state is not None:
        query = query.where(Node.state == state)
    if project is not None:
        query = query.where(Node.project_id == ctx.project(project, Act.READ).id)
    if named:
        query = query.where(Node.name.in_(named))
    return ctx.session.scalars(query.options(selectinload(Node.labels), selectinload(Node.project))).all()


def nodes_loaded(ctx: Context, nodes: Sequence[Node]) -> Sequence[Node]:
    """These nodes by name, with labels and project."""
    query = select(Node).where(Node.id.in_([node.id for node in nodes])).order_by(Node.name)
    loaded = query.options(selectinload(Node.labels), selectinload(Node.project))
    return ctx.session.scalars(loaded.execution_options(populate_existing=True)).all()
