"""An emulated BMC as obmd sees it: a TCP port that speaks `hil.drivers.obm.emulated.wire`.

Each fault shows as a network shows it: a controller that is unreachable refuses or resets connections, one that hangs
keeps them open and says nothing. A client that goes away takes its request with it: what was not begun is not done.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final

from hil.core.errors import DeviceBusy, DeviceError, LoginRefused, Refused
from hil.core.obms import PowerAction
from hil.drivers.obm.emulated import wire
from hil.lab.bmc.faults import BmcFaultKind, BmcOp
from hil.lab.bmc.machine import Machine

LONGEST: Final = 2**20
_ANSWERED = (Refused, DeviceBusy, LoginRefused)


class _Gone(Exception):
    """The session ends here: the connection is reset and nothing more is said."""


class EmulatedBmcServer:
    """One emulated BMC on a loopback port: `async with EmulatedBmcServer(machine) as server`."""

    def __init__(
        self,
        machine: Machine,
        host: str = "127.0.0.1",
        port: int = 0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.machine, self.host, self.port, self.sleep = machine, host, port, sleep
        self.sessions: set[str] = set()
        self.consoles: set[str] = set()
        self.logins = 0
        """Log-ins that were tried, refused ones as well: what an account is locked out by."""
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """`host:port`; the port is known once it was started, and then stays."""
        return f"{self.host}:{self.port}"

    async def start(self) -> None:
        """Listen; a free port is taken at the first start."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self.host, self.port, limit=LONGEST)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Pull the controller's network plug: connections are refused, sessions are gone. The machine runs on."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.drop()

    async def drop(self) -> None:
        """Lose every connection, consoles too."""
        for client in list(self._clients):
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def __aenter__(self) -> EmulatedBmcServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.get_running_loop().create_task(_Client(self, reader, writer).serve())
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)


