"""Projects, and what they hold."""

from __future__ import annotations

from sqlalchemy import select

from hil.api.v0.call import Call
from hil.api.v0.shapes import Record, text
from hil.api.v0.shown import baseline
from hil.core.policy import Act, Kind
from hil.services.context import Context
from hil.services.node import node_allocate, node_free
from hil.services.project import project_create, project_delete
from hil.store.tables import Grant, Network, Node, Project


def list_projects(ctx: Context) -> list[str]:
    ctx.require(Act.ADMIN, Kind.PROJECT)
    return list(ctx.session.scalars(select(Project.name).order_by(Project.name)))


def create(ctx: Context, project: str) -> None:
    project_create(ctx, project)


def delete(ctx: Context, project: str) -> None:
    project_delete(ctx, project)


def connect_node(ctx: Context, project: str, node: str) -> None:
    with baseline(ctx, node):
        node_allocate(ctx, project, node)


def detach_node(ctx: Context, project: str, node: str) -> None:
    with baseline(ctx, node):
        node_free(ctx, project, node)


def list_nodes(ctx: Context, project: str) -> list[str]:
    row = ctx.project(project, Act.READ)
    return list(ctx.session.scalars(select(Node.name).where(Node.project_id == row.id).order_by(Node.name)))


def list_networks(ctx: Context, project: str) -> list[str]:
    """Private networks whose access list names the project."""
    row = ctx.project(project, Act.READ)
    query = (
        select(Network.name)
        .join(Grant, Grant.network_id == Network.id)
        .where(Grant.project_id == row.id, ~Network.public)
        .order_by(Network.name)
    )
    return list(ctx.session.scalars(query))


def list_headnodes(ctx: Context, project: str) -> list[str]:
    ctx.project(project, Act.READ)
    return []


_NODE = Record({"node": text})

CALLS = (
    Call(method="GET", path="projects", work=list_projects),
    Call(method="PUT", path="project/{project}", work=create),
    Call(method="DELETE", path="project/{project}", work=delete),
    Call(method="POST", path="project/{project}/connect_node", work=connect_node, body=_NODE),
    Call(method="POST", path="project/{project}/detach_node", work=detach_node, body=_NODE),
    Call(method="GET", path="project/{project}/nodes", work=list_nodes),
    Call(method="GET", path="project/{project}/networks", work=list_networks),
    Call(method="GET", path="project/{project}/headnodes", work=list_headnodes),
)
