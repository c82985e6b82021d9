"""Ends event streams when the process is asked to stop; every other request may finish, as long as it is let.

A stream waits for its caller to go away. When the process stops it is told that this has happened, and its body is
ended properly, so that the caller's library sees an end and resumes elsewhere. A request that is cut in the end is
answered that it may be sent again.
"""

from __future__ import annotations

import asyncio
import json
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS: Final = [(b"content-type", b"application/problem+json"), (b"retry-after", b"1")]
_BODY: Final = json.dumps(
    {
        "type": "/errors/unavailable",
        "title": "Unavailable",
        "status": 503,
        "detail": "This process of HIL is being stopped: ask again.",
        "retry": True,
    }
).encode()


class Draining:
    """An application, and the way to end its streams."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        exchange = _Exchange(self._stopping, receive, send)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise
            return await exchange.cut()
        await exchange.finish()


class _Exchange:
    """One request and its answer: how far each has come."""

    def __init__(self, stopping: asyncio.Event, receive: Receive, send: Send) -> None:
        self._stopping, self._receive, self._send = stopping, receive, send
        self._read = self._answering = self._answered = False

    async def receive(self) -> Message:
        """Hand on the request; once it is whole, whoever waits for the caller to go away waits for the end as well."""
        if not self._read:
            message = await self._receive()
            self._read = not message.get("more_body", False)
            return message
        gone = asyncio.ensure_future(self._receive())
        end = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((gone, end), return_when=asyncio.FIRST_COMPLETED)
            return gone.result() if gone.done() else {"type": "http.disconnect"}
        finally:
            gone.cancel()
            end.cancel()

    async def send(self, message: Message) -> None:
        self._answering = message["type"] == "http.response.start" or message.get("more_body", False)
        self._answered = True
        await self._send(message)

    async def cut(self) -> None:
        if not self._answered:
            await self._send({"type": "http.response.start", "status": 503, "headers": _HEADERS})
            await self._send({"type": "http.response.body", "body": _BODY})

    async def finish(self) -> None:
        if self._answering and self._stopping.is_set():
            await self._send({"type": "http.response.body", "body": b""})
