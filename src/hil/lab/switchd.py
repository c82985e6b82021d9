"""Emulated switches as other processes see them: a TCP port each, and one control socket for their faults.

The TCP side speaks `hil.drivers.switch.emulated.wire` and shows every fault as a network does: a switch without power
refuses connections, a lost session is a reset, a slow one runs into the caller's timeout. A client that goes away takes
its session with it, as on a real switch: what it had not begun is not done. The control side is for the lab alone:

    {"do": "names"}                                        the switches
    {"do": "dump", "switch": S}                            ports, startup, sessions, fence, faults
    {"do": "log", "switch": S, "since": N}                 the commands accepted, but for the first N
    {"do": "fault", "switch": S, "fault": {...}}           arm a fault (settings as in `hil.lab.faults`)
    {"do": "clear", "switch": S, "kind": K or null}        forget faults
    {"do": "reboot", "switch": S}                          lose what was not saved
    {"do": "power", "switch": S, "on": true or false}      without power it refuses connections; on again, it has booted
    {"do": "hand", "switch": S, "port": P, "state": [native, "tagged"] or {"reason": R, "raw": T}}
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from hil.core.errors import BadArgument, DeviceBusy, DeviceError, HilError, LeaseLost, LoginRefused, Refused
from hil.drivers.switch.emulated import wire
from hil.drivers.switch.mock.device import Conversation, EmulatedSwitch, Foreign, Held, observed
from hil.drivers.switch.mock.faults import FaultKind
from hil.lab import faults

_ANSWERED = (Refused, DeviceBusy, LoginRefused, LeaseLost)
"""What a switch says in words; after anything else it says nothing more."""


class EmulatedSwitchServer:
    """One emulated switch on a loopback port: `async with EmulatedSwitchServer(device) as server`."""

    def __init__(self, device: EmulatedSwitch, host: str = "127.0.0.1", port: int = 0) -> None:
        self.device, self.host, self.port = device, host, port
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """`host:port`; the port is known once it was started, and then stays."""
        return f"{self.host}:{self.port}"

    async def start(self) -> None:
        """Listen; a free port is taken at the first start."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self.host, self.port, limit=faults.LONGEST)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Take the power away: connections are refused, sessions are gone; the configuration waits for `start`."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.device.drop_sessions()
        for client in list(self._clients):
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def __aenter__(self) -> EmulatedSwitchServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.get_running_loop().create_task(_Client(self.device, reader, writer).serve())
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)


