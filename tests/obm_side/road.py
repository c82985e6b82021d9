"""The network between HIL and its obmd, which loses answers, keeps requests back, delivers them late, and breaks.

One request to a connection, as HIL makes them. Tenants have a network of their own: they reach obmd past this.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Final

MODES: Final = ("open", "gone", "cut", "lose", "hold")
"""Let pass; nobody listens; connections break at once; the answer is lost; the request is kept back, to come late."""


class Road:
    """Leads to `target`, the address where obmd listens now; None while it is down."""

    def __init__(self, target: Callable[[], str | None]) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._port = 0
        self._mode = "open"
        self.held: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def be(self, mode: str) -> None:
        """Change what happens to requests from now on."""
        self._mode = mode
        if mode == "gone":
            await self.close()
        elif self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def deliver(self, at: int) -> bool:
        """Let a request arrive that was kept back; False if there is none."""
        if not self.held:
            return False
        await self._carried(self.held.pop(at % len(self.held)))
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mode, answer = self._mode, b""
        with suppress(OSError, asyncio.IncompleteReadError):
            if mode != "cut":
                request = await _request(reader)
                if mode == "hold":
                    self.held.append(request)
                else:
                    answer = await self._carried(request)
            if answer and mode == "open":
                writer.write(answer)
                await writer.drain()
                writer.close()
                return
        writer.transport.abort()

    async def _carried(self, request: bytes) -> bytes:
        """Hand a request on; answers what came back, empty if nobody was there."""
        target = self._target()
        if target is None:
            return b""
        host, _, port = target.rpartition(":")
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return b""
        try:
            writer.write(re.sub(rb"(?i)connection: keep-alive", b"Connection: close", request, count=1))
            return await reader.read()
        except OSError:
            return b""
        finally:
            writer.transport.abort()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")
