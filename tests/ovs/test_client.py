"""The OVSDB client against a server that behaves as it is told: echoes, endings, nonsense, silence, the lease."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hil.core import guard
from hil.core.devices import Writer
from hil.core.errors import LeaseLost, LostReply, Refused, Unreachable
from hil.drivers.transport.ovsdb import Framer, Ovsdb, connect_unix

pytestmark = pytest.mark.net
OPS: list[Any] = [{"op": "comment", "comment": "x"}]
Answer = Callable[["Peer", dict[str, Any]], Awaitable[None]]


class Peer:
    """The server's end of one connection. `heard` is everything that came in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def say(self, **message: Any) -> None:
        self.writer.write(json.dumps(message).encode())

    async def serve(self, answer: Answer) -> None:
        framer = Framer()
        while data := await self._reader.read(2**16):
            for message in framer.feed(data):
                self.heard.put_nowait(message)
                await answer(self, message)


async def ok(peer: Peer, message: dict[str, Any]) -> None:
    if "method" in message:
        peer.say(id=message["id"], result=[{}], error=None)


@asynccontextmanager
async def talking(directory: Path, answer: Answer, timeout: float = 10) -> AsyncIterator[tuple[Ovsdb, Peer]]:
    peers: asyncio.Queue[Peer] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        peers.put_nowait(peer)
        await peer.serve(answer)
        writer.close()

    server = await asyncio.start_unix_server(serve, directory / "s")
    db = await connect_unix(str(directory / "s"), timeout)
    try:
        yield db, await peers.get()
    finally:
        await db.close()
        server.close()
        await server.wait_closed()


def writer(check: Callable[[], None] = lambda: None) -> Writer:
    return Writer(1, check)


def test_an_echo_is_answered_while_nothing_else_is_said(short_dir: Path) -> None:
    async def run() -> None:
        async with talking(short_dir, ok) as (_, peer):
            peer.say(id="echo", method="echo", params=["a"])
            async with asyncio.timeout(10):
                assert await peer.heard.get() == {"id": "echo", "result": ["a"], "error": None}

    asyncio.run(run())


def test_replies_find_their_requests_among_everything_else(short_dir: Path) -> None:
    async def noisy(peer: Peer, message: dict[str, Any]) -> None:
        peer.say(id=None, method="update", params=[])
        peer.say(id=message["id"] + 1000, result="another's", error=None)
        peer.say(id="text", result="another's", error=None)
        peer.say(id=message["id"], result=message["params"], error=None)

    async def run() -> None:
        async with talking(short_dir, noisy) as (db, _):
            assert await asyncio.gather(*(db.call("m", [n]) for n in range(3))) == [[0], [1], [2]]

    asyncio.run(run())


def test_a_stolen_lock_is_noticed(short_dir: Path) -> None:
    async def run() -> None:
        async with talking(short_dir, ok) as (db, peer):
            await db.steal("hil_1")
            assert not db.stolen
            peer.say(id=None, method="stolen", params=["hil_1"])
            await db.call("after", [])
            assert db.stolen

    asyncio.run(run())


async def hang_up(peer: Peer, _: dict[str, Any]) -> None:
    peer.writer.close()


async def silence(_: Peer, __: dict[str, Any]) -> None:
    return


async def nonsense(peer: Peer, _: dict[str, Any]) -> None:
    peer.writer.write(b"[1, 2]")


@pytest.mark.parametrize("answer", [hang_up, silence, nonsense])
def test_a_lost_answer_is_unreachable_for_a_read_and_a_lost_reply_for_a_write(short_dir: Path, answer: Answer) -> None:
    async def run(permission: Writer | None, wanted: type[Exception]) -> None:
        async with talking(short_dir, answer, timeout=0.2) as (db, _):
            with pytest.raises(wanted):
                await db.transact("D", OPS, permission)
            assert db.ended
            with pytest.raises(Unreachable, match="nothing was sent"):
                await db.transact("D", OPS, permission)

    asyncio.run(run(None, Unreachable))
    asyncio.run(run(writer(), LostReply))


