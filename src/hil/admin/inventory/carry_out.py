"""Takes the steps of a plan, in one transaction, through the verbs that everybody uses.

What is added goes through the verbs for many; what is removed, one by one, through the verbs that judge whether it is
in use. Every refusal is gathered before the whole is given up, so that one run names them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

from hil.admin.inventory.changes import Kind, Step
from hil.admin.inventory.yaml_nodes import MOST_FAULTS
from hil.core.errors import Blocked, HilError
from hil.core.model import AuditMode
from hil.services import inventory, nic, node, pool, port, switch
from hil.services.context import Context

Verb = Callable[..., Any]


def carry_out(ctx: Context, steps: Sequence[Step]) -> None:
    """Take all of the steps. Raises Blocked naming what is in use; nothing has happened then."""
    refused: list[str] = []
    for kind, group in groupby(steps, key=lambda step: step.kind):
        if refused and kind > _LAST_REMOVAL:
            break
        taken = list(group)
        if kind in _MANY:
            _MANY[kind](ctx, [step.given for step in taken])
        else:
            _one_by_one(ctx, _ONE[kind], taken, refused)
    if refused:
        rest = len(refused) - MOST_FAULTS
        raise Blocked("\n".join([*refused[:MOST_FAULTS], *([f"… and {rest} more"] if rest > 0 else [])]))


def _one_by_one(ctx: Context, verb: Verb, steps: Sequence[Step], refused: list[str]) -> None:
    for step in steps:
        try:
            verb(ctx, step.given)
        except HilError as error:
            refused.append(f"{step}: {error.message}")


def _nodes_change(ctx: Context, given: Sequence[tuple[str, dict[str, str], dict[str, Any]]]) -> None:
    inventory.nodes_describe(ctx, {name: (labels, metadata) for name, labels, metadata in given})


def _switch_change(ctx: Context, given: tuple[str, dict[str, Any], str]) -> None:
    name, config, audit = given
    switch.switch_update(ctx, name, config=config, audit=AuditMode(audit))


def _switch_add(ctx: Context, given: tuple[str, str, dict[str, Any], str]) -> None:
    name, driver, config, audit = given
    switch.switch_register(ctx, name, driver, config, AuditMode(audit))


_LAST_REMOVAL: Final = Kind.METADATA_REMOVE
_MANY: Final[dict[Kind, Verb]] = {
    Kind.PORT_ADD: inventory.ports_register,
    Kind.NODE_ADD: inventory.nodes_register,
    Kind.NODE_CHANGE: _nodes_change,
    Kind.NIC_ADD: inventory.nics_register,
    Kind.NIC_CHANGE: inventory.nics_readdress,
    Kind.WIRE_ADD: inventory.wires_register,
}
_ONE: Final[dict[Kind, Verb]] = {
    Kind.POOL_SET: pool.pool_set,
    Kind.WIRE_REMOVE: lambda ctx, given: port.port_detach_nic(ctx, given[0], given[1]),
    Kind.NIC_REMOVE: lambda ctx, given: nic.nic_delete(ctx, *given),
    Kind.NODE_REMOVE: node.node_delete,
    Kind.PORT_REMOVE: lambda ctx, given: port.port_delete(ctx, *given),
    Kind.SWITCH_REMOVE: switch.switch_delete,
    Kind.LABEL_REMOVE: lambda ctx, given: node.node_label_remove(ctx, *given),
    Kind.METADATA_REMOVE: lambda ctx, given: node.node_metadata_remove(ctx, *given),
    Kind.SWITCH_ADD: _switch_add,
    Kind.SWITCH_CHANGE: _switch_change,
    Kind.PORT_LOCK: lambda ctx, given: port.port_lock(ctx, *given),
}
