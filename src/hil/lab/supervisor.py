"""The one process that a lab is: it holds the data plane, starts HIL beside it, and serves the lab's control socket.

    python -m hil.lab.supervisor DIRECTORY KIND NODES VLANS [tethered]

It runs in the background of `hil lab up`, says on standard output how far it is (`ready`, or `failed` and why), and
ends on `hil lab down`, on SIGTERM, and, when it is *tethered*, with its standard input. With it end the switches, the
machines and HIL, and the directory goes. Killed, it takes the same with it, but for the directory.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hil.cli.session import Fault
from hil.core.errors import HilError
from hil.core.vlans import unfold
from hil.lab import plain
from hil.lab.bmc.room import EmulatedRoom, Room
from hil.lab.furnish import Inventory, furnish
from hil.lab.plane import plane_of
from hil.lab.server import HilServer
from hil.lab.site import SWITCHES, Facts, Place, Site, node_names

if TYPE_CHECKING:
    from hil.lab.ovs.datacentre import DataCentre

_LONGEST: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Order:
    """What kind of lab is wanted."""

    kind: str
    nodes: int
    vlans: str


@dataclass(frozen=True, slots=True)
class Powered:
    """A data plane that runs: its driver's name, and what HIL must be told of each switch and node."""

    driver: str
    switches: Mapping[str, Mapping[str, Any]]
    macs: Mapping[str, str]
    centre: DataCentre | None = None


def wiring_of(count: int) -> dict[str, Place]:
    """Plug nodes in by turns, so that neighbours are on different switches.

    >>> wiring_of(3)
    {'node01': ('sw1', 'sw1p1'), 'node02': ('sw2', 'sw2p1'), 'node03': ('sw1', 'sw1p2')}
    """
    places = [(SWITCHES[number % 2], f"{SWITCHES[number % 2]}p{number // 2 + 1}") for number in range(count)]
    return dict(zip(node_names(count), places, strict=True))


@asynccontextmanager
async def _power(site: Site, kind: str, wiring: Mapping[str, Place]) -> AsyncIterator[Powered]:
    """Have the data plane run."""
    if kind == "plain":
        macs = {node: plain.mac(number) for number, node in enumerate(wiring)}
        async with plain.serving(site, wiring, secrets.token_urlsafe(18)) as switches:
            yield Powered(plain.DRIVER, switches, macs)
        return
    from hil.lab import real

    centre = await asyncio.to_thread(real.start, site, wiring)
    try:
        macs = {nic[0]: centre.mac(nic) for nic in centre.wiring}
        switches = {switch: centre.config(switch) for switch in centre.switches}
        yield Powered(real.DRIVER, switches, macs, centre)
    finally:
        await asyncio.to_thread(centre.stop)


@asynccontextmanager
async def _machines(site: Site, wiring: Mapping[str, Place], powered: Powered) -> AsyncIterator[tuple[Room, str]]:
    """Have the machines and their controllers run; yields them, and why they are not QEMU guests if they are not."""
    reason = "" if powered.centre is None else _no_guests()
    if powered.centre is not None and not reason:
        from hil.lab.bmc.guests import guests

        async with guests(site, powered.centre, powered.macs) as found:
            yield found, ""
        return
    async with EmulatedRoom(wiring, lambda one, other: plane_of(site).ping(one, other)).serving() as room:
        yield room, reason


def _no_guests() -> str:
    from hil.lab.machines.room import possible

    return possible()


