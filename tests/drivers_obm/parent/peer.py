"""A parent HIL for one test: the API on loopback, its worker, its obmd, and machines with emulated BMCs behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.api.app import close_streams
from hil.drivers.obm.parent.spec import SPEC
from hil.process.http import HttpPart, listen, written
from tests.obm_side.world import ObmWorld

STRANGER = "hil_0123456789abcdef_" + "0" * 64
CHUNK = 65536


def api_key(world: ObmWorld, by: str = "alice", project: str = "p") -> tuple[str, str]:
    """A key of a member of a project: its id, and the token."""
    made = world.hil.ok("POST", "/v1/keys", {"project": project, "role": "member"}, by=by)
    return made["id"], made["token"]


@asynccontextmanager
async def api_of(world: ObmWorld, certificate: tuple[Path, Path] | None = None) -> AsyncIterator[str]:
    """Serve the API; yields its URL."""
    bound = listen("127.0.0.1:0")
    app = world.hil.app
    part = HttpPart("api", app, bound, drain=1.0, certificate=certificate, let_go=lambda: close_streams(app))
    running = asyncio.create_task(part.run())
    await part.ready.wait()
    try:
        yield f"{'https' if certificate else 'http'}://{written(bound)}"
    finally:
        part.stop()
        await running


def config(url: str, token: str, **more: Any) -> dict[str, Any]:
    return SPEC.validate({"url": url, "node": "n1", "api_key": token, "timeout": 10.0, **more})


@dataclass
class Road:
    """A network between child and parent, whose connections can be lost: they break at the next thing that is said.

    On a `deaf` one, what is said gets lost.
    """

    target: str
    url: str = ""
    lines: set[asyncio.StreamWriter] = field(default_factory=set)
    doomed: set[asyncio.StreamWriter] = field(default_factory=set)
    deaf: set[asyncio.StreamWriter] = field(default_factory=set)

    def drop(self) -> None:
        self.doomed |= self.lines

    def hang(self) -> None:
        self.deaf |= self.lines

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self.target.removeprefix("http://").split(":")
        there, back = await asyncio.open_connection(host, int(port))
        self.lines.add(writer)
        try:
            answers = asyncio.create_task(_copied(there, writer))
            while (data := await reader.read(CHUNK)) and writer not in self.doomed:
                if writer not in self.deaf:
                    back.write(data)
                    await back.drain()
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
        except ConnectionError:
            pass
        finally:
            self.lines.discard(writer)
            self.doomed.discard(writer)
            self.deaf.discard(writer)
            back.transport.abort()
            writer.transport.abort()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def road_to(url: str) -> AsyncIterator[Road]:
    road = Road(url)
    server = await asyncio.start_server(road.carry, "127.0.0.1", 0)
    road.url = "http://" + written(server.sockets[0])
    try:
        yield road
    finally:
        server.close()
        for writer in list(road.lines):
            writer.transport.abort()
        await server.wait_closed()


def nowhere() -> socket.socket:
    """A port that is taken and answers nobody; close it in the end."""
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    return closed
