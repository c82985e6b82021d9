"""The two short transactions around a device session: claim before anything is touched, settle what was read back.

Claiming marks a port *tainted* and writes down every VLAN that it may carry from now on, in a commit of its own, before
one byte goes to the switch. Settling is done only under the same fence, only for what was read back, and only as far as
the generation that was claimed. Between the two the process may die at any point and nothing false is on the books.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, delete, func, insert, select, update
from sqlalchemy.orm import Session

from hil.core.errors import DeviceError, LoginRefused
from hil.core.model import AttachmentState, Observed, OperationStatus, PortState
from hil.core.policy import Kind
from hil.store.journal import Entry, Source
from hil.store.lanes import Hold, lane_locked, wanted_states
from hil.store.tables import Action, Attachment, Operation, Port, PortVlan
from hil.store.unit import Unit

_QUIET: Any = {"synchronize_session": False}
_SETTLED: Any = {
    "tainted": False, "tainted_at": None, "drifted": False, "error": "", "attempts": 0, "retry_at": 0.0
}  # fmt: skip
LIES = 3
"""So often a read-back may differ, without any error, before it counts as a refusal."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """One port of a batch, as plain values; `tainted`: an earlier attempt had touched it and was never settled."""

    port_id: int
    port: str
    generation: int
    want: PortState
    tainted: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the device session found out about one claimed port."""

    claimed: Claimed
    observed: Observed | None
    error: DeviceError | None = None

    @property
    def done(self) -> bool:
        return self.error is None and self.observed is not None and self.observed.state == self.claimed.want


def observed_json(observed: Observed) -> dict[str, Any]:
    """The shape in which a read-back is kept and shown."""
    if observed.state is None:
        return {"reason": observed.reason, "raw": observed.raw[:2000]}
    return {"native": observed.state.native, "tagged": sorted(observed.state.tagged)}


def observed_state(kept: Mapping[str, Any] | None) -> PortState | None:
    """The state in a kept read-back; None if there is none, or none that can be represented."""
    if kept is None or "reason" in kept:
        return None
    return PortState(kept["native"], frozenset(kept["tagged"]))


def claim(unit: Unit, hold: Hold, source: Source) -> list[Claimed]:
    """Claim the ports of this lane whose newest wish has not been read back; overdue connects are withdrawn first."""
    lane = lane_locked(unit, hold)
    expire(unit, hold.switch_id, source)
    session, now = unit.session, unit.store.now(unit.session)
    if lane.retry_at > now:
        return []  # the switch as a whole failed a moment ago, and a new wish does not make it well
    query = (
        select(Port.id, Port.name, Port.wanted, Port.tainted)
        .where(Port.switch_id == hold.switch_id, Port.wanted > Port.applied, Port.retry_at <= now)
        .where(Port.nic_id.is_not(None), ~Port.locked)
        .order_by(Port.id)
        .limit(unit.store.limits.batch)
        .with_for_update(key_share=True)
    )
    ports = session.execute(query).all()
    if not ports:
        return []
    ids = [port.id for port in ports]
    wanted = wanted_states(session, ids)
    batch = [Claimed(port.id, port.name, port.wanted, wanted[port.id], port.tainted) for port in ports]
    since = case((Port.tainted, Port.tainted_at), else_=now)
    touched = update(Port).where(Port.id.in_(ids)).values(tainted=True, tainted_at=since)
    session.execute(touched.execution_options(**_QUIET))
    may_carry(session, {entry.port_id: entry.want.vlans for entry in batch})
    return batch


def may_carry(session: Session, vlans: Mapping[int, Collection[int]]) -> None:
    """Write down that these ports may carry these VLANs, beside what they may carry already."""
    missing = {port: set(ids) for port, ids in vlans.items()}
    present = select(PortVlan.port_id, PortVlan.vlan).where(PortVlan.port_id.in_(vlans))
    for port, vlan in session.execute(present):
        missing[port].discard(vlan)
    _carry(session, missing)


def _carry(session: Session, vlans: Mapping[int, Collection[int]]) -> None:
    rows = [{"port_id": port, "vlan": vlan} for port, ids in vlans.items() for vlan in ids]
    if rows:
        session.execute(insert(PortVlan), rows)


