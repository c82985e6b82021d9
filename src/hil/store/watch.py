"""How long what was read of the accounts may be believed, so that not every request must read it again.

A process may remember who has which password hash, role and key for as long as its `Watch` vouches for it. A change of
an account is told to every process, and whoever changed it waits (`forgotten`) until every process has let go of what
it remembered: when the request that revokes something has been answered, it is revoked everywhere.

Each change counts the era of the accounts one up. A process that remembers holds an advisory lock of PostgreSQL that is
named by the era, on a connection that does nothing else, and has seen after taking it that the era is still the same.
Whoever has changed an account waits, after the commit, for each lock of an older era that is held. A process that
cannot be reached stops believing `TRUST` seconds after its last word with the database, and the database ends its
session, and with it the lock, only later (`IDLE`). On SQLite nothing is ever remembered: another process (`hil-admin`)
may change the file and nobody is told.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

import psycopg
from sqlalchemy import Engine, Integer, Text, cast, event, func, inspect, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from hil.store.tables import ApiKey, Membership, Project, Setting, User

CHANNEL: Final = "hil_accounts"
LOCKS: Final = 0x48494C41
"""The class of the advisory locks: "HILA". The second number of such a lock is the era."""
ERA: Final = "accounts_era"
TRUST: Final = 2.0
IDLE: Final = 5.0
_PATIENCE: Final = 4 * IDLE
_BEAT: Final = 0.2
_HELD: Final = text(
    "SELECT DISTINCT objid::int FROM pg_locks WHERE locktype = 'advisory' AND classid = :class AND objid < :era"
    " AND objsubid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_ACCOUNTS: Final = (User, ApiKey, Membership)
_MARK: Final = "accounts changed"
log = logging.getLogger(__name__)


class Watch:
    """Vouches for what a process remembers, from a thread and a connection of its own, until it is closed."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        url = engine.url.set(drivername="postgresql")
        self._address = url.render_as_string(hide_password=False)
        self._clock = clock
        self._era = 0
        self._until = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hil-accounts", daemon=True)
        self._thread.start()

    @property
    def era(self) -> int | None:
        """What was read while this number stood is good while it stands; None: believe nothing, ask the database."""
        until = self._until  # looked at first: while it stands, the lock is held
        era = self._era
        return era if self._clock() < until else None

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=2 * _BEAT + 5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._connected()
            except psycopg.Error as error:
                self._distrust()
                log.warning("accounts are read for each request until the database answers again: %s", error)
                self._stop.wait(TRUST)
            finally:
                self._distrust()

    def _connected(self) -> None:
        options = f"-c idle_session_timeout={int(IDLE * 1000)}"
        with psycopg.connect(
            self._address, autocommit=True, application_name="hil accounts", connect_timeout=10, options=options
        ) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            while not self._stop.is_set():
                self._hold(connection)

    def _hold(self, connection: psycopg.Connection[tuple[int]]) -> None:
        """Believe while the lock of the present era is held and the era is the present one."""
        list(connection.notifies(timeout=0))  # those before: the era is looked at afterwards
        era = _era(connection)
        connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", [LOCKS, era])
        self._era += 1  # what was read before the lock was held is not to be believed
        while not self._stop.is_set():
            asked = self._clock()
            if _era(connection) != era:
                break
            self._until = asked + TRUST
            if list(connection.notifies(timeout=_BEAT, stop_after=1)):  # also those that came meanwhile
                break
        self._distrust()
        connection.execute("SELECT pg_advisory_unlock_shared(%s, %s)", [LOCKS, era])

    def _distrust(self) -> None:
        self._until = 0.0
        self._era += 1


class WritingSession(Session):
    """A session that notes whether it changes what a process may have remembered; `changed` answers it."""


def changed(session: Session) -> bool:
    return bool(session.info.get(_MARK))


def tell(session: Session) -> int:
    """Begin a new era, and tell every process of it, when this transaction commits. Answers its number."""
    first = insert(Setting).values(name=ERA, value="1")
    next_one = cast(cast(Setting.value, Integer) + 1, Text)
    upsert = first.on_conflict_do_update(index_elements=[Setting.name], set_={"value": next_one})
    era = int(session.scalars(upsert.returning(Setting.value)).one())
    session.execute(select(func.pg_notify(CHANNEL, "")))
    return era


def forgotten(engine: Engine, era: int) -> None:
    """Wait until no process believes what it read in an earlier era: normally milliseconds, at most about `IDLE`."""
    try:
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = {int(_PATIENCE * 1000)}"))
            for old in connection.scalars(_HELD, {"class": LOCKS, "era": era}).all():
                connection.execute(select(func.pg_advisory_xact_lock(LOCKS, cast(old, Integer))))
    except DBAPIError as error:  # it is committed; and nobody believes anything longer than TRUST without the database
        log.warning("a change of accounts could not be confirmed by every process: %s", error.orig)


def _era(connection: psycopg.Connection[tuple[int]]) -> int:
    row = connection.execute("SELECT value::int FROM setting WHERE name = %s", [ERA]).fetchone()
    return row[0] if row else 0


def _flushed(session: Session, _: UOWTransaction) -> None:
    touched = (*session.new, *session.dirty, *session.deleted)
    if any(isinstance(row, _ACCOUNTS) or _disabled(session, row) for row in touched):
        session.info[_MARK] = True


def _disabled(session: Session, row: object) -> bool:
    """A project is part of an account by being enabled or not."""
    if not isinstance(row, Project):
        return False
    return row in session.deleted or (row in session.dirty and inspect(row).attrs.enabled.history.has_changes())


def _executed(state: ORMExecuteState) -> None:
    writes = state.is_update or state.is_delete or state.is_insert
    if writes and state.bind_mapper is not None and issubclass(state.bind_mapper.class_, (*_ACCOUNTS, Project)):
        state.session.info[_MARK] = True


event.listen(WritingSession, "after_flush", _flushed)
event.listen(WritingSession, "do_orm_execute", _executed)
