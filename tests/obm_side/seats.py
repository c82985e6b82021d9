"""What tenants were ever given at obmd, and the consoles that they hold: they throw nothing away."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException


@dataclass(eq=False)
class Kept:
    """A capability (`ticket`), or a URL with a token in it."""

    who: str
    url: str
    ticket: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """What the capability says: its epoch, its key, when it expires."""
        payload = self.ticket.split(".")[1]
        found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return found


@dataclass(eq=False)
class Seat:
    """A console that somebody has open. `heard` is what came, until it ended."""

    kept: Kept
    socket: ClientConnection | None = None
    heard: bytearray = field(default_factory=bytearray)
    reader: asyncio.Task[None] | None = None
    _judged: int = 0

    def news(self) -> bytes:
        """What was heard since the last time, up to the last whole mark."""
        end = self.heard.rfind(b">") + 1
        begin, self._judged = self._judged, max(self._judged, end)
        return bytes(self.heard[begin:end])

    @property
    def open(self) -> bool:
        return self.reader is not None and not self.reader.done()

    @property
    def epoch(self) -> int | None:
        return self.kept.facts["epoch"] if self.kept.ticket else None

    async def sit(self) -> bool:
        """Open it; False if one is not let in."""
        headers = {"Authorization": f"Bearer {self.kept.ticket}"}
        try:
            self.socket = await connect(self.kept.url, additional_headers=headers, proxy=None)
            first = await self.socket.recv()
        except (OSError, WebSocketException):
            return False
        if isinstance(first, str) and json.loads(first)["event"] == "end":
            await self.socket.close()
            return False
        self.reader = asyncio.create_task(self._listen(self.socket))
        return True

    async def _listen(self, socket: ClientConnection) -> None:
        with suppress(WebSocketException, OSError):
            async for message in socket:
                self.heard += message if isinstance(message, bytes) else b""

    async def stream(self) -> None:
        """Listen as the original protocol does it, until it ends."""
        self.reader = asyncio.create_task(self._stream())
        await asyncio.sleep(0)

    async def _stream(self) -> None:
        with suppress(httpx.HTTPError):
            async with (
                httpx.AsyncClient(trust_env=False, timeout=30) as client,
                client.stream("GET", self.kept.url) as answer,
            ):
                async for part in answer.aiter_bytes():
                    self.heard += part if answer.status_code == 200 else b""

    async def type(self, key: str) -> None:
        if self.socket is not None and self.open:
            with suppress(WebSocketException, OSError):
                await self.socket.send(json.dumps({"do": "take"}))
                await self.socket.send(key.encode())

    async def leave(self) -> None:
        if self.reader is not None:
            if self.socket is not None:
                await self.socket.close()
            else:
                self.reader.cancel()
            await asyncio.wait({self.reader})
