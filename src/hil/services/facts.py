"""What answers show beside the rows themselves: names, counts, wiring, each in a constant number of queries.

It judges nobody: whoever calls it found the rows through a Context, and the views decide what of it is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from hil.store.tables import Attachment, Network, Node, Port, Project


def project_names(session: Session, ids: Collection[int | None]) -> dict[int, str]:
    wanted = {identity for identity in ids if identity is not None}
    if not wanted:
        return {}
    query = select(Project.id, Project.name).where(Project.id.in_(wanted))
    return dict(session.execute(query).all())


def project_holdings(session: Session, ids: Collection[int]) -> dict[int, tuple[int, int]]:
    """How many nodes and networks each of these projects has."""
    nodes = select(Node.project_id, func.count()).where(Node.project_id.in_(ids)).group_by(Node.project_id)
    networks = select(Network.owner_id, func.count()).where(Network.owner_id.in_(ids)).group_by(Network.owner_id)
    of_nodes = dict(session.execute(nodes).all())
    of_networks = dict(session.execute(networks).all())
    return {identity: (of_nodes.get(identity, 0), of_networks.get(identity, 0)) for identity in ids}


def port_networks(session: Session, ports: Collection[Port]) -> dict[int, dict[str, str]]:
    """The networks by channel on the NIC behind each of these ports, leaving ones included."""
    found: dict[int, dict[str, str]] = {port.id: {} for port in ports}
    behind = {port.nic_id: port.id for port in ports if port.nic_id is not None}
    query = (
        select(Attachment.nic_id, Attachment.channel, Network.name)
        .join(Network, Network.id == Attachment.network_id)
        .where(Attachment.nic_id.in_(behind))
        .order_by(Attachment.channel, Attachment.state.desc())
    )
    for nic_id, channel, network in session.execute(query):
        found[behind[nic_id]][channel] = network
    return found


@dataclass(frozen=True, slots=True)
class Books:
    """How far the lane of a switch is: ports whose wish is not read back, and since when the oldest is unknown."""

    pending: int = 0
    oldest_taint: float | None = None


def switch_books(session: Session, ids: Collection[int]) -> Mapping[int, Books]:
    pending = and_(Port.wanted > Port.applied, Port.nic_id.is_not(None), ~Port.locked)
    query = (
        select(
            Port.switch_id,
            func.sum(case((pending, 1), else_=0)),
            func.min(case((Port.tainted, Port.tainted_at))),
        )
        .where(Port.switch_id.in_(ids))
        .group_by(Port.switch_id)
    )
    return {switch: Books(count, since) for switch, count, since in session.execute(query)}
