"""A machine room for all tests of a process, and what a test does in it: sessions, consoles, waiting for words."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.core.obms import BootChoice, BootDevice, ConsoleLine, ObmSession, PowerAction
from hil.drivers.obm.ipmi.session import open_session as open_ipmi
from hil.drivers.obm.ipmi.spec import SPEC as IPMI
from hil.drivers.obm.redfish.session import open_session as open_redfish
from hil.drivers.obm.redfish.spec import SPEC as REDFISH
from hil.lab import real
from hil.lab.machines import room
from hil.lab.machines.room import Controller
from hil.lab.ovs.datacentre import DataCentre
from hil.lab.site import NIC, Site
from hil.lab.supervisor import wiring_of

PATIENCE = 60.0
OVER_IPMI, OVER_REDFISH, THIRD = "node01", "node02", "node03"
BOTH = (OVER_IPMI, OVER_REDFISH)
DRIVERS = {"ipmi": (IPMI, open_ipmi), "redfish": (REDFISH, open_redfish)}


@dataclass
class Rack:
    """A running room."""

    site: Site
    centre: DataCentre
    controllers: dict[str, Controller]

    @asynccontextmanager
    async def session(self, node: str, **other: Any) -> AsyncIterator[ObmSession]:
        """A session of the real driver, as obmd would hold it."""
        controller = self.controllers[node]
        spec, opened = DRIVERS[controller.driver]
        session = await opened(spec.validate({**controller.config, **other}))
        try:
            yield session
        finally:
            await session.close()

    def facts(self, node: str) -> room.MachineFacts:
        return room.machines(self.site)[node]

    async def look(self, node: str) -> room.MachineFacts:
        return await asyncio.to_thread(self.facts, node)

    async def says(self, node: str, words: str, since: int = 0) -> str:
        """Wait until the serial port has said these words after a place; answer all that it said from there on."""
        text = ""

        def heard() -> bool:
            nonlocal text
            text = room.heard(self.site, node, since)[1].decode(errors="replace")
            return words in text

        await asyncio.to_thread(until, heard)
        return text

    async def boots(self, node: str, device: BootDevice, words: str) -> str:
        """Switch a machine on with a boot device, through its controller, and wait for what it says."""
        since = (await self.look(node)).heard
        async with self.session(node) as bmc:
            await bmc.boot_set(BootChoice(device))
            await bmc.power_set(PowerAction.ON)
        return await self.says(node, words, since)

    def back(self) -> None:
        """Everything off, every controller well, nothing chosen."""
        for node in self.controllers:
            room.fault_clear(self.site, node)
            room.power(self.site, node, PowerAction.OFF)


def until(true: Callable[[], bool], patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


def programs(named: Path) -> list[int]:
    """Every process of this host whose command line names a file or directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.fsencode(named) in (entry / "cmdline").read_bytes() and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


async def read_until(line: ConsoleLine, words: bytes) -> bytes:
    """What a console says, up to these words."""
    said = b""
    async with asyncio.timeout(PATIENCE):
        while words not in said:
            chunk = await line.read()
            assert chunk, f"the console ended after {said!r}"
            said += chunk
    return said


@contextmanager
def rack(directory: Path, count: int) -> Iterator[Rack]:
    """A data centre with its machine room, kept by a thread of its own, which is their owner."""
    site = Site(directory)
    found: list[Rack] = []
    wrong: list[BaseException] = []
    up, down = threading.Event(), threading.Event()

    async def keep() -> None:
        centre = real.start(site, wiring_of(count))
        try:
            macs = {node: centre.mac((node, NIC)) for node, _ in centre.wiring}
            async with room.serving(site, centre, macs) as controllers:
                found.append(Rack(site, centre, controllers))
                up.set()
                await asyncio.to_thread(down.wait)
        finally:
            centre.stop()

    def run() -> None:
        try:
            asyncio.run(keep())
        except BaseException as error:  # told to the test, below
            wrong.append(error)
        up.set()

    owner = threading.Thread(target=run)
    owner.start()
    up.wait()
    try:
        if wrong:
            raise wrong[0]
        yield found[0]
    finally:
        down.set()
        owner.join()
    if wrong:
        raise wrong[0]
