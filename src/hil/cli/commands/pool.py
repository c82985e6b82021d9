"""`hil pool`: the VLAN ids that HIL may hand out."""

from __future__ import annotations

import click

from hil.cli import params
from hil.cli.lazy import Group
from hil.cli.output import emit_one
from hil.cli.session import Session

pool = Group("pool", help="The VLAN ids that HIL may hand out.")
FACTS = "pool free used reserved draining"


@pool.verb("show", "hil pool show")
@params.output
@click.pass_obj
def show(session: Session, output: str) -> None:
    """Show the pool, and which of its ids are in use. Operators only."""
    emit_one(session.client.pool.get(), FACTS, output)


@pool.verb("set", "hil pool set 100-199,300")
@click.argument("ids")
@params.output
@click.pass_obj
def pool_set(session: Session, ids: str, output: str) -> None:
    """Replace the pool; an id in use cannot be taken out. Operators only."""
    emit_one(session.client.pool.set(ids), FACTS, output)
