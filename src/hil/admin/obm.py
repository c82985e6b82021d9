"""`hil-admin obm`: the keys of out-of-band management.

Two kinds: the key with which HIL signs capabilities, of which obmd has the public half, and the keys that encrypt the
passwords of BMCs in obmd's database. Run on obmd's host for the second.
"""

from __future__ import annotations

from contextlib import closing

import click

from hil.admin.here import Here
from hil.admin.obm_nodes import add_to
from hil.cli.lazy import Group
from hil.core.errors import BadArgument
from hil.process.obmd import obmd_place, open_obmd_store
from hil.services.obm_key import obm_key_rotate, obm_public_keys


@click.group("obm", cls=Group)
def obm() -> None:
    """Tell obmd of controllers, show and change the key that signs, rotate the keys of obmd's database."""


@obm.verb("public-key", "hil-admin obm public-key")
@click.pass_obj
def public_key(here: Here) -> None:
    """Print the public keys of HIL, one in a line, for `hil_public_keys` of every obmd: the first one signs now."""
    with here.store() as store:
        for public in store.change(obm_public_keys):
            click.echo(public)


@obm.verb("rotate-key", "hil-admin obm rotate-key", "hil-admin obm rotate-key --switch")
@click.option("--switch", is_flag=True, help="Sign with the next key from now on.")
@click.pass_obj
def rotate_key(here: Here, switch: bool) -> None:
    """Make the next key that signs capabilities, and print its public half. Give that to every obmd, then --switch."""
    click.echo(here.change(lambda ctx: obm_key_rotate(ctx, switch=switch)))


@obm.verb("rotate", "hil-admin obm rotate")
@click.pass_obj
def rotate(here: Here) -> None:
    """Re-encrypt every controller's configuration under the newest key of obmd's key file."""
    where = obmd_place(here.config, here.place.state)
    if where.file is not None and not where.file.exists():
        raise BadArgument(f"There is no database {where.file}: is this obmd's host?")
    where.owned()
    with closing(open_obmd_store(where)) as store:
        count = store.rotate()
    click.echo(f"re-encrypted {count} configurations under the newest key; keep the first and the last key of the file")


add_to(obm)
