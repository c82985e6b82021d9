"""A node's OBM itself: which OBMd it has, whether it is enabled, and the way to its console.

HIL hands out capabilities and passes nothing through: a console is between the caller and obmd.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from hil.api.errand import obm_enabled_set
from hil.api.public_key import public_key
from hil.api.v1 import replies_obm, views
from hil.api.v1.door import Answer, Call, Conditional, Plain, gone, noun, shown
from hil.api.v1.shapes import ConsoleAsked, InPath, ObmdSet, SshProved
from hil.core.policy import Act
from hil.core.secret import Secret
from hil.services.capability import Right
from hil.services.context import Context
from hil.services.obm import node_obmd_remove, node_obmd_set
from hil.services.obm_grant import CONSOLE, Note, obm_grant, obm_show
from hil.services.obm_ssh import obm_ssh_grant

routes = noun("obm")
PROTOCOL: Final = "hil.console.1"
Force = Annotated[bool, Query(description="The OBMd is gone for good, or cut off: nothing there can reach the node.")]


def _shown(ctx: Context, call: Call, node: str) -> Answer:
    seen = obm_show(ctx, call.desk.edge.store, node)
    return shown({"kind": seen.kind, "enabled": seen.enabled, "settled": seen.settled, "uri": seen.uri})


@routes.get("/nodes/{node}/obm", response_model=replies_obm.Obm)
def obm_status(call: Plain, node: InPath) -> Response:
    """Whether out-of-band management of a node is enabled."""
    return call.read(lambda ctx: _shown(ctx, call, node))


@routes.put("/nodes/{node}/obm", response_model=replies_obm.Obm)
def obm_register(call: Conditional, node: InPath, body: ObmdSet) -> Response:
    """Say which OBMd a node has. For operators."""

    def work(ctx: Context) -> Answer:
        token = None if body.admin_token is None else Secret(body.admin_token)
        node_obmd_set(ctx, ctx.node(node, Act.ADMIN, call.version), body.uri, token)
        ctx.session.flush()
        return _shown(ctx, call, node)

    return call.change(work)


@routes.delete("/nodes/{node}/obm", status_code=204)
def obm_remove(call: Plain, node: InPath, force: Force = False) -> Response:
    """Forget which OBMd a node has. For operators."""

    def work(ctx: Context) -> Answer:
        node_obmd_remove(ctx, node, force=force)
        return gone()

    return call.change(work)


@routes.post("/nodes/{node}/obm/enable", response_model=replies_obm.Obm)
async def obm_enable(call: Plain, node: InPath) -> Response:
    """Enable it, anew each time: whatever was handed out before is dead, and open consoles are cut."""
    return await _set(call, node, enabled=True)


@routes.post("/nodes/{node}/obm/disable", response_model=replies_obm.Obm)
async def obm_disable(call: Plain, node: InPath) -> Response:
    """Disable it: the answer comes when the OBMd has said that nothing lives any more."""
    return await _set(call, node, enabled=False)


async def _set(call: Call, node: str, *, enabled: bool) -> Response:
    desk = call.desk
    await obm_enabled_set(desk.edge, desk.link, call.caller, node, enabled, desk.settings.obmd_timeout)
    return await run_in_threadpool(call.read, lambda ctx: _shown(ctx, call, node))


@routes.post("/nodes/{node}/console", response_model=replies_obm.ConsoleTicket)
def console_ticket(call: Plain, node: InPath, body: ConsoleAsked) -> Response:
    """Get the way to a node's console: a URL, and a capability that opens it for some minutes."""
    store, right = call.desk.edge.store, Right.WATCH if body.watch else Right.CONSOLE

    def work(ctx: Context) -> Answer:
        note = Note("node_console", {"watch": body.watch})
        grant = obm_grant(ctx, store, node, right, act=Act.MODIFY, note=note, life=CONSOLE)
        url = "ws" + grant.at("console").removeprefix("http")
        return shown(
            {
                "url": url,
                "protocol": PROTOCOL,
                "capability": grant.token.reveal(),
                "expires_at": views.moment(grant.expires),
            }
        )

    return call.change(work)


@routes.post("/nodes/{node}/console/ssh", response_model=replies_obm.SshTicket)
def console_ssh(call: Plain, node: InPath, body: SshProved) -> Response:
    """Tell the node's obmd what an SSH key opens. For obmds: they show what HIL gave them with the node's epoch."""
    store, shown_key = call.desk.edge.store, public_key(body.public_key)

    def work(ctx: Context) -> Answer:
        grant = obm_ssh_grant(ctx, store, node, Secret(body.returned), shown_key.fingerprint, opens=body.opens)
        return shown({"capability": grant.token.reveal(), "expires_at": views.moment(grant.expires)})

    return call.unasked(work, changes=body.opens)
