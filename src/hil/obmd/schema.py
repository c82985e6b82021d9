"""The tables of obmd, and the steps by which a database comes to them.

There are few tables, and each step is a function of one connection: it happens whole, in one transaction, or not at
all. There is no way back but a backup. A database that a newer obmd, or something else, has made is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    func,
    insert,
    inspect,
    select,
    update,
)

from hil.core.errors import BadArgument

LOCK: Final = 0x4F424D44  # "OBMD": the advisory lock of obmd's PostgreSQL database
VERSION: Final = "schema"

metadata = MetaData()
settings = Table(
    "obmd_settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", String(255), nullable=False),
)
nodes = Table(
    "obmd_nodes",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("driver", String(64)),
    Column("sealed", LargeBinary),
    Column("epoch", BigInteger, nullable=False),
    Column("enabled", Boolean, nullable=False),
)
pauses = Table(
    "obmd_pauses",
    metadata,
    Column("controller", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("until", Float, nullable=False),
)
returns = Table(
    "obmd_returns",
    metadata,
    Column("node", String(64), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)


def _first(connection: Connection) -> None:
    metadata.create_all(connection, tables=[settings, nodes, pauses])


def _second(connection: Connection) -> None:
    metadata.create_all(connection, tables=[returns])


STEPS: Final[Sequence[Callable[[Connection], None]]] = (_first, _second)
"""Step N leads from version N to N + 1; a step that has been released is never changed."""


def upgrade(connection: Connection, steps: Sequence[Callable[[Connection], None]] = STEPS) -> None:
    """Do the steps that are missing, inside the transaction of `connection`. Raises BadArgument."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(LOCK, 0)))
    found = version(connection)
    if found > len(steps):
        raise BadArgument(f"obmd's database is of version {found}, newer than this obmd: run the newer one.")
    for step in steps[found:]:
        step(connection)
    if found == 0:
        connection.execute(insert(settings).values(name=VERSION, value=str(len(steps))))
    elif found < len(steps):
        connection.execute(update(settings).where(settings.c.name == VERSION).values(value=str(len(steps))))


def version(connection: Connection) -> int:
    """The version of a database; 0 for an empty one. Raises BadArgument if it is not obmd's."""
    there = inspect(connection).get_table_names()
    if settings.name in there:
        return int(connection.scalar(select(settings.c.value).where(settings.c.name == VERSION)) or 0)
    if there:
        raise BadArgument(f"The database is not obmd's: it has a table {there[0]!r}. Give obmd a database of its own.")
    return 0
