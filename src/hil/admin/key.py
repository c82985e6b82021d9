"""`hil-admin key`: the keys that encrypt secrets at rest.

A rotation is three steps, and HIL serves all the while: put a new key in front of the file on every host and restart
its processes; re-encrypt with `rotate`; drop the keys between the first and the last. The last key also seals the
journal and is never dropped.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import click
from cryptography.fernet import Fernet
from sqlalchemy import LargeBinary, Table, delete, select, update

from hil.admin.here import Here
from hil.cli.lazy import Group
from hil.core.errors import BadArgument
from hil.core.policy import Act, Kind
from hil.services.context import Context
from hil.store.keys import Keyring
from hil.store.tables import Base, Idempotency


@click.group("key", cls=Group)
def key() -> None:
    """Make encryption keys, and re-encrypt everything under the newest."""


@key.verb("new", "hil-admin key new /etc/hil/keys", "hil-admin key new --add /etc/hil/keys")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--add", is_flag=True, help="Put the new key in front of those in FILE.")
def new(file: Path | None, add: bool) -> None:
    """Make a key: print it, or write it to FILE, for its owner alone."""
    made = Fernet.generate_key().decode()
    if file is None:
        return click.echo(made)
    if add:
        Keyring.from_file(file)
    elif file.exists():
        raise BadArgument(f"{file} exists: put a new key in front of those in it with --add.")
    _write(file, f"{made}\n{file.read_text() if add else ''}")
    click.echo(f"a new key stands first in {file}" if add else f"made {file}")


def _write(path: Path, text: str) -> None:
    """Replace a file whole, or not at all; it keeps its owner."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            if path.exists():
                os.fchown(file.fileno(), path.stat().st_uid, path.stat().st_gid)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@key.verb("rotate", "hil-admin key rotate")
@click.pass_obj
def rotate(here: Here) -> None:
    """Re-encrypt every secret in the database under the newest key."""
    keys = here.place.keyring()
    count = here.change(lambda ctx: _rotate(ctx, keys))
    click.echo(f"re-encrypted {count} secrets under the newest key; keep the first and the last key of the file")


def _rotate(ctx: Context, keys: Keyring) -> int:
    ctx.require(Act.ADMIN, Kind.KEY)
    ctx.session.execute(delete(Idempotency))  # kept answers are sealed too, and worth less than the way to rotate them
    count = sum(_rotate_table(ctx, keys, table) for table in Base.metadata.sorted_tables)
    ctx.record("key_rotate", Kind.KEY, "encryption", after={"secrets": count})
    return count


def _rotate_table(ctx: Context, keys: Keyring, table: Table) -> int:
    """Every binary column holds something that the keyring has sealed; there is no other use of them."""
    sealed = [column for column in table.columns if isinstance(column.type, LargeBinary)]
    if not sealed:
        return 0
    count = 0
    own = list(table.primary_key.columns)
    rows: Any = ctx.session.execute(select(*own, *sealed).order_by(*own).with_for_update()).all()
    for row in rows:
        fresh = {column.name: keys.renew(value) for column, value in zip(sealed, row[len(own) :], strict=True) if value}
        if fresh:
            same = [column == value for column, value in zip(own, row, strict=False)]
            ctx.session.execute(update(table).where(*same).values(fresh))
            count += len(fresh)
    return count