class _Client:
    """One connection: at most one conversation."""

    def __init__(self, device: EmulatedSwitch, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._device, self._reader, self._writer = device, reader, writer
        self._talk: Conversation | None = None

    async def serve(self) -> None:
        """Answer requests until the client goes, or is refused, or the session is lost."""
        coming = asyncio.ensure_future(self._line())
        lost = True
        try:
            while line := await coming:
                coming = asyncio.ensure_future(self._line())
                reply = await self._work(line, coming)
                if reply is None:
                    return
                self._writer.write(json.dumps(reply, separators=(",", ":")).encode() + b"\n")
                await self._writer.drain()
                if self._talk is None:
                    break
            lost = False
        except ConnectionError:
            return
        finally:
            coming.cancel()
            self._end(lost=lost)

    def _end(self, *, lost: bool) -> None:
        if self._talk is not None:
            self._talk.on_close = None
            self._talk.close()
        if lost:
            _reset(self._writer)
        else:
            self._writer.close()

    async def _work(self, line: bytes, coming: asyncio.Future[bytes]) -> dict[str, Any] | None:
        """Answer one request; None if the session is lost, or if its client goes away before the end."""
        work = asyncio.ensure_future(self._answer(line))
        try:
            both: tuple[asyncio.Future[Any], ...] = (work, coming)
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            gone = not work.done() and not coming.result()
            return None if gone else await work
        finally:
            work.cancel()

    async def _line(self) -> bytes:
        """The next line; nothing when the client is gone or is no client of ours."""
        try:
            return await self._reader.readline()
        except (OSError, ValueError):
            return b""

    async def _answer(self, line: bytes) -> dict[str, Any] | None:
        try:
            return {"ok": await self._do(json.loads(line))}
        except _ANSWERED as error:
            return wire.error_out(error)
        except (DeviceError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    async def _do(self, request: dict[str, Any]) -> Any:
        if self._talk is None:
            self._talk = await self._device.login(request["username"], request["password"])
            self._talk.on_close = lambda: _reset(self._writer)
            return {"atomicity": str(self._talk.atomicity)}
        match request["do"]:
            case "read":
                found = await self._talk.read(request["ports"])
                return {port: wire.observed_out(observed) for port, observed in found.items()}
            case "write":
                wants = {port: wire.state_in(want) for port, want in request["ports"].items()}
                refused = await self._talk.write(wants, int(request["fence"]))
                return {"refused": {port: error.message for port, error in refused.items() if error is not None}}
            case "save":
                return await self._talk.save(int(request["fence"]))
            case "neighbours":
                return wire.neighbours_out(await self._talk.neighbours())
            case "macs":
                return wire.macs_out(await self._talk.macs())
            case other:
                raise Refused(f"% Unknown command {other}")


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection as a device that lost it does: the peer's next word is answered with a reset."""
    line = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _listening(path: Path) -> socket.socket:
    """A local socket at `path` that only its owner may open; what an earlier lab left there goes."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        line.bind(str(path))
    except BaseException:
        line.close()
        raise
    finally:
        os.umask(before)
    return line


class ControlSocket:
    """The control socket of a lab's switches: `async with ControlSocket(path, servers)`. Only its owner may open it."""

    def __init__(self, path: Path, servers: Mapping[str, EmulatedSwitchServer]) -> None:
        self._path, self._servers = path, servers
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> ControlSocket:
        self._server = await asyncio.start_unix_server(self._client, sock=_listening(self._path), limit=faults.LONGEST)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            reply = await self._answer(await reader.readline())
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError):
            pass
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            return {"ok": await self.do(json.loads(line))}
        except HilError as error:
            return {"error": error.message}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return {"error": f"The lab cannot read this: {type(error).__name__}: {error}."}

    async def do(self, request: Mapping[str, Any]) -> Any:
        """Do what one message asks. Raises BadArgument."""
        if request["do"] == "names":
            return {name: server.address for name, server in self._servers.items()}
        server = self._servers.get(request["switch"])
        if server is None:
            raise BadArgument(f"There is no switch {request['switch']!a}: use one of {', '.join(self._servers)}.")
        verb = _VERBS.get(request["do"])
        if verb is None:
            raise BadArgument(f"{request['do']!a} is nothing that a lab can do: use one of {', '.join(_VERBS)}.")
        return await verb(server, request)


async def _dump(server: EmulatedSwitchServer, request: Mapping[str, Any]) -> dict[str, Any]:
    device = server.device
    return {
        "ports": {port: _held_out(device.running(port)) for port in device.ports()},
        "startup": {port: _held_out(device.startup(port)) for port in device.ports()},
        "sessions": sorted(session.who for session in device.sessions),
        "fence": device.fence,
        "faults": [faults.to_json(fault) for fault in device.faults],
    }


async def _log(server: EmulatedSwitchServer, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    since = int(request.get("since", 0))
    return [
        entry._asdict() | {key: _held_out(getattr(entry, key)) for key in ("before", "asked", "after")}
        for entry in server.device.log[since:]
    ]


def _held_out(held: Held | None) -> Any:
    return None if held is None else wire.observed_out(observed(held))


async def _fault(server: EmulatedSwitchServer, request: Mapping[str, Any]) -> None:
    server.device.faults.add(faults.from_json(request["fault"]))


async def _clear(server: EmulatedSwitchServer, request: Mapping[str, Any]) -> None:
    kind = request.get("kind")
    server.device.faults.clear(None if kind is None else FaultKind(kind))


async def _reboot(server: EmulatedSwitchServer, request: Mapping[str, Any]) -> None:
    server.device.reboot()


async def _power(server: EmulatedSwitchServer, request: Mapping[str, Any]) -> None:
    if request["on"] is False:
        await server.stop()
        server.device.reboot()
    else:
        await server.start()


async def _hand(server: EmulatedSwitchServer, request: Mapping[str, Any]) -> None:
    match request["state"]:
        case {"reason": str() as reason, "raw": str() as raw}:
            server.device.set_by_hand(request["port"], Foreign(reason, raw))
        case state:
            server.device.set_by_hand(request["port"], wire.state_in(state))


_VERBS: Mapping[str, Callable[[EmulatedSwitchServer, Mapping[str, Any]], Awaitable[Any]]] = {
    "dump": _dump,
    "log": _log,
    "fault": _fault,
    "clear": _clear,
    "reboot": _reboot,
    "power": _power,
    "hand": _hand,
}
