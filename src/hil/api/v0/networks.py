"""Networks: made, shared, shown; and what became of a change of a NIC."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from hil.api.v0.call import Call
from hil.api.v0.shapes import Record, text
from hil.api.v0.shown import SHOWN, not_taken
from hil.core.errors import BadArgument, Denied, NotFound
from hil.core.model import NATIVE
from hil.core.policy import Act, Kind
from hil.services.context import Context
from hil.services.network import network_create, network_delete, network_grant, network_revoke, network_users
from hil.services.operation import ActionView, operation_show
from hil.store.tables import Attachment, Grant, Network, Nic, Node, Project

NOBODY = "admin"
"""As the owner of a network: no project, an operator's."""
_TYPES = {"connect": "modify_port", "detach": "modify_port"}


def list_networks(ctx: Context) -> dict[str, Any]:
    """All for operators; public ones, and those alone, for everybody else."""
    ctx.require(Act.LIST, Kind.NETWORK)
    query = select(Network).order_by(Network.name)
    if not ctx.actor.operator:
        query = query.where(Network.public)
    loaded = (joinedload(Network.vlan), selectinload(Network.grants).joinedload(Grant.project))
    found = ctx.session.scalars(query.options(*loaded))
    return {row.name: {"network_id": str(row.vlan.id), "projects": _projects(row)} for row in found}


def _projects(network: Network) -> list[str] | None:
    return None if network.public else sorted(grant.project.name for grant in network.grants)


def create(ctx: Context, network: str, owner: str, access: str, net_id: str) -> None:
    """A project's network is its own and from the pool; for `admin`, no access means public and an id may be chosen."""
    if owner == NOBODY:
        guests = [access] if access else []
        network_create(ctx, network, owner=None, access=guests, public=not access, net_id=net_id)
        return
    ctx.project(owner, Act.ALLOCATE)
    not_taken(ctx, Network, network)
    if access != owner or net_id:
        raise BadArgument("A project's own network is for that project (access) and has no net_id of your choice.")
    network_create(ctx, network, owner=owner)


def delete(ctx: Context, network: str) -> None:
    network_delete(ctx, network)


def show(ctx: Context, network: str) -> dict[str, Any]:
    """The access list as it is for whoever may see the network, and of its nodes those that the caller may know."""
    row = ctx.network(network, Act.READ)
    listed = select(Project.name).join(Grant, Grant.project_id == Project.id).where(Grant.network_id == row.id)
    nodes: dict[str, list[str]] = {}
    for node, nic, _ in _shown_users(ctx, row, None if _owns(ctx, row) else list(ctx.actor.roles)):
        nodes.setdefault(node.name, []).append(nic.name)
    return {
        "access": None if row.public else list(ctx.session.scalars(listed.order_by(Grant.id))),
        "channels": [NATIVE, f"vlan/{row.vlan.id}"],
        "connected-nodes": nodes,
        "name": row.name,
        "owner": row.owner.name if row.owner else NOBODY,
    }


def _owns(ctx: Context, network: Network) -> bool:
    return ctx.actor.operator or ctx.actor.role(network.owner_id) is not None


def _shown_users(ctx: Context, network: Network, project_ids: list[int] | None) -> list[tuple[Node, Nic, Attachment]]:
    return [found for found in network_users(ctx, network, project_ids) if found[2].state in SHOWN]


def attachments(ctx: Context, network: str, project: str | None = None) -> dict[str, Any]:
    """One NIC for each node, the first by name. Without `project` it is the owner's to ask."""
    row = ctx.network(network, Act.READ)
    only = None if project is None else [_asked(ctx, row, project)]
    if only is None and not _owns(ctx, row):
        raise Denied("Only the network's owner may ask for all attachments: name a project of yours.")
    found: dict[str, Any] = {}
    for node, nic, attachment in _shown_users(ctx, row, only):
        holder = node.project.name if node.project else None
        found.setdefault(node.name, {"nic": nic.name, "channel": attachment.channel, "project": holder})
    return found


def _asked(ctx: Context, network: Network, project: str) -> int:
    """The id of a project that was named: one's own, or any for whoever owns the network."""
    if not _owns(ctx, network):
        return ctx.project(project, Act.READ).id
    found = ctx.session.scalar(select(Project.id).where(Project.name == project))
    if found is None:
        raise NotFound(f"There is no project {project!r}.")
    return found


def grant(ctx: Context, network: str, project: str) -> None:
    network_grant(ctx, network, project)


def revoke(ctx: Context, network: str, project: str) -> None:
    network_revoke(ctx, network, project)


def networking_action(ctx: Context, status_id: str) -> dict[str, Any]:
    """What became of one change of one NIC; an operation of another make does not exist here."""
    actions = operation_show(ctx, status_id).actions
    if len(actions) != 1:
        raise NotFound(f"There is no operation {status_id!r}.")
    return _action(actions[0])


def _action(action: ActionView) -> dict[str, Any]:
    return {
        "status": str(action.status),
        "node": action.node,
        "nic": action.nic,
        "type": _TYPES.get(action.verb, "revert_port"),
        "channel": action.channel,
        "new_network": action.network if action.verb == "connect" else None,
    }


_NETWORK = "network/{network}"
_ACCESS = f"{_NETWORK}/access/{{project}}"

CALLS = (
    Call(method="GET", path="networks", work=list_networks),
    Call(method="PUT", path=_NETWORK, work=create, body=Record({"owner": text, "access": text, "net_id": text})),
    Call(method="DELETE", path=_NETWORK, work=delete),
    Call(method="GET", path=_NETWORK, work=show),
    Call(method="GET", path=f"{_NETWORK}/attachments", work=attachments, query=frozenset({"project"})),
    Call(method="PUT", path=_ACCESS, work=grant),
    Call(method="DELETE", path=_ACCESS, work=revoke),
    Call(method="GET", path="networking_action/{status_id}", work=networking_action),
)
