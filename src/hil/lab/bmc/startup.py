"""How an emulated machine of the lab boots, told on its serial console while it happens.

It has no firmware and runs no system, and says so. Its disk is empty. Whether it boots over the network is not made up:
at that moment the data plane is asked whether its port reaches one that serves network boots, and HIL is not asked at
all. Without power it falls silent wherever it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from hil.lab.bmc.machine import Machine

NETWORK: Final = "network"
DISK: Final = "disk"
NOTHING: Final = "nothing"
TRIES: Final = 3
_LINE: Final = 0.1
_PAUSE: Final = 1.0

Search = Callable[[], Awaitable[tuple[str, str] | None]]
"""Look for one who serves network boots; answers who it is and in words why it is reached, or None."""


class EmulatedStartup:
    """The startup of one machine. Belongs to one event loop."""

    def __init__(self, machine: Machine, search: Search, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._machine, self._search, self._sleep = machine, search, sleep
        self._task: asyncio.Task[None] | None = None
        self.source = ""
        """What it runs from: a machine that serves network boots, or `nothing`; empty while it boots or is off."""

    def begin(self, device: str) -> None:
        """Boot; what it did before ends."""
        self.end()
        self._task = asyncio.get_running_loop().create_task(self._boot(device))

    def end(self) -> None:
        """Fall silent."""
        self.source = ""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _say(self, words: str) -> None:
        self._machine.print(f"{self._machine.name}: {words}\r\n")
        await self._sleep(_LINE)

    async def _boot(self, device: str) -> None:
        self._machine.print("\r\n")
        await self._say("power-on self-test: ok (emulated machine: neither firmware nor system)")
        first = {"pxe": NETWORK, "disk": DISK}.get(device, device)
        await self._say(f"boot device: {first}")
        for tried in dict.fromkeys((first, DISK, NETWORK)):
            if tried == "bios":
                await self._say("setup: there is nothing to set up")
                break
            if tried == NETWORK and await self._network():
                return
            if tried != NETWORK:
                await self._say(f"{tried}: empty")
        self.source = NOTHING
        await self._say("no boot device")

    async def _network(self) -> bool:
        """Try to boot over the network for a while."""
        for attempt in range(TRIES):
            await self._say("network: looking for a boot service" if not attempt else "network: no answer")
            if found := await self._search():
                server, words = found
                await self._say(f"network: the boot service of {server} answers: {words}")
                self.source = server
                await self._say(f"booted over the network from {server}; from now on it echoes what is typed")
                return True
            await self._sleep(_PAUSE)
        await self._say("network: no boot service is reached")
        return False
