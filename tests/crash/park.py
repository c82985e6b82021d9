"""Emulated switches on loopback ports, in a thread of this process: they outlive every HIL that is killed."""

import asyncio
import threading
from collections.abc import Collection, Sequence

from hil.core.model import PortState
from hil.drivers.switch.mock.device import Delays, EmulatedSwitch
from hil.lab.switchd import EmulatedSwitchServer


class Park:
    """`switches` by name; `address` is what HIL is told."""

    def __init__(self, names: Sequence[str]) -> None:
        self.switches = {name: EmulatedSwitch(name, username="hil", password="secret") for name in names}
        self._servers = {name: EmulatedSwitchServer(device) for name, device in self.switches.items()}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Park":
        self._thread.start()
        for server in self._servers.values():
            asyncio.run_coroutine_threadsafe(server.start(), self._loop).result(30)
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers.values():
            asyncio.run_coroutine_threadsafe(server.stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def address(self, name: str) -> str:
        return self._servers[name].address

    def slow(self, name: str, write: float) -> None:
        """Let each write take so many seconds from now on."""
        self.switches[name].delays = Delays(write=write)

    def carried(self, name: str, ports: Collection[str]) -> dict[str, PortState]:
        """What these ports of a switch carry; every one must be representable."""
        found = {}
        for port in ports:
            native, tagged, everything = self.switches[name].carried(port)
            assert not everything
            found[port] = PortState(native, frozenset(tagged))
        return found
