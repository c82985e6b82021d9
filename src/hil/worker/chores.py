"""Chores: what one worker at a time does for all. Ends releases, tells the maintenance service, tidies up.

Each runs under a lease of its own (`Chore`), and each of its effects is booked in a conditional write, so that two
workers who both think they hold it do harm to nobody.
"""

from __future__ import annotations

import asyncio
import logging

from hil.core.errors import HilError
from hil.store.lanes import chore_take
from hil.store.unit import Store
from hil.worker.lane import Call
from hil.worker.release import Releases
from hil.worker.tidy import tidy

PERIOD = 2.0
ROUND = 5.0
"""Seconds after which a round of releases is over; nodes still in hand go on, and the next round leaves them out."""
TIDY_EVERY = 600.0
log = logging.getLogger(__name__)


class Chores:
    """Run the chores every `PERIOD` seconds and whenever woken."""

    def __init__(self, store: Store, owner: str, call: Call) -> None:
        self.store = store
        self._owner = owner
        self._call = call
        self._wake = asyncio.Event()
        self._stopping = False
        self._tidied = 0.0
        self.releases = Releases(store, owner, call)

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        try:
            while not self._stopping:
                try:
                    await self.once()
                except HilError as error:
                    log.warning("chores: %s %s", error.message, error.detail)
                except Exception:
                    log.exception("chores failed")
                await self._pause()
        finally:
            await self.releases.close()

    async def once(self) -> None:
        """One round, if the chores are ours to do."""
        if not await self._call(chore_take, self.store, "chores", self._owner):
            return
        await self.releases.advance(ROUND)
        now = self.store.clock()
        if now - self._tidied >= TIDY_EVERY:
            self._tidied = now
            await self._call(tidy, self.store)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(PERIOD):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()
