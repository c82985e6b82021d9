"""Operations: what became of an accepted request, worked out from its receipts each time it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Case, case, exists, or_, select
from sqlalchemy.orm import Session

from hil.core.errors import IllegalState
from hil.core.model import OperationStatus
from hil.core.policy import Act, Kind
from hil.services import wish
from hil.services.context import Context
from hil.store.tables import Action, Lane, Node, Operation, Port, Switch


@dataclass(frozen=True, slots=True)
class ActionView:
    """One receipt with its present status; `reason` says why it waits or failed."""

    node: str
    nic: str
    verb: str
    channel: str
    network: str | None
    status: OperationStatus
    reason: str
    switch: str
    port: str


@dataclass(frozen=True, slots=True)
class OperationView:
    """An operation as callers see it. Times are UTC seconds since 1970."""

    id: str
    kind: str
    status: OperationStatus
    reason: str
    node: str
    actor: str
    created_at: float
    deadline: float | None
    project_id: int | None
    actions: tuple[ActionView, ...]


def action_status() -> Case[Any]:
    """A receipt's status as SQL over `Action` joined to its `Port`."""
    return case(
        (Action.withdrawn, OperationStatus.ERROR.value),
        (Action.generation <= Port.applied, OperationStatus.DONE.value),
        (Action.error != "", OperationStatus.ERROR.value),
        else_=OperationStatus.PENDING.value,
    )


def operations_view(session: Session, operations: Sequence[Operation]) -> list[OperationView]:
    """Work out the status of these operations in two queries, however many they are."""
    ids = [operation.id for operation in operations]
    query = (
        select(Action, action_status(), Port.name, Port.error, Switch.name, Lane.error)
        .join(Port, Port.id == Action.port_id)
        .join(Switch, Switch.id == Port.switch_id)
        .join(Lane, Lane.switch_id == Switch.id)
        .where(Action.operation_id.in_(ids))
        .order_by(Action.id)
    )
    actions: dict[str, list[ActionView]] = {identity: [] for identity in ids}
    for action, status, port, port_error, switch, lane_error in session.execute(query):
        waiting = (lane_error or port_error) if status == OperationStatus.PENDING else ""
        actions[action.operation_id].append(
            ActionView(
                action.node_name,
                action.nic_name,
                action.verb,
                action.channel,
                action.network_name,
                OperationStatus(status),
                action.error or waiting,
                switch,
                port,
            )
        )
    releasing = select(Node.release_id, Node.reason).where(Node.release_id.in_(ids))
    reasons = dict(session.execute(releasing).all())
    return [_view(operation, tuple(actions[operation.id]), reasons.get(operation.id)) for operation in operations]


def _view(operation: Operation, actions: tuple[ActionView, ...], releasing: str | None) -> OperationView:
    statuses = {action.status for action in actions}
    reason = operation.error or "; ".join(dict.fromkeys(action.reason for action in actions if action.reason))
    if releasing is not None:
        status, reason = OperationStatus.PENDING, releasing or reason
    elif operation.error:
        status = OperationStatus.ERROR
    elif OperationStatus.PENDING in statuses:
        status = OperationStatus.PENDING
    else:
        status = OperationStatus.ERROR if OperationStatus.ERROR in statuses else OperationStatus.DONE
    return OperationView(
        operation.id,
        operation.kind,
        status,
        reason,
        operation.node_name,
        operation.actor,
        operation.created_at,
        operation.deadline,
        operation.project_id,
        actions,
    )


def operation_pending(session: Session, identity: str) -> bool:
    """Whether anything of an operation still waits; one small query, for those who ask again and again."""
    waiting = (~Action.withdrawn) & (Action.error == "") & (Action.generation > Port.applied)
    action = exists().where(Action.operation_id == identity, Port.id == Action.port_id, waiting)
    releasing = exists().where(Node.release_id == identity)
    return bool(session.scalar(select(or_(releasing, action))))


def operation_show(ctx: Context, identity: str) -> OperationView:
    """One operation. Raises NotFound, also for one of another project."""
    return operations_view(ctx.session, [ctx.operation(identity, Act.READ)])[0]


def operations_list(ctx: Context, *, before: float, before_id: str, limit: int) -> list[OperationView]:
    """One page, newest first: of all for operators, else of the caller's projects."""
    ctx.require(Act.LIST, Kind.OPERATION)
    older = (Operation.created_at < before) | ((Operation.created_at == before) & (Operation.id < before_id))
    query = select(Operation).where(older).order_by(Operation.created_at.desc(), Operation.id.desc()).limit(limit)
    if not ctx.actor.operator:
        query = query.where(Operation.project_id.in_(list(ctx.actor.roles)))
    return operations_view(ctx.session, ctx.session.scalars(query).all())


def operation_cancel(ctx: Context, identity: str) -> OperationView:
    """Withdraw the pending connects of an operation; its ports return to what they had. Detaching is never undone."""
    operation = ctx.operation(identity, Act.MODIFY)
    names = sorted({action.node_name for action in operation.actions})
    nodes = list(ctx.nodes(names, Act.MODIFY).values())
    mine = {action.nic_id for action in operation.actions if action.verb == "connect"}
    nics = [nic for nic in ctx.nics(nodes) if nic.id in mine and nic.port is not None]
    wish.hold(ctx, [nic.port for nic in nics if nic.port is not None])  # what is settled from here on is not cancelled
    pending = wish.pending_nics(ctx.session, [nic.id for nic in nics], operation.id)
    chosen = [nic for nic in nics if nic.id in pending]
    if not chosen:
        raise IllegalState("Nothing of this operation can be cancelled any more.")
    wish.withdraw(ctx, [nic.id for nic in chosen], f"Cancelled by {ctx.actor.name}.", only="connect")
    wish.bump(ctx, [nic.port for nic in chosen if nic.port is not None])
    wish.drop_connecting(ctx, chosen)
    ctx.record("operation_cancel", Kind.OPERATION, identity, project_id=operation.project_id)
    ctx.session.flush()
    for action in operation.actions:  # they were changed behind the session's back
        ctx.session.expire(action)
    return operations_view(ctx.session, [operation])[0]
