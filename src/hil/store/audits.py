"""The books of the audit: settled ports against what the switch says of them now.

Only a port that was settled when it was read, and still is when the reading is booked, is judged. A difference is
*drift*: written to the journal with both states and, as the switch's mode says, only told, written right again, or
answered by closing the port. Until it is settled again the port counts as unknown: its node is not handed out and no
VLAN seen on it is given to anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from hil.core.model import AuditMode, Observed, PortState
from hil.core.policy import Kind
from hil.store.claims import may_carry, observed_json, refuse
from hil.store.journal import Entry, Source
from hil.store.lanes import Hold, lane_locked, wanted_states
from hil.store.tables import Nic, Node, Port, PortVlan, Switch
from hil.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Audited:
    """One settled port, as plain values: what it shall carry and under which generation."""

    port_id: int
    port: str
    generation: int
    want: PortState


def audit_pick(session: Session, switch_id: int) -> list[Audited]:
    """The settled ports of a switch: wired, not locked, nothing pending."""
    query = (
        select(Port.id, Port.name, Port.applied)
        .where(Port.switch_id == switch_id, Port.nic_id.is_not(None), ~Port.locked)
        .where(Port.wanted == Port.applied, ~Port.tainted, Port.applied > 0)
        .order_by(Port.id)
    )
    rows = session.execute(query).all()
    wanted = wanted_states(session, [identity for identity, _, _ in rows])
    return [Audited(identity, name, applied, wanted[identity]) for identity, name, applied in rows]


def audit_settle(unit: Unit, hold: Hold, read: Mapping[int, tuple[Audited, Observed]], source: Source) -> int:
    """Book what was read; answers how many ports had drifted. Raises LeaseLost."""
    lane = lane_locked(unit, hold)
    now = unit.store.now(unit.session)
    lane.audited_at = lane.contact_at = now
    lane.error, lane.attempts, lane.retry_at = "", 0, 0.0
    mode = AuditMode(unit.session.scalars(select(Switch.audit).where(Switch.id == hold.switch_id)).one())
    query = select(Port).where(Port.id.in_(read)).order_by(Port.id).with_for_update(key_share=True)
    drifted = 0
    for port in unit.session.scalars(query.execution_options(populate_existing=True)).all():
        audited, observed = read[port.id]
        if port.wanted != audited.generation or port.applied != audited.generation or port.tainted:
            continue  # it has a newer wish: its own batch will read it
        port.read_at = now
        if observed.state == audited.want:
            _as_wanted(unit, port, audited)
        else:
            drifted += 1
            _drift(unit, port, audited, observed, mode, source)
    return drifted


def _as_wanted(unit: Unit, port: Port, audited: Audited) -> None:
    if not port.drifted:
        return
    port.drifted, port.error = False, ""
    port.observed = observed_json(Observed(audited.want))
    unit.session.execute(delete(PortVlan).where(PortVlan.port_id == port.id))
    may_carry(unit.session, {port.id: audited.want.vlans})


def _drift(unit: Unit, port: Port, audited: Audited, observed: Observed, mode: AuditMode, source: Source) -> None:
    kept = observed_json(observed)
    if mode is AuditMode.REPORT and port.drifted and port.observed == kept:
        return  # told already
    port.drifted, port.observed = True, kept
    port.error = f"The switch shows {observed}, HIL had set {audited.want}."
    may_carry(unit.session, {port.id: observed.state.vlans if observed.state is not None else ()})
    if mode is not AuditMode.REPORT:
        port.tainted, port.tainted_at = True, port.read_at
        port.wanted += 1
        port.retry_at, port.attempts = 0.0, 0
        unit.wake(port.switch_id)
    if mode is AuditMode.QUARANTINE:
        refuse(unit, port, port.wanted, "The port was quarantined after drift.", unit.store.now(unit.session))
        port.quarantined = True
    switch = unit.session.scalars(select(Switch.name).where(Switch.id == port.switch_id)).one()
    before = observed_json(Observed(audited.want))
    facts = {**kept, "mode": mode.value, "node": _node_behind(unit.session, port)}
    entry = Entry(action="drift", kind=Kind.PORT, name=f"{switch}/{port.name}", before=before, after=facts)
    unit.record(source, entry)


def _node_behind(session: Session, port: Port) -> str | None:
    query = select(Node.name).join(Nic, Nic.node_id == Node.id).where(Nic.id == port.nic_id)
    return session.scalar(query)
