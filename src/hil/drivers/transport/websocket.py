"""A WebSocket (RFC 6455) that carries the bytes of a console, both ways.

The connection is made by `http.dial`, which proves who the device is before anything is told to it; the protocol is
that of the library `websockets` without its sockets. Frames' borders mean nothing: what comes is one stream, unless
who reads tells text from bytes. It never reconnects. The library logs nothing here: headers hold passwords.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from hil.core.errors import DeviceError, LostReply, Refused, Unreachable
from hil.drivers.transport.errors import FOREIGN, mapped
from hil.drivers.transport.http import dial

LONGEST: Final = 2**20
"""Bytes of one frame."""
CHUNK: Final = 64 * 2**10
GOODBYE: Final = 1.0
_DATA: Final = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_SILENT: Final = logging.getLogger(f"{__name__}.library")
_SILENT.setLevel(logging.WARNING)


class WebSocket:
    """An open one. Made by `connect`."""

    def __init__(
        self, device: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: ClientProtocol
    ) -> None:
        self.device = device
        self._reader, self._writer, self._protocol = reader, writer, protocol
        self._waiting: deque[tuple[bool, bytes]] = deque()
        self._over = self._texting = False
        self.response: Response | None = None

    async def read(self) -> bytes:
        """Wait for bytes; none mean the end. Raises LostReply."""
        return (await self.receive())[1]

    async def receive(self) -> tuple[bool, bytes]:
        """Wait for a frame: is it text, and what it holds; at the end, no text and nothing. Raises LostReply."""
        while not self._waiting and not self._over:
            await self._more(sent=True)
        return self._waiting.popleft() if self._waiting else (False, b"")

    async def write(self, data: bytes) -> None:
        """Raises LostReply."""
        await self._send(lambda: self._protocol.send_binary(data))

    async def tell(self, text: str) -> None:
        """Send a message of text. Raises LostReply."""
        await self._send(lambda: self._protocol.send_text(text.encode()))

    async def _send(self, put: Callable[[], None]) -> None:
        if self._over or self._protocol.state is not State.OPEN:
            raise LostReply(f"The connection with {self.device} has ended.")
        put()
        with mapped(self.device, sent=True):
            await self._flush()

    async def close(self) -> None:
        """Say goodbye and drop the connection; never raises."""
        with suppress(*FOREIGN):
            async with asyncio.timeout(GOODBYE):
                if self._protocol.state is State.OPEN:
                    self._protocol.send_close()
                    await self._flush()
                if not self._writer.is_closing():  # over TLS, Python 3.11 cannot abort what was closed twice
                    self._writer.close()
                await self._writer.wait_closed()
        self._over = True
        self._writer.transport.abort()

    async def shake_hands(self, headers: Mapping[str, str]) -> None:
        """Raises Unreachable, Refused."""
        request = self._protocol.connect()
        request.headers.update(headers)
        self._protocol.send_request(request)
        with mapped(self.device, sent=False):
            await self._flush()
        while self.response is None and not self._over:
            await self._more(sent=False)
        error = self._protocol.handshake_exc
        if isinstance(error, InvalidStatus):
            raise Refused(f"{self.device} refuses its console (HTTP {error.response.status_code}).")
        if error is not None or self.response is None:
            raise Unreachable(f"{self.device} opens no WebSocket for its console.", detail=str(error))

    async def _more(self, *, sent: bool) -> None:
        with mapped(self.device, sent=sent):
            data = await self._reader.read(CHUNK)
            self._protocol.receive_data(data) if data else self._protocol.receive_eof()
            await self._flush()
            for event in self._protocol.events_received():
                self._take(event)
            self._over |= not data
            if self._protocol.parser_exc is not None and self.response is not None and data:
                raise ValueError("the device breaks the rules of WebSocket")

    def _take(self, event: Any) -> None:
        if isinstance(event, Response):
            self.response = event
        elif isinstance(event, Frame) and event.opcode in _DATA:
            if event.opcode is not Opcode.CONT:
                self._texting = event.opcode is Opcode.TEXT
            if event.data:
                self._waiting.append((self._texting, bytes(event.data)))
        elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
            self._over = True

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._writer.write(data)
        await self._writer.drain()


async def connect(config: Mapping[str, Any], path: str, headers: Mapping[str, str]) -> WebSocket:
    """Open a WebSocket at a path of what `WebSettings` describes. Raises Unreachable, IdentityChanged, Refused."""
    parts = urlsplit(config["url"])
    scheme = "wss" if parts.scheme == "https" else "ws"
    reader, writer = await dial(config)
    protocol = ClientProtocol(parse_uri(f"{scheme}://{parts.netloc}{path}"), max_size=LONGEST, logger=_SILENT)
    socket = WebSocket(parts.netloc, reader, writer, protocol)
    try:
        with mapped(parts.netloc, sent=False):
            async with asyncio.timeout(config["timeout"]):
                await socket.shake_hands(headers)
    except DeviceError:
        await socket.close()
        raise
    except BaseException:
        writer.transport.abort()
        raise
    return socket
