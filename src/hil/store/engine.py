"""Opens the database and says what a transaction is on it.

SQLite: one file, write-ahead log, every write transaction begins by taking the write lock (`BEGIN IMMEDIATE`), so that
a conditional write means there what a row lock means on PostgreSQL. `synchronous=FULL`, because a taint that a power
cut could take back would not protect anybody. PostgreSQL: READ COMMITTED and explicit row locks; see the lock order in
docs/developers/locks.md.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, StaticPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from hil.core.errors import BadArgument

WRITING = "hil_writing"
"""Execution option of a connection: this transaction will write."""


def open_engine(url: str, *, pool_size: int = 10) -> Engine:
    """Open `sqlite:///PATH`, `sqlite://` (memory) or `postgresql://…`. Raises BadArgument for anything else."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BadArgument(
            "The database URL cannot be read: use sqlite:///PATH or postgresql://USER@HOST/NAME."
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(url, memory=parsed.database in (None, "", ":memory:"))
    if backend == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(
            parsed,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            connect_args={"application_name": "hil"},
        )
    raise BadArgument(f"HIL runs on SQLite and PostgreSQL, not on {backend!r}.")


def open_reading(engine: Engine, *, pool_size: int = 10) -> Engine:
    """Open connections for statements that stand alone, for reading: on PostgreSQL each costs one round trip.

    A transaction would cost four: a ping, BEGIN, the question and ROLLBACK, and of a transaction at READ COMMITTED one
    sees no more than of its statements one by one. Instead of the ping, who meets a dead connection asks once more.
    """
    if engine.dialect.name != "postgresql":
        return engine
    return create_engine(
        engine.url,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        connect_args={"application_name": "hil reading"},
    )


def _sqlite(url: str, *, memory: bool) -> Engine:
    options: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": 30.0}}
    if memory:
        options["poolclass"] = StaticPool
    engine = create_engine(url, **options)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
