"""An out-of-band driver without a network, over the lab's machine, and drivers that break one promise each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hil.core import guard
from hil.core.errors import BadArgument, DeviceBusy, LoginRefused, LostReply, Refused, Unreachable
from hil.core.obms import (
    BootChoice,
    ConsoleLine,
    Firmware,
    LogEntry,
    Medium,
    ObmCapabilities,
    ObmSession,
    PowerAction,
    Sensor,
)
from hil.drivers.obm.emulated.spec import CAPABILITIES
from hil.drivers.obm_registry import OpenObm
from hil.lab.bmc.machine import Machine
from hil.testing import ObmControl

PASSWORD = "memory-secret-1"

CONFIG = {"where": "here", "password": PASSWORD}

WRONG = {"where": "here", "password": "memory-secret-2"}

DARK = {"where": "dark", "password": PASSWORD}

IMPATIENT = CONFIG | {"timeout": 0.05}


class Controller:
    """A controller that is called directly; what a test arms strikes once."""

    def __init__(self) -> None:
        self.machine = Machine("memory")
        self.sessions: set[MemorySession] = set()
        self.consoles: set[MemoryConsole] = set()
        self.words = ""
        self.lose = self.hang = False
        self.count = 0

    def control(self) -> ObmControl:
        async def refuse(words: str) -> None:
            self.words = words

        async def lose_reply() -> None:
            self.lose = True

        async def hang() -> None:
            self.hang = True

        async def drop() -> None:
            for session in [*self.sessions]:
                session.die()

        async def say(data: bytes) -> None:
            self.machine.print(data)

        return ObmControl(
            power=_now(lambda: self.machine.on),
            boots=_now(lambda: len(self.machine.boots)),
            refuse=refuse,
            lose_reply=lose_reply,
            hang=hang,
            drop=drop,
            changes=_now(lambda: self.count),
            sessions=_now(lambda: len(self.sessions)),
            say=say,
            typed=_now(lambda: bytes(self.machine.typed)),
        )


def _now(value: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    async def answer() -> Any:
        return value()

    return answer


class MemoryConsole:
    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._output: asyncio.Queue[bytes] = asyncio.Queue()
        controller.machine.listeners.add(self._output.put_nowait)
        controller.consoles.add(self)

    async def read(self) -> bytes:
        return await self._output.get()

    async def write(self, data: bytes) -> None:
        self._controller.machine.type(data)

    async def close(self) -> None:
        self._controller.machine.listeners.discard(self._output.put_nowait)
        self._controller.consoles.discard(self)
        self._output.put_nowait(b"")


class MemorySession:
    """Keeps every promise; every method may be broken by a subclass."""

    capabilities = CAPABILITIES

    def __init__(self, controller: Controller, config: Mapping[str, Any]) -> None:
        self.controller, self.machine, self.config = controller, controller.machine, config
        self.alive = True
        controller.sessions.add(self)

    def die(self) -> None:
        self.alive = False
        self.controller.sessions.discard(self)

    async def _ask(self, able: bool = True) -> None:
        guard.device()
        if not self.alive:
            raise Unreachable("The connection is closed.")
        if not able:
            raise Refused("This controller cannot do that.")
        if self.controller.hang:
            self.controller.hang = False
            await self.wait_for_ever()

    async def wait_for_ever(self) -> None:
        try:
            async with asyncio.timeout(self.config.get("timeout", 10)):
                await asyncio.Event().wait()
        except TimeoutError:
            self.die()
            raise LostReply("No answer in time.") from None

    async def _change(self, able: bool, work: Callable[[], object]) -> None:
        await self._ask(able)
        if words := self.controller.words:
            self.controller.words = ""
            self.refuse(words)
        work()
        self.controller.count += 1
        if self.controller.lose:
            self.controller.lose = False
            self.die()
            await self.lost(work)

    def refuse(self, words: str) -> None:
        raise Refused(words)

    async def lost(self, work: Callable[[], object]) -> None:
        raise LostReply("The connection broke.")

    async def power(self) -> bool:
        await self._ask()
        return self.machine.on

    async def power_set(self, action: PowerAction) -> None:
        await self._change(action in self.capabilities.actions, lambda: self.machine.power_set(action))

    async def boot(self) -> BootChoice:
        await self._ask(self.capabilities.boot_read)
        return self.machine.override

    async def boot_set(self, choice: BootChoice) -> None:
        await self._change(
            choice.device in self.capabilities.devices, lambda: setattr(self.machine, "override", choice)
        )

    async def sensors(self) -> list[Sensor]:
        await self._ask(self.capabilities.sensors)
        return self.machine.sensors()

    async def event_log(self, limit: int) -> list[LogEntry]:
        await self._ask(self.capabilities.event_log)
        return self.machine.events[-limit:]

    async def identify(self, seconds: int) -> None:
        await self._change(self.capabilities.identify, lambda: self.machine.identify(seconds))

    async def media(self) -> list[Medium]:
        await self._ask(self.capabilities.media)
        return self.machine.media()

    async def media_insert(self, slot: str, image: str) -> None:
        await self._change(self.capabilities.media, lambda: self.machine.insert(slot, image))

    async def media_eject(self, slot: str) -> None:
        await self._change(self.capabilities.media, lambda: self.machine.insert(slot, None))

    async def firmware(self) -> list[Firmware]:
        await self._ask(self.capabilities.firmware)
        return self.machine.firmware()

    async def console(self) -> ConsoleLine:
        await self._ask(self.capabilities.console)
        if self.controller.consoles:
            raise DeviceBusy("The console is in use.")
        return MemoryConsole(self.controller)

    async def close(self) -> None:
        self.die()


@dataclass(frozen=True, slots=True)
class MemorySpec:
    name: str = "memory"
    title: str = "A controller in memory"
    v0_type: str | None = None
    capabilities: ObmCapabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset({"password"}))
    session: str = "nowhere:open"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        if unknown := config.keys() - {"where", "password", "timeout"}:
            raise BadArgument(f"{min(unknown)} is unknown.")
        return dict(config)

    def v0_config(self, info: Mapping[str, Any]) -> dict[str, Any]:
        raise BadArgument("The original knows no such type.")

    def controller(self, config: Mapping[str, Any]) -> str:
        return str(config["where"])


SPEC = MemorySpec()


def opener(controller: Controller, kind: type[MemorySession] = MemorySession) -> OpenObm:
    """The function that opens sessions of a kind with one controller."""

    async def open_session(config: Mapping[str, Any]) -> ObmSession:
        guard.device()
        if config["where"] != "here":
            raise Unreachable("Nothing answers there.")
        if config["password"] != PASSWORD:
            raise LoginRefused("The password is wrong.")
        return kind(controller, config)

    return open_session
