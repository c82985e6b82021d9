"""A conversation with an Acme switch; loaded by workers alone."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from hil.core import guard
from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceError, LoginRefused, Refused
from hil.core.model import Observed, PortChange
from hil.core.vlans import fold
from hil.core.wiring import About
from hil.drivers.switch.order import foreign_vlans
from hil.drivers.transport.errors import mapped
from hil_acme.spec import CAPABILITIES
from hil_acme.text import commands, observed

PATIENCE = 10.0


class AcmeSession:
    """Every command is a line; its answer ends with a line `ok`, or is one line `no` with the switch's words."""

    def __init__(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._name, self._reader, self._writer = name, reader, writer

    async def login(self, password: str) -> None:
        try:
            await self._ask(f"login {password}", sent=False)
        except Refused as error:
            raise LoginRefused(f"{self._name} refuses the password.") from error

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        guard.device()
        with self._closing():
            found = dict(line.split(" ", 1) for line in await self._ask("show"))
        if missing := sorted(set(ports or ()) - found.keys()):
            raise Refused(f"{self._name} has no port {missing[0]}.")
        return {port: observed(found[port]) for port in (found if ports is None else ports)}

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> dict[str, DeviceError | None]:
        guard.device()
        answers: dict[str, DeviceError | None] = {change.port: None for change in batch}
        fine = []
        for change in batch:
            if wrong := foreign_vlans(CAPABILITIES, (), change):
                answers[change.port] = Refused(f"An Acme switch cannot carry VLAN {fold(wrong)}.")
            else:
                fine.append(change)
        with self._closing():
            for port, line in commands(fine):
                try:
                    await self._ask(line, writer)
                except Refused as error:
                    answers[port] = error
        return answers

    async def save(self, writer: Writer) -> None:
        guard.device()
        with self._closing():
            await self._ask("save", writer)

    async def about(self) -> About:
        guard.device()
        with self._closing():
            model, firmware = (await self._ask("about"))[0].split(" ")
        return About(model, firmware)

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _ask(self, line: str, permit: Writer | None = None, *, sent: bool = True) -> list[str]:
        answer: list[str] = []
        with mapped(self._name, sent=sent):
            async with asyncio.timeout(PATIENCE):
                if permit is not None:
                    permit.check()
                self._writer.write(f"{line}\n".encode())
                await self._writer.drain()
                while True:
                    said = (await self._reader.readuntil(b"\n")).decode().removesuffix("\n")
                    if said == "ok":
                        return answer
                    if said.startswith("no "):
                        raise Refused(f"{self._name}: {said.removeprefix('no ')}")
                    answer.append(said)

    @contextmanager
    def _closing(self) -> Iterator[None]:
        try:
            yield
        except Refused:
            raise
        except BaseException:
            self._writer.transport.abort()
            raise


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Connect and log in. Raises Unreachable, LoginRefused."""
    guard.device()
    name = f"{config['host']}:{config['port']}"
    with mapped(name, sent=False):
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(config["host"], config["port"])
    session = AcmeSession(name, reader, writer)
    try:
        await session.login(config["password"])
    except BaseException:
        await session.close()
        raise
    return session
