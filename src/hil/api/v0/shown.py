"""What the original API shows of networks on NICs, and small look-ups that several calls share.

It shows finished state only: a network that is being connected is not there yet, one that is being detached still is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from hil.api.v0.call import Reply
from hil.api.v0.failures import Settling
from hil.core.errors import Duplicate, Pending
from hil.core.model import AttachmentState, NodeState
from hil.services import wish
from hil.services.context import Context
from hil.store.tables import Attachment, Network, Nic, Node, Operation, Project, Switch

SHOWN = (AttachmentState.ATTACHED, AttachmentState.DETACHING)


def networks_on(session: Session, nic_ids: Collection[int]) -> dict[int, dict[str, str]]:
    """Network by channel, for each of these NICs."""
    query = (
        select(Attachment.nic_id, Attachment.channel, Network.name)
        .join(Network, Network.id == Attachment.network_id)
        .where(Attachment.nic_id.in_(nic_ids), Attachment.state.in_(SHOWN))
        .order_by(Attachment.channel)
    )
    found: dict[int, dict[str, str]] = {nic_id: {} for nic_id in nic_ids}
    for nic_id, channel, network in session.execute(query):
        found[nic_id][channel] = network
    return found


def not_taken(ctx: Context, kind: type[Network | Switch], name: str) -> None:
    """Raise Duplicate before the rest of a creation is judged, as the original did. The caller was judged already."""
    if ctx.session.scalar(select(exists().where(kind.name == name))):
        raise Duplicate(f"The {kind.__tablename__} {name!r} exists already.")


def project_name(ctx: Context, project_id: int | None) -> str | None:
    if project_id is None:
        return None
    return ctx.session.scalar(select(Project.name).where(Project.id == project_id))


def queued(operation: Operation, status: int = 202) -> Reply:
    """The answer to an accepted change of a port."""
    return Reply(status, {"status_id": operation.id})


@contextmanager
def baseline(ctx: Context, node: str) -> Iterator[None]:
    """Turn Pending into Settling if all that is pending is the first read-back of ports that were just wired."""
    try:
        yield
    except Pending as error:
        if _only_wired(ctx.session, node):
            raise Settling(error.message) from error
        raise


def _only_wired(session: Session, node: str) -> bool:
    """Nothing at all may be left to wait for: it may have been read back since the refusal."""
    row = session.execute(select(Node.id, Node.state).where(Node.name == node)).one_or_none()
    if row is None or row.state not in (NodeState.FREE, NodeState.ALLOCATED) or wish.has_attachments(session, row.id):
        return False
    if any(port.quarantined for _, port in wish.unsettled_ports(session, row.id)):
        return False
    nics = session.scalars(select(Nic.id).where(Nic.node_id == row.id)).all()
    return not wish.pending_nics(session, nics)
