"""A session with an emulated switch over TCP. Loaded by workers alone.

What a session does is the mock driver's; here is only how it travels. One port is one request, so that the
lease is asked before each and a broken connection is found between two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from hil.core import guard
from hil.core.devices import Atomicity, SwitchSession
from hil.core.errors import Refused
from hil.core.model import Observed, PortState
from hil.core.wiring import Mac, Neighbour
from hil.drivers.switch.emulated.spec import SPEC, host_port
from hil.drivers.switch.emulated.wire import (
    atomicity_in,
    macs_in,
    neighbours_in,
    ports_in,
    refusals_in,
    reply_in,
    write_message,
)
from hil.drivers.switch.mock.session import EmulatedSession
from hil.drivers.transport.errors import mapped
from hil.drivers.transport.lines import Lines, connect


class WireTalk:
    """A `Talk` over a connection that has logged in."""

    def __init__(self, lines: Lines, atomicity: Atomicity) -> None:
        self._lines, self.atomicity = lines, atomicity

    async def read(self, ports: Collection[str] | None) -> dict[str, Observed]:
        wanted = None if ports is None else list(ports)
        found = await self._ask({"do": "read", "ports": wanted})
        with mapped(self._lines.device, sent=True):
            return ports_in(found)

    async def write(self, changes: Mapping[str, PortState], fence: int) -> dict[str, Refused | None]:
        found = await self._ask(write_message(changes, fence))
        with mapped(self._lines.device, sent=True):
            return refusals_in(found, changes)

    async def save(self, fence: int) -> None:
        await self._ask({"do": "save", "fence": fence})

    async def neighbours(self) -> dict[str, list[Neighbour]]:
        found = await self._ask({"do": "neighbours"})
        with mapped(self._lines.device, sent=True):
            return neighbours_in(found)

    async def macs(self) -> dict[str, list[Mac]]:
        found = await self._ask({"do": "macs"})
        with mapped(self._lines.device, sent=True):
            return macs_in(found)

    def close(self) -> None:
        self._lines.close()

    async def _ask(self, message: Mapping[str, Any]) -> Any:
        reply = await self._lines.ask(message)
        with mapped(self._lines.device, sent=True):
            return reply_in(reply)


class WireSession(EmulatedSession):
    """An `EmulatedSession` that waits until its connection is gone."""

    def __init__(self, lines: Lines, atomicity: Atomicity, config: Mapping[str, Any]) -> None:
        super().__init__(WireTalk(lines, atomicity), SPEC.capabilities_of(config), config.get("parked"))
        self._lines = lines

    async def close(self) -> None:
        await self._lines.closed()


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Connect and log in. Raises Unreachable, LoginRefused."""
    guard.device()
    host, port = host_port(config["address"])
    lines = await connect(host, port, config.get("timeout", 10.0))
    try:
        login = {"do": "login", "username": config["username"], "password": config["password"]}
        reply = await lines.ask(login, sent=False)
        with mapped(lines.device, sent=False):
            return WireSession(lines, atomicity_in(reply_in(reply)), config)
    except BaseException:
        await lines.closed()
        raise
