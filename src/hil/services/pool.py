"""The VLAN pool: which ids HIL hands out, and the conditional writes that claim one.

An id is free when no network has it, no switch reserves it and *no port may still carry it* (`PortVlan`, as read back).
Deleting a network therefore returns its id only when the last port is known to be rid of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Exists, exists, select, update

from hil.core.errors import Blocked, Exhausted
from hil.core.policy import Act, Kind
from hil.core.vlans import fold
from hil.services.context import Context
from hil.store.tables import Network, Port, PortVlan, Switch, Vlan

_TRIES = 8


def vlan_claim(ctx: Context, network: Network) -> int:
    """Give the network the lowest free id of the pool. Raises Exhausted."""
    for _ in range(_TRIES):
        candidate = (
            select(Vlan.id)
            .where(Vlan.pool, Vlan.network_id.is_(None), Vlan.reserved == 0, ~_carried())
            .order_by(Vlan.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        vlan = ctx.session.scalar(candidate)
        if vlan is None:
            raise Exhausted("No VLAN id is free: ask an operator to enlarge the pool.")
        if _take(ctx, network, vlan):
            return vlan
    raise Exhausted("No VLAN id could be claimed in the rush: try again.")


def vlan_assert(ctx: Context, network: Network, vlan: int) -> None:
    """Give the network this very id, inside the pool or outside. Raises Blocked saying who has it."""
    row = ctx.session.scalars(select(Vlan).where(Vlan.id == vlan).with_for_update()).one()
    if row.network_id is not None:
        holder = ctx.session.scalar(select(Network.name).where(Network.id == row.network_id))
        raise Blocked(f"VLAN {vlan} is network {holder!r} already.")
    if row.reserved:
        raise Blocked(f"VLAN {vlan} is reserved by a switch: choose another.")
    if ports := _carriers(ctx, vlan):
        raise Blocked(f"VLAN {vlan} may still be carried by port {ports[0]}: wait until it is read back as gone.")
    if not _take(ctx, network, vlan):
        raise Blocked(f"VLAN {vlan} was taken at this moment.")


def _take(ctx: Context, network: Network, vlan: int) -> bool:
    claim = (
        update(Vlan)
        .where(Vlan.id == vlan, Vlan.network_id.is_(None), Vlan.reserved == 0)
        .values(network_id=network.id)
        .execution_options(synchronize_session="fetch")
    )
    return bool(ctx.session.execute(claim).rowcount)  # type: ignore[attr-defined]  # a CursorResult, by the statement


def _carried() -> Exists:
    return exists().where(PortVlan.vlan == Vlan.id)


def _carriers(ctx: Context, vlan: int) -> list[str]:
    query = (
        select(Switch.name, Port.name)
        .join(Port, Port.switch_id == Switch.id)
        .join(PortVlan, PortVlan.port_id == Port.id)
        .where(PortVlan.vlan == vlan)
        .order_by(Switch.name, Port.name)
    )
    return [f"{switch}/{port}" for switch, port in ctx.session.execute(query)]


def pool_show(ctx: Context) -> dict[str, str]:
    """The pool, the ids in use, reserved, and free ones that a port may still carry, each as a folded list."""
    ctx.require(Act.ADMIN, Kind.POOL)
    rows: Sequence[Any] = ctx.session.execute(
        select(Vlan.id, Vlan.pool, Vlan.network_id, Vlan.reserved, _carried())
    ).all()
    return {
        "pool": fold(row[0] for row in rows if row[1]),
        "used": fold(row[0] for row in rows if row[2] is not None),
        "reserved": fold(row[0] for row in rows if row[3]),
        "draining": fold(row[0] for row in rows if row[4] and row[2] is None),
        "free": fold(row[0] for row in rows if row[1] and row[2] is None and not row[3] and not row[4]),
    }


def pool_set(ctx: Context, wanted: frozenset[int]) -> None:
    """Make the pool exactly these ids. Refuses to drop an id in use and says by whom."""
    ctx.require(Act.ADMIN, Kind.POOL)
    ctx.session.execute(select(Vlan.id).order_by(Vlan.id).with_for_update())
    present = frozenset(ctx.session.scalars(select(Vlan.id).where(Vlan.pool)))
    _droppable(ctx, present - wanted)
    for chosen, value in ((wanted - present, True), (present - wanted, False)):
        ctx.session.execute(update(Vlan).where(Vlan.id.in_(chosen)).values(pool=value))
    ctx.record("pool_set", Kind.POOL, "vlan", before={"pool": fold(present)}, after={"pool": fold(wanted)})


def _droppable(ctx: Context, dropped: Iterable[int]) -> None:
    query = (
        select(Vlan.id, Network.name)
        .join(Network, Network.id == Vlan.network_id)
        .where(Vlan.id.in_(dropped))
        .order_by(Vlan.id)
    )
    used = [f"{vlan} by network {name!r}" for vlan, name in ctx.session.execute(query)]
    if used:
        raise Blocked(f"Ids in use cannot leave the pool: {', '.join(used[:10])}{', …' if len(used) > 10 else ''}.")


def vlans_reserve(ctx: Context, vlans: frozenset[int], change: int) -> None:
    """A switch claims (`change` 1) or gives up (-1) ids for itself. Refuses one that a network has."""
    if not vlans:
        return
    query = (
        select(Vlan)
        .where(Vlan.id.in_(vlans))
        .order_by(Vlan.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    for row in ctx.session.scalars(query).all():
        if change > 0 and row.network_id is not None:
            holder = ctx.session.scalar(select(Network.name).where(Network.id == row.network_id))
            raise Blocked(f"The switch needs VLAN {row.id} for itself, but network {holder!r} has it.")
        row.reserved += change
    ctx.session.flush()
