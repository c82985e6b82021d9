"""A way to the database that goes wrong when told to. What it passes on, the real `ovsdb-server` answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from hil.drivers.switch.ovs.spec import SPEC
from hil.drivers.transport.ovsdb import Framer
from hil.lab.ovs.datacentre import DataCentre

Message = dict[str, Any]


class Proxy:
    """Forwards between clients and the server's socket; `writes` are the transactions that changed a port."""

    def __init__(self, server: Path) -> None:
        self.server = server
        self.writes: list[Message] = []
        self.replies = 0
        self.before_write: Callable[[], Awaitable[None]] | None = None
        self.words_for: dict[str, str] = {}
        self.lose_next = False

    async def refuse(self, port: str, words: str) -> None:
        """Have the server refuse the next write of a port in these words: it quotes a value that it does not know."""
        self.words_for[port] = words

    async def lose_reply(self) -> None:
        """Have the next write done, and the connection end before its answer."""
        self.lose_next = True

    async def pair(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(self.server)
        lost: set[Any] = set()
        tasks = [
            asyncio.create_task(self._to_server(reader, there_writer, lost)),
            asyncio.create_task(self._to_client(there_reader, writer, lost)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for end in (writer, there_writer):
                end.close()
                with suppress(ConnectionError):
                    await end.wait_closed()

    async def _to_server(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: set[Any]) -> None:
        framer = Framer()
        while data := await reader.read(2**16):
            for message in framer.feed(data):
                if updates := _updates(message):
                    self.writes.append(message)
                    if self.before_write is not None:
                        hook, self.before_write = self.before_write, None
                        await hook()
                    for update in updates:
                        if words := self.words_for.pop(update["where"][0][2], None):
                            update["row"]["vlan_mode"] = words
                    if self.lose_next:
                        self.lose_next = False
                        lost.add(message["id"])
                writer.write(json.dumps(message).encode())
                await writer.drain()

    async def _to_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: set[Any]) -> None:
        framer = Framer()
        while data := await reader.read(2**16):
            for message in framer.feed(data):
                self.replies += 1
                if message.get("id") in lost:
                    return
                writer.write(json.dumps(message).encode())
                await writer.drain()


def _updates(message: Message) -> list[Message]:
    """The operations of a message that write a port."""
    if message.get("method") != "transact":
        return []
    return [op for op in message["params"][1:] if op.get("op") == "update" and op.get("table") == "Port"]


@asynccontextmanager
async def proxy_to(server: Path) -> AsyncIterator[tuple[Proxy, Path]]:
    """Run a proxy beside the server's socket; answer it and the path of its own."""
    proxy, path = Proxy(server), server.with_name("proxy.sock")
    async with asyncio.TaskGroup() as pairs:

        def paired(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            pairs.create_task(proxy.pair(reader, writer))

        listening = await asyncio.start_unix_server(paired, path)
        try:
            yield proxy, path
        finally:
            listening.close()
            await listening.wait_closed()
            path.unlink(missing_ok=True)


def through_proxy(centre: DataCentre, use: Callable[[Proxy, dict[str, Any]], Awaitable[None]], **config: Any) -> None:
    """Run a test's coroutine with a proxy before the switch's database, and settings that lead through it."""

    async def run() -> None:
        async with proxy_to(centre.directory / "db.sock") as (proxy, path):
            await use(proxy, SPEC.validate({"ovsdb": f"unix:{path}", "bridge": "sw1", **config}))

    asyncio.run(run())
