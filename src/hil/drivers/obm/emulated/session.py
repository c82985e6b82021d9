"""A session with an emulated BMC over TCP. Loaded by obmd alone.

The console has a connection of its own, so that the session goes on beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

from hil.core import guard
from hil.core.errors import Refused
from hil.core.obms import BootChoice, ConsoleLine, Firmware, LogEntry, Medium, ObmSession, PowerAction, Sensor
from hil.drivers.obm.emulated import wire
from hil.drivers.switch.emulated.spec import host_port
from hil.drivers.transport.errors import FOREIGN, mapped
from hil.drivers.transport.lines import Lines, connect

T = TypeVar("T")
CHUNK: Final = 64 * 2**10


class WireConsole:
    """A console over a connection that carries nothing else any more."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._reader, self._writer = lines.raw()

    async def read(self) -> bytes:
        with mapped(self._lines.device, sent=True):
            return await self._reader.read(CHUNK)

    async def write(self, data: bytes) -> None:
        with mapped(self._lines.device, sent=True):
            self._writer.write(data)
            await self._writer.drain()

    async def close(self) -> None:
        with suppress(*FOREIGN):
            self._writer.close()
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()
        await self._lines.closed()


class WireSession:
    """An `ObmSession` over a connection that has logged in."""

    def __init__(self, lines: Lines, config: Mapping[str, Any]) -> None:
        self._lines, self._config = lines, config

    async def _ask(self, do: str, read: Callable[[Any], T], **more: Any) -> T:
        guard.device()
        reply = await self._lines.ask({"do": do, **more})
        try:
            with mapped(self._lines.device, sent=True):
                return read(wire.reply_in(reply))
        except Refused:
            raise
        except BaseException:
            self._lines.close()
            raise

    async def power(self) -> bool:
        return await self._ask("power", wire.power_in)

    async def power_set(self, action: PowerAction) -> None:
        await self._ask("power-set", _nothing, action=str(action))

    async def boot(self) -> BootChoice:
        return await self._ask("boot", wire.boot_in)

    async def boot_set(self, choice: BootChoice) -> None:
        await self._ask("boot-set", _nothing, boot=wire.boot_out(choice))

    async def sensors(self) -> list[Sensor]:
        return await self._ask("sensors", lambda found: wire.all_in(found, wire.sensor_in))

    async def event_log(self, limit: int) -> list[LogEntry]:
        return await self._ask("event-log", lambda found: wire.all_in(found, wire.entry_in), limit=limit)

    async def identify(self, seconds: int) -> None:
        await self._ask("identify", _nothing, seconds=seconds)

    async def media(self) -> list[Medium]:
        return await self._ask("media", lambda found: wire.all_in(found, wire.medium_in))

    async def media_insert(self, slot: str, image: str) -> None:
        await self._ask("media-insert", _nothing, slot=slot, image=image)

    async def media_eject(self, slot: str) -> None:
        await self._ask("media-eject", _nothing, slot=slot)

    async def firmware(self) -> list[Firmware]:
        return await self._ask("firmware", lambda found: wire.all_in(found, wire.firmware_in))

    async def console(self) -> ConsoleLine:
        guard.device()
        lines = await _logged_in(self._config)
        try:
            with mapped(lines.device, sent=True):
                wire.reply_in(await lines.ask({"do": "console"}))
        except BaseException:
            await lines.closed()
            raise
        return WireConsole(lines)

    async def close(self) -> None:
        await self._lines.closed()


def _nothing(found: Any) -> None:
    if found is not None:
        raise ValueError("an answer where none was expected")


async def open_session(config: Mapping[str, Any]) -> ObmSession:
    """Connect and log in. Raises Unreachable, LoginRefused, DeviceBusy."""
    guard.device()
    return WireSession(await _logged_in(config), config)


async def _logged_in(config: Mapping[str, Any]) -> Lines:
    host, port = host_port(config["address"])
    lines = await connect(host, port, config.get("timeout", 10.0))
    try:
        login = {"do": "login", "username": config["username"], "password": config["password"]}
        reply = await lines.ask(login, sent=False)
        with mapped(lines.device, sent=False):
            _nothing(wire.reply_in(reply))
    except BaseException:
        await lines.closed()
        raise
    return lines
