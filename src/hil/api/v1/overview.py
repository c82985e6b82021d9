"""What operators look at: the plan of pending work, what is in trouble, the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from hil.api.v1 import cursor, replies, views
from hil.api.v1.door import Answer, Plain, noun, shown
from hil.api.v1.shapes import After, Limit, Word
from hil.api.v1.switch import port_views
from hil.services import event
from hil.services.context import Context
from hil.services.plan import plan
from hil.services.port import ports_in_trouble
from hil.services.trouble import lanes_in_trouble, nodes_waiting

routes = noun("overview")
_MOST = 1000
ActionFilter = Annotated[Word | None, Query(description="Only this action, as in `node_release`.")]
KindFilter = Annotated[Word | None, Query(description="Only this kind of object, as in `node`.")]
NameFilter = Annotated[Word | None, Query(description="Only the object of this name.")]
ActorFilter = Annotated[Word | None, Query(description="Only what this user or worker did.")]


@routes.get("/plan", response_model=replies.Plan)
def plan_show(call: Plain) -> Response:
    """What would be sent to each switch for the work that is pending now; nothing is sent."""
    return call.read(lambda ctx: shown({"switches": [views.planned(seen) for seen in plan(ctx)]}))


@routes.get("/trouble", response_model=replies.Trouble)
def trouble_show(call: Plain) -> Response:
    """Ports that are not settled, switches that cannot be driven, nodes that wait."""

    def work(ctx: Context) -> Answer:
        ports = ports_in_trouble(ctx, limit=_MOST + 1)
        lanes = lanes_in_trouble(ctx, limit=_MOST + 1)
        nodes = nodes_waiting(ctx, limit=_MOST + 1)
        return shown(
            {
                "ports": port_views(ctx, [(switch.name, port) for switch, port in ports[:_MOST]]),
                "switches": [views.troubled(name, lane) for name, lane in lanes[:_MOST]],
                "nodes": [views.waiting(node) for node in nodes[:_MOST]],
                "truncated": max(len(ports), len(lanes), len(nodes)) > _MOST,
            }
        )

    return call.read(work)


@routes.get("/journal", response_model=replies.EntryPage)
def journal_list(
    call: Plain, action: ActionFilter = None, kind: KindFilter = None, name: NameFilter = None,
    actor: ActorFilter = None, after: After = None, limit: Limit = 100,
) -> Response:  # fmt: skip
    """The audit log, oldest first. `after` is a `next`, or the number of an entry."""

    def work(ctx: Context) -> Answer:
        begin = cursor.number(after)
        lines = event.journal_list(
            ctx, after=begin, limit=limit + 1, action=action, kind=kind, name=name, actor=actor
        )  # fmt: skip
        more = str(lines[limit - 1].seq) if len(lines) > limit else None
        return shown({"items": [views.entry(line) for line in lines[:limit]], "next": more})

    return call.read(work)
