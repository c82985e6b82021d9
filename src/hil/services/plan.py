"""The plan: what the workers would send to each switch for the work that is pending now, without sending it.

Both ends are what the worker would use: the wish from the same function that claims use, the present state from the
last read-back. The worker reads again before it writes, so where the device has changed since, it sends something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from hil.core.errors import HilError
from hil.core.model import Observed, PortChange, PortState
from hil.core.policy import Act, Kind
from hil.drivers.registry import switch_spec
from hil.services.context import Context
from hil.store.claims import observed_state
from hil.store.lanes import wanted_states
from hil.store.tables import Port, Switch


@dataclass(frozen=True, slots=True)
class PlannedPort:
    """`have` is the last read-back; None if the port was never read."""

    port: str
    have: Observed | None
    want: PortState


@dataclass(frozen=True, slots=True)
class PlannedSwitch:
    """One switch with pending work; `read_at` is its oldest read-back, `error` why nothing can be rendered."""

    switch: str
    driver: str
    read_at: float | None
    never_read: int
    ports: tuple[PlannedPort, ...]
    lines: tuple[str, ...]
    error: str = ""


def plan(ctx: Context) -> list[PlannedSwitch]:
    """Every switch with pending work, by name. For operators; two queries."""
    ctx.require(Act.ADMIN, Kind.SWITCH)
    query = (
        select(Port)
        .join(Switch, Switch.id == Port.switch_id)
        .where(Port.wanted > Port.applied, Port.nic_id.is_not(None), ~Port.locked)
        .order_by(Switch.name, Port.name)
        .options(joinedload(Port.switch))
    )
    pending = ctx.session.scalars(query).all()
    wanted = wanted_states(ctx.session, [port.id for port in pending])
    found: dict[int, list[Port]] = {}
    for port in pending:
        found.setdefault(port.switch_id, []).append(port)
    return [_switch(ports[0].switch, ports, wanted) for ports in found.values()]


def _switch(switch: Switch, ports: Sequence[Port], wanted: dict[int, PortState]) -> PlannedSwitch:
    times = [port.read_at for port in ports if port.read_at is not None]
    shown = tuple(PlannedPort(port.name, observed(port), wanted[port.id]) for port in ports)
    changes = [
        PortChange(port.name, observed_state(port.observed), wanted[port.id])
        for port in ports
        if observed_state(port.observed) != wanted[port.id]
    ]
    lines: tuple[str, ...] = ()
    error = ""
    try:
        lines = tuple(switch_spec(switch.driver).render(switch.config, changes))
    except HilError as reason:
        error = reason.message
    return PlannedSwitch(
        switch.name, switch.driver, min(times, default=None), len(ports) - len(times), shown, lines, error
    )


def observed(port: Port) -> Observed | None:
    """The last read-back of a port; None if there was none."""
    kept = port.observed
    if kept is None:
        return None
    if "reason" in kept:
        return Observed(None, kept["reason"], kept.get("raw", ""))
    return Observed(observed_state(kept))
