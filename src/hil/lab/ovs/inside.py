"""The one process of ours inside the sandbox: it owns the switch's programs, the machines and their cables.

    python -m hil.lab.ovs.inside DIRECTORY NAMESPACE-OF-THE-OWNER

It is started by `sandbox` in network, mount and PID namespaces of its own, and refuses to run in its owner's network
namespace, where it would make interfaces of the host. It says `ready` on standard output and serves requests on
`DIRECTORY/control.sock`: one JSON object a line, one request a connection. It ends, with everything in the sandbox,
when its standard input does: that is when its owner ends, however it does.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Final

from hil.drivers.transport.ovsdb import Ovsdb, connect_unix, failure, words
from hil.lab.ovs import guests, layout, netns, probe
from hil.lab.ovs.daemons import PATIENCE, SEARCH, Daemons
from hil.lab.ovs.frames import Cable, Pcap

_LONGEST: Final = 8 * 2**20
_DATABASE: Final = "Open_vSwitch"
_log = logging.getLogger(__name__)

Request = Mapping[str, Any]


class Inside:
    """What the sandbox holds. Belongs to one event loop, and answers one request at a time but for programs."""

    def __init__(self, directory: Path) -> None:
        self._dir = directory
        self._daemons = Daemons(directory)
        self._db: Ovsdb | None = None
        self._machines: dict[str, int] = {}
        self._cables: dict[str, Cable] = {}
        self._canaries: tuple[Cable, Cable] | None = None
        self._captures: dict[str, tuple[Cable, Pcap]] = {}
        self._places: dict[str, tuple[int | None, str]] = {}
        self._guests = 0
        self._busy = asyncio.Lock()

    async def start(self) -> None:
        netns.silence()
        netns.ip(["link set lo up"])
        await self._daemons.start_database()
        await self._daemons.start_switch()

    async def answer(self, request: Request) -> Any:
        """Do what is asked. Raises whatever goes wrong; the caller makes it an answer."""
        what = request.get("do")
        handlers: dict[Any, Callable[[Request], Awaitable[Any]]] = {
            "build": self._build,
            "probe": self._probe,
            "transact": self._transact,
            "settle": self._settle,
            "daemon": self._daemon,
            "control": self._control,
            "capture": self._capture,
        }
        if what == "exec":
            return await self._exec(request)
        if what == "guest":
            return await self._guest(request)
        if what not in handlers:
            raise ValueError(f"{str(what)[:40]!a} is nothing that can be asked here")
        async with self._busy:
            return await handlers[what](request)

    # Building.

    async def _build(self, request: Request) -> Any:
        """Make machines, cables and switches: `bridges` name their ports, `machines` their NICs and cables."""
        bridges, machines = request["bridges"], request["machines"]
        commands = [f"link add name {name}s type veth peer name {name}" for name in layout.CANARIES]
        up = [f"link set {end} up" for name in layout.CANARIES for end in (name, f"{name}s")]
        for machine, nics in machines.items():
            self._machines[machine] = namespace = netns.create()
            where = netns.path(namespace)
            for nic in nics:
                peer = f"name {nic['nic']} address {nic['mac']} netns {where}"
                commands.append(f"link add name {nic['port']} type veth peer {peer}")
                up.append(f"link set {nic['port']} up")
        netns.ip(commands + up)
        for machine, nics in machines.items():
            self._plug(machine, nics)
        await self._db_transact(layout.operations(bridges))
        await self._settle({})
        netns.ip([f"link set {bridge} up" for bridge in bridges])
        self._places |= {bridge: (None, bridge) for bridge in bridges}
        self._cables |= {bridge: Cable(bridge) for bridge in bridges}
        here, there = (Cable(name) for name in layout.CANARIES)
        self._canaries = here, there
        return {"pid": os.getpid(), "namespaces": self._machines}

    def _plug(self, machine: str, nics: list[dict[str, str]]) -> None:
        namespace = self._machines[machine]
        commands = ["link set lo up"]
        for number, nic in enumerate(nics, start=1):
            name, address = nic["nic"], nic["address"]
            # Several NICs are in one subnet: each answers and sends for its own address alone.
            commands += [
                f"address add {address}/{layout.SUBNET.prefixlen} dev {name}",
                f"link set {name} up",
                f"route add {layout.SUBNET} dev {name} src {address} table {number}",
                f"rule add from {address} table {number}",
            ]
        with netns.within(namespace):
            for setting, value in (("arp_ignore", "1"), ("arp_announce", "2"), ("rp_filter", "0")):
                Path(f"/proc/sys/net/ipv4/conf/all/{setting}").write_text(value)
        netns.ip(commands, namespace)
        with netns.within(namespace):
            for nic in nics:
                netns.true_checksums(nic["nic"])
                self._cables[f"{machine}/{nic['nic']}"] = Cable(nic["nic"])
                self._places[f"{machine}/{nic['nic']}"] = (namespace, nic["nic"])

    # Frames.

    async def _probe(self, request: Request) -> Any:
        """Ask the frames; see `probe`. Nobody hears anybody while the switch is known to be off."""
        if self._canaries is None:
            raise ValueError("nothing was built yet")
        if not self._daemons.runs("ovs-vswitchd"):
            return []
        if request["fresh"]:
            await self._daemons.control("ovs-vswitchd", "revalidator/purge")
        if self._guests:  # they stand still from here on: their frames are carried by this thread
            probe.clear(self._canaries, request["wait"])
        who = request["senders"], request["receivers"]
        return probe.ask(self._cables, self._canaries, *who, request["tags"], request["wait"])

    async def _capture(self, request: Request) -> Any:
        """Begin to write what passes a place into a pcap file, or end it and answer the number of frames."""
        place, file = request["place"], request.get("file")
        if file is None:
            return self._end_capture(place)
        if place in self._captures:
            raise ValueError(f"{place} is being captured already")
        namespace, interface = self._places[place]
        with nullcontext() if namespace is None else netns.within(namespace):
            cable = Cable(interface, probes_only=False)
        self._captures[place] = cable, Pcap(Path(file))
        asyncio.get_running_loop().add_reader(cable.socket, self._record, *self._captures[place])
        return 0

    def _end_capture(self, place: str) -> int:
        cable, pcap = self._captures.pop(place)
        self._record(cable, pcap)
        asyncio.get_running_loop().remove_reader(cable.socket)
        cable.close()
        pcap.close()
        return pcap.frames

    @staticmethod
    def _record(cable: Cable, pcap: Pcap) -> None:
        for frame, _ in cable.pass_by():
            pcap.add(frame)

    async def _exec(self, request: Request) -> Any:
        """Run a program in a machine: its exit status and what it wrote."""
        namespace = self._machines[request["machine"]]
        program = await asyncio.create_subprocess_exec(
            *("nsenter", f"--net={netns.path(namespace)}", "--", *request["argv"]),
            env={**os.environ, "PATH": SEARCH},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(program.communicate(), request.get("timeout", PATIENCE))
        except TimeoutError:
            program.kill()
            await program.wait()
            raise OSError(f"{request['argv'][0]} took too long") from None
        return [program.returncode, out.decode(errors="replace"), err.decode(errors="replace")]

    async def _guest(self, request: Request) -> Any:
        """Run an emulator on a machine's NIC until it ends: its status and its last words."""
        namespace, interface = self._places[request["place"]]
        if namespace is None:
            raise ValueError(f"{request['place']} is no machine's NIC")
        self._guests += 1
        try:
            return await guests.run(namespace, interface, request["argv"])
        finally:
            self._guests -= 1

    # The switch.

    async def _transact(self, request: Request) -> Any:
        return await self._db_transact(request["ops"])

    async def _settle(self, _: Request) -> Any:
        """Wait until the switch has applied what is in the database."""
        count = (await self._db_transact(_ASKING))[-1]["rows"][0]["next_cfg"]
        wait = {"op": "wait", "table": "Open_vSwitch", "where": [["cur_cfg", "<", count]], "columns": ["cur_cfg"]}
        await self._db_transact([{**wait, "until": "==", "rows": [], "timeout": int(PATIENCE * 1000)}])

    async def _daemon(self, request: Request) -> Any:
        """Stop, start, freeze or thaw one program, close or open `db.sock`, or reboot all."""
        name = request.get("name", "")
        match request["action"]:
            case "stop":
                await self._daemons.stop(name)
            case "start":
                await (self._daemons.start_switch() if name == "ovs-vswitchd" else self._daemons.start_database())
            case "freeze" | "thaw" as action:
                self._daemons.freeze(name, action == "freeze")
            case "close" | "open" as action:
                await self._daemons.open(action == "open")
            case "reboot":
                await self._daemons.stop("ovs-vswitchd")
                await self._daemons.stop("ovsdb-server")
                await self._daemons.start_database()
                await self._daemons.start_switch()
                await self._settle({})
            case action:
                raise ValueError(f"{str(action)[:40]!a} cannot be done to a program")

    async def _control(self, request: Request) -> Any:
        return await self._daemons.control(request["name"], *request["words"])

    async def _db_transact(self, ops: list[Any]) -> list[Any]:
        if self._db is None or self._db.ended:
            self._db = await connect_unix(str(self._daemons.internal), PATIENCE)
        results = await self._db.transact(_DATABASE, ops)
        if (failed := failure(results)) is not None:
            raise ValueError(words(failed[1]))
        return results


