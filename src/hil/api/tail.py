"""The end of the journal in memory, read once for all who wait in this process.

Event streams and long polls wait here. A bell wakes them; they look at the lines, never at the bell, and look anyway
every few seconds. Nobody holds a thread while waiting, and a hundred who wait cost one query.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from hil.services.event import Line, head, newest
from hil.store.unit import Store

KEPT: Final = 1000
_FRESH: Final = 0.5


class Ear:
    """One who waits. It belongs to the event loop that made it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()

    def wake(self) -> None:
        """Wake the waiter, from any thread; one whose loop has ended needs it no more."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._rung.set)

    async def wait(self, seconds: float) -> None:
        """Return when something may have happened since the last return, or after so many seconds."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._rung.wait()
        except TimeoutError:
            pass
        self._rung.clear()


class Tail:
    """The last lines of the journal, for any number of waiters in any number of loops."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lines: deque[Line] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self._seq = -1
        """The last line that was read; -1: none was looked for yet."""
        self._floor = 0
        """Every line after this one, up to `_seq`, is in memory."""
        self._rung = 0
        self._read_at = 0.0
        self._ears: set[Ear] = set()
        self._unsubscribe: Callable[[], None] | None = None
        self.closed = False

    @contextmanager
    def listening(self) -> Iterator[Ear]:
        """Be woken by every change from here on: look after this began, then wait, then look again."""
        ear = Ear()
        with self._lock:
            self._ears.add(ear)
            if self._unsubscribe is None:
                self._unsubscribe = self._store.bell.subscribe(self._hear)
        try:
            yield ear
        finally:
            with self._lock:
                self._ears.discard(ear)

    @property
    def waiting(self) -> int:
        """How many wait here."""
        return len(self._ears)

    def _hear(self, word: str) -> None:
        kind, _, number = word.partition(" ")
        if kind == "journal" and number.isdigit():
            self._rung = max(self._rung, int(number))
            self._wake()

    def _wake(self) -> None:
        for ear in tuple(self._ears):
            ear.wake()

    def since(self, after: int) -> list[Line] | None:
        """The lines after this number, oldest first; None if they are too old to be in memory. Blocks: one query."""
        with self._lock:
            self._catch_up()
            if after < self._floor:
                return None
            return [line for line in self._lines if line.seq > after]

    def _catch_up(self) -> None:
        now = time.monotonic()
        if self._seq >= self._rung and self._seq >= 0 and now - self._read_at < _FRESH:
            return
        if self._seq < 0:
            self._seq = self._floor = self._store.read(head)
        else:
            found = self._store.read(lambda session: newest(session, self._seq, KEPT))
            if found:
                if found[0].seq != self._seq + 1:
                    self._lines.clear()
                self._lines.extend(found)
                self._seq = found[-1].seq
                self._floor = self._lines[0].seq - 1
        self._read_at = now

    def close(self) -> None:
        """Send everybody home: streams and long polls end at once. For a graceful stop."""
        self.closed = True
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._wake()
