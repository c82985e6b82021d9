"""The room of QEMU guests, behind the same face as that of the emulated machines.

It holds no machine itself: `hil.lab.machines` runs them beside the Open vSwitch, and answers for them on a socket.
How many consoles a real controller has open is not known here, and not made up.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from hil.core.errors import BadArgument
from hil.lab.bmc.room import Controller, Seen
from hil.lab.bmc.startup import NOTHING
from hil.lab.machines import boot, disk, room
from hil.lab.ovs.datacentre import DataCentre
from hil.lab.site import Site

DISK: Final = "disk"
_FIRMWARE: Final = b"SeaBIOS"
"""The first word of every start."""
_NOTHING_BOOTS: Final = "No bootable device"
"""SeaBIOS's last words (its boot.c)."""


@asynccontextmanager
async def guests(site: Site, centre: DataCentre, macs: Mapping[str, str]) -> AsyncIterator[GuestRoom]:
    """Have a guest at every node, all without power. Raises Unavailable."""
    async with room.serving(site, centre, macs) as told:
        found = GuestRoom(site, centre, {node: Controller(each.driver, each.config) for node, each in told.items()})
        try:
            yield found
        finally:
            await found.end()


class GuestRoom:
    """Guests that run. Belongs to one event loop, which also answers what is asked here."""

    kinds = room.FAULTS

    def __init__(self, site: Site, centre: DataCentre, controllers: Mapping[str, Controller]) -> None:
        self.controllers = controllers
        self._site, self._centre = site, centre
        self._serving: set[str] = set()

    async def end(self) -> None:
        """End every boot service."""
        for node in sorted(self._serving):
            await self.serve_boot(node, False)

    async def look(self) -> dict[str, Seen]:
        facts = await asyncio.to_thread(room.machines, self._site)
        return {node: await self._seen(each) for node, each in facts.items()}

    async def _seen(self, facts: room.MachineFacts) -> Seen:
        config = self.controllers[facts.node].config
        host = config.get("address") or re.sub(r"^https?://|/.*$", "", str(config.get("url", "")))
        source = _source(await self._said(facts.node), facts.node, list(self.controllers)) if facts.power else ""
        return {
            "power": facts.power,
            "protocol": facts.protocol,
            "address": f"{host}:{config['port']}" if config.get("port") else str(host),
            "starts": facts.boots,
            "source": source,
            "consoles": None,
            "asked": [facts.next_boot],
            "faults": [facts.fault] if facts.fault else [],
            "pids": [pid for pid in (facts.pid, facts.bmc_pid) if pid],
        }

    async def _said(self, node: str) -> bytes:
        _, data = await asyncio.to_thread(room.heard, self._site, node)
        return data

    async def tail(self, node: str) -> str:
        return (await self._said(node)).decode(errors="replace")

    async def say(self, node: str, text: str) -> None:
        """Type at the machine itself, past its controller: what runs there echoes it."""
        facts = await asyncio.to_thread(room.machines, self._site)
        if node in facts and not facts[node].power:
            raise BadArgument(f"{node} has no power: it says nothing.")
        await asyncio.to_thread(room.typed, self._site, node, f"{text}\r".encode())

    async def serve_boot(self, node: str, on: bool) -> None:
        directory = self._site.directory / "netboot" / node
        if on and node not in self._serving:
            await asyncio.to_thread(boot.start, self._centre, node, directory)
            self._serving.add(node)
        elif not on and node in self._serving:
            self._serving.discard(node)
            await asyncio.to_thread(boot.stop, self._centre, node, directory)

    async def fault(self, node: str, kind: str, settings: Mapping[str, str]) -> None:
        if settings:
            raise BadArgument("The faults of a real controller have no settings: they last until they are cleared.")
        if kind not in self.kinds:
            raise BadArgument(f"{kind[:40]!a} is no fault of a controller: use one of {', '.join(self.kinds)}.")
        await asyncio.to_thread(room.fault_set, self._site, node, kind)

    async def clear(self, node: str) -> None:
        await asyncio.to_thread(room.fault_clear, self._site, node)


def _source(said: bytes, node: str, others: list[str]) -> str:
    """What a machine runs from since it was last started; empty while it is on its way."""
    text = said[said.rfind(_FIRMWARE) :].decode(errors="replace")
    if disk.greeting(node) in text:
        return DISK
    if _NOTHING_BOOTS in text:
        return NOTHING
    return next((other for other in others if boot.booted_by(other) in text), "")
