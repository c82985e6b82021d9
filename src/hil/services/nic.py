"""NICs: the network cards of a node, by name and MAC address."""

from __future__ import annotations

from sqlalchemy import delete, exists, select

from hil.core import names
from hil.core.errors import BadArgument, Blocked, Duplicate, Pending
from hil.core.policy import Act, Kind
from hil.services.context import Context
from hil.store.tables import Nic, Port


def nic_register(ctx: Context, node: str, name: str, macaddr: str) -> Nic:
    """Add a NIC. The address is kept as given (at most 64 printable ASCII characters). Raises Duplicate."""
    owner = ctx.node(node, Act.ADMIN)
    names.name("NIC", name)
    mac_is_meant(macaddr)
    if ctx.session.scalar(select(exists().where(Nic.node_id == owner.id, Nic.name == name))):
        raise Duplicate(f"Node {node!r} has a NIC {name!r} already.")
    nic = Nic(node_id=owner.id, name=name, macaddr=macaddr)
    ctx.session.add(nic)
    owner.version += 1
    ctx.record("nic_register", Kind.NODE, node, project_id=owner.project_id, after={"nic": name, "macaddr": macaddr})
    return nic


def mac_is_meant(macaddr: str) -> None:
    if len(macaddr) > 64 or not (macaddr.isascii() and (macaddr.isprintable() or not macaddr)):
        raise BadArgument("A MAC address is at most 64 printable ASCII characters, such as 52:54:00:12:34:56.")


def nic_delete(ctx: Context, node: str, name: str) -> None:
    """Remove a NIC of a node that is in no project. A wired port stays, unwired, once it is known to carry nothing."""
    owner = ctx.node(node, Act.ADMIN)
    nic = ctx.nic(owner, name)
    if owner.project_id is not None:
        raise Blocked(f"Node {node!r} is in a project: release it first.")
    if nic.port is not None:
        port_is_clean(nic.port)
        nic.port.nic_id = None
        ctx.session.flush()
    ctx.session.execute(delete(Nic).where(Nic.id == nic.id))
    owner.version += 1
    ctx.record("nic_delete", Kind.NODE, node, before={"nic": name})


def port_is_clean(port: Port) -> None:
    """HIL lets go of a port only when the switch said that it carries nothing, or when HIL never touched it."""
    never = port.read_at is None and not port.tainted
    if not never and (port.tainted or port.wanted > port.applied or port.quarantined or port.drifted):
        raise Pending(f"Port {port.name!r} is not known to carry nothing yet: wait for it ({port.error or 'pending'}).")
