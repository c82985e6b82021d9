"""The unit of work: the one place that commits.

`Store.change` runs a function inside one write transaction, writes its journal lines last and commits; `Store.read`
runs one that only reads. While either runs, the guard forbids speaking to a device. A deadlock or a lost race for
SQLite's write lock is retried from the start, since nothing of it has happened.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import func, select, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from hil.core import guard
from hil.core.errors import BadArgument, Blocked, Duplicate, HilError, Unavailable
from hil.core.limits import Limits
from hil.store import journal, watch
from hil.store.bell import Bell
from hil.store.engine import WRITING, open_engine, open_reading
from hil.store.journal import Entry, Source
from hil.store.keys import Keyring
from hil.store.passwords import Passwords
from hil.store.question import STRAIGHT
from hil.store.watch import WritingSession

T = TypeVar("T")
_TRIES = 4
_RETRY_STATES = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected (PostgreSQL, appendix A)


class Unit:
    """One transaction: its session, the journal lines it will write and the bells it will ring once committed."""

    def __init__(self, store: Store, session: Session) -> None:
        self.store = store
        self.session = session
        self._lines: list[tuple[Source, Entry]] = []
        self.rings: set[str] = set()
        self.era: int | None = None
        """The era of the accounts that begins with the commit, if this changes any (PostgreSQL)."""

    def record(self, source: Source, entry: Entry) -> None:
        """Add a line to the journal; it is written if, and only if, the transaction commits."""
        self._lines.append((source, entry))

    def wake(self, switch_id: int) -> None:
        """Wake the lane of this switch after the commit."""
        self.rings.add(f"lane {switch_id}")

    def finish(self) -> None:
        """Flush, write the journal and commit. Called by Store alone."""
        self.session.flush()
        if self._lines:
            seq = journal.append(self.session, self.store.keys.sealing, self.store.clock(), self._lines)
            self.rings.add(f"journal {seq}")
            self.session.flush()
        self.store.bell.ring_within(self.session, self.rings)
        if self.store.postgres and watch.changed(self.session):
            self.era = watch.tell(self.session)
        self.session.commit()


class Store:
    """The database of one HIL. `clock` gives UTC seconds since 1970 and may be replaced by tests."""

    def __init__(
        self,
        url: str,
        keys: Keyring,
        *,
        limits: Limits | None = None,
        passwords: Passwords | None = None,
        clock: Callable[[], float] = time.time,
        pool_size: int = 10,
    ) -> None:
        self.engine = open_engine(url, pool_size=pool_size)
        self.keys = keys
        self.limits = limits or Limits()
        self.passwords = passwords or Passwords()
        self.clock = clock
        self.postgres = self.engine.dialect.name == "postgresql"
        self.bell = Bell(self.engine) if self.postgres else Bell(None)
        self._writing = self.engine.execution_options(**{WRITING: True})
        self.reading = open_reading(self.engine, pool_size=pool_size)
        self._reader = {STRAIGHT: self.reading} if self.postgres else {}
        # SQLite has one writer at a time and lets the others sleep and look again; waiting in line is far faster.
        self._turn = contextlib.nullcontext() if self.postgres else threading.Lock()

    def change(self, work: Callable[[Unit], T]) -> T:
        """Run `work` in one write transaction and commit it; everything or nothing happens."""
        for last in (*(False,) * (_TRIES - 1), True):
            try:
                return self._change_once(work)
            except PoolTimeout as error:
                raise _busy(error) from error
            except DBAPIError as error:
                if last or not _worth_retrying(error):
                    raise mapped(error) from error
        raise AssertionError("unreachable")

    def _change_once(self, work: Callable[[Unit], T]) -> T:
        with self._turn, guard.transaction(), WritingSession(self._writing, expire_on_commit=False) as session:
            unit = Unit(self, session)
            result = work(unit)
            unit.finish()
        self.bell.ring(unit.rings)
        if unit.era is not None:
            watch.forgotten(self.engine, unit.era)
        return result

    def read(self, work: Callable[[Session], T]) -> T:
        """Run `work`, which only reads, perhaps twice: on SQLite in one transaction, else statement by statement."""
        try:
            try:
                return self._read_once(work)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return self._read_once(work)
        except PoolTimeout as error:
            raise _busy(error) from error
        except DBAPIError as error:
            raise mapped(error) from error

    def _read_once(self, work: Callable[[Session], T]) -> T:
        with (
            guard.transaction(),
            Session(self.reading, expire_on_commit=False, autoflush=False, info=self._reader) as session,
        ):
            return work(session)

    def now(self, session: Session) -> float:
        """The time by which leases are judged: PostgreSQL's own clock, so that the workers' clocks may differ."""
        if not self.postgres:
            return self.clock()
        return float(session.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0)

    def ping(self) -> None:
        """Raise Unavailable unless the database answers."""
        self.read(lambda session: session.execute(text("SELECT 1")))

    def close(self) -> None:
        self.bell.close()
        self.reading.dispose()
        self.engine.dispose()


def _busy(error: PoolTimeout) -> Unavailable:
    return Unavailable("The database is busy: try again.", detail=str(error))


def _worth_retrying(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    return state in _RETRY_STATES or (isinstance(error, OperationalError) and "database is locked" in str(error.orig))


def mapped(error: DBAPIError) -> HilError:
    """Turn the database's exception into ours. A lost race shows as a broken unique index or foreign key."""
    words = str(error.orig)
    if isinstance(error, IntegrityError):
        if "attachment" in words:
            return Blocked("Another request changed this NIC at the same moment: read it again.", detail=words)
        if "oreign key" in words or "FOREIGN KEY" in words:
            return Blocked("The object is in use, or was deleted by another request at the same moment.", detail=words)
        return Duplicate("Another request took this name, address or wiring first.", detail=words)
    if isinstance(error, DataError):  # PostgreSQL stores no NUL in text, and no number that is too big for its column
        return BadArgument("The request has a value that cannot be stored.", detail=words)
    return Unavailable("The database does not answer: try again.", detail=words)
