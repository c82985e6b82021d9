"""A term: the time in which one holder may use a node, and everything that was begun in it.

An epoch has one, and so has a token of the original protocol. When it ends, nothing begins any more, whatever is under
way is cancelled, and `end` returns only when all of it has stopped: that is what HIL waits for before it gives a node
to somebody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from hil.core.errors import Unauthenticated

T = TypeVar("T")


class Ended(Unauthenticated):
    """The node has changed hands, or was disabled, while the request was under way."""

    type = "term-ended"


class Term:
    """Begun by being made; `end` may be called by several at once, and each waits for the end."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.alive = True
        self._work: set[asyncio.Task[Any]] = set()
        self._last: list[Callable[[], Awaitable[None]]] = []
        self._over = asyncio.Event()

    def at_end(self, close: Callable[[], Awaitable[None]]) -> None:
        """Close something of this term once its work has been stopped."""
        self._last.append(close)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something that may not outlast the term. Raises Ended."""
        if not self.alive:
            work.close()
            raise _ended()
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        if task.cancelled():
            raise _ended()
        return task.result()

    async def end(self) -> None:
        """Stop everything; returns when it has stopped."""
        if not self.alive:
            await self._over.wait()
            return
        self.alive = False
        under_way = set(self._work)
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way)
        for close in self._last:
            await close()
        self._over.set()


def _ended() -> Ended:
    return Ended("The node has changed hands or was disabled: ask HIL for a new capability.")
