"""Switches, their ports, the drivers that speak to them and the pool of VLAN ids. All of it is the operators'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from hil.api.v1 import cursor, replies, views
from hil.api.v1.door import Acted, Answer, Conditional, Plain, Posted, created, gone, noun, shown
from hil.api.v1.shapes import (
    After,
    InPath,
    Limit,
    PoolSet,
    PortChange,
    PortGiven,
    PortGivenUp,
    PortInPath,
    PortNew,
    SwitchChange,
    SwitchNew,
    Wait,
)
from hil.core.devices import SwitchSpec
from hil.core.model import AuditMode
from hil.core.policy import Act, Kind
from hil.core.vlans import unfold
from hil.drivers.registry import switch_specs
from hil.services import pool
from hil.services import port as ports
from hil.services import switch as switches
from hil.services.attach import port_revert
from hil.services.context import Context
from hil.services.facts import Books, port_networks, switch_books
from hil.store.lanes import wanted_states
from hil.store.tables import Lane, Port, Switch

routes = noun("switches")
Force = Annotated[bool, Query(description="Forget the port although it may still carry VLANs: its switch is gone.")]


def _spec(driver: str) -> SwitchSpec | None:
    return switch_specs().get(driver)


def _shown(ctx: Context, row: Switch) -> Answer:
    lane = ctx.session.get_one(Lane, row.id)
    books = switch_books(ctx.session, [row.id]).get(row.id, Books())
    return shown(views.switch(row, lane, books, _spec(row.driver)), row.version)


@routes.get("/switches", response_model=replies.SwitchPage)
def switch_list(call: Plain, after: After = None, limit: Limit = 100) -> Response:
    """Every switch with the state of its lane, by name."""

    def work(ctx: Context) -> Answer:
        rows = switches.switches_list(ctx, after=cursor.names(after)[0], limit=limit + 1)
        books = switch_books(ctx.session, [row.id for row, _ in rows])
        return shown(cursor.page(rows, limit, lambda pair: _listed(pair, books), lambda pair: pair[0].name))

    return call.read(work)


def _listed(pair: tuple[Switch, Lane], books: Any) -> views.View:
    row, lane = pair
    return views.switch(row, lane, books.get(row.id, Books()), _spec(row.driver))


@routes.post("/switches", response_model=replies.Switch, status_code=201)
def switch_register(call: Posted, body: SwitchNew) -> Response:
    """Register a switch with its driver and that driver's settings."""

    def work(ctx: Context) -> Answer:
        row = switches.switch_register(ctx, body.name, body.driver, body.config, AuditMode(body.audit))
        ctx.session.flush()
        return created(_shown(ctx, row).body, "switches", row.name, version=row.version)

    return call.change(work)


@routes.get("/switches/{switch}", response_model=replies.Switch)
def switch_show(call: Plain, switch: InPath) -> Response:
    """One switch with the state of its lane; secrets are never shown."""
    return call.read(lambda ctx: _shown(ctx, ctx.switch(switch, Act.READ)))


@routes.patch("/switches/{switch}", response_model=replies.Switch)
def switch_update(call: Conditional, switch: InPath, body: SwitchChange) -> Response:
    """Change settings; `config` replaces them all, but a secret that is left out stays."""
    given = body.given()
    audit = AuditMode(body.audit) if "audit" in given else None

    def work(ctx: Context) -> Answer:
        config = given.get("config")
        return _shown(ctx, switches.switch_update(ctx, switch, config=config, audit=audit, version=call.version))

    return call.change(work)


@routes.delete("/switches/{switch}", status_code=204)
def switch_delete(call: Conditional, switch: InPath) -> Response:
    """Forget a switch without ports."""

    def work(ctx: Context) -> Answer:
        switches.switch_delete(ctx, switch, call.version)
        return gone()

    return call.change(work)


@routes.post("/switches/{switch}/revert", response_model=replies.Operation, status_code=202)
async def port_revert_start(call: Posted, switch: InPath, body: PortGiven, wait: Wait = 0) -> Response:
    """Take every network off the NIC behind a port."""
    return await call.start(lambda ctx: port_revert(ctx, switch, body.port), wait)


@routes.post("/switches/{switch}/give-up", response_model=replies.Port)
def port_give_up(call: Posted, switch: InPath, body: PortGivenUp) -> Response:
    """Unwire a port whose switch is gone for good; the node behind it must be quarantined."""

    def work(ctx: Context) -> Answer:
        ports.port_forget_unreachable(ctx, switch, body.port, body.reason)
        return _port_shown(ctx, switch, body.port)

    return call.change(work)


