"""Leases of lanes: which worker drives a switch, and until when.

A lease is taken by a conditional write and counted from *before* that write was sent, so the worker's own deadline is
never later than the database's. Each change of hands raises the lane's fence; claims and settlements name the fence
they were made under and fail (LeaseLost) once it is not the present one.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from hil.core.errors import LeaseLost
from hil.core.model import CLOSED, NATIVE, AttachmentState, PortState
from hil.store.tables import Attachment, Chore, Lane, Port, Switch, Vlan
from hil.store.unit import Store, Unit

_WORKER = "worker "


def boottime() -> float:
    """Seconds that also pass while the machine is suspended or the process stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Hold:
    """A lane in this worker's hands: `deadline` is in `boottime` seconds."""

    switch_id: int
    owner: str
    fence: int
    deadline: float


def lane_take(store: Store, switch_id: int, owner: str) -> Hold | None:
    """Take the lane if it is free or its lease has run out; None if another worker has it."""
    began = boottime()

    def work(unit: Unit) -> int | None:
        now = store.now(unit.session)
        free = or_(Lane.owner.is_(None), Lane.expires_at <= now)
        taken = (
            update(Lane)
            .where(Lane.switch_id == switch_id, free)
            .values(owner=owner, fence=Lane.fence + 1, expires_at=now + store.limits.lease)
            .returning(Lane.fence)
        )
        return unit.session.scalar(taken)

    fence = store.change(work)
    return None if fence is None else Hold(switch_id, owner, fence, began + store.limits.lease)


def lanes_renew(store: Store, owner: str, held: Collection[int]) -> tuple[frozenset[int], float]:
    """Renew the lanes of these switches, as far as this worker still has them; answers which and the new deadline.

    A lane that the worker gave up for want of time is not among `held`: nobody uses that lease, and it must run out.
    """
    began = boottime()

    def work(unit: Unit) -> frozenset[int]:
        now = store.now(unit.session)
        renewed = (
            update(Lane)
            .where(Lane.switch_id.in_(held), Lane.owner == owner, Lane.expires_at > now)
            .values(expires_at=now + store.limits.lease)
            .returning(Lane.switch_id)
        )
        return frozenset(unit.session.scalars(renewed))

    return store.change(work), began + store.limits.lease


def lane_leave(store: Store, hold: Hold) -> None:
    """Give the lane back, if it is still ours."""
    mine = (Lane.switch_id == hold.switch_id, Lane.owner == hold.owner, Lane.fence == hold.fence)
    store.change(lambda unit: unit.session.execute(update(Lane).where(*mine).values(owner=None, expires_at=0.0)))


def lane_locked(unit: Unit, hold: Hold) -> Lane:
    """Lock the lane's row for this transaction. Raises LeaseLost if it is not ours any more."""
    query = select(Lane).where(Lane.switch_id == hold.switch_id).with_for_update(key_share=True)
    lane = unit.session.scalar(query.execution_options(populate_existing=True))
    if lane is None or lane.owner != hold.owner or lane.fence != hold.fence:
        raise LeaseLost("Another worker has taken the lane.")
    if lane.expires_at <= unit.store.now(unit.session):
        raise LeaseLost("The lease of the lane has run out.")
    return lane


@dataclass(frozen=True, slots=True)
class Due:
    """A switch with something to do: `work` now, or an `audit`."""

    switch_id: int
    work: bool
    audit: bool


def lanes_due(store: Store, owner: str) -> list[Due]:
    """Switches that this worker could serve now: free lanes and its own, with pending ports or an audit to make."""

    def work(session: Session) -> list[Due]:
        now = store.now(session)
        claimable = select(Port.switch_id).where(
            Port.wanted > Port.applied, Port.nic_id.is_not(None), ~Port.locked, Port.retry_at <= now
        )
        pending = Lane.switch_id.in_(claimable)
        audit = Lane.audited_at <= now - store.limits.audit_interval
        mine = or_(Lane.owner.is_(None), Lane.owner == owner, Lane.expires_at <= now)
        query = select(Lane.switch_id, pending, audit).where(mine, Lane.retry_at <= now, or_(pending, audit))
        return [Due(switch, bool(waits), bool(old)) for switch, waits, old in session.execute(query)]

    return store.read(work)


def wanted_states(session: Session, port_ids: Collection[int]) -> dict[int, PortState]:
    """What each of these ports shall carry: its attachments but for those that are leaving; nothing if quarantined."""
    wanted = dict.fromkeys(port_ids, CLOSED)
    query = (
        select(Port.id, Attachment.channel, Vlan.id)
        .join(Attachment, Attachment.nic_id == Port.nic_id)
        .join(Vlan, Vlan.network_id == Attachment.network_id)
        .where(Port.id.in_(port_ids), ~Port.quarantined, Attachment.state != AttachmentState.DETACHING)
    )
    for identity, channel, vlan in session.execute(query):
        have = wanted[identity]
        native = vlan if channel == NATIVE else have.native
        tagged = have.tagged if channel == NATIVE else have.tagged | {vlan}
        wanted[identity] = PortState(native, tagged)
    return wanted


@dataclass(frozen=True, slots=True)
class Driven:
    """What a worker needs to open a session with a switch."""

    name: str
    driver: str
    config: dict[str, object]
    version: int


def switch_driven(store: Store, switch_id: int) -> Driven | None:
    """The switch with its whole configuration, secrets included; None if it was deleted."""

    def work(session: Session) -> Driven | None:
        row = session.get(Switch, switch_id)
        if row is None:
            return None
        return Driven(row.name, row.driver, {**row.config, **store.keys.open_up(row.secrets)}, row.version)

    return store.read(work)


def fair_share(store: Store, owner: str) -> int:
    """How many lanes one of the living workers should hold; says at the same time that this one lives."""
    chore_take(store, f"{_WORKER}{owner[-20:]}", owner)

    def work(session: Session) -> int:
        now = store.now(session)
        alive = select(func.count()).where(Chore.name.startswith(_WORKER), Chore.expires_at > now)
        workers = session.scalar(alive) or 1
        return -(-(session.scalar(select(func.count()).select_from(Lane)) or 0) // workers)

    return store.read(work)


def chore_take(store: Store, name: str, owner: str) -> bool:
    """Take or keep a chore for one lease; False if another worker has it."""

    def work(unit: Unit) -> bool:
        now = store.now(unit.session)
        insert = postgresql.insert if store.postgres else sqlite.insert
        row = {"owner": owner, "expires_at": now + store.limits.lease}
        free = or_(Chore.owner == owner, Chore.expires_at <= now)
        claim = insert(Chore).values(name=name, **row)
        taken = claim.on_conflict_do_update(index_elements=["name"], set_=row, where=free).returning(Chore.name)
        return unit.session.scalar(taken) is not None

    return store.change(work)
