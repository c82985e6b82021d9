"""The console of a node at a parent HIL: a WebSocket at the parent's obmd, opened with a capability.

To the parent all tenants of the child are one project, so its obmd shows a new viewer what the console said lately,
whoever of them it was said to. None of that is passed on: the line begins after the parent has answered a message of
ours, which stands behind all of it. That message takes the typing, as whoever opens a serial line has it; should
somebody else at the parent take it, the next input takes it back. A capability lives for minutes, so newer ones are
fetched as long as the line is open. A console without TLS is refused where the API has it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from hil.core.errors import DeviceError, LostReply, Refused, Unreachable
from hil.drivers.obm.parent import parse
from hil.drivers.transport import websocket
from hil.drivers.transport.errors import mapped
from hil.drivers.transport.http import bearer
from hil.drivers.transport.websocket import WebSocket

RENEW: Final = 60.0
"""Seconds between two capabilities: a fifth of what one lives, so that some may fail to come."""
Fetch = Callable[[], Awaitable[parse.Ticket]]
Sleep = Callable[[float], Awaitable[None]]


class ParentConsole:
    """A `ConsoleLine`. Begun by `open_console`."""

    def __init__(self, socket: WebSocket, fetch: Fetch, sleep: Sleep) -> None:
        self._socket, self._fetch, self._sleep = socket, fetch, sleep
        self._me: int | None = None
        self._writer: int | None = None
        self._refused = ""
        self._over: DeviceError | None = None
        self._begun = self._ended = False
        self._renewing: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Take the typing, and forget what was said before. Raises DeviceError."""
        while not await self._heard(lambda: self._me is not None):
            continue
        await self._take()
        while not await self._heard(lambda: self._writer == self._me):
            continue
        self._begun = True
        self._renewing = asyncio.get_running_loop().create_task(self._renewed())

    async def _heard(self, so: Callable[[], bool]) -> bool:
        """Take one message, and answer whether it is `so` now; output is dropped."""
        if await self._next() == b"":
            raise Unreachable(f"{self._socket.device} ends its console before it has begun.")
        if self._refused:
            raise Refused(f"{self._socket.device} does not let us type: {self._refused}")
        return so()

    async def read(self) -> bytes:
        while (data := await self._next()) is None:
            continue
        return data

    async def _next(self) -> bytes | None:
        """Wait for one message: output, empty at the end, or None for one that is about the console."""
        if self._over is not None:
            raise self._over
        if self._ended:
            return b""
        told, data = await self._socket.receive()
        if not told:
            self._ended = not data
            return data
        with mapped(self._socket.device, sent=True):
            event = parse.event(data)
        return self._told(event)

    def _told(self, event: parse.Event) -> bytes | None:
        match event.kind:
            case "hello":
                self._me, self._writer = event.me, event.writer
            case "viewers" | "writer":
                self._writer = event.writer
            case "refused":
                self._refused = event.words
            case "end" if event.type == "closed":
                self._ended = True
                return b""
            case "end":
                self._over = parse.ended(self._socket.device, event.type, event.words, begun=self._begun)
                raise self._over
        return None

    async def write(self, data: bytes) -> None:
        if self._refused:
            words, self._refused = self._refused, ""
            raise Refused(f"{self._socket.device} did not take the last input: {words}")
        if self._writer != self._me:
            await self._take()
            self._writer = self._me
        await self._socket.write(data)

    async def _take(self) -> None:
        await self._socket.tell(json.dumps({"do": "take"}))

    async def _renewed(self) -> None:
        """Show a newer capability now and then. When none comes, the parent's obmd ends the console itself."""
        while True:
            await self._sleep(RENEW)
            try:
                capability = (await self._fetch()).capability
            except DeviceError:
                continue
            try:
                await self._socket.tell(json.dumps({"do": "renew", "capability": capability}))
            except LostReply:
                return

    async def close(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self._renewing])
        await self._socket.close()


async def open_console(
    config: Mapping[str, Any], ticket: parse.Ticket, fetch: Fetch, sleep: Sleep = asyncio.sleep
) -> ParentConsole:
    """Open the console that the ticket leads to; `fetch` gets newer ones. Raises DeviceError."""
    if config["url"].startswith("https:") and not ticket.address.startswith("https:"):
        raise Refused("The parent's obmd has no TLS, though its API has: nothing was said to it.")
    known = config.get("console_certificate") or config.get("certificate")
    about = {"url": ticket.address, "timeout": config["timeout"], "certificate": known}
    socket = await websocket.connect(about, ticket.path, {"Authorization": bearer(ticket.capability)})
    console = ParentConsole(socket, fetch, sleep)
    try:
        with mapped(socket.device, sent=False):
            async with asyncio.timeout(config["timeout"]):
                await console.begin()
    except BaseException:
        await console.close()
        raise
    return console
