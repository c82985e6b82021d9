"""One node as obmd holds it in memory: how it is reached, its epoch, its term, and what may be done in it.

Nothing here judges who may do what; `Nodes` admits, and every method that speaks to the controller runs inside a term.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, TypeVar

from hil.core.errors import HilError, Unavailable
from hil.core.obms import ConsoleLine, ObmCapabilities, ObmSession, ObmSpec, PowerAction
from hil.obmd.hub import Hub
from hil.obmd.limits import ObmdLimits
from hil.obmd.owner import Clock, Owner, Target
from hil.obmd.recording import Recorder, Recordings
from hil.obmd.tally import Tally
from hil.obmd.term import Term

T = TypeVar("T")
RECORDER: Final = "(recording)"
REOPEN: Final = 60.0
"""Seconds until a console that is to be recorded, and has ended, is opened again."""


@dataclass(frozen=True, slots=True)
class PowerSeen:
    """A power state, and the UTC second at which the controller said so."""

    on: bool
    at: float


class Tenure:
    """A term with the console that belongs to it, and the recording of that."""

    def __init__(self, node: Node, epoch: int, limits: ObmdLimits, recorder: Recorder | None = None) -> None:
        self.term = Term(epoch)
        self.hub = Hub(node.open_console, limits, node.clock.now, node.tally)
        self.term.at_end(self.hub.close)
        self._node, self._recorder = node, recorder
        self._listening: asyncio.Task[None] | None = None
        if recorder is not None:
            self.hub.taps.append(recorder.hear)
            self.term.at_end(recorder.close)

    def claim(self, number: int, name: str) -> None:
        """Learn which project has the node in this term: what its console says is recorded for it."""
        if self._recorder is None:
            return
        self._recorder.claim(number, name)
        always = self._node.records_always and self._recorder.project is not None
        if always and self._listening is None:
            self._listening = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        """Keep the console open, so that it is recorded also while nobody looks."""
        with suppress(HilError):  # the term has ended
            await self.term.run(self._look())

    async def _look(self) -> None:
        while True:
            with suppress(HilError):  # the controller is in trouble: it is tried again
                viewer = await self.hub.attach(RECORDER, way="recording")
                try:
                    while await viewer.take():
                        pass
                finally:
                    self.hub.detach(viewer)
            await self._node.clock.sleep(REOPEN)


class Node:
    """A registered node. `tenure` is None while it is disabled; `foreign` is a token of the original protocol."""

    def __init__(
        self,
        name: str,
        spec: ObmSpec,
        target: Target,
        owner: Owner,
        limits: ObmdLimits,
        clock: Clock,
        tally: Tally,
        recordings: Recordings | None = None,
    ) -> None:
        self.name, self.spec, self.target, self.owner = name, spec, target, owner
        self.limits, self.clock, self.tally, self._recordings = limits, clock, tally, recordings
        self.tenure: Tenure | None = None
        self.foreign: tuple[str, Tenure] | None = None
        self._power: PowerSeen | None = None
        self._reading: asyncio.Task[PowerSeen] | None = None
        self._changes = 0

    @property
    def capabilities(self) -> ObmCapabilities:
        return self.spec.capabilities

    @property
    def power_seen(self) -> PowerSeen | None:
        return self._power

    def begin(self, epoch: int) -> Tenure:
        """A new tenure of this node; after a restart, its recording goes on."""
        if self._recordings is None:
            return Tenure(self, epoch, self.limits)
        tenure = Tenure(self, epoch, self.limits, Recorder(self._recordings, self.name, epoch))
        if self.records_always and (holder := self._recordings.holder(self.name, epoch)) is not None:
            tenure.claim(*holder)
        return tenure

    @property
    def records_always(self) -> bool:
        """Whether the console is recorded also while nobody looks."""
        limits = None if self._recordings is None else self._recordings.limits
        return limits is not None and limits.on and limits.always and self.capabilities.console

    def begin_foreign(self, epoch: int) -> Tenure:
        """One for the original protocol: a console without memory, that ends with its viewer."""
        return Tenure(self, epoch, replace(self.limits, linger=0.0, scrollback=0))

    async def ask(self, work: Callable[[ObmSession], Awaitable[T]], *, reads: bool = False) -> T:
        """Have something done by the controller, in turn. Raises DeviceError."""
        return await self.owner.ask(self.target, work, reads=reads)

    async def open_console(self) -> ConsoleLine:
        return await self.owner.console(self.target)

    async def power(self, oldest: float) -> PowerSeen:
        """The power state, read at most `oldest` seconds ago; readers at the same time share one request."""
        seen = self._power
        if seen is not None and self.clock.now() - seen.at <= oldest:
            return seen
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read_power())
            self._reading.add_done_callback(self._read_done)
        return await asyncio.shield(self._reading)

    async def _read_power(self) -> PowerSeen:
        changes = self._changes
        on = await self.ask(lambda session: session.power(), reads=True)
        seen = PowerSeen(on, self.clock.now())
        if changes == self._changes:
            self._power = seen
        return seen

    def _read_done(self, task: asyncio.Task[PowerSeen]) -> None:
        if self._reading is task:
            self._reading = None
        if not task.cancelled():
            task.exception()  # whoever waited has it; if nobody does any more, nobody misses it

    async def power_set(self, action: PowerAction) -> None:
        """Ask for a change of power; what was read before says nothing any more. Raises DeviceError."""
        self._forget_power()
        try:
            await self.ask(lambda session: session.power_set(action))
        finally:
            self._forget_power()

    def _forget_power(self) -> None:
        self._changes += 1
        self._power = self._reading = None

    async def end_terms(self) -> None:
        """End whatever anybody does with the node; returns when nothing of it is left."""
        tenure, self.tenure = self.tenure, None
        foreign, self.foreign = self.foreign, None
        ending = [each.term.end() for each in (tenure, foreign[1] if foreign else None) if each is not None]
        await asyncio.gather(*ending)
        if (reading := self._reading) is not None:
            reading.cancel()
            await asyncio.wait({reading})

    async def leave(self) -> None:
        """End everything, and let the owner forget the node."""
        await self.end_terms()
        await self.owner.forget(self.name)

    def shown(self) -> dict[str, Any]:
        """What an operator may see of how the node is: never its secrets."""
        seen = self._power
        return {
            "console_open": self.tenure is not None and self.tenure.hub.is_open,
            "power": None if seen is None else {"on": seen.on, "age": round(self.clock.now() - seen.at, 3)},
            "waiting": self.owner.waiting,
            "login_paused": self.owner.paused,
            "trouble": None if self.owner.trouble is None else asdict(self.owner.trouble),
        }


class Unusable(Unavailable):
    """The node's driver is not installed here, or is broken."""

    type = "driver-unusable"
