"""What obmd keeps: for each node its driver, its sealed configuration, its epoch and whether it is enabled.

A database of its own, SQLite or PostgreSQL, that no other process of HIL reads. A node's whole configuration is one
encrypted value, the address too. An epoch only grows, and outlives the registration: a node that is deleted leaves a
row without a driver, so that a capability of its former life never fits the next one. Whoever calls is asynchronous,
and these functions are not: they run in a thread.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, true, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hil.core import guard
from hil.core.errors import BadArgument, Conflict, Unavailable
from hil.core.secret import Secret
from hil.obmd import schema
from hil.obmd.schema import nodes, pauses, returns, settings
from hil.store.engine import WRITING, open_engine
from hil.store.keys import Keyring
from hil.store.unit import mapped

KEY_CHECK: Final = "key_check"


@dataclass(frozen=True, slots=True)
class Record:
    """One registered node, opened. `config` is in the driver's normal form, secrets included."""

    name: str
    driver: str
    config: dict[str, Any] = field(repr=False)
    epoch: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """How often in a row a controller refused our log-in, and when (UTC seconds) the next may be tried."""

    failures: int = 0
    until: float = 0.0


class EpochBehind(Conflict):
    """The epoch is not ahead of the one that obmd knows; the answer names that one: go on from there."""

    type = "epoch-behind"

    def __init__(self, message: str, epoch: int = 0) -> None:
        super().__init__(message)
        self.epoch = epoch


