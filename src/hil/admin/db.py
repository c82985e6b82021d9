"""`hil-admin db`: the schema."""

from __future__ import annotations

import os
from contextlib import closing

import click

from hil.admin.here import Here
from hil.cli.lazy import Group
from hil.core.errors import BadArgument
from hil.process import compose
from hil.store import migrate


@click.group("db", cls=Group)
def db() -> None:
    """Look after the database's schema."""


@db.verb("upgrade", "hil-admin --config /etc/hil/hil.toml db upgrade")
@click.pass_obj
def upgrade(here: Here) -> None:
    """Bring the schema up to date, in one transaction; an empty database becomes HIL's.

    Stop all HIL processes before an upgrade, and make a backup: there is no way back but that.
    """
    os.umask(0o077)
    if here.place.sqlite:
        here.place.prepare()
    with closing(compose.open_store(here.config, here.place)) as store:
        migrate.upgrade(store.engine)
        compose.usable(store)
    click.echo(f"the schema is of revision {migrate.revisions()[-1]}")


@db.verb("check", "hil-admin db check")
@click.pass_obj
def check(here: Here) -> None:
    """Say whether HIL can run on the database: schema, journal, keys, durability. Exit status 1 if it cannot."""
    with here.database() as store:
        if faults := migrate.check(store.engine, store.keys):
            raise BadArgument("\n".join(faults))
    click.echo("nothing is wrong with the database")
