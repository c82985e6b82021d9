"""Brings a database to the schema of this version, and says what keeps one from being used.

A migration runs in one transaction, on SQLite as on PostgreSQL: it happens or it does not. Several processes may begin
one at the same time; they wait for each other. There is no way back but a backup: a downgrade would have to
throw away what the newer version knows about ports. A database that a newer HIL, or something else, has made is refused
and left as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, func, inspect, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from hil.core.errors import BadArgument, Unavailable
from hil.store.engine import WRITING, open_engine
from hil.store.keys import Keyring
from hil.store.tables import JournalHead, Setting
from hil.store.unit import Store, Unit, mapped

HERE: Final = Path(__file__).with_name("migrations")
KEY_CHECK: Final = "key_check"
_LOCK: Final = 0x48494C  # "HIL": the advisory lock under which PostgreSQL is migrated
_UPGRADE: Final = "run `hil-admin db upgrade`"


def upgrade(database: str | Engine, to: str = "head") -> None:
    """Bring a database to the newest schema; one that is there stays untouched. Raises BadArgument, Unavailable."""
    engine = open_engine(database) if isinstance(database, str) else database
    try:
        with _alone(engine) as connection:
            _ours(connection)
            settings = configuration()
            settings.attributes["connection"] = connection
            command.upgrade(settings, to)
    except DBAPIError as error:
        raise mapped(error) from error
    finally:
        if isinstance(database, str):
            engine.dispose()


def check(engine: Engine, keys: Keyring | None = None) -> list[str]:
    """Answer what is wrong with a database, each fault with its remedy. Raises Unavailable if it does not answer."""
    try:
        with engine.connect() as connection:
            found = revision(connection)
            if found != revisions()[-1]:
                return [_stale(found)]
            return [*_journal(connection), *_key(connection, keys), *_durable(connection)]
    except DBAPIError as error:
        raise mapped(error) from error


@cache
def revisions() -> tuple[str, ...]:
    """Every revision that this version knows, the oldest first."""
    scripts = ScriptDirectory.from_config(configuration())
    return tuple(script.revision for script in scripts.walk_revisions())[::-1]


def revision(connection: Connection) -> str | None:
    """The revision of a database; None for an empty one."""
    found = MigrationContext.configure(connection).get_current_heads()
    return found[0] if found else None


def claim_keys(store: Store) -> None:
    """Remember whose keys these are, in a database that knows none. Raises BadArgument if it knows others."""

    def work(unit: Unit) -> None:
        dialect = postgresql if store.postgres else sqlite
        row = {"name": KEY_CHECK, "value": store.keys.check}
        unit.session.execute(dialect.insert(Setting).values(row).on_conflict_do_nothing())
        if faults := _key(unit.session.connection(), store.keys):
            raise BadArgument(faults[0])

    store.change(work)


def configuration() -> Config:
    """What Alembic must know; it stands in no file, and the connection is added by whoever has one."""
    settings = Config()
    settings.set_main_option("script_location", str(HERE).replace("%", "%%"))
    return settings


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """One write transaction that no other migration shares.

    SQLite alters a table by copying it and dropping the old one. Its foreign keys are off meanwhile (they would delete
    whatever refers to the old one), and checked before the end: https://www.sqlite.org/lang_altertable.html, section 7.
    """
    with engine.connect() as connection:
        connection.execution_options(**{WRITING: True})
        if engine.dialect.name == "postgresql":
            with connection.begin():
                connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
                yield connection
            return
        _foreign_keys(connection, "OFF")
        try:
            with connection.begin():
                yield connection
                if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
                    raise Unavailable("The migration was undone: it would break references.", detail=str(broken[:10]))
        finally:
            _foreign_keys(connection, "ON")


def _foreign_keys(connection: Connection, value: str) -> None:
    driver = connection.connection.dbapi_connection
    assert driver is not None
    driver.cursor().execute(f"PRAGMA foreign_keys={value}")  # below SQLAlchemy: it has no effect in a transaction


def _ours(connection: Connection) -> None:
    """Refuse a database whose schema this version did not make."""
    found = revision(connection)
    if found is not None and found not in revisions():
        raise BadArgument(_stale(found))
    if found is None and (tables := inspect(connection).get_table_names()):
        raise BadArgument(f"The database is not HIL's: it has a table {tables[0]!r}. Give HIL a database of its own.")


def _stale(found: str | None) -> str:
    if found is None:
        return f"The database is empty: {_UPGRADE}."
    if found in revisions():
        return f"The schema is of revision {found}, this version of HIL needs {revisions()[-1]}: {_UPGRADE}."
    return f"The schema is of revision {found}, which this version of HIL does not know: run the newer HIL."


def _journal(connection: Connection) -> list[str]:
    if connection.scalar(select(JournalHead.seq).where(JournalHead.id == 1)) is None:
        return ["The journal's head is missing: restore the database from a backup."]
    return []


def _key(connection: Connection, keys: Keyring | None) -> list[str]:
    if keys is None:
        return []
    known = connection.scalar(select(Setting.value).where(Setting.name == KEY_CHECK))
    if known is None or known == keys.check:
        return []
    return [
        f"The oldest key is not the one with which this database began (check value {keys.check}, not {known}): "
        "give HIL the key file that belongs to it."
    ]


def _durable(connection: Connection) -> list[str]:
    """A commit that a power cut can take back would take a port's taint back with it."""
    if connection.dialect.name != "postgresql" or connection.scalar(text("SHOW synchronous_commit")) != "off":
        return []
    return ["PostgreSQL's synchronous_commit is off: set it to on for HIL's database or role."]