class _Client:
    """One connection: a log-in, then requests, or a console."""

    def __init__(self, server: EmulatedBmcServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self._machine = server, server.machine
        self._reader, self._writer = reader, writer
        self._who = ""

    async def serve(self) -> None:
        """Answer until the client goes, or is refused, or the session is lost."""
        lost = True
        try:
            while line := await self._line():
                reply = await self._while_there(self._answer(line))
                self._writer.write(json.dumps(reply, separators=(",", ":")).encode() + b"\n")
                await self._writer.drain()
                if not self._who:
                    break
                if reply == {"ok": None} and json.loads(line).get("do") == "console":
                    await self._console()
                    break
            lost = False
        except (_Gone, ConnectionError):
            pass
        finally:
            self._server.sessions.discard(self._who)
            self._server.consoles.discard(self._who)
            if lost:
                _reset(self._writer)
            else:
                self._writer.close()

    async def _line(self) -> bytes:
        try:
            return await self._reader.readline()
        except (OSError, ValueError):
            return b""

    async def _while_there(self, work: Awaitable[Any]) -> Any:
        """Do it unless the client goes away meanwhile; a client sends nothing before its answer."""
        doing = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self._reader.read(1))
        try:
            both: tuple[asyncio.Future[Any], ...] = (doing, gone)
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise _Gone
            return doing.result()
        finally:
            doing.cancel()
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, ValueError):
                await gone

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            return {"ok": await (self._do(request) if self._who else self._login(request))}
        except _ANSWERED as error:
            return wire.error_out(error)
        except (DeviceError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise _Gone from None

    async def _login(self, request: dict[str, Any]) -> None:
        server, machine = self._server, self._machine
        server.logins += 1
        await self._fate(BmcOp.LOGIN)
        right = machine.username in (None, request["username"]) and machine.password in (None, request["password"])
        if machine.faults.strike(BmcFaultKind.WRONG_PASSWORD, BmcOp.LOGIN) or not right:
            raise LoginRefused("The user name or password is not correct.")
        if machine.max_sessions is not None and len(server.sessions) >= machine.max_sessions:
            raise DeviceBusy("All sessions of this controller are in use.")
        self._who = f"{request['username']}#{server.logins}"
        server.sessions.add(self._who)
        machine.note(self._who, "login")
        self._reply_of(BmcOp.LOGIN)

    async def _do(self, request: dict[str, Any]) -> Any:
        do = request["do"]
        op = _OPS.get(do, BmcOp.READ)
        await self._fate(op)
        if op is BmcOp.WRITE and self._machine.faults.strike(BmcFaultKind.LIE, op):
            self._machine.note(self._who, f"lied-{do}")
            return None
        answer = self._work(do, request)
        self._machine.note(self._who, do, str(request.get("action") or request.get("boot") or ""))
        self._reply_of(op)
        return answer

    async def _fate(self, op: BmcOp) -> None:
        """Let the faults strike that come before the work. Raises what they say."""
        faults = self._machine.faults
        if faults.strike(BmcFaultKind.UNREACHABLE, op) or faults.strike(BmcFaultKind.DROP, op):
            raise _Gone
        if slow := faults.strike(BmcFaultKind.SLOW, op):
            await self._server.sleep(slow.seconds)
        if faults.strike(BmcFaultKind.HANG, op):
            await asyncio.Event().wait()
        if faults.strike(BmcFaultKind.BUSY, op):
            raise DeviceBusy("Somebody else is there.")
        if refused := faults.strike(BmcFaultKind.REFUSE, op):
            raise Refused(refused.words)

    def _reply_of(self, op: BmcOp) -> None:
        if self._machine.faults.strike(BmcFaultKind.LOSE_REPLY, op):
            raise _Gone

    def _work(self, do: str, request: dict[str, Any]) -> Any:
        machine = self._machine
        match do:
            case "power":
                return machine.on is not (machine.faults.strike(BmcFaultKind.LIE, BmcOp.READ) is not None)
            case "power-set":
                return machine.power_set(PowerAction(request["action"]))
            case "boot":
                return wire.boot_out(machine.override)
            case "boot-set":
                machine.override = wire.boot_in(request["boot"])
                return None
            case "sensors":
                return [wire.sensor_out(sensor) for sensor in machine.sensors()]
            case "event-log":
                return [wire.entry_out(entry) for entry in machine.events[-int(request["limit"]) :]]
            case "identify":
                return machine.identify(int(request["seconds"]))
            case "media":
                return [wire.medium_out(medium) for medium in machine.media()]
            case "media-insert" | "media-eject":
                return machine.insert(request["slot"], request.get("image"))
            case "firmware":
                return [wire.firmware_out(firmware) for firmware in machine.firmware()]
            case "console":
                return self._take_console()
        raise Refused(f"Unknown command {str(do)[:40]!a}.")

    def _take_console(self) -> None:
        if self._machine.one_console and self._server.consoles:
            raise DeviceBusy("The console is in use.")
        self._server.consoles.add(self._who)

    async def _console(self) -> None:
        """Carry bytes both ways until either side ends it."""
        machine, writer = self._machine, self._writer

        def carry(data: bytes) -> None:
            if machine.faults.strike(BmcFaultKind.CUT, BmcOp.CONSOLE):
                _reset(writer)
            else:
                writer.write(data)

        machine.listeners.add(carry)
        try:
            while data := await self._reader.read(4096):
                if machine.faults.strike(BmcFaultKind.CUT, BmcOp.CONSOLE):
                    raise _Gone
                machine.note(self._who, "type", data.decode(errors="replace"))
                machine.type(data)
                await writer.drain()
        finally:
            machine.listeners.discard(carry)


_OPS: Final = {
    "console": BmcOp.CONSOLE,
    **dict.fromkeys(("power-set", "boot-set", "identify", "media-insert", "media-eject"), BmcOp.WRITE),
}


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection as a device that lost it does: the peer's next word is answered with a reset."""
    line = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