@routes.get("/switches/{switch}/ports", response_model=replies.PortPage)
def port_list(call: Plain, switch: InPath, after: After = None, limit: Limit = 100) -> Response:
    """The ports of a switch with what they shall carry and what was read, by name."""

    def work(ctx: Context) -> Answer:
        rows = ports.ports_list(ctx, switch=switch, after=cursor.names(after)[0], limit=limit + 1)
        shapes = port_views(ctx, [(switch, row) for row in rows])
        return shown(cursor.page(shapes, limit, lambda view: view, lambda view: view["name"]))

    return call.read(work)


@routes.post("/switches/{switch}/ports", response_model=replies.Port, status_code=201)
def port_register(call: Acted, switch: InPath, body: PortNew) -> Response:
    """Register a port; the name is brought into its driver's canonical form."""

    def work(ctx: Context) -> Answer:
        ctx.switch(switch, Act.ADMIN, call.version)
        row = ports.port_register(ctx, switch, body.name)
        ctx.session.flush()
        return created(_port_shown(ctx, switch, row.name).body, "switches", switch, "ports", row.name)

    return call.change(work)


@routes.get("/switches/{switch}/ports/{port:path}", response_model=replies.Port)
def port_show(call: Plain, switch: InPath, port: PortInPath) -> Response:
    """One port of a switch."""
    return call.read(lambda ctx: _port_shown(ctx, switch, port))


@routes.patch("/switches/{switch}/ports/{port:path}", response_model=replies.Port)
def port_update(call: Plain, switch: InPath, port: PortInPath, body: PortChange) -> Response:
    """Wire a port to a NIC or unwire it, lock it as infrastructure or unlock it, end its quarantine."""

    def work(ctx: Context) -> Answer:
        given = body.given()
        if "quarantined" in given:
            ports.port_release_quarantine(ctx, switch, port)
        if "nic" in given and body.nic is None:
            ports.port_detach_nic(ctx, switch, port)
        if "locked" in given:
            ports.port_lock(ctx, switch, port, body.locked)
        if "nic" in given and body.nic is not None:
            ports.port_connect_nic(ctx, switch, port, body.nic.node, body.nic.nic)
        return _port_shown(ctx, switch, port)

    return call.change(work)


@routes.delete("/switches/{switch}/ports/{port:path}", status_code=204)
def port_delete(call: Plain, switch: InPath, port: PortInPath, force: Force = False) -> Response:
    """Forget a port that is wired to no NIC."""

    def work(ctx: Context) -> Answer:
        ports.port_delete(ctx, switch, port, force=force)
        return gone()

    return call.change(work)


def port_views(ctx: Context, rows: Sequence[tuple[str, Port]]) -> list[views.View]:
    """Ports as they are shown, with two queries more, however many they are."""
    networks = port_networks(ctx.session, [row for _, row in rows])
    wishes = wanted_states(ctx.session, [row.id for _, row in rows])
    return [views.port(row, switch, wishes[row.id], networks[row.id]) for switch, row in rows]


def _port_shown(ctx: Context, switch: str, name: str) -> Answer:
    ctx.session.flush()
    return shown(port_views(ctx, [(switch, ctx.port(switch, name, Act.READ))])[0])


@routes.get("/drivers", response_model=replies.DriverPage)
def driver_list(call: Plain) -> Response:
    """The switch drivers that are installed, with the JSON Schema of what they are configured with."""

    def work(ctx: Context) -> Answer:
        ctx.require(Act.LIST, Kind.SWITCH)
        return shown({"items": [views.driver(spec) for spec in switch_specs().values()], "next": None})

    return call.read(work)


@routes.get("/pools/vlan", response_model=replies.Pool)
def pool_show(call: Plain) -> Response:
    """The VLAN ids that HIL hands out, and what has become of them."""
    return call.read(lambda ctx: shown(pool.pool_show(ctx)))


@routes.put("/pools/vlan", response_model=replies.Pool)
def pool_set(call: Plain, body: PoolSet) -> Response:
    """Make the pool exactly these ids; refuses to drop one in use."""
    wanted = unfold(body.ids)

    def work(ctx: Context) -> Answer:
        pool.pool_set(ctx, wanted)
        return shown(pool.pool_show(ctx))

    return call.change(work)
