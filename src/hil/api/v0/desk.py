"""Where calls are carried out: one hop into a thread, one transaction, and patience with ports that were just wired.

A thread is held while a transaction runs and never while anything is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from hil.api.edge import Caller, Edge
from hil.api.settings import Settings
from hil.api.v0.failures import Settling
from hil.drivers.obmd_link import ObmdLink
from hil.services.context import Context
from hil.store.bell import Bell

T = TypeVar("T")
GLANCE = 0.25
"""Seconds between two looks if no bell rings."""


class Desk:
    """Carries out the work of calls."""

    def __init__(self, edge: Edge, settings: Settings) -> None:
        self.edge = edge
        self.settings = settings
        self.obmd = ObmdLink(settings.obmd_timeout, settings.obmd_ca_file)

    async def read(self, caller: Caller, work: Callable[[Context], T]) -> T:
        return await run_in_threadpool(self.edge.read, caller, work)

    async def change(self, caller: Caller, work: Callable[[Context], T]) -> T:
        """Run `work` and commit; again, for a while, if it raises Settling."""
        try:
            return await run_in_threadpool(self.edge.change, caller, work)
        except Settling:
            return await self._patiently(caller, work)

    async def _patiently(self, caller: Caller, work: Callable[[Context], T]) -> T:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.settings.v0_patience
        with _hearing(self.edge.store.bell) as rung:
            while True:
                rung.clear()  # before looking: what is settled from now on rings again
                try:
                    return await run_in_threadpool(self.edge.change, caller, work)
                except Settling:
                    left = until - loop.time()
                    if left <= 0:
                        raise
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, GLANCE)):
                        await rung.wait()


@contextmanager
def _hearing(bell: Bell) -> Iterator[asyncio.Event]:
    """An event that is set whenever a port was settled anywhere."""
    loop, rung = asyncio.get_running_loop(), asyncio.Event()

    def hear(word: str) -> None:
        if word == "release":
            with suppress(RuntimeError):  # the loop was closed while the process ends
                loop.call_soon_threadsafe(rung.set)

    unsubscribe = bell.subscribe(hear)
    try:
        yield rung
    finally:
        unsubscribe()