def settle(unit: Unit, hold: Hold, outcomes: Sequence[Outcome], source: Source) -> None:
    """Book the outcomes. Raises LeaseLost, booking nothing, if the lane has changed hands meanwhile."""
    lane = lane_locked(unit, hold)
    now = unit.store.now(unit.session)
    ids = sorted(outcome.claimed.port_id for outcome in outcomes)
    locked = select(Port.id, Port.applied, Port.wanted).where(Port.id.in_(ids)).order_by(Port.id)
    before = {port.id: port for port in unit.session.execute(locked.with_for_update(key_share=True))}
    present = [outcome for outcome in outcomes if outcome.claimed.port_id in before]
    done = [outcome for outcome in present if outcome.done]
    _book_done(unit.session, done, {identity: (port.applied, port.wanted) for identity, port in before.items()}, now)
    ended = _book_failed(unit, [outcome for outcome in present if not outcome.done], now)
    _book_vlans(unit.session, present)
    _book_attachments(unit.session, [outcome.claimed.port_id for outcome in done])
    applied = {identity: port.applied for identity, port in before.items()}
    _tell(unit, [*ended, *_finished(unit.session, applied)], source)
    lane.error, lane.attempts, lane.retry_at, lane.contact_at = "", 0, 0.0, now
    unit.rings.add("release")


def _book_done(
    session: Session, outcomes: Sequence[Outcome], before: Mapping[int, tuple[int, int]], now: float
) -> None:
    """Settle the ports that were read back as wanted, in one statement; `before` is (applied, wanted) by port."""
    rows = []
    for outcome in outcomes:
        applied, wanted = before[outcome.claimed.port_id]
        assert outcome.observed is not None, "done without having been read back"
        rows.append(
            {
                "id": outcome.claimed.port_id,
                "applied": _reached(applied, outcome.claimed.generation, wanted),
                "observed": observed_json(outcome.observed),
                "read_at": now,
                **_SETTLED,
            }
        )
    if rows:
        session.execute(update(Port), rows)


def _reached(applied: int, generation: int, wanted: int) -> int:
    """How far a port is settled that was read back as this generation wanted it: no further, and never back."""
    return max(applied, min(generation, wanted))


def _book_failed(unit: Unit, outcomes: Sequence[Outcome], now: float) -> list[int]:
    """Book what was seen of the other ports. Answers the ids of the actions that ended in error by that."""
    ids = [outcome.claimed.port_id for outcome in outcomes]
    query = select(Port).where(Port.id.in_(ids)).execution_options(populate_existing=True)
    ports = {port.id: port for port in unit.session.scalars(query)}
    ended: list[int] = []
    for outcome in outcomes:
        port = ports[outcome.claimed.port_id]
        if outcome.observed is not None:
            port.observed, port.read_at = observed_json(outcome.observed), now
        ended += _failed(unit, port, outcome, now)
    unit.session.flush()
    return ended


def _failed(unit: Unit, port: Port, outcome: Outcome, now: float) -> list[int]:
    """Keep the port tainted; give up its connects if the device refused or has differed often enough.

    Answers the ids of the actions that ended in error by that.
    """
    words = str(outcome.error) if outcome.error is not None else _difference(outcome)
    port.attempts += 1
    port.error = words
    pause = unit.store.limits.retry_first * 2 ** min(port.attempts - 1, 12)
    port.retry_at = now + min(pause, unit.store.limits.retry_most)
    if port.wanted > outcome.claimed.generation:
        port.retry_at = now  # there is a newer wish than the one that failed
    final = not outcome.error.retry if outcome.error is not None else port.attempts >= LIES
    return refuse(unit, port, outcome.claimed.generation, words, now) if final else []


def _difference(outcome: Outcome) -> str:
    return f"The switch shows {outcome.observed}, wanted was {outcome.claimed.want}."


def refuse(unit: Unit, port: Port, generation: int, words: str, now: float, *, only: str | None = None) -> list[int]:
    """Fail the actions of this port up to a generation and withdraw its connects, so that it returns to its last state.

    The wish to detach stays whatever happens. Answers the ids of the actions that were not failed before.
    """
    failed = [Action.port_id == port.id, Action.generation <= generation, Action.generation > port.applied]
    if only is not None:
        failed.append(Action.verb == only)
    fresh = update(Action).where(*failed, ~Action.withdrawn, Action.error == "").values(error=words)
    ids = list(unit.session.scalars(fresh.returning(Action.id).execution_options(**_QUIET)))
    given_up = update(Action).where(*failed, Action.verb == "connect").values(withdrawn=True)
    unit.session.execute(given_up.execution_options(**_QUIET))
    gone = delete(Attachment).where(
        Attachment.nic_id == port.nic_id,
        Attachment.state == AttachmentState.CONNECTING,
        Attachment.generation <= generation,
    )
    if list(unit.session.scalars(gone.returning(Attachment.id).execution_options(**_QUIET))):
        port.wanted += 1
        port.retry_at = now  # the wish has changed: bring the port back at once
        unit.wake(port.switch_id)
    return ids


