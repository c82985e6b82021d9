"""Bells: one part of HIL tells another that something may have changed.

A bell carries no facts, only a word such as `lane 7` or `journal 12`; whoever hears it looks at the database. Losing
one costs time, never work: every listener also has a slow timer. Inside one process it is a call; between processes
it is PostgreSQL's NOTIFY, sent in the transaction that it announces.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

import psycopg
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

CHANNEL = "hil"
_PAUSE = 2.0
log = logging.getLogger(__name__)
Listener = Callable[[str], None]


class Bell:
    """Ring and hear bells. With an engine (PostgreSQL) a thread hears other processes once somebody subscribes."""

    def __init__(self, engine: Engine | None) -> None:
        self._engine = engine
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each word, from any thread; it must return at once. Answers the way to unsubscribe."""
        with self._lock:
            self._listeners.add(listener)
            if self._engine is not None and self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="hil-bell", daemon=True)
                self._thread.start()
        return lambda: self._listeners.discard(listener)

    def ring_within(self, session: Session, words: Iterable[str]) -> None:
        """Queue the words to be sent to every process when this transaction commits (PostgreSQL)."""
        if self._engine is not None:
            for word in sorted(words):
                session.execute(select(func.pg_notify(CHANNEL, word)))

    def ring(self, words: Iterable[str]) -> None:
        """Tell the listeners of this process. On PostgreSQL they hear it from the database instead."""
        if self._engine is None:
            self._tell(words)

    def _tell(self, words: Iterable[str]) -> None:
        for word in words:
            for listener in tuple(self._listeners):
                listener(word)

    def _listen(self) -> None:
        assert self._engine is not None
        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while not self._stop.is_set():
            try:
                with psycopg.connect(url, autocommit=True, application_name="hil bell") as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    while not self._stop.is_set():
                        self._tell(note.payload for note in connection.notifies(timeout=0.5))
            except psycopg.Error as error:
                log.warning("bell: lost the database, trying again: %s", error)
                self._stop.wait(_PAUSE)

    def close(self) -> None:
        """Stop listening; waits for the thread to end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
