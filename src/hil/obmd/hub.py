"""One console and everybody who looks at it: many viewers, one writer at a time, output that a late viewer still sees.

The controller's line is opened for the first viewer and kept for a while after the last, so that whoever comes back has
missed nothing. A viewer that does not keep up loses output and is told how much; it never holds up the others. Who
writes is known to all: the first who types has the line until another takes it over. A hub belongs to one term: what
one holder's console has said is never shown to the next. `taps` hear every byte, with the time: recordings go there.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from hil.core.errors import Conflict, DeviceBusy, DeviceError, HilError, LostReply
from hil.core.obms import ConsoleLine
from hil.obmd.limits import ObmdLimits
from hil.obmd.tally import Tally

log = logging.getLogger(__name__)
Event = dict[str, Any]
Tap = Callable[[float, bytes], None]


class NotWriting(Conflict):
    """Somebody else types on this console: take it over first."""

    type = "not-writing"


class Viewer:
    """One who looks. `take` waits for bytes and events in their order; an empty list is the end."""

    def __init__(self, number: int, user: str, way: str, backlog: int, tally: Tally) -> None:
        self.number, self.user, self.way = number, user, way
        self._backlog, self._tally = backlog, tally
        self._items: deque[bytes | Event] = deque()
        self._size = self._lost = 0
        self._news = asyncio.Event()
        self._ended = False

    def show(self, data: bytes) -> None:
        self._items.append(data)
        self._size += len(data)
        while self._size > self._backlog:
            self._drop()
        self._news.set()

    def _drop(self) -> None:
        """Lose the oldest output; events stay."""
        index = next(at for at, item in enumerate(self._items) if isinstance(item, bytes))
        gone = self._items[index]
        del self._items[index]
        self._size -= len(gone)
        self._lost += len(gone)
        self._tally.lost += len(gone)

    def tell(self, event: Event) -> None:
        self._items.append(event)
        self._news.set()

    def end(self) -> None:
        self._ended = True
        self._news.set()

    async def take(self) -> list[bytes | Event]:
        """Everything since the last time."""
        while not self._items and not self._ended:
            self._news.clear()
            await self._news.wait()
        found: list[bytes | Event] = [{"event": "gap", "bytes": self._lost}] if self._lost else []
        found += self._items
        self._items.clear()
        self._size = self._lost = 0
        return found


class Hub:
    """The console of one node in one term. `open` opens the controller's line; `clock` gives UTC seconds."""

    def __init__(
        self,
        open: Callable[[], Awaitable[ConsoleLine]],
        limits: ObmdLimits,
        clock: Callable[[], float],
        tally: Tally | None = None,
    ) -> None:
        self._open, self._limits, self._clock = open, limits, clock
        self.tally = tally or Tally()
        self.viewers: dict[int, Viewer] = {}
        self.taps: list[Tap] = []
        self._writer: Viewer | None = None
        self._line: ConsoleLine | None = None
        self._pump: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._scrollback = bytearray()
        self._numbers = itertools.count(1)
        self._opening = asyncio.Lock()
        self._closed = False
        self._closing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        return self._line is not None

    @property
    def writer(self) -> Viewer | None:
        return self._writer

    async def attach(self, user: str, *, alone: bool = False, way: str = "websocket") -> Viewer:
        """Become a viewer: first what was said lately, then what is said. Raises DeviceError.

        Who wants to be `alone` puts every other viewer out, and begins with a line of its own.
        """
        if not alone and len(self.viewers) >= self._limits.viewers:
            raise DeviceBusy(f"{self._limits.viewers} viewers look at this console already.")
        async with self._opening:
            if self._closed:
                raise DeviceBusy("The console is being closed.")
            if alone:
                await self._end({"event": "end", "type": "closed", "detail": "Somebody else has opened the console."})
                self._scrollback.clear()
            if self._line is None:
                self._line = await self._open()
                self._pump = asyncio.get_running_loop().create_task(self._carry(self._line))
            viewer = Viewer(next(self._numbers), user, way, self._limits.backlog, self.tally)
            self.viewers[viewer.number] = viewer
            self.tally.attached[way] += 1
        self._stop_waiting()
        viewer.tell({"event": "hello", "you": viewer.number} | self._present())
        if self._scrollback:
            viewer.show(bytes(self._scrollback))
        self._tell_all("viewers", but=viewer)
        return viewer

    def detach(self, viewer: Viewer) -> None:
        """Stop looking; without a viewer, the line is closed after a while."""
        if self.viewers.pop(viewer.number, None) is None:
            return
        viewer.end()
        if self._writer is viewer:
            self._writer = None
        self._tell_all("viewers")
        if not self.viewers and self._line is not None and not self._closed:
            self._idle = asyncio.get_running_loop().call_later(self._limits.linger, self._grow_cold)

    def take_over(self, viewer: Viewer) -> None:
        """Become the writer; everybody learns of it."""
        if self._writer is not viewer:
            self._writer = viewer
            self.tally.writers += 1
            self._tell_all("writer")

    def give_up(self, viewer: Viewer) -> None:
        """Write no more."""
        if self._writer is viewer:
            self._writer = None
            self._tell_all("writer")

    async def write(self, viewer: Viewer, data: bytes) -> None:
        """Type. Raises NotWriting if another does, DeviceError if the console dies of it."""
        if (writer := self._writer) is None:
            self.take_over(viewer)
        elif writer is not viewer:
            self.tally.input_refused[NotWriting.type] += 1
            raise NotWriting(f"{writer.user} types on this console: take it over first.")
        line = self._line
        if line is None:
            raise LostReply("The console has ended: open it again.")
        try:
            async with asyncio.timeout(self._limits.deadline):
                await line.write(data)
                self.tally.typed += len(data)
        except TimeoutError:
            raise LostReply("The console takes no more input.") from None

    async def close(self, reason: str = "The console was closed.") -> None:
        """End it for everybody; returns when the controller's line is closed."""
        self._closed = True
        async with self._opening:
            await self._end({"event": "end", "type": "closed", "detail": reason})

    async def _carry(self, line: ConsoleLine) -> None:
        """Hand on what the console says until it ends."""
        end: Event = {"event": "end", "type": "closed", "detail": "The controller has ended the console."}
        try:
            while data := await line.read():
                self.hear(data)
                await asyncio.sleep(0)  # what has come already is read at once: others have their turn in between
        except DeviceError as error:
            end = {"event": "end", "type": error.type, "detail": error.message}
        except Exception:
            log.exception("A console ends because its driver, or a recording, failed")
            end = {"event": "end", "type": "internal", "detail": "obmd failed: its log says how."}
        self._closing = asyncio.get_running_loop().create_task(self._ended(line, end))

    def hear(self, data: bytes) -> None:
        """Take output in: for those who look, those who come later, and recordings."""
        self.tally.said += len(data)
        now = self._clock()
        for tap in self.taps:
            tap(now, data)
        self._scrollback += data
        del self._scrollback[: max(0, len(self._scrollback) - self._limits.scrollback)]
        for viewer in self.viewers.values():
            viewer.show(data)

    async def _ended(self, line: ConsoleLine, end: Event) -> None:
        async with self._opening:
            if self._line is line:
                await self._end(end)

    async def _end(self, end: Event) -> None:
        self._stop_waiting()
        line, self._line, self._writer = self._line, None, None
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait({self._pump})
            self._pump = None
        for viewer in [*self.viewers.values()]:
            viewer.tell(end)
            viewer.end()
        self.viewers.clear()
        if line is not None:
            with suppress(HilError):
                await line.close()

    def _grow_cold(self) -> None:
        if not self.viewers and self._line is not None:
            end = {"event": "end", "type": "closed", "detail": "Nobody looked."}
            self._closing = asyncio.get_running_loop().create_task(self._cold(end))

    async def _cold(self, end: Event) -> None:
        async with self._opening:
            if not self.viewers:
                await self._end(end)
                self._scrollback.clear()

    def _stop_waiting(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _present(self) -> Event:
        writer = None if self._writer is None else {"number": self._writer.number, "user": self._writer.user}
        return {
            "writer": writer,
            "viewers": [{"number": each.number, "user": each.user} for each in self.viewers.values()],
        }

    def _tell_all(self, event: str, but: Viewer | None = None) -> None:
        for viewer in self.viewers.values():
            if viewer is not but:
                viewer.tell({"event": event} | self._present())
