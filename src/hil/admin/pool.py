"""`hil-admin pool`: the VLAN ids that HIL may hand out."""

from __future__ import annotations

import click

from hil.admin.here import Here, as_json, table
from hil.cli.lazy import Group
from hil.core.vlans import fold, unfold
from hil.services import pool as pools


@click.group("pool", cls=Group)
def pool() -> None:
    """Show and set the pool of VLAN ids."""


@pool.verb("show", "hil-admin pool show")
@click.option("--json", "json_", is_flag=True, help="For programs.")
@click.pass_obj
def show(here: Here, json_: bool) -> None:
    """Show the pool, what is used of it, reserved by switches, draining from ports, and free."""
    found = here.read(pools.pool_show)
    if json_:
        return as_json(found)
    table(("WHAT", "IDS"), [(name, ids or "none") for name, ids in found.items()])


@pool.verb("set", "hil-admin pool set 100-199,300")
@click.argument("ids")
@click.pass_obj
def set_(here: Here, ids: str) -> None:
    """Make the pool exactly IDS. An id in use cannot leave it."""
    wanted = unfold(ids)
    here.change(lambda ctx: pools.pool_set(ctx, wanted))
    click.echo(f"the pool is {fold(wanted) or 'empty'}")
