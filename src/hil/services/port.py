"""Ports: registered, wired to a NIC, locked as infrastructure, let out of quarantine.

Wiring raises the port's generation: its lane closes the port and reads it back, and until then the node behind it
cannot be handed out. Whatever the port carried before HIL knew it was not HIL's promise.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import joinedload

from hil.core import names
from hil.core.errors import Blocked, Duplicate, IllegalState, NotFound
from hil.core.model import NodeState
from hil.core.policy import Act, Kind
from hil.core.vlans import fold
from hil.drivers.registry import switch_spec
from hil.services import wish
from hil.services.context import Context
from hil.services.nic import port_is_clean
from hil.store.tables import Nic, Port, PortVlan, Switch


def port_register(ctx: Context, switch: str, name: str) -> Port:
    """Register a port under its driver's canonical name. Raises Duplicate, BadArgument."""
    owner = ctx.switch(switch, Act.ADMIN)
    canonical = switch_spec(owner.driver).port_name(names.port_name(name))
    if ctx.session.scalar(select(exists().where(Port.switch_id == owner.id, Port.name == canonical))):
        raise Duplicate(f"Switch {switch!r} has a port {canonical!r} already.")
    port = Port(switch_id=owner.id, name=canonical)
    ctx.session.add(port)
    owner.version += 1
    ctx.record("port_register", Kind.PORT, f"{switch}/{canonical}")
    return port


def port_delete(ctx: Context, switch: str, name: str, *, force: bool = False) -> None:
    """Forget a port that is wired to no NIC.

    With the port goes HIL's memory of what it may still carry; `force` is an operator's word that it carries nothing,
    because the switch is gone.
    """
    port = ctx.port(switch, name, Act.ADMIN)
    if port.nic_id is not None:
        raise Blocked(f"Port {name!r} is wired to a NIC: detach that first.")
    carried = list(ctx.session.scalars(select(PortVlan.vlan).where(PortVlan.port_id == port.id)))
    if carried and not force:
        raise Blocked(f"Port {name!r} may still carry VLAN {fold(carried)}: if the switch is gone for good, force it.")
    ctx.session.execute(delete(Port).where(Port.id == port.id))
    ctx.record("port_delete", Kind.PORT, f"{switch}/{name}", before={"vlans": fold(carried), "force": force})


def port_connect_nic(ctx: Context, switch: str, name: str, node: str, nic: str) -> None:
    """Say that this port is behind that NIC. Raises Duplicate if either is wired already."""
    wired = ctx.port(switch, name, Act.READ).nic_id is not None
    machine = ctx.node(node, Act.ADMIN)
    card = ctx.nic(machine, nic)
    if card.port is not None:
        raise Duplicate(f"NIC {nic!r} of node {node!r} is wired already.")
    if wired:  # said before the node behind that port would be locked too, out of order
        raise Duplicate(f"Port {name!r} of switch {switch!r} is wired already.")
    port = ctx.port(switch, name, Act.ADMIN)
    if port.nic_id is not None:
        raise Duplicate(f"Port {name!r} of switch {switch!r} is wired already.")
    if port.locked:
        raise Blocked(f"Port {name!r} is locked as infrastructure: unlock it first.")
    port.nic_id = card.id
    ctx.session.flush()
    wish.bump(ctx, [port])
    machine.version += 1
    ctx.record("port_connect_nic", Kind.PORT, f"{switch}/{name}", after={"node": node, "nic": nic})


def port_detach_nic(ctx: Context, switch: str, name: str) -> None:
    """Forget the wiring of a port whose node is free, once the port is known to carry nothing."""
    port = ctx.port(switch, name, Act.ADMIN)
    if port.nic is None:
        raise NotFound(f"Port {name!r} of switch {switch!r} is wired to no NIC.")
    node = port.nic.node
    if node.project_id is not None or node.state == NodeState.RELEASING:
        raise Blocked(f"Node {node.name!r} is in a project: release it first.")
    if not port.locked:
        port_is_clean(port)
    # A receipt of a port that no lane will touch any more would be pending for ever.
    wish.withdraw(ctx, [port.nic.id], "The port was detached from its NIC.")
    facts = {"node": node.name, "nic": port.nic.name}
    port.nic_id = None
    node.version += 1
    ctx.record("port_detach_nic", Kind.PORT, f"{switch}/{name}", before=facts)


def port_lock(ctx: Context, switch: str, name: str, locked: bool) -> Port:
    """Declare a port infrastructure, which HIL never writes, or take that back (its lane then closes it).

    Refused while the port is wired to a node that is in use: HIL could no longer promise what it carries.
    """
    port = ctx.port(switch, name, Act.ADMIN)
    if port.nic is not None and locked:
        raise Blocked(f"Port {name!r} is wired to a NIC: detach that first.")
    port.locked = locked
    ctx.record("port_lock" if locked else "port_unlock", Kind.PORT, f"{switch}/{name}")
    return port


def port_release_quarantine(ctx: Context, switch: str, name: str) -> Port:
    """Let a port out of quarantine: its lane makes it what is wished again and reads it back."""
    port = ctx.port(switch, name, Act.ADMIN)
    if not port.quarantined:
        raise IllegalState(f"Port {name!r} is not quarantined.")
    port.quarantined = False
    wish.bump(ctx, [port])
    ctx.record("port_release_quarantine", Kind.PORT, f"{switch}/{name}")
    return port


def port_forget_unreachable(ctx: Context, switch: str, name: str, reason: str) -> Port:
    """The forced way out for a port whose switch is gone for good: unwired and forgotten, its node quarantined before.

    Raises IllegalState unless the node behind it is quarantined: nobody may get the node before an operator returns it.
    """
    port = ctx.port(switch, name, Act.ADMIN)
    if port.nic is None:
        raise NotFound(f"Port {name!r} of switch {switch!r} is wired to no NIC.")
    if port.nic.node.state != NodeState.QUARANTINED:
        raise IllegalState(f"Quarantine node {port.nic.node.name!r} first: the port is not known to carry nothing.")
    wish.withdraw(ctx, [port.nic.id], "The port was given up by an operator.")
    wish.forget_attachments(ctx, port.nic.id)
    facts = {"node": port.nic.node.name, "nic": port.nic.name, "reason": reason}
    port.nic_id, port.locked = None, True
    ctx.record("port_forget_unreachable", Kind.PORT, f"{switch}/{name}", before=facts)
    return port


def ports_list(ctx: Context, *, switch: str, after: str, limit: int) -> Sequence[Port]:
    """One page of a switch's ports by name, with the NIC and node behind each."""
    owner = ctx.switch(switch, Act.READ)
    query = select(Port).where(Port.switch_id == owner.id, Port.name > after).order_by(Port.name).limit(limit)
    return ctx.session.scalars(query.options(joinedload(Port.nic).joinedload(Nic.node))).all()


def ports_in_trouble(ctx: Context, *, limit: int) -> Sequence[tuple[Switch, Port]]:
    """Wired ports that are not settled: what an operator looks at first."""
    ctx.require(Act.ADMIN, Kind.PORT)
    trouble = (Port.wanted > Port.applied) | Port.tainted | Port.drifted | Port.quarantined
    query = (
        select(Switch, Port)
        .join(Port, Port.switch_id == Switch.id)
        .where(Port.nic_id.is_not(None), trouble)
        .order_by(Switch.name, Port.name)
        .limit(limit)
        .options(joinedload(Port.nic).joinedload(Nic.node))
    )
    return [(switch, port) for switch, port in ctx.session.execute(query)]
