"""Switches: registered with a driver and its settings; the secrets among them are encrypted and never shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, exists, select

from hil.core import names
from hil.core.errors import Blocked, Duplicate
from hil.core.model import AuditMode
from hil.core.policy import Act, Kind
from hil.drivers.registry import capabilities_of, switch_spec
from hil.services import pool, wish
from hil.services.context import Context
from hil.store.tables import Lane, Port, Switch


def switch_register(
    ctx: Context, name: str, driver: str, config: Mapping[str, Any], audit: AuditMode = AuditMode.HEAL
) -> Switch:
    """Register a switch; its parked and reserved VLANs leave the allocator. Raises Duplicate, BadArgument, Blocked."""
    ctx.require(Act.ADMIN, Kind.SWITCH)
    names.name("switch", name)
    if ctx.session.scalar(select(exists().where(Switch.name == name))):
        raise Duplicate(f"Switch {name!r} exists already.")
    checked = switch_spec(driver).validate(config)
    pool.vlans_reserve(ctx, _own_vlans(driver, checked), 1)
    switch = Switch(name=name, driver=driver, config={}, audit=audit)
    _keep(ctx, switch, checked)
    ctx.session.add(switch)
    ctx.session.flush()
    ctx.session.add(Lane(switch_id=switch.id))
    ctx.record("switch_register", Kind.SWITCH, name, after={"driver": driver, "config": switch.config})
    return switch


def switch_update(
    ctx: Context, name: str, *, config: Mapping[str, Any] | None = None, audit: AuditMode | None = None,
    version: int | None = None,
) -> Switch:  # fmt: skip
    """Change settings. A secret that is left out of `config` stays as it is."""
    switch = ctx.switch(name, Act.ADMIN, version)
    before = {"config": dict(switch.config), "audit": switch.audit}
    if config is not None:
        kept = ctx.unit.store.keys.open_up(switch.secrets)
        checked = switch_spec(switch.driver).validate({**kept, **config})
        old = _own_vlans(switch.driver, switch_config(ctx, switch))
        new = _own_vlans(switch.driver, checked)
        pool.vlans_reserve(ctx, new - old, 1)
        pool.vlans_reserve(ctx, old - new, -1)
        _keep(ctx, switch, checked)
        if switch.config != before["config"]:
            _doubt(ctx, switch)
    if audit is not None:
        switch.audit = audit
    switch.version += 1
    ctx.unit.wake(switch.id)
    after = {"config": dict(switch.config), "audit": switch.audit}
    ctx.record("switch_update", Kind.SWITCH, name, before=before, after=after)
    return switch


def _doubt(ctx: Context, switch: Switch) -> None:
    """The settings may now mean another device: what its ports carry is not known until they are read again."""
    wired = select(Port).where(Port.switch_id == switch.id, Port.nic_id.is_not(None), ~Port.locked)
    wish.bump(ctx, ctx.session.scalars(wired).all())


def switch_delete(ctx: Context, name: str, version: int | None = None) -> None:
    """Forget a switch that has no ports."""
    switch = ctx.switch(name, Act.ADMIN, version)
    if ctx.session.scalar(select(exists().where(Port.switch_id == switch.id))):
        raise Blocked(f"Switch {name!r} has ports: delete them first.")
    pool.vlans_reserve(ctx, _own_vlans(switch.driver, switch_config(ctx, switch)), -1)
    ctx.session.execute(delete(Switch).where(Switch.id == switch.id))
    ctx.record("switch_delete", Kind.SWITCH, name, before={"driver": switch.driver})


def switch_config(ctx: Context, switch: Switch) -> dict[str, Any]:
    """The whole settings, secrets included: for drivers, never for answers."""
    return {**switch.config, **ctx.unit.store.keys.open_up(switch.secrets)}


def switches_list(ctx: Context, *, after: str, limit: int) -> Sequence[tuple[Switch, Lane]]:
    """One page of switches with their lanes, by name."""
    ctx.require(Act.ADMIN, Kind.SWITCH)
    query = select(Switch, Lane).join(Lane, Lane.switch_id == Switch.id).where(Switch.name > after)
    return [(switch, lane) for switch, lane in ctx.session.execute(query.order_by(Switch.name).limit(limit))]


def _keep(ctx: Context, switch: Switch, checked: Mapping[str, Any]) -> None:
    secret = switch_spec(switch.driver).secrets
    switch.config = {key: value for key, value in checked.items() if key not in secret}
    hidden = {key: value for key, value in checked.items() if key in secret}
    switch.secrets = ctx.unit.store.keys.seal_up(hidden)


def _own_vlans(driver: str, config: Mapping[str, Any]) -> frozenset[int]:
    spec = switch_spec(driver)
    return spec.parked(config) | capabilities_of(spec, config).reserved
