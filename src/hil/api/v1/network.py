"""Networks, who has access to them, who is on them, and what puts NICs there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from hil.api.v1 import cursor, replies, views
from hil.api.v1.door import Answer, Call, Conditional, Plain, Posted, created, gone, noun, shown
from hil.api.v1.shapes import After, InPath, Limit, Name, NetworkChanges, NetworkNew, NetworkPublic, Wait
from hil.core.errors import Duplicate
from hil.core.policy import Act
from hil.services import network as networks
from hil.services.attach import Change, network_change
from hil.services.context import Context
from hil.store.tables import Network

routes = noun("networks")
ProjectFilter = Annotated[Name | None, Query(description="Only networks that this project owns or has access to.")]


def _view(ctx: Context, row: Network) -> views.View:
    owner = ctx.actor.operator or ctx.actor.role(row.owner_id) is not None
    return views.network(row, None if owner else list(ctx.actor.roles))


def _shown(ctx: Context, name: str) -> Answer:
    row = ctx.network(name, Act.READ)
    return shown(_view(ctx, row), row.version)


@routes.post("/network-changes", response_model=replies.Operation, status_code=202)
async def network_change_start(call: Posted, body: NetworkChanges, wait: Wait = 0) -> Response:
    """Connect NICs to networks and detach them: the whole list is accepted or none of it.

    `channel` is `vlan/native` or `vlan/<id>`; left out, it is native when connecting and any when detaching.
    """
    changes = [
        Change(each.node, each.nic, each.network, each.channel, each.action == "connect") for each in body.changes
    ]
    return await call.start(lambda ctx: network_change(ctx, changes), wait)


@routes.get("/networks", response_model=replies.NetworkPage)
def network_list(call: Plain, project: ProjectFilter = None, after: After = None, limit: Limit = 100) -> Response:
    """The networks that the caller may know of, by name."""

    def work(ctx: Context) -> Answer:
        begin = cursor.names(after)[0]
        rows = networks.networks_list(ctx, after=begin, limit=limit + 1, project=project)
        return shown(cursor.page(rows, limit, lambda row: _view(ctx, row), lambda row: row.name))

    return call.read(work)


@routes.post("/networks", response_model=replies.Network, status_code=201)
def network_create(call: Posted, body: NetworkNew) -> Response:
    """Make a network. `owner` null is an operator's; only operators make one public or choose its id."""

    def work(ctx: Context) -> Answer:
        networks.network_create(
            ctx, body.name, owner=body.owner, access=body.access, public=body.public, net_id=body.net_id
        )
        ctx.session.flush()
        answer = _shown(ctx, body.name)
        return created(answer.body, "networks", body.name, version=1)

    return call.change(work)


@routes.get("/networks/{network}", response_model=replies.Network)
def network_show(call: Plain, network: InPath) -> Response:
    """One network that the caller may know of."""
    return call.read(lambda ctx: _shown(ctx, network))


@routes.patch("/networks/{network}", response_model=replies.Network)
def network_update(call: Conditional, network: InPath, body: NetworkPublic) -> Response:
    """Open a network to every project, or close it again. For operators."""
    return _changed(call, network, lambda ctx: networks.network_set_public(ctx, network, body.public, call.version))


@routes.delete("/networks/{network}", status_code=204)
def network_delete(call: Conditional, network: InPath) -> Response:
    """Forget a network that no NIC is on."""

    def work(ctx: Context) -> Answer:
        networks.network_delete(ctx, network, call.version)
        return gone()

    return call.change(work)


@routes.put("/networks/{network}/access/{project}", response_model=replies.Network)
def network_grant(call: Conditional, network: InPath, project: InPath) -> Response:
    """Give a project access to a network; it may have it already."""

    def act(ctx: Context) -> None:
        ctx.network(network, Act.MODIFY, call.version)
        with suppress(Duplicate):  # raised before anything is written
            networks.network_grant(ctx, network, project)

    return _changed(call, network, act)


@routes.delete("/networks/{network}/access/{project}", status_code=204)
def network_revoke(call: Conditional, network: InPath, project: InPath) -> Response:
    """Take a project off the access list: the network's owner may, and the project itself."""

    def work(ctx: Context) -> Answer:
        ctx.network(network, Act.REVOKE, call.version)
        networks.network_revoke(ctx, network, project)
        return gone()

    return call.change(work)


@routes.get("/networks/{network}/attachments", response_model=replies.AttachmentPage)
def network_attachments(call: Plain, network: InPath, after: After = None, limit: Limit = 100) -> Response:
    """The NICs on a network: all for its owner and operators, for others those of their own projects."""

    def work(ctx: Context) -> Answer:
        row = ctx.network(network, Act.READ)
        owner = ctx.actor.operator or ctx.actor.role(row.owner_id) is not None
        node, nic = cursor.names(after, 2)
        found = networks.network_users(
            ctx, row, None if owner else list(ctx.actor.roles), after=(node, nic), limit=limit + 1
        )
        keys = (lambda user: user[0].name, lambda user: user[1].name)
        return shown(cursor.page(found, limit, lambda user: views.attachment(*user), *keys))

    return call.read(work)


def _changed(call: Call, name: str, act: Callable[[Context], object]) -> Response:
    def work(ctx: Context) -> Answer:
        act(ctx)
        ctx.session.flush()
        return _shown(ctx, name)

    return call.change(work)