class ObmdStore:
    """The database of one obmd."""

    def __init__(self, url: str, keys: Keyring, *, clock: Callable[[], float] = time.time) -> None:
        self.engine = open_engine(url, pool_size=4)
        self.keys, self.clock = keys, clock
        self.postgres = self.engine.dialect.name == "postgresql"
        self._writing = self.engine.execution_options(**{WRITING: True})

    def prepare(self) -> None:
        """Bring the database to this version's schema and see that the keys are its own. Raises BadArgument."""
        with self._change() as connection:
            schema.upgrade(connection)
            known = connection.scalar(select(settings.c.value).where(settings.c.name == KEY_CHECK))
            if known is None:
                connection.execute(insert(settings).values(name=KEY_CHECK, value=self.keys.check))
            elif known != self.keys.check:
                raise BadArgument(
                    f"The oldest key is not the one with which obmd's database began (check value {self.keys.check}, "
                    f"not {known}): give obmd the key file that belongs to it."
                )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold a PostgreSQL database for this process, which keeps epochs in memory. Raises BadArgument if taken."""
        if not self.postgres:
            yield
            return
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.detach()  # the lock is the connection's, and ends with it
            if not connection.scalar(select(func.pg_try_advisory_lock(schema.LOCK, 1))):
                raise BadArgument(
                    "Another obmd runs on this database: stop it, or give this one a database of its own."
                )
            yield

    def records(self) -> list[Record]:
        """Every registered node, by name."""
        with self._read() as connection:
            found = connection.execute(select(nodes).where(nodes.c.driver.is_not(None)).order_by(nodes.c.name)).all()
        return [self._record(row) for row in found]

    def record(self, name: str) -> Record | None:
        with self._read() as connection:
            row = connection.execute(select(nodes).where(nodes.c.name == name, nodes.c.driver.is_not(None))).first()
        return None if row is None else self._record(row)

    def put(self, name: str, driver: str, config: dict[str, Any]) -> Record:
        """Register a node, or change how it is reached; its epoch stays. A new registration is not enabled."""
        sealed = self.keys.seal_up(config)
        with self._change() as connection:
            row = connection.execute(select(nodes).where(nodes.c.name == name)).first()
            values = {"driver": driver, "sealed": sealed}
            if row is None:
                connection.execute(insert(nodes).values(name=name, epoch=0, enabled=False, **values))
            else:
                connection.execute(update(nodes).where(nodes.c.name == name).values(**values))
        epoch, enabled = (0, False) if row is None else (row.epoch, row.enabled)
        return Record(name, driver, config, epoch, enabled)

    def delete(self, name: str) -> None:
        """Forget how a node is reached, and remember its epoch."""
        gone = {"driver": None, "sealed": None, "enabled": False}
        with self._change() as connection:
            connection.execute(update(nodes).where(nodes.c.name == name).values(**gone))
            connection.execute(delete(returns).where(returns.c.node == name))

    def raise_epoch(self, name: str, epoch: int, *, enabled: bool, returned: str = "") -> None:
        """Set a node's epoch, which only grows; within one epoch a node can only be disabled. Raises EpochBehind.

        A node that is not registered may be disabled: its epoch is remembered for the day it is. `returned` is what HIL
        wants to see when it is asked about this epoch; that of an older one is forgotten.
        """
        later = or_(nodes.c.epoch < epoch, and_(nodes.c.epoch == epoch, nodes.c.enabled if enabled else true()))
        with self._change() as connection:
            connection.execute(delete(returns).where(returns.c.node == name))
            if returned:
                sealed = self.keys.seal_up({"returned": returned})
                connection.execute(insert(returns).values(node=name, sealed=sealed))
            change = update(nodes).where(nodes.c.name == name, later).values(epoch=epoch, enabled=enabled)
            if connection.execute(change).rowcount:
                return
            known = connection.scalar(select(nodes.c.epoch).where(nodes.c.name == name))
            if known is not None:
                words = f"Node {name!r} is in epoch {known}: epoch {epoch} cannot be set to this any more."
                raise EpochBehind(words, known)
            connection.execute(insert(nodes).values(name=name, epoch=epoch, enabled=enabled))

    def returned(self, name: str) -> Secret:
        """What HIL wants to see when it is asked about the node's epoch; empty if it gave nothing."""
        with self._read() as connection:
            sealed = connection.scalar(select(returns.c.sealed).where(returns.c.node == name))
        return Secret(self.keys.open_up(sealed).get("returned", ""))

    def pause(self, controller: str) -> Pause:
        with self._read() as connection:
            row = connection.execute(select(pauses).where(pauses.c.controller == _digest(controller))).first()
        return Pause() if row is None else Pause(row.failures, row.until)

    def pause_set(self, controller: str, pause: Pause) -> None:
        """Remember refused log-ins, over a restart too; none are forgotten."""
        key = _digest(controller)
        with self._change() as connection:
            connection.execute(delete(pauses).where(pauses.c.controller == key))
            if pause.failures:
                connection.execute(insert(pauses).values(controller=key, failures=pause.failures, until=pause.until))

    def rotate(self) -> int:
        """Re-encrypt every configuration under the newest key; answers how many."""
        with self._change() as connection:
            rows = connection.execute(select(nodes.c.name, nodes.c.sealed).where(nodes.c.sealed.is_not(None))).all()
            for name, sealed in rows:
                fresh = self.keys.renew(sealed)
                connection.execute(update(nodes).where(nodes.c.name == name).values(sealed=fresh))
            for name, sealed in connection.execute(select(returns.c.node, returns.c.sealed)).all():
                fresh = self.keys.renew(sealed)
                connection.execute(update(returns).where(returns.c.node == name).values(sealed=fresh))
        return len(rows)

    def ping(self) -> None:
        """Raise Unavailable unless the database answers."""
        with self._read() as connection:
            connection.execute(select(1))

    def close(self) -> None:
        self.engine.dispose()

    def _record(self, row: Any) -> Record:
        return Record(row.name, row.driver, self.keys.open_up(row.sealed), row.epoch, row.enabled)

    @contextmanager
    def _change(self) -> Iterator[Connection]:
        with _told(), guard.transaction(), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with _told(), guard.transaction(), self.engine.connect() as connection:
            yield connection


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable("The database is busy: try again.", detail=str(error)) from error
    except DBAPIError as error:
        raise mapped(error) from error


def _digest(controller: str) -> str:
    """Controllers are named by a hash: an address is nobody's business who reads the database."""
    return hashlib.sha256(controller.encode()).hexdigest()
