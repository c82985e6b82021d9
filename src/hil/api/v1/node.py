"""Nodes, their labels, metadata and NICs, and the turns of their lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from hil.api.v1 import cursor, replies, views
from hil.api.v1.door import Acted, Answer, Call, Conditional, Plain, Posted, created, gone, noun, shown
from hil.api.v1.replies import NodeWord
from hil.api.v1.shapes import (
    After,
    InPath,
    LabelInPath,
    LabelSet,
    Limit,
    MetadataSet,
    Name,
    NicNew,
    NodeNew,
    ReasonGiven,
    SelectorText,
    Wait,
)
from hil.core.policy import Act
from hil.core.secret import Secret
from hil.services import nic as nics
from hil.services import node as nodes
from hil.services.context import Context
from hil.services.inside import node_inside
from hil.services.obm import node_obmd_set
from hil.services.select import Selector
from hil.store.tables import Node

routes = noun("nodes")
NodeFilter = Annotated[NodeWord | None, Query(description="Only nodes in this state.")]
ProjectFilter = Annotated[Name | None, Query(description="Only nodes of this project.")]
NameFilter = Annotated[list[Name] | None, Query(max_length=1000, description="Only nodes of these names; repeat it.")]
SelectorFilter = Annotated[
    SelectorText, Query(description="Only nodes with these labels: `cpu=64,gpu,!ssd,rack!=r1` means all of it.")
]


def _inside(ctx: Context, project_id: int | None) -> bool:
    return ctx.actor.operator or ctx.actor.role(project_id) is not None


def _shown(ctx: Context, name: str) -> Answer:
    found = node_inside(ctx, name)
    inside = _inside(ctx, found.project_id)
    return shown(views.node_detail(found, inside=inside, operator=ctx.actor.operator), found.version)


def _listed(ctx: Context, row: Node) -> views.View:
    return views.node(row, inside=_inside(ctx, row.project_id))


@routes.get("/nodes/{node}", response_model=replies.NodeDetail)
def node_show(call: Plain, node: InPath) -> Response:
    """One node: of the caller's projects with its networks, a free one with what it is made of."""
    return call.read(lambda ctx: _shown(ctx, node))


@routes.get("/nodes", response_model=replies.NodePage)
def node_list(
    call: Plain, state: NodeFilter = None, project: ProjectFilter = None, selector: SelectorFilter = "",
    name: NameFilter = None, after: After = None, limit: Limit = 100,
) -> Response:  # fmt: skip
    """Every node with its state and labels, by name; who holds one is told to its project and to operators."""
    chosen = Selector.parse(selector)

    def work(ctx: Context) -> Answer:
        begin = cursor.names(after)[0]
        rows = nodes.nodes_list(
            ctx, chosen, after=begin, limit=limit + 1, state=state, project=project, named=name or ()
        )  # fmt: skip
        return shown(cursor.page(rows, limit, lambda row: _listed(ctx, row), lambda row: row.name))

    return call.read(work)


@routes.post("/nodes", response_model=replies.NodeDetail, status_code=201)
def node_register(call: Posted, body: NodeNew) -> Response:
    """Register a free node. For operators."""

    def work(ctx: Context) -> Answer:
        row = nodes.node_register(ctx, body.name, body.labels, body.metadata)
        if body.obmd is not None:
            node_obmd_set(ctx, row, body.obmd.uri, Secret(body.obmd.admin_token))
        ctx.session.flush()
        return created(_shown(ctx, body.name).body, "nodes", body.name, version=row.version)

    return call.change(work)


@routes.delete("/nodes/{node}", status_code=204)
def node_delete(call: Conditional, node: InPath) -> Response:
    """Forget a free node without NICs. For operators."""
    return _done(call, lambda ctx: nodes.node_delete(ctx, node, call.version))


@routes.put("/nodes/{node}/labels/{key:path}", response_model=replies.NodeDetail)
def node_label_set(call: Conditional, node: InPath, key: LabelInPath, body: LabelSet) -> Response:
    """Set one hardware label. For operators."""
    return _node(call, node, lambda ctx: nodes.node_label_set(ctx, node, key, body.value))


