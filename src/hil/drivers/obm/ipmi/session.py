"""A session with a controller over IPMI: one call of ipmitool for each command. Loaded by obmd alone.

Each call logs in anew, which costs some 25 ms and leaves nothing behind on either side (docs/decisions/0014). The
password goes through memory that only the child inherits. What ipmitool prints is read by `parse`, byte for byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from hil.core import guard
from hil.core.errors import DeviceError, LostReply, Refused, Unreachable
from hil.core.obms import BootChoice, ConsoleLine, Firmware, LogEntry, Medium, ObmSession, PowerAction, Sensor
from hil.drivers.obm.ipmi import commands, parse
from hil.drivers.transport.errors import mapped
from hil.drivers.transport.process import Ended, Talk, run, talk

T = TypeVar("T")
LONGER: Final = 6.0
"""Lists of sensors and events are read record by record: a full chassis takes most of a minute."""
BANNER: Final = b"[SOL Session operational.  Use ~? for help]\n"
GOODBYE: Final = 3.0
"""Seconds in which ipmitool tells the controller that the console is free again."""


class IpmiConsole:
    """Serial over LAN. Ending ipmitool's input makes it deactivate the payload, so that the next one may have it."""

    def __init__(self, line: Talk, first: bytes) -> None:
        self._line, self._first = line, first
        self._at_start = True
        self._closing = False

    async def read(self) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        if data := await self._line.read():
            return data
        if not self._closing and await self._line.code(GOODBYE):
            words = " ".join((await self._line.words(GOODBYE)).split())
            raise LostReply(f"{self._line.device} has ended the serial console, or is gone.", detail=words)
        return b""

    async def write(self, data: bytes) -> None:
        written, self._at_start = commands.typed(data, at_start=self._at_start)
        await self._line.write(written)

    async def close(self) -> None:
        self._closing = True
        await self._line.close(GOODBYE)


class IpmiSession:
    """An `ObmSession` that has logged in once and may do so again."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self.device = f"{config['address']}:{config['port']}"
        self._ended = False

    async def power(self) -> bool:
        return await self._raw(commands.POWER, parse.power)

    async def power_set(self, action: PowerAction) -> None:
        """What restarts a machine that is off is told to switch it on: controllers refuse the rest (28.3)."""
        if action in (PowerAction.CYCLE, PowerAction.RESET) and not await self.power():
            action = PowerAction.ON
        await self._change(commands.control(action))

    async def boot(self) -> BootChoice:
        believe = "boot-flags-never-valid" in self._config.get("quirks", ())
        return await self._raw(commands.BOOT, lambda answer: parse.boot(answer, believe=believe))

    async def boot_set(self, choice: BootChoice) -> None:
        """Two preparations first, which some controllers refuse and then do not need."""
        uefi = choice.uefi
        if uefi is None:
            uefi = await self._was_uefi()
        for preparation in (commands.BOOT_HANDLED, commands.BOOT_STAYS):
            with suppress(Refused):
                await self._change(preparation)
        await self._change(commands.boot(choice, uefi=uefi))

    async def _was_uefi(self) -> bool:
        with suppress(Refused):
            return bool((await self.boot()).uefi)
        return False

    async def sensors(self) -> list[Sensor]:
        return await self._ask(commands.SENSORS, parse.sensors, "-c", times=LONGER)

    async def event_log(self, limit: int) -> list[LogEntry]:
        if limit < 1:
            return []
        words = ("sel", "elist", "last", str(limit))
        return await self._ask(words, lambda text: parse.event_log(text, limit), "-c", times=LONGER)

    async def identify(self, seconds: int) -> None:
        await self._change(commands.identify(seconds))

    async def media(self) -> list[Medium]:
        raise _lacks(self.device, "virtual media")

    async def media_insert(self, slot: str, image: str) -> None:
        raise _lacks(self.device, "virtual media")

    async def media_eject(self, slot: str) -> None:
        raise _lacks(self.device, "virtual media")

    async def firmware(self) -> list[Firmware]:
        return await self._raw(commands.DEVICE_ID, parse.firmware)

    async def console(self) -> ConsoleLine:
        self._check()
        if self._config.get("console_takeover"):
            with suppress(Refused):
                await self._ask(("sol", "deactivate"), _nothing, sent=True)
        try:
            return await _console(self.device, self._config)
        except Refused:
            raise
        except DeviceError:
            self._ended = True
            raise

    async def close(self) -> None:
        self._ended = True

    async def _change(self, data: Sequence[int]) -> None:
        await self._raw(data, lambda answer: None, sent=True)

    async def _raw(self, data: Sequence[int], read: Callable[[bytes], T], *, sent: bool = False) -> T:
        return await self._ask(commands.raw(data), lambda text: read(parse.octets(text)), "-v", sent=sent)

    async def _ask(
        self, words: Sequence[str], read: Callable[[str], T], *options: str, times: float = 1.0, sent: bool = False
    ) -> T:
        """Run one command and read its answer. `sent`: it changes something, so that no answer is a lost one."""
        self._check()
        try:
            ended = await call(self._config, words, *options, times=times, sent=sent)
            with mapped(self.device, sent=True):
                return read(ended.out)
        except Refused:
            raise
        except BaseException:
            self._ended = True
            raise

    def _check(self) -> None:
        guard.device()
        if self._ended:
            raise Unreachable(f"The session with {self.device} has ended: nothing was sent.")


async def call(
    config: Mapping[str, Any], words: Sequence[str], *options: str, times: float = 1.0, sent: bool = False
) -> Ended:
    """Run ipmitool once. Raises what its failure means."""
    device = f"{config['address']}:{config['port']}"
    waits = commands.change_patience(config) if sent else commands.READ_PATIENCE
    ended = await run(
        device,
        lambda secret: commands.arguments(config, secret, words, *waits, *options),
        config["password"],
        patience=config["timeout"] * times,
        sent=sent,
    )
    if ended.code != 0:
        raise parse.failure(device, ended, sent=sent)
    return ended


async def _console(device: str, config: Mapping[str, Any]) -> IpmiConsole:
    """Activate the payload and wait until it is. Raises DeviceBusy, Refused, Unreachable."""
    words = ("sol", "activate")
    line = await talk(
        device, lambda secret: commands.arguments(config, secret, words, *commands.READ_PATIENCE), config["password"]
    )
    try:
        said = b""
        with mapped(device, sent=False):
            async with asyncio.timeout(config["timeout"]):
                while BANNER not in said:
                    if not (chunk := await line.read()):
                        break
                    said += chunk
        if BANNER not in said:
            ended = Ended(1, said.decode("utf-8", "replace"), await line.words(1.0))
            raise parse.failure(device, ended, sent=False)
    except BaseException:
        await line.close(0.0)
        raise
    return IpmiConsole(line, said.partition(BANNER)[2])


def _nothing(_text: str) -> None: ...


def _lacks(device: str, what: str) -> Refused:
    return Refused(f"{device} has no {what}: IPMI knows none.")


async def open_session(config: Mapping[str, Any]) -> ObmSession:
    """Log in once, to learn whether one can. Raises Unreachable, LoginRefused, Refused, DeviceBusy."""
    guard.device()
    session = IpmiSession(config)
    try:
        await session.power()
    except LostReply as error:
        raise Unreachable(error.message, detail=error.detail) from error
    return session
