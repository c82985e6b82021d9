"""`hil nic`: network cards."""

from __future__ import annotations

import click

from hil.cli import params
from hil.cli.commands.node import nics_table
from hil.cli.lazy import Group
from hil.cli.output import emit
from hil.cli.session import Session

nic = Group("nic", help="Network cards of a node.")


@nic.verb("list", "hil nic list node01")
@params.argument("node")
@params.output
@click.pass_obj
def nic_list(session: Session, node: str, output: str) -> None:
    """List the NICs of a node and the networks on them."""
    found = session.client.nodes.get(node)
    if output == "table":
        nics_table(found)
    else:
        emit(found.nics, "name macaddr switch port networks", output)


@nic.verb("add", "hil nic add node01 eth0 52:54:00:12:34:56")
@params.argument("node")
@click.argument("nic")
@click.argument("macaddr")
@click.pass_obj
def add(session: Session, node: str, nic: str, macaddr: str) -> None:
    """Describe a NIC of a node. Operators only."""
    session.client.nodes.add_nic(node, nic, macaddr)


@nic.verb("delete", "hil nic delete node01 eth0")
@params.argument("node")
@params.argument("nic")
@click.pass_obj
def delete(session: Session, node: str, nic: str) -> None:
    """Forget a NIC that no port is wired to. Operators only."""
    session.client.nodes.delete_nic(node, nic)
