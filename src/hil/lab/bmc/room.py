"""The machines of a lab and their controllers: what HIL is told of each, a look at them, and a hand on them.

`Room` is what the lab asks of any kind of machine. `EmulatedRoom` is the kind that needs nothing of the host: machines
in pure Python behind emulated BMCs, each on a loopback port. A look and a hand go past the controllers: who wants to
know what a machine did, or whether somebody reached it, asks the machine.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypedDict

from hil.core.errors import BadArgument
from hil.lab.bmc.faults import BmcFaultKind, fault_in, fault_words
from hil.lab.bmc.machine import Machine
from hil.lab.bmc.server import EmulatedBmcServer
from hil.lab.bmc.startup import EmulatedStartup

DRIVER: Final = "emulated"
USER: Final = "hil"
DEAD: Final = "dead"
_KEPT: Final = 64 * 2**10
_CHANGES: Final = ("power-set", "boot-set", "type")

Reaches = Callable[[str, str], tuple[bool, str]]
"""Whether a node's port reaches another's, untagged, and words about it. It blocks, and asks the data plane."""


@dataclass(frozen=True, slots=True)
class Controller:
    """What HIL must be told to reach a controller. `config` holds its password."""

    driver: str
    config: Mapping[str, Any] = field(repr=False)


class Seen(TypedDict):
    """A machine at one moment, and its controller.

    `source`: what it runs from, if that is known; `consoles`: how many are open at the controller, None if nobody can
    tell; `asked`: the changes that the controller was asked for, oldest first; `pids`: the processes that both are.
    """

    power: bool
    protocol: str
    address: str
    starts: int
    source: str
    consoles: int | None
    asked: list[str]
    faults: list[str]
    pids: list[int]


class Room(Protocol):
    """The machines of a lab. `kinds`: every fault of a controller, with a line about it."""

    @property
    def controllers(self) -> Mapping[str, Controller]: ...

    @property
    def kinds(self) -> Mapping[str, str]: ...

    async def look(self) -> dict[str, Seen]: ...

    async def tail(self, node: str) -> str:
        """What the machine itself has lately said on its serial line, whoever listened."""
        ...

    async def say(self, node: str, text: str) -> None:
        """Have the machine say this on its serial line. Raises BadArgument if it has no power."""
        ...

    async def serve_boot(self, node: str, on: bool) -> None:
        """Begin or end a service at this node's port from which others boot over the network."""
        ...

    async def fault(self, node: str, kind: str, settings: Mapping[str, str]) -> None:
        """Break its controller. Raises BadArgument that says what can be broken."""
        ...

    async def clear(self, node: str) -> None: ...


KINDS: Final[Mapping[str, str]] = {
    BmcFaultKind.UNREACHABLE: "nothing gets through, and sessions die",
    BmcFaultKind.WRONG_PASSWORD: "log-ins are refused; a session that is open goes on",
    BmcFaultKind.SLOW: "a request takes `seconds` longer",
    BmcFaultKind.HANG: "a request is never answered",
    BmcFaultKind.REFUSE: "a request is refused with `words`",
    BmcFaultKind.BUSY: "a request is turned away, because somebody else is there",
    BmcFaultKind.DROP: "the session dies before a request is done",
    BmcFaultKind.LOSE_REPLY: "the session dies after a request was done",
    BmcFaultKind.LIE: "a change is answered as done and not done; the power is told the wrong way round",
    BmcFaultKind.CUT: "a console dies at its next byte",
    DEAD: "the controller has no power: connections are refused; the machine runs on",
}


class EmulatedRoom:
    """Machines in pure Python. Belongs to one event loop."""

    kinds = KINDS

    def __init__(
        self, nodes: Iterable[str], reaches: Reaches, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._reaches = reaches
        self._boot_servers: list[str] = []
        self._said: dict[str, bytearray] = {}
        self._dead: set[str] = set()
        self.servers = {node: self._machine(node, sleep) for node in nodes}
        self.controllers: dict[str, Controller] = {}

    def _machine(self, node: str, sleep: Callable[[float], Awaitable[None]]) -> EmulatedBmcServer:
        machine = Machine(node, username=USER, password=secrets.token_urlsafe(18))
        machine.startup = EmulatedStartup(machine, lambda: self._search(node), sleep)
        said = self._said.setdefault(node, bytearray())

        def keep(data: bytes) -> None:
            said.extend(data)
            del said[:-_KEPT]

        machine.listeners.add(keep)
        return EmulatedBmcServer(machine)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[EmulatedRoom]:
        """Have the controllers listen; at the end every machine is off."""
        async with AsyncExitStack() as stack:
            for node, server in self.servers.items():
                await stack.enter_async_context(server)
                login = {"username": USER, "password": server.machine.password}
                self.controllers[node] = Controller(DRIVER, {"address": server.address, "timeout": 5.0, **login})
            try:
                yield self
            finally:
                for server in self.servers.values():
                    if server.machine.startup is not None:
                        server.machine.startup.end()

    async def look(self) -> dict[str, Seen]:
        return {node: self._seen(node, server) for node, server in self.servers.items()}

    def _seen(self, node: str, server: EmulatedBmcServer) -> Seen:
        machine, startup = server.machine, server.machine.startup
        asked = [" ".join(filter(None, entry[2:])) for entry in machine.log if entry.action in _CHANGES]
        return {
            "power": machine.on,
            "protocol": DRIVER,
            "address": server.address,
            "starts": len(machine.boots),
            "source": startup.source if isinstance(startup, EmulatedStartup) else "",
            "consoles": len(server.consoles),
            "asked": asked,
            "faults": [*([DEAD] if node in self._dead else []), *map(fault_words, machine.faults)],
            "pids": [],
        }

    async def tail(self, node: str) -> str:
        self._known(node)
        return self._said[node].decode(errors="replace")

    async def say(self, node: str, text: str) -> None:
        machine = self._known(node).machine
        if not machine.on:
            raise BadArgument(f"{node} has no power: it says nothing.")
        machine.print(f"{text}\r\n")

    async def serve_boot(self, node: str, on: bool) -> None:
        self._known(node)
        if on and node not in self._boot_servers:
            self._boot_servers.append(node)
        elif not on and node in self._boot_servers:
            self._boot_servers.remove(node)

    async def fault(self, node: str, kind: str, settings: Mapping[str, str]) -> None:
        server = self._known(node)
        if kind not in self.kinds:
            raise BadArgument(f"{kind[:40]!a} is no fault of a controller: use one of {', '.join(self.kinds)}.")
        if kind != DEAD:
            return server.machine.faults.add(fault_in(kind, settings))
        if settings:
            raise BadArgument("A controller without power has no settings: it lasts until it is cleared.")
        self._dead.add(node)
        await server.stop()

    async def clear(self, node: str) -> None:
        server = self._known(node)
        server.machine.faults.clear()
        self._dead.discard(node)
        await server.start()

    async def _search(self, node: str) -> tuple[str, str] | None:
        """One who serves network boots and is reached from a node, as the data plane says now."""
        for server in [*self._boot_servers]:
            if server != node:
                reached, words = await asyncio.to_thread(self._reaches, node, server)
                if reached:
                    return server, words
        return None

    def _known(self, node: str) -> EmulatedBmcServer:
        if node not in self.servers:
            raise BadArgument(f"There is no machine {node[:40]!a}: use one of {', '.join(self.servers)}.")
        return self.servers[node]
