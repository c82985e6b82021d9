"""A worker process: finds lanes with something to do, holds them, renews their leases, and stops without a trace.

Wakes by bell and by a slow timer; either way it looks at the database and never at what woke it. Any number of workers
share the switches: whoever takes a lane has it until it is idle or its lease runs out.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from hil.core.errors import HilError, LeaseLost
from hil.store import lanes
from hil.store.unit import Store
from hil.worker.chores import Chores
from hil.worker.lane import Lane

T = TypeVar("T")
THREADS = 8
COURTESY = 0.25
"""Seconds for which a worker with its share of lanes leaves a free one to others."""
log = logging.getLogger(__name__)


class Worker:
    """Serve every lane that can be had until `stop()`. `tick` is the slow timer, in seconds."""

    def __init__(self, store: Store, *, tick: float = 1.0, name: str = "") -> None:
        self.store = store
        self.owner = name or f"{socket.gethostname()[:20]}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._tick = tick
        self._lanes: dict[int, Lane] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._again: set[int] = set()
        self._woken: set[int] = set()
        self._wake = asyncio.Event()
        self._stopping = False
        self._share = 2**31
        self._next_look = 0.0
        self._pool = ThreadPoolExecutor(THREADS, "hil-worker")
        self._chores = Chores(store, self.owner, self._call)

    async def run(self) -> None:
        """Work until `stop()`; then finish the batches under way, give the lanes back and return."""
        loop = asyncio.get_running_loop()

        def hear(word: str) -> None:
            loop.call_soon_threadsafe(self._heard, word)

        unsubscribe = self.store.bell.subscribe(hear)
        beat = asyncio.create_task(self._beat())
        chores = asyncio.create_task(self._chores.run())
        try:
            while not self._stopping:
                await self._look()
                await self._pause()
        finally:
            unsubscribe()
            self._stopping = True
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            beat.cancel()
            self._chores.stop()
            await asyncio.gather(beat, chores, return_exceptions=True)
            for lane in self._lanes.values():
                await self._quietly(lane.leave())
            self._pool.shutdown()

    def stop(self) -> None:
        """Ask the worker to finish its batches and return from `run`."""
        self._stopping = True
        self._wake.set()

    def _heard(self, word: str) -> None:
        kind, _, number = word.partition(" ")
        if kind == "lane" and number.isdigit():
            self._woken.add(int(number))
            self._wake.set()
        elif kind == "release":
            self._chores.wake()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._tick):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _look(self) -> None:
        """Start a task for every lane with something to do; one that is running already looks again at its end."""
        woken, self._woken = self._woken, set()
        for switch_id in woken:
            self._serve(switch_id, audit=False)
        if woken and time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + self._tick  # however often it rings, audits have their turn
        try:
            for due in await self._call(lanes.lanes_due, self.store, self.owner):
                if due.switch_id not in self._tasks:  # who is at work claims again before it ends
                    self._serve(due.switch_id, audit=due.audit)
            await self._let_idle_go()
        except HilError as error:
            log.warning("worker: %s %s", error.message, error.detail)

    def _serve(self, switch_id: int, *, audit: bool) -> None:
        if switch_id in self._tasks:
            self._again.add(switch_id)
            return
        task = asyncio.create_task(self._work(switch_id, audit=audit), name=f"lane {switch_id}")
        self._tasks[switch_id] = task
        task.add_done_callback(functools.partial(self._ended, switch_id))

    def _ended(self, switch_id: int, task: asyncio.Task[None]) -> None:
        self._tasks.pop(switch_id, None)
        if not task.cancelled() and task.exception() is not None:
            log.error("lane %s failed", switch_id, exc_info=task.exception())
        if switch_id in self._again and not self._stopping:
            self._again.discard(switch_id)
            self._woken.add(switch_id)
            self._wake.set()

    async def _work(self, switch_id: int, *, audit: bool) -> None:
        lane = self._lanes.setdefault(switch_id, Lane(self.store, switch_id, self.owner, self._call))
        if lane.hold is None and self._held() >= self._share:
            await asyncio.sleep(COURTESY)  # let a worker with fewer lanes have it
        try:
            if not await lane.take():
                return
            while not self._stopping and await lane.step():
                pass
            if audit and not self._stopping:
                await lane.audit()
        except LeaseLost as error:
            log.warning("lane %s: %s", switch_id, error.message)
            await lane.close()
            lane.hold = None
        except HilError as error:
            log.warning("lane %s: %s %s", switch_id, error.message, error.detail)

    async def _let_idle_go(self) -> None:
        """Give lanes back whose session was unused for long, and those beyond our share while others have fewer."""
        old = time.monotonic() - self.store.limits.warm
        surplus = self._held() - self._share
        for switch_id, lane in sorted(self._lanes.items(), key=lambda entry: entry[1].used_at):
            if switch_id not in self._tasks and (lane.used_at < old or surplus > 0):
                surplus -= 1
                del self._lanes[switch_id]
                await lane.leave()

    def _held(self) -> int:
        return sum(lane.hold is not None for lane in self._lanes.values())

    async def _beat(self) -> None:
        """Renew the leases three times in each; a lane that is not renewed runs into its own deadline."""
        while True:
            await asyncio.sleep(self.store.limits.lease / 3)
            try:
                await self._renew()
            except Exception:  # whatever it is, the lanes stop at their deadlines; the next beat may go better
                log.exception("worker: leases not renewed")

    async def _renew(self) -> None:
        holds = {switch_id: lane.hold for switch_id, lane in self._lanes.items() if lane.hold is not None}
        kept, deadline = await self._call(lanes.lanes_renew, self.store, self.owner, list(holds))
        for switch_id in kept:
            lane = self._lanes.get(switch_id)
            if lane is not None and lane.hold is holds[switch_id]:
                lane.renewed(deadline)
        self._share = await self._call(lanes.fair_share, self.store, self.owner)

    async def _quietly(self, ending: Any) -> None:
        try:
            await ending
        except HilError as error:
            log.warning("worker: %s", error.message)

    async def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, functools.partial(function, *arguments))