@pytest.mark.parametrize("error", ["unknown method", {"error": "syntax error", "details": "no"}])
def test_an_error_is_refused_in_the_servers_words(short_dir: Path, error: Any) -> None:
    async def refuse(peer: Peer, message: dict[str, Any]) -> None:
        peer.say(id=message["id"], result=None, error=error)

    async def run() -> None:
        async with talking(short_dir, refuse) as (db, _):
            with pytest.raises(Refused, match=error if isinstance(error, str) else "syntax error: no"):
                await db.transact("D", OPS)
            assert not db.ended

    asyncio.run(run())


def test_a_result_that_is_no_list_is_refused(short_dir: Path) -> None:
    async def odd(peer: Peer, message: dict[str, Any]) -> None:
        peer.say(id=message["id"], result={"rows": []}, error=None)

    async def run() -> None:
        async with talking(short_dir, odd) as (db, _):
            with pytest.raises(Refused, match="no list"):
                await db.transact("D", OPS)

    asyncio.run(run())


def test_a_lost_lease_sends_nothing_and_ends_the_session(short_dir: Path) -> None:
    def lost() -> None:
        raise LeaseLost("over")

    async def run() -> None:
        async with talking(short_dir, ok) as (db, peer):
            with pytest.raises(LeaseLost):
                await db.transact("D", OPS, writer(lost))
            assert db.ended
            await asyncio.wait_for(peer.writer.wait_closed(), 10)
            assert peer.heard.empty()

    asyncio.run(run())


class Watched(asyncio.StreamWriter):
    """A stream that notes whether the lease was still the one that was checked."""

    lease_is_fresh = False
    fresh_at_write: bool | None = None

    def write(self, data: Any) -> None:
        self.fresh_at_write = self.lease_is_fresh
        super().write(data)


def test_nothing_is_awaited_between_the_check_of_the_lease_and_the_write(short_dir: Path) -> None:
    async def serve(reader: asyncio.StreamReader, stream: asyncio.StreamWriter) -> None:
        await Peer(reader, stream).serve(ok)
        stream.close()

    async def run() -> None:
        server = await asyncio.start_unix_server(serve, short_dir / "s")
        reader, plain = await asyncio.open_unix_connection(short_dir / "s")
        loop = asyncio.get_running_loop()
        watched = Watched(plain.transport, plain.transport.get_protocol(), reader, loop)
        db = Ovsdb("test", reader, watched, 10)

        def expire() -> None:
            watched.lease_is_fresh = False

        def check() -> None:
            watched.lease_is_fresh = True
            loop.call_soon(expire)

        await db.transact("D", OPS, writer(check))
        found = [watched.fresh_at_write]
        await db.transact("D", OPS)
        assert [*found, watched.fresh_at_write] == [True, False], "the second is the control: nobody checked"
        await db.close()
        server.close()
        await server.wait_closed()

    asyncio.run(run())


def test_closing_twice_is_quiet_and_wakes_whoever_waits(short_dir: Path) -> None:
    async def run() -> None:
        async with talking(short_dir, silence) as (db, peer):
            waiting = asyncio.create_task(db.call("m", []))
            await peer.heard.get()
            await db.close()
            await db.close()
            with pytest.raises(Unreachable):
                await waiting

    asyncio.run(run())


def test_no_request_is_made_inside_a_transaction(short_dir: Path) -> None:
    async def run() -> None:
        async with talking(short_dir, ok) as (db, _):
            with guard.transaction():
                with pytest.raises(guard.DeviceInTransaction):
                    await db.call("m", [])
                with pytest.raises(guard.DeviceInTransaction):
                    await connect_unix(str(short_dir / "s"), 1)
            assert not db.ended

    asyncio.run(run())


def test_where_nobody_listens_is_unreachable(short_dir: Path) -> None:
    with pytest.raises(Unreachable):
        asyncio.run(connect_unix(str(short_dir / "nobody"), 1))
