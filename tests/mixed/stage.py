"""The stage of a mixed history: HIL's own parts as in the isolation suite, and in front of them real wires.

The event loop is the history's: between two of its steps no device and no worker moves. Clocks of devices (the timers
of unconfirmed commits) follow the history's clock; only what is under way on a socket takes real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Final
from unittest.mock import patch

import hil.store.lanes
import hil.worker.chores
import hil.worker.lane
import hil.worker.worker
from hil.core.devices import SwitchSession
from hil.drivers.registry import open_session_function
from hil.lab.devices import emulator
from tests.isolation.stage import Stage
from tests.mixed.switches import Face, Link, Talk, real_time

SHORT: Final = 2.0
"""Longest delay, in seconds, that is a device's slowness and not a timer."""


class MixedStage(Stage):
    """A stage whose devices are served on loopback."""

    def __init__(self) -> None:
        super().__init__()
        self.faces: dict[str, Face] = {}
        self.links: list[Link] = []
        self.caught: BaseException | None = None
        """What the watch found while a device's server was running, which must not be left to that server."""
        self.on_look: Callable[[], None] = lambda: None
        self._timers: list[tuple[float, asyncio.Future[None]]] = []
        self._serving = AsyncExitStack()

    @contextmanager
    def patched(self) -> Iterator[None]:
        """Put the stage's time and wire in the place of the machine's, for as long as the block lasts."""
        with (
            patch.object(hil.store.lanes, "boottime", self.clock),
            patch.object(hil.worker.lane, "boottime", self.clock),
            patch.object(hil.worker.lane, "open_session_function", self._opener),
            patch.object(hil.worker.worker, "COURTESY", 0.0),
            patch.object(hil.worker.chores, "TIDY_EVERY", 60.0),
        ):
            yield

    def step(self, where: str) -> None:
        """Look, at each step inside a device; what is found there is raised where the history can see it."""
        if self.raw.in_transaction or self.caught is not None:
            return
        try:
            self.on_look()
        except AssertionError as error:
            self.caught = error

    def serve(self, faces: Mapping[str, Face]) -> None:
        """Serve these devices until `silence`."""
        self.faces, self.caught = dict(faces), None
        self.loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._serving = AsyncExitStack()
        for face in self.faces.values():
            face.served = await self._serving.enter_async_context(emulator(face.driver).serve(face.device))
            face.device.on_step = self.step

    def silence(self) -> None:
        self.loop.run_until_complete(self._silence())

    async def _silence(self) -> None:
        for face in self.faces.values():
            face.device.on_step = None
            face.faults.clear()
            face.device.drop_sessions()
        for link in self.links:
            await link.close()
        for _, timer in self._timers:
            timer.cancel()
        self.links, self._timers = [], []
        await self._serving.aclose()
        self.faces = {}

    async def sleep(self, seconds: float) -> None:
        """How devices wait."""
        if seconds <= SHORT:
            await real_time(seconds)
            return
        timer = self.loop.create_future()
        self._timers.append((self.now + seconds, timer))
        await timer

    def ring(self) -> None:
        """End the waits whose time has come."""
        for due, timer in self._timers:
            if due <= self.now and not timer.done():
                timer.set_result(None)
        self._timers = [(due, timer) for due, timer in self._timers if not timer.done()]
        self.loop.run_until_complete(asyncio.sleep(0))

    def _opener(self, spec: Any) -> Any:
        """Sessions with the history's switches; a parent HIL in the history opens those with its own as ever."""

        async def opened(config: Mapping[str, Any]) -> SwitchSession:
            name, _, place = str(config.get("address", "")).partition(".")
            if place != "lab:9000":
                real: SwitchSession = await open_session_function(spec)(config)
                return real
            return await self._linked(name)

        return opened

    async def _linked(self, name: str) -> Link:
        face = self.faces[name]
        assert face.served is not None
        await self.gate()
        before = set(face.device.sessions)
        session = await open_session_function(face.spec)(face.spec.validate({**face.served.config, **face.settings}))
        link = Link(self, name, face, session, face.device.sessions - before)
        self.links.append(link)
        self.on_talk(Talk(link))  # type: ignore[arg-type]  # all that is asked of it is `device` and `close`
        await self.gate()
        return link
