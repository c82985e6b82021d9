"""The engine's request side: raise a port's wanted generation, hand out receipts, see what is still pending.

Every change of what a port shall carry goes through `bump`, in the transaction that changes the attachments: the row
lock on the port then orders it against the worker's claim, which takes the same lock before it reads them.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable

from sqlalchemy import ColumnElement, and_, delete, exists, select, update
from sqlalchemy.orm import Session

from hil.core.errors import Blocked, NotFound, Pending
from hil.core.model import AttachmentState
from hil.services.context import Context
from hil.store.tables import Action, Attachment, Nic, Node, Operation, Port

PENDING_WORDS = "Node has pending network actions"
"""The leasing scripts of the original compare for exactly this text (facts of the v0 contract, section 1.3)."""


def bump(ctx: Context, ports: Collection[Port]) -> dict[int, int]:
    """Raise the wanted generation of these ports and wake their lanes; answers the new generation per port id."""
    ids = hold(ctx, ports)
    if not ids:
        return {}
    raised = (
        update(Port)
        .where(Port.id.in_(ids))
        .values(wanted=Port.wanted + 1, retry_at=0.0, attempts=0)
        .returning(Port.id, Port.wanted)
        .execution_options(synchronize_session=False)
    )
    generations = dict(ctx.session.execute(raised).all())
    for port in ports:
        ctx.unit.wake(port.switch_id)
    return generations


def hold(ctx: Context, ports: Collection[Port]) -> list[int]:
    """Lock these ports, in the order of their ids: nothing is settled meanwhile. Answers the ids."""
    ids = sorted(port.id for port in ports)
    if ids:
        ctx.session.execute(select(Port.id).where(Port.id.in_(ids)).order_by(Port.id).with_for_update(key_share=True))
    return ids


def operation_open(
    ctx: Context,
    kind: str,
    project_id: int | None,
    *,
    node: Node | None = None,
    deadline: float | None = None,
) -> Operation:
    """Write down one accepted request; its identity is a random UUID in lower-case text form."""
    operation = Operation(
        id=str(uuid.uuid4()),
        kind=kind,
        project_id=project_id,
        node_id=node.id if node else None,
        node_name=node.name if node else "",
        actor=ctx.actor.name,
        created_at=ctx.now,
        deadline=None if deadline is None else ctx.now + deadline,
    )
    ctx.session.add(operation)
    ctx.session.flush()
    return operation


def action_row(
    operation: Operation,
    node: Node,
    nic: Nic,
    verb: str,
    generation: int,
    channel: str = "",
    network: str | None = None,
) -> dict[str, object]:
    """A receipt, as a row of `Action` to be inserted: this NIC's port, this generation."""
    assert nic.port is not None
    return {
        "operation_id": operation.id,
        "nic_id": nic.id,
        "port_id": nic.port.id,
        "node_name": node.name,
        "nic_name": nic.name,
        "verb": verb,
        "generation": generation,
        "channel": channel,
        "network_name": network,
    }


def detach(ctx: Context, attachment_ids: Collection[int]) -> None:
    """Turn these attachments into the wish that they be gone, as of the newest generation of their ports."""
    _leave(ctx, Attachment.id.in_(attachment_ids))


def pending_nics(session: Session, nic_ids: Collection[int], operation_id: str | None = None) -> frozenset[int]:
    """Those of these NICs that have an action, of this operation or of any, which is neither done nor failed."""
    waiting = and_(~Action.withdrawn, Action.error == "", Action.generation > Port.applied)
    if operation_id is not None:
        waiting = and_(waiting, Action.operation_id == operation_id)
    query = (
        select(Action.nic_id)
        .join(Port, Port.id == Action.port_id)
        .where(Action.nic_id.in_(nic_ids), waiting)
        .distinct()
    )
    return frozenset(session.scalars(query))


def no_pending(ctx: Context, nics: Iterable[Nic], words: str = PENDING_WORDS) -> None:
    if pending_nics(ctx.session, [nic.id for nic in nics]):
        raise Pending(words)


def wired_port(node: Node, nic: Nic) -> Port:
    """The port behind a NIC that HIL may write. Raises NotFound for an unwired NIC, Blocked for a held port."""
    port = nic.port
    if port is None:
        raise NotFound(f"NIC {nic.name!r} of node {node.name!r} is wired to no switch port.")
    if port.locked:
        raise Blocked(f"Port {port.name!r} is locked as infrastructure: HIL does not write it.")
    if port.quarantined:
        raise Blocked(f"Port {port.name!r} is quarantined: ask an operator.")
    return port


def unsettled_ports(session: Session, node_id: int) -> list[tuple[str, Port]]:
    """Ports of a node that are not known, by read-back, to carry exactly what is wished: nothing, for a free node.

    Each with the name of its NIC, which is what a tenant may be told.
    """
    query = (
        select(Nic.name, Port)
        .join(Port, Port.nic_id == Nic.id)
        .where(
            Nic.node_id == node_id,
            (Port.wanted > Port.applied) | Port.tainted | Port.quarantined | Port.drifted,
        )
        .order_by(Port.id)
    )
    return [(nic, port) for nic, port in session.execute(query)]


def has_attachments(session: Session, node_id: int, *states: AttachmentState) -> bool:
    """Whether a NIC of the node has an attachment, of these states if some are named."""
    found = exists().where(Attachment.nic_id == Nic.id, Nic.node_id == node_id)
    return bool(session.scalar(select(found.where(Attachment.state.in_(states)) if states else found)))


def detach_everything(ctx: Context, nics: Collection[Nic]) -> None:
    """Turn every attachment of these NICs into the wish that it be gone, as of the generation just raised."""
    _leave(ctx, Attachment.nic_id.in_([nic.id for nic in nics]))


def _leave(ctx: Context, chosen: ColumnElement[bool]) -> None:
    newest = select(Port.wanted).where(Port.nic_id == Attachment.nic_id).scalar_subquery()
    ctx.session.execute(
        update(Attachment)
        .where(chosen, Attachment.state != AttachmentState.DETACHING)
        .values(state=AttachmentState.DETACHING, generation=newest)
        .execution_options(synchronize_session=False)
    )


def withdraw(ctx: Context, nic_ids: Collection[int], why: str, *, only: str | None = None) -> None:
    """Give up the pending actions of these NICs, or `only` those of one verb; the wish itself is the caller's work."""
    chosen = [Action.nic_id.in_(nic_ids), Action.generation > Port.applied]
    if only is not None:
        chosen.append(Action.verb == only)
    pending = select(Action.id).join(Port, Port.id == Action.port_id).where(*chosen)
    ctx.session.execute(
        update(Action)
        .where(Action.id.in_(pending), ~Action.withdrawn)
        .values(withdrawn=True, error=why)
        .execution_options(synchronize_session=False)
    )


def drop_connecting(ctx: Context, nics: Collection[Nic]) -> None:
    """Withdraw the wish for what has not been read back yet; the generation must have been raised before."""
    ctx.session.execute(
        delete(Attachment).where(
            Attachment.nic_id.in_([nic.id for nic in nics]), Attachment.state == AttachmentState.CONNECTING
        )
    )


def forget_attachments(ctx: Context, nic_id: int) -> None:
    """Drop the attachments of a NIC from the books; `PortVlan` still keeps their ids from being handed out."""
    ctx.session.execute(delete(Attachment).where(Attachment.nic_id == nic_id))
