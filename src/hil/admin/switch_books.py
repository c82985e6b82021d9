"""What HIL has in its books of its switches: settings, ports, who is wired to them and what they shall carry.

Plain values, read in one transaction that is over before any device is asked. The settings hold secrets: they are for
the driver alone and never shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from hil.core.errors import NotFound
from hil.core.model import PortState
from hil.core.policy import Act, Kind
from hil.core.wiring import canonical_mac
from hil.services.context import Context
from hil.store.keys import Keyring
from hil.store.lanes import wanted_states
from hil.store.tables import Nic, Port, Switch


@dataclass(frozen=True, slots=True)
class Wire:
    """A registered port. `nic` is `node/nic`, empty where none is wired; `want` None: HIL leaves the port alone."""

    port: str
    nic: str = ""
    mac: str = ""
    """Canonical; empty if none is registered."""
    want: PortState | None = None
    pending: bool = False
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Book:
    """One switch as registered."""

    name: str
    driver: str
    config: Mapping[str, Any] = field(repr=False)
    wires: Sequence[Wire] = ()


def switch_books(ctx: Context, keys: Keyring, names: Collection[str] = ()) -> list[Book]:
    """Read these switches (none named: all), by name; three queries. Raises Denied, NotFound."""
    ctx.require(Act.ADMIN, Kind.SWITCH)
    query = select(Switch).order_by(Switch.name)
    rows = ctx.session.scalars(query.where(Switch.name.in_(names)) if names else query).all()
    if missing := sorted(set(names) - {row.name for row in rows}):
        raise NotFound(f"There is no switch {missing[0]!r}: `hil switch list` shows them.")
    wires = _wires(ctx, [row.id for row in rows])
    return [
        Book(row.name, row.driver, {**row.config, **keys.open_up(row.secrets)}, tuple(wires.get(row.id, ())))
        for row in rows
    ]


def _wires(ctx: Context, switches: Collection[int]) -> dict[int, list[Wire]]:
    query = (
        select(Port)
        .where(Port.switch_id.in_(switches))
        .order_by(Port.name)
        .options(joinedload(Port.nic).joinedload(Nic.node))
    )
    ports = ctx.session.scalars(query).all()
    wanted = wanted_states(ctx.session, [port.id for port in ports if port.nic_id is not None and not port.locked])
    found: dict[int, list[Wire]] = {}
    for port in ports:
        nic = port.nic
        named = "" if nic is None else f"{nic.node.name}/{nic.name}"
        mac = "" if nic is None else canonical_mac(nic.macaddr) or ""
        want = wanted.get(port.id)
        pending = want is not None and port.wanted > port.applied
        found.setdefault(port.switch_id, []).append(Wire(port.name, named, mac, want, pending, port.locked))
    return found
