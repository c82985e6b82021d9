"""What the promises of an out-of-band driver are checked with: the driver, a controller, and perhaps a hand on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from hil.core.errors import HilError
from hil.core.obms import ConsoleLine, ObmCapabilities, ObmSession, ObmSpec, PowerAction
from hil.drivers.obm_registry import OpenObm
from hil.testing.report import NotTried, broken

POLL = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ObmControl:
    """What a test can do behind the driver's back, at the controller or the machine; what cannot be done is None.

    `power()` is the truth of the machine; `boots()` counts how often it has started. `refuse(words)` makes the
    controller refuse the next change, `lose_reply()` makes it happen and its answer vanish, `hang()` leaves the next
    request unanswered, `drop()` breaks every connection. `changes()` counts the changes that the controller has
    accepted, `sessions()` the log-ins that are open. `say(data)` makes the machine print on its serial console,
    `typed()` is all that it was sent there.
    """

    power: Callable[[], Awaitable[bool]] | None = None
    boots: Callable[[], Awaitable[int]] | None = None
    refuse: Callable[[str], Awaitable[None]] | None = None
    lose_reply: Callable[[], Awaitable[None]] | None = None
    hang: Callable[[], Awaitable[None]] | None = None
    drop: Callable[[], Awaitable[None]] | None = None
    changes: Callable[[], Awaitable[int]] | None = None
    sessions: Callable[[], Awaitable[int]] | None = None
    say: Callable[[bytes], Awaitable[None]] | None = None
    typed: Callable[[], Awaitable[bytes]] | None = None


@dataclass(frozen=True)
class ObmCase:
    """One driver and one controller, whose machine may be switched on and off at will."""

    open: OpenObm
    spec: ObmSpec
    config: Mapping[str, Any]
    control: ObmControl = field(default_factory=ObmControl)
    wrong_login: Mapping[str, Any] | None = None
    unreachable: Mapping[str, Any] | None = None
    impatient: Mapping[str, Any] | None = None
    image: str = "http://images.invalid/rescue.iso"
    patience: float = 30.0

    @property
    def capabilities(self) -> ObmCapabilities:
        return self.spec.capabilities

    @asynccontextmanager
    async def session(self, config: Mapping[str, Any] | None = None) -> AsyncIterator[ObmSession]:
        opened = await self.open(self.config if config is None else config)
        try:
            yield opened
        finally:
            await opened.close()

    @asynccontextmanager
    async def console(self) -> AsyncIterator[ConsoleLine]:
        async with self.session() as session:
            line = await session.console()
            try:
                yield line
            finally:
                await line.close()

    def needs(self, able: bool, what: str) -> None:
        """Go on only if the capabilities have it."""
        if not able:
            raise NotTried(f"its capabilities have no {what}")

    async def until(self, true: Callable[[], Awaitable[bool]], words: str) -> None:
        """Wait for something to become true; break the promise if it does not, within the patience."""
        end = monotonic() + self.patience
        while not await true():
            if monotonic() > end:
                broken(f"{words}, even after {self.patience:g} seconds")
            await asyncio.sleep(POLL)

    async def powers(self, on: bool) -> None:
        """Wait until a session of its own, and the machine itself where it can be asked, are of this power state."""
        word = "on" if on else "off"

        async def read() -> bool:
            async with self.session() as session:
                return await session.power() is on

        await self.until(read, f"the controller does not say that the machine is {word}")
        if (truth := self.control.power) is not None and await truth() is not on:
            broken(f"the controller says that the machine is {word}, and it is not")

    async def make(self, on: bool) -> None:
        """Bring the machine to a power state, in a session of its own."""
        async with self.session() as session:
            if await session.power() is not on:
                await session.power_set(PowerAction.ON if on else PowerAction.OFF)
        await self.powers(on)


async def raises(kind: type[HilError], work: Awaitable[Any], doing: str) -> HilError:
    """Answer the error that must come; break the promise if none comes, or another."""
    try:
        await work
    except kind as error:
        return error
    except Exception as error:
        broken(f"{doing} raised {type(error).__name__} ({error}), not {kind.__name__}")
    broken(f"{doing} raised nothing")
