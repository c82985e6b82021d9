"""A desk for consoles over SSH: HIL as obmd sees it, an obmd that serves SSH before one machine, the near end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from hil.obmd.ssh import Hil, SshPart, host_key
from hil.obmd.store import ObmdStore
from hil.process.http import listen
from hil.services.capability import Right
from tests.obmd.serving import Site, site, token

KEY = "an-api-key-of-ann"


@dataclass
class FakeHil:
    """What HIL answers to whoever asks for a console: a status and a body, by key."""

    answer: Callable[[str, str], tuple[int, dict[str, Any]]]
    asked: list[str] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        await reader.readexactly(int(headers["content-length"]))
        key = next(line for line in head.split("\r\n") if line.lower().startswith("authorization:")).split()[-1]
        self.asked.append(f"{method} {path}")
        status, found = self.answer(path.split("/")[3], key)
        body = json.dumps(found).encode()
        kind = b"application/json" if status < 300 else b"application/problem+json"
        writer.write(b"HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(body)))
        writer.write(body)
        await writer.drain()
        writer.close()


def granted(node: str, key: str, **options: Any) -> tuple[int, dict[str, Any]]:
    """As HIL answers for a node that it knows and a key that is good."""
    if key != KEY:
        return 401, {"type": "/errors/unauthenticated", "detail": "Who is it?"}
    if node != "n1":
        return 404, {"type": "/errors/not-found", "detail": f"There is no node {node}."}
    return 200, {"capability": token("n1", 1, Right.CONSOLE, **{"life": 600} | options)}


@dataclass
class Desk:
    """An obmd with SSH, in front of one machine."""

    obmd: Site
    part: SshPart
    port: int
    hil: FakeHil

    async def connect(self, password: str = KEY, node: str = "n1") -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            "127.0.0.1", self.port, username=node, password=password, known_hosts=None, config=None, client_keys=None,
            agent_path=None, gss_host=None, preferred_auth="password",
        )  # fmt: skip

    async def refused(self, password: str, node: str = "n1") -> str:
        """Try to log in; what is said to whoever is not let in."""
        told = Banner()
        with pytest.raises((asyncssh.PermissionDenied, asyncssh.ConnectionLost)):
            await asyncssh.connect(
                "127.0.0.1", self.port, username=node, password=password, known_hosts=None, config=None,
                client_keys=None, agent_path=None, gss_host=None, client_factory=lambda: told,
            )  # fmt: skip
        return told.text

    @asynccontextmanager
    async def console(self, password: str = KEY, **options: Any) -> AsyncIterator[Terminal]:
        async with (
            await self.connect(password) as connection,
            connection.create_process(encoding=None, **options) as process,
        ):
            terminal = Terminal(process)
            if not options:
                await terminal.told("console of n1")
            yield terminal


class Banner(asyncssh.SSHClient):
    def __init__(self) -> None:
        self.text = ""

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self.text += msg


class Terminal:
    """The near end of an SSH session: what the machine said, and what was said about it."""

    def __init__(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self.process = process
        self.screen = self.notices = b""

    async def shows(self, text: bytes) -> None:
        while text not in self.screen:
            more = await self.process.stdout.read(65536)
            assert more, self.screen
            self.screen += more

    async def told(self, text: str) -> None:
        while text.encode() not in self.notices:
            more = await self.process.stderr.read(65536)
            assert more, self.notices
            self.notices += more
        self.notices = self.notices.partition(text.encode())[2]

    def type(self, data: bytes) -> None:
        self.process.stdin.write(data)

    async def end(self) -> tuple[bytes, str, int | None]:
        """Everything until the end, and the exit status."""
        done = await self.process.wait()
        screen, notices = done.stdout or b"", done.stderr or b""
        assert isinstance(screen, bytes)
        assert isinstance(notices, bytes)
        return self.screen + screen, (self.notices + notices).decode(), done.exit_status


Work = Callable[[Desk], Awaitable[None]]


@asynccontextmanager
async def desk(store: ObmdStore, tmp_path: Path, hil: FakeHil) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        obmd = await stack.enter_async_context(site(store))
        server = await asyncio.start_server(hil.serve, "127.0.0.1", 0)
        await stack.enter_async_context(server)
        hil.url = hil.url or f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        bound = listen("127.0.0.1:0")
        part = SshPart(obmd.gate, Hil(hil.url), bound, host_key(tmp_path))
        running = asyncio.create_task(part.run())
        await part.ready.wait()
        try:
            await obmd.add("n1")
            yield Desk(obmd, part, bound.getsockname()[1], hil)
        finally:
            part.stop()
            await running
        assert not part.doors


AtDesk = Callable[..., None]
