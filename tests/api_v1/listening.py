"""One who follows the event stream, spoken to as a server would: ASGI, chunk by chunk, until it hangs up."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.api_v1.world import PASSWORD, World

PATIENCE = 30.0
Message = dict[str, Any]


@dataclass(frozen=True)
class Event:
    id: int
    event: str
    data: Any


@dataclass
class Follower:
    """What came so far. `status` is None until the answer has begun."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    comments: int = 0
    ended: bool = False
    _text: str = ""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self._text += message.get("body", b"").decode()
            self.ended = not message.get("more_body", False)
        *blocks, self._text = self._text.split("\n\n")
        for block in blocks:
            self._block(block)
        self._news.set()

    def _block(self, block: str) -> None:
        if block.startswith(":"):
            self.comments += 1
            return
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        self.events.append(Event(int(fields["id"]), fields["event"], json.loads(fields["data"])))

    async def until(self, fact: Any) -> None:
        """Wait until `fact(self)` holds; fails if it never does."""
        async with asyncio.timeout(PATIENCE):
            while not fact(self):
                await self._news.wait()
                self._news.clear()

    async def names(self, count: int) -> list[str]:
        """Wait for so many events; answers their actions."""
        await self.until(lambda self: len(self.events) >= count)
        return [event.event for event in self.events]


@asynccontextmanager
async def follow(
    world: World, query: str = "", by: str | None = "root", last: str | None = None, token: str = ""
) -> AsyncIterator[Follower]:
    """Follow the events as somebody until the block ends."""
    found, hang_up = Follower(), asyncio.Event()
    basic = b"Basic " + base64.b64encode(f"{by}:{PASSWORD}".encode())
    headers = [(b"authorization", f"Bearer {token}".encode() if token else basic)]
    if last is not None:
        headers.append((b"last-event-id", last.encode()))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "headers": headers,
        "scheme": "http", "path": "/v1/events", "raw_path": b"/v1/events", "query_string": query.encode(),
        "server": ("hil.test", 80), "client": ("192.0.2.7", 4711), "root_path": "",
    }  # fmt: skip

    async def receive() -> Message:
        await hang_up.wait()
        return {"type": "http.disconnect"}

    task = asyncio.create_task(world.app(scope, receive, found.take))
    try:
        await found.until(lambda self: self.comments or self.ended)
        yield found
    finally:
        hang_up.set()
        async with asyncio.timeout(PATIENCE):
            await task
