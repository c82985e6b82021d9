"""Switches and ports: for operators. Types and fields are those of the original; our drivers translate them."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import select

from hil.api.v0.call import Call, Reply
from hil.api.v0.shapes import Record, text
from hil.api.v0.shown import baseline, networks_on, not_taken, queued
from hil.core.devices import Nativeless
from hil.core.errors import BadArgument
from hil.core.policy import Act, Kind
from hil.drivers.registry import capabilities_of, spec_by_v0_type, switch_spec
from hil.services.attach import port_revert
from hil.services.context import Context
from hil.services.port import port_connect_nic, port_delete, port_detach_nic, port_register
from hil.services.switch import switch_delete, switch_register
from hil.store.tables import Port, Switch

TYPES: Final = "http://schema.massopencloud.org/haas/v0/switches/"
_NATIVELESS: Final = "nativeless-trunk-mode"


def list_switches(ctx: Context) -> list[str]:
    ctx.require(Act.ADMIN, Kind.SWITCH)
    return list(ctx.session.scalars(select(Switch.name).order_by(Switch.name)))


def register(ctx: Context, switch: str, type: str, fields: dict[str, Any]) -> None:
    """Register a switch by the URI of its type and exactly the fields of that type."""
    ctx.require(Act.ADMIN, Kind.SWITCH)
    not_taken(ctx, Switch, switch)
    if not type.startswith(TYPES):
        raise BadArgument(f"The type of a switch is a URI that begins with {TYPES}.")
    spec = spec_by_v0_type(type.removeprefix(TYPES))
    switch_register(ctx, switch, spec.name, spec.v0_config(fields))


def show(ctx: Context, switch: str) -> dict[str, Any]:
    """Ports in the order of their registration."""
    row = ctx.switch(switch, Act.READ)
    ports = ctx.session.scalars(select(Port.name).where(Port.switch_id == row.id).order_by(Port.id))
    can = capabilities_of(switch_spec(row.driver), row.config)
    capabilities = [] if can.nativeless is Nativeless.NO else [_NATIVELESS]
    return {"name": row.name, "ports": [{"label": port} for port in ports], "capabilities": capabilities}


def delete(ctx: Context, switch: str) -> None:
    switch_delete(ctx, switch)


def register_port(ctx: Context, switch: str, port: str) -> None:
    port_register(ctx, switch, port)


def show_port(ctx: Context, switch: str, port: str) -> dict[str, Any]:
    row = ctx.port(switch, _canonical(ctx, switch, port), Act.READ)
    if row.nic is None:
        return {}
    networks = networks_on(ctx.session, [row.nic.id])[row.nic.id]
    return {"node": row.nic.node.name, "nic": row.nic.name, "networks": networks}


def delete_port(ctx: Context, switch: str, port: str) -> None:
    port_delete(ctx, switch, _canonical(ctx, switch, port))


def connect_nic(ctx: Context, switch: str, port: str, node: str, nic: str) -> None:
    port_connect_nic(ctx, switch, _canonical(ctx, switch, port), node, nic)


def detach_nic(ctx: Context, switch: str, port: str) -> None:
    name = _canonical(ctx, switch, port)
    behind = ctx.port(switch, name, Act.READ).nic
    with baseline(ctx, behind.node.name if behind else ""):
        port_detach_nic(ctx, switch, name)


def revert(ctx: Context, switch: str, port: str) -> Reply:
    """200 and not 202, as it always was."""
    return queued(port_revert(ctx, switch, _canonical(ctx, switch, port)), status=200)


def _canonical(ctx: Context, switch: str, port: str) -> str:
    """The name under which the port was registered, if it was: the original took several spellings of one port."""
    spec = switch_spec(ctx.switch(switch, Act.READ).driver)
    try:
        return spec.port_name(port)
    except BadArgument:
        return port  # no such name can have been registered, so the look-up says NotFound


_SWITCH = "switch/{switch}"
_PORT = f"{_SWITCH}/port/{{port*}}"

CALLS = (
    Call(method="GET", path="switches", work=list_switches),
    Call(method="PUT", path=_SWITCH, work=register, body=Record({"type": text}, rest=True)),
    Call(method="GET", path=_SWITCH, work=show),
    Call(method="DELETE", path=_SWITCH, work=delete),
    Call(method="PUT", path=_PORT, work=register_port),
    Call(method="GET", path=_PORT, work=show_port),
    Call(method="DELETE", path=_PORT, work=delete_port),
    Call(method="POST", path=f"{_PORT}/connect_nic", work=connect_nic, body=Record({"node": text, "nic": text})),
    Call(method="POST", path=f"{_PORT}/detach_nic", work=detach_nic),
    Call(method="POST", path=f"{_PORT}/revert", work=revert),
)