@routes.delete("/nodes/{node}/labels/{key:path}", status_code=204)
def node_label_remove(call: Conditional, node: InPath, key: LabelInPath) -> Response:
    """Remove one hardware label. For operators."""
    return _done(call, lambda ctx: nodes.node_label_remove(ctx, node, key), node)


@routes.put("/nodes/{node}/metadata/{key}", response_model=replies.NodeDetail)
def node_metadata_set(call: Conditional, node: InPath, key: InPath, body: MetadataSet) -> Response:
    """Set one metadata entry to any JSON value. For operators."""
    return _node(call, node, lambda ctx: nodes.node_metadata_set(ctx, node, key, body.value))


@routes.delete("/nodes/{node}/metadata/{key}", status_code=204)
def node_metadata_remove(call: Conditional, node: InPath, key: InPath) -> Response:
    """Remove one metadata entry. For operators."""
    return _done(call, lambda ctx: nodes.node_metadata_remove(ctx, node, key), node)


@routes.post("/nodes/{node}/nics", response_model=replies.Nic, status_code=201)
def nic_register(call: Acted, node: InPath, body: NicNew) -> Response:
    """Add a NIC to a node. For operators."""

    def work(ctx: Context) -> Answer:
        ctx.node(node, Act.ADMIN, call.version)
        nics.nic_register(ctx, node, body.name, body.macaddr)
        ctx.session.flush()
        card = node_inside(ctx, node).nics[body.name]
        return created(views.nic(card, operator=True), "nodes", node)

    return call.change(work)


@routes.delete("/nodes/{node}/nics/{nic}", status_code=204)
def nic_delete(call: Conditional, node: InPath, nic: InPath) -> Response:
    """Remove a NIC from a node that is in no project. For operators."""
    return _done(call, lambda ctx: nics.nic_delete(ctx, node, nic), node)


@routes.post("/nodes/{node}/release", response_model=replies.Operation, status_code=202)
async def node_release(call: Acted, node: InPath, wait: Wait = 0) -> Response:
    """Let go of a node: its ports are closed and read back, its tokens die, it is cleaned, and then it is free."""
    return await call.start(lambda ctx: nodes.node_release(ctx, node, call.version), wait)


@routes.post("/nodes/{node}/quarantine", response_model=replies.NodeDetail)
def node_quarantine(call: Acted, node: InPath, body: ReasonGiven) -> Response:
    """Take a node from whoever has it, close its ports and keep it from everybody. For operators."""
    return _node(call, node, lambda ctx: nodes.node_quarantine(ctx, node, body.reason))


@routes.post("/nodes/{node}/maintenance", response_model=replies.NodeDetail)
def node_maintenance(call: Acted, node: InPath, body: ReasonGiven) -> Response:
    """Take a free node out of service. For operators."""
    return _node(call, node, lambda ctx: nodes.node_maintenance(ctx, node, body.reason))


@routes.post("/nodes/{node}/return", response_model=replies.NodeDetail)
def node_return(call: Acted, node: InPath) -> Response:
    """End maintenance or quarantine: the node is free, once its ports are known to carry nothing. For operators."""
    return _node(call, node, lambda ctx: nodes.node_return(ctx, node))


def _node(call: Call, name: str, act: Callable[[Context], object]) -> Response:
    """Do something to a node that an operator may, if it still has the version that If-Match names; show it."""

    def work(ctx: Context) -> Answer:
        ctx.node(name, Act.ADMIN, call.version)
        act(ctx)
        ctx.session.flush()
        return _shown(ctx, name)

    return call.change(work)


def _done(call: Call, act: Callable[[Context], object], name: str | None = None) -> Response:
    """Do something of which nothing is left to show; with a name, under that node's version."""

    def work(ctx: Context) -> Answer:
        if name is not None:
            ctx.node(name, Act.ADMIN, call.version)
        act(ctx)
        return gone()

    return call.change(work)
