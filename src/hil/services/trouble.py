"""What an operator looks at beside ports: switches that cannot be driven, and nodes that wait for something."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from hil.core.model import NodeState
from hil.core.policy import Act, Kind
from hil.services.context import Context
from hil.store.tables import Lane, Node, Switch

_WAITING = (NodeState.RELEASING, NodeState.QUARANTINED, NodeState.MAINTENANCE)


def lanes_in_trouble(ctx: Context, *, limit: int) -> list[tuple[str, Lane]]:
    """Switches that could not be driven the last time, with the reason."""
    ctx.require(Act.ADMIN, Kind.SWITCH)
    query = select(Switch.name, Lane).join(Lane, Lane.switch_id == Switch.id).where(Lane.error != "")
    return [(name, lane) for name, lane in ctx.session.execute(query.order_by(Switch.name).limit(limit))]


def nodes_waiting(ctx: Context, *, limit: int) -> Sequence[Node]:
    """Nodes that are neither free nor in use, with their projects."""
    ctx.require(Act.ADMIN, Kind.NODE)
    query = select(Node).where(Node.state.in_(_WAITING)).order_by(Node.name).limit(limit)
    return ctx.session.scalars(query.options(joinedload(Node.project))).all()