def expire(unit: Unit, switch_id: int, source: Source) -> None:
    """Withdraw the connects of this switch whose deadline has passed. Detaching is never given up."""
    now = unit.store.clock()
    overdue = (
        select(Port.id, func.max(Action.generation))
        .join(Action, Action.port_id == Port.id)
        .join(Operation, Operation.id == Action.operation_id)
        .where(Port.switch_id == switch_id, Action.verb == "connect", ~Action.withdrawn, Action.error == "")
        .where(Action.generation > Port.applied, Operation.deadline < now)
        .group_by(Port.id)
        .order_by(Port.id)
    )
    ended: list[int] = []
    for identity, generation in unit.session.execute(overdue).all():
        locked = select(Port).where(Port.id == identity).with_for_update(key_share=True)
        port = unit.session.scalars(locked.execution_options(populate_existing=True)).one()
        words = f"The deadline passed before the switch confirmed it. {port.error}".strip()
        ended += refuse(unit, port, generation, words, unit.store.now(unit.session), only="connect")
    unit.session.flush()
    _tell(unit, ended, source)


def _book_vlans(session: Session, outcomes: Sequence[Outcome]) -> None:
    """What was read back as wanted is exactly what the port carries; otherwise what was seen is added."""
    done = {outcome.claimed.port_id: outcome.claimed.want.vlans for outcome in outcomes if outcome.done}
    session.execute(delete(PortVlan).where(PortVlan.port_id.in_(done)).execution_options(synchronize_session=False))
    _carry(session, done)
    seen = {
        outcome.claimed.port_id: outcome.observed.state.vlans
        for outcome in outcomes
        if not outcome.done and outcome.observed is not None and outcome.observed.state is not None
    }
    may_carry(session, seen)


def _book_attachments(session: Session, port_ids: Sequence[int]) -> None:
    """Bring the attachments of settled ports into line: what was leaving is gone, what was coming is there."""
    applied = select(Port.applied).where(Port.nic_id == Attachment.nic_id).scalar_subquery()
    nics = select(Port.nic_id).where(Port.id.in_(port_ids))
    settled = (Attachment.nic_id.in_(nics), Attachment.generation <= applied)
    gone = delete(Attachment).where(*settled, Attachment.state == AttachmentState.DETACHING)
    session.execute(gone.execution_options(**_QUIET))
    there = update(Attachment).where(*settled, Attachment.state == AttachmentState.CONNECTING)
    session.execute(there.values(state=AttachmentState.ATTACHED).execution_options(**_QUIET))


def _finished(session: Session, before: Mapping[int, int]) -> list[int]:
    """Ids of the actions that the new `applied` generations of these ports have reached."""
    query = (
        select(Action.id, Action.port_id, Action.generation)
        .join(Port, Port.id == Action.port_id)
        .where(Action.port_id.in_(before), ~Action.withdrawn, Action.generation <= Port.applied)
    )
    return [action for action, port, generation in session.execute(query) if generation > before[port]]


def _tell(unit: Unit, ended: Collection[int], source: Source) -> None:
    """Write a journal line for each of these actions: how it ended."""
    query = (
        select(
            Action.operation_id, Action.node_name, Action.nic_name, Action.verb, Action.channel, Action.network_name,
            Action.error, Action.withdrawn, Action.generation, Operation.project_id, Port.applied,
        )
        .join(Operation, Operation.id == Action.operation_id)
        .join(Port, Port.id == Action.port_id)
        .where(Action.id.in_(ended))
        .order_by(Action.id)
    )  # fmt: skip
    for action in unit.session.execute(query):
        done = not action.withdrawn and action.generation <= action.applied
        facts = {
            "node": action.node_name,
            "nic": action.nic_name,
            "verb": action.verb,
            "channel": action.channel,
            "network": action.network_name,
            "status": OperationStatus.DONE if done else OperationStatus.ERROR,
            "reason": "" if done else action.error,
        }
        named, project_id = action.operation_id, action.project_id
        unit.record(
            source,
            Entry(action="operation_action", kind=Kind.OPERATION, name=named, project_id=project_id, after=facts),
        )


def lane_failed(unit: Unit, hold: Hold, error: DeviceError) -> None:
    """Book that the switch as a whole could not be driven: everything waits, with the reason, for a growing pause."""
    lane = lane_locked(unit, hold)
    limits = unit.store.limits
    lane.attempts += 1
    lane.error = str(error)
    pause = min(limits.retry_first * 2 ** min(lane.attempts - 1, 12), limits.retry_most)
    if isinstance(error, LoginRefused):
        pause = limits.retry_most  # more often, and the device may lock the account
    lane.retry_at = unit.store.now(unit.session) + pause
