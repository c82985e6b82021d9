"""The way to the second HIL: HTTPS on loopback, with the faults of a device between the child and the real API.

Only what a network or an overloaded server does is played here: requests and answers that are lost, delays, refused
credentials, a NIC that somebody else is changing. What a switch does wrong is the business of the parent's own switch.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from hil.drivers.switch.mock.faults import FaultKind, Op
from hil.lab.devices.model import Busy, Device, Dropped, Session

LOGIN: Final = "/v1/whoami"
Address = tuple[str, int]


class Front:
    """An ASGI application before the API's: each connection is a session of the device."""

    def __init__(self, app: Any, device: Device) -> None:
        self._app, self._device = app, device
        self._lines: dict[Address, asyncio.Transport] = {}
        self._sessions: dict[Address, Session] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client: Address = tuple(scope["client"])
        try:
            await self._request(client, scope, receive, send)
        except Dropped:
            self.cut(client)
            while (await receive())["type"] != "http.disconnect":
                continue

    async def _request(self, client: Address, scope: Any, receive: Any, send: Any) -> None:
        body = await _body(receive)
        op, port = _meant(scope, body, self._device)
        if scope["path"] == LOGIN and self._device.faults.strike(FaultKind.WRONG_PASSWORD, Op.LOGIN):
            return await _say(send, 401, "unauthenticated", "The credentials are not accepted.")
        session = self._sessions.get(client) or await self._begin(client)
        try:
            await session.enter(op, port)
        except Busy:
            return await _say(send, 409, "pending", "The NIC has pending network actions: wait for them.")
        answer: list[Any] = []

        async def keep(message: Any) -> None:
            answer.append(message)

        await self._app(scope, _again(body, receive), keep)
        session.leave(op, port)
        for message in answer:
            await send(message)

    async def _begin(self, client: Address) -> Session:
        session = await self._device.begin("key")
        session.on_close = lambda: self.cut(client)
        self._sessions[client] = session
        return session

    def opened(self, client: Address, line: asyncio.Transport) -> None:
        self._lines[client] = line

    def closed(self, client: Address) -> None:
        self._lines.pop(client, None)
        session = self._sessions.pop(client, None)
        if session is not None:
            session.on_close = None
            session.close()

    def cut(self, client: Address) -> None:
        """Break a connection in the middle of whatever it is doing."""
        if line := self._lines.get(client):
            line.abort()


def _meant(scope: Any, body: bytes, device: Device) -> tuple[Op, str | None]:
    """What a request is to the device: an operation, and a port that a fault is waiting for, or the first."""
    if scope["method"] == "GET":
        return Op.READ, None
    try:
        changes = json.loads(body).get("changes", ())
        ports = [f"{each['node']}/{each['nic']}" for each in changes]
    except (ValueError, AttributeError, KeyError, TypeError):
        return Op.WRITE, None
    waited = [fault.port for fault in device.faults if fault.port in ports]
    return Op.WRITE, next(iter([*waited, *ports]), None)


async def _body(receive: Any) -> bytes:
    found: list[bytes] = []
    while (message := await receive())["type"] == "http.request":
        found.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(found)
    raise Dropped


def _again(body: bytes, receive: Any) -> Any:
    """Hand the body on, and then whatever the client does."""
    first: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def hand() -> Any:
        return first.pop() if first else await receive()

    return hand


async def _say(send: Any, status: int, kind: str, words: str) -> None:
    """Answer an error as the API itself would."""
    body = json.dumps({"type": f"/errors/{kind}", "title": kind, "status": status, "detail": words}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Server(uvicorn.Server):
    """Uvicorn that leaves signals alone and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _protocol(front: Front) -> type[asyncio.Protocol]:
    """uvicorn's own protocol, which tells the front of its connections."""

    class Protocol(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._peer: Address = tuple(transport.get_extra_info("peername")[:2])
            front.opened(self._peer, transport)

        def connection_lost(self, exc: Exception | None) -> None:
            front.closed(self._peer)
            super().connection_lost(exc)

    return Protocol


@asynccontextmanager
async def served(front: Front, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Serve on a free loopback port, which it yields."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        config = uvicorn.Config(
            front,
            loop="none",
            http=_protocol(front),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        config.load()
        config.ssl = context
        server = _Server(config)
        task = asyncio.create_task(server.serve([bound]))
        try:
            await server.up.wait()
            yield bound.getsockname()[1]
        finally:
            server.should_exit = True
            await task