_ASKING: Final[list[Any]] = [
    {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]},
    {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]},
]


async def _serve(inside: Inside, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):  # whoever asked may have gone
        if line := await reader.readline():
            writer.write(json.dumps(await _reply(inside, line, reader)).encode() + b"\n")
            await writer.drain()
    writer.close()


async def _reply(inside: Inside, line: bytes, asker: asyncio.StreamReader) -> dict[str, Any]:
    try:
        request = json.loads(line)
        work = inside.answer(request)
        return {"ok": await (guests.while_there(asker, work) if request["do"] == "guest" else work)}
    except Exception as error:
        _log.exception("A request failed.")
        return {"error": f"{type(error).__name__}: {error}"}


async def _run(directory: Path) -> None:
    inside = Inside(directory)
    await inside.start()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve(inside, reader, writer)

    server = await asyncio.start_unix_server(serve, directory / "control.sock", limit=_LONGEST)
    print("ready", flush=True)
    await server.serve_forever()


def _end_with_owner() -> None:
    """Wait for the end of standard input in a thread of its own, so that no request can be in the way."""
    while os.read(0, 1):
        pass
    os._exit(0)


def main() -> None:
    if len(sys.argv) != 3 or os.readlink("/proc/self/ns/net") == sys.argv[2]:
        raise SystemExit("this program belongs into a sandbox: it is started by hil.lab.ovs.sandbox")
    threading.Thread(target=_end_with_owner, daemon=True).start()
    asyncio.run(_run(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