class Supervisor:
    """A lab from its beginning to its end. Belongs to one event loop."""

    def __init__(self, site: Site, order: Order, say: Callable[[str], None]) -> None:
        self._site, self._order, self._say = site, order, say
        self._server = HilServer(site)
        self._room: Room | None = None
        self._down = asyncio.Event()

    async def run(self) -> None:
        """Build everything, serve until told to end, and take everything down."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._down.set)
        async with AsyncExitStack() as stack:
            down = asyncio.create_task(self._down.wait())
            work = asyncio.create_task(self._live(stack))
            await asyncio.wait((down, work), return_when=asyncio.FIRST_COMPLETED)
            for task in (down, work):
                task.cancel()
            await asyncio.gather(down, work, return_exceptions=True)
            if not work.cancelled():
                work.result()

    def end(self) -> None:
        """Ask it to take everything down."""
        self._down.set()

    async def _live(self, stack: AsyncExitStack) -> None:
        await self._build(stack)
        self._say("ready")
        await self._server.keep()

    async def _build(self, stack: AsyncExitStack) -> None:
        order, site = self._order, self._site
        wiring = wiring_of(order.nodes)
        powered = await stack.enter_async_context(_power(site, order.kind, wiring))
        facts = Facts(
            kind=order.kind, endpoint="", vlans=order.vlans, wiring=wiring, factory_pairs=0, began=time.time()
        )
        site.tell(facts)
        pairs = len((await asyncio.to_thread(lambda: plane_of(site).hearing(unfold(order.vlans)))).node_pairs)
        self._say(f"switches {pairs}")
        room, reason = await stack.enter_async_context(_machines(site, wiring, powered))
        self._room = room
        await stack.enter_async_context(self._listening_for_notes())
        stack.push_async_callback(self._server.end)
        password = secrets.token_urlsafe(18)
        endpoint = f"http://{await self._server.begin(password, order.vlans)}"
        obmd = f"http://{self._server.obmd}"
        facts = replace(facts, factory_pairs=pairs, endpoint=endpoint, obmd=obmd, no_guests=reason)
        site.tell(facts)
        self._say("hil")
        inventory = Inventory(
            powered.driver, powered.switches, wiring=wiring, macs=powered.macs, controllers=room.controllers
        )
        await asyncio.to_thread(furnish, site, facts, password, inventory)
        control = await asyncio.start_unix_server(self._client, site.control, limit=_LONGEST)
        stack.callback(control.close)

    @asynccontextmanager
    async def _listening_for_notes(self) -> AsyncIterator[None]:
        """Hear what HIL says of itself, as systemd would."""
        notes = self._server.notified

        class Notes(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                notes(data)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            Notes, local_addr=str(self._site.notify), family=socket.AF_UNIX
        )
        try:
            yield
        finally:
            transport.close()

    # The control socket.

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):
            line = await reader.readline()
            writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            return {"ok": await self._do(json.loads(line))}
        except HilError as error:
            return {"error": error.message}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return {"error": f"The lab cannot read this: {type(error).__name__}: {error}."}

    async def _do(self, request: Mapping[str, Any]) -> Any:
        match request["do"]:
            case "status":
                return {
                    "lab": os.getpid(),
                    "hil": self._server.pid,
                    "serving": self._server.serving,
                    "starts": self._server.starts,
                }
            case "crash":
                return self._server.crash(hold=request["hold"] is True)
            case "recover":
                return self._server.recover()
            case "down":
                return self._down.set()
            case verb if self._room is not None and verb in _MACHINES:
                return await _MACHINES[verb](self._room, request)
            case other:
                raise ValueError(f"{str(other)[:40]!a} is nothing that can be asked here")


async def _kinds(room: Room, request: Mapping[str, Any]) -> dict[str, str]:
    return {str(kind): words for kind, words in room.kinds.items()}


_MACHINES: Final[Mapping[str, Callable[[Room, Mapping[str, Any]], Awaitable[Any]]]] = {
    "machines": lambda room, request: room.look(),
    "kinds": _kinds,
    "tail": lambda room, request: room.tail(request["node"]),
    "say": lambda room, request: room.say(request["node"], request["text"]),
    "netboot": lambda room, request: room.serve_boot(request["node"], request["on"] is True),
    "fault": lambda room, request: room.fault(request["node"], request["kind"], dict(request["settings"])),
    "clear": lambda room, request: room.clear(request["node"]),
}
"""What is asked of the machines and their controllers, past HIL."""


def _end_with_input(end: Callable[[], None]) -> None:
    while os.read(0, 1):
        pass
    end()


def main() -> None:
    """Be the lab of a directory that `up` has prepared."""
    directory, kind, nodes, vlans, *tethered = sys.argv[1:]
    os.umask(0o077)
    site = Site(Path(directory))
    with site.hold():
        asyncio.run(_run(site, Order(kind, int(nodes), vlans), tethered=bool(tethered)))
        site.remove()


async def _run(site: Site, order: Order, *, tethered: bool) -> None:
    supervisor = Supervisor(site, order, lambda words: print(words, flush=True))
    if tethered:
        loop = asyncio.get_running_loop()
        watch = lambda: loop.call_soon_threadsafe(supervisor.end)  # noqa: E731 - one expression, named for the thread
        threading.Thread(target=_end_with_input, args=(watch,), daemon=True).start()
    try:
        await supervisor.run()
    except (HilError, Fault) as error:
        hint = error.hint if isinstance(error, Fault) else error.detail
        print(f"failed {error.message}: {hint}" if hint else f"failed {error.message}", flush=True)
        raise SystemExit(1) from error
    except Exception as error:
        traceback.print_exc()
        print(f"failed {type(error).__name__}: {error}", flush=True)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
