"""The verbs of HIL as a history calls them: by name, with JSON arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hil.core.model import AuditMode
from hil.core.policy import Act
from hil.core.vlans import unfold
from hil.services import attach, network, nic, node, operation, pool, port, switch
from hil.services.attach import Change
from hil.services.context import Context
from hil.services.select import Selector
from hil.store.tables import Operation

Verb = Callable[..., Any]


def _names(made: Any) -> list[str]:
    return [row.name for row in (made if isinstance(made, list) else [made])]


def _change(ctx: Context, changes: list[list[Any]]) -> Operation:
    return attach.network_change(ctx, [Change(*change) for change in changes])


def _make(ctx: Context, name: str, owner: str | None, public: bool, net_id: str, access: list[str]) -> None:
    network.network_create(ctx, name, owner=owner, public=public, net_id=net_id, access=access)


def _audit(ctx: Context, name: str, mode: str) -> None:
    switch.switch_update(ctx, name, audit=AuditMode(mode))


def _settings(ctx: Context, name: str, timeout: float) -> None:
    """New settings: the switch may be another one now."""
    config = ctx.switch(name, Act.READ).config
    switch.switch_update(ctx, name, config={**config, "timeout": timeout})


VERBS: Final[dict[str, Verb]] = {
    "allocate": lambda ctx, project, name: _names(node.node_allocate(ctx, project, name)),
    "allocate_some": lambda ctx, project, text, count: _names(
        node.nodes_allocate(ctx, project, Selector.parse(text), count)
    ),
    "free": node.node_free,
    "release": node.node_release,
    "change": _change,
    "cancel": operation.operation_cancel,
    "network_create": _make,
    "network_delete": network.network_delete,
    "grant": network.network_grant,
    "revoke": network.network_revoke,
    "public": network.network_set_public,
    "revert": attach.port_revert,
    "quarantine": lambda ctx, name: node.node_quarantine(ctx, name, "tried"),
    "maintenance": lambda ctx, name: node.node_maintenance(ctx, name, "tried"),
    "return": node.node_return,
    "port_unquarantine": port.port_release_quarantine,
    "port_lock": port.port_lock,
    "wire": port.port_connect_nic,
    "unwire": port.port_detach_nic,
    "nic_add": lambda ctx, name, card: nic.nic_register(ctx, name, card, ""),
    "nic_delete": nic.nic_delete,
    "port_forget": lambda ctx, name, at: port.port_forget_unreachable(ctx, name, at, "tried"),
    "port_delete": lambda ctx, name, at, force: port.port_delete(ctx, name, at, force=force),
    "port_register": port.port_register,
    "audit_mode": _audit,
    "settings": _settings,
    "pool": lambda ctx, text: pool.pool_set(ctx, unfold(text)),
}
"""Each takes the context and what the history gives it; those that accept work for a lane answer its operation."""
