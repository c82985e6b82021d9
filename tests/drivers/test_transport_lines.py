"""JSON lines over real TCP: every way in which a connection can go wrong arrives as one of ours."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from hil.core.errors import DeviceError, LostReply, Unreachable
from hil.drivers.transport import lines
from hil.drivers.transport.lines import Lines, connect
from tests.drivers.waiting import until

pytestmark = pytest.mark.net

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def with_peer(peer: Peer, story: Callable[[Lines], Awaitable[None]], *, patience: float = 5.0) -> None:
    """Serve one connection with `peer`, and let `story` have the other end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await peer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        line = await connect("127.0.0.1", server.sockets[0].getsockname()[1], patience)
        try:
            await story(line)
        finally:
            await line.closed()
    finally:
        server.close()


def saying(answer: bytes) -> Peer:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        await writer.drain()
        await reader.read()

    return peer


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(json.dumps({"heard": json.loads(line)}).encode() + b"\n")
        await writer.drain()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    line = writer.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def test_a_request_is_answered_and_so_is_the_next() -> None:
    async def story(line: Lines) -> None:
        assert await line.ask({"a": 1}) == {"heard": {"a": 1}}
        assert await line.ask({"b": "ü"}) == {"heard": {"b": "ü"}}

    asyncio.run(with_peer(echo, story))


BAD = {
    "hangs up": (hang_up, 5.0),
    "resets": (reset, 5.0),
    "is silent": (silence, 0.05),
    "says half a line": (saying(b'{"ok"'), 0.05),
    "says no JSON": (saying(b"Welcome to switch\n"), 5.0),
    "says no object": (saying(b"[1]\n"), 5.0),
    "says no UTF-8": (saying(b"\xff\xfe\n"), 5.0),
    "says too much": (saying(b"x" * 4096), 5.0),
    "nests without end": (saying(b"[" * 1000 + b"\n"), 5.0),
}


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("peer", BAD)
def test_a_bad_peer_is_one_of_our_errors_and_ends_the_connection(
    peer: str, sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST", 2048)

    async def story(line: Lines) -> None:
        with pytest.raises(DeviceError) as found:
            await line.ask({"do": "x"}, sent=sent)
        assert type(found.value) is (LostReply if sent else Unreachable)
        assert line.ended
        with pytest.raises(Unreachable, match="nothing was sent"):
            await line.ask({"do": "y"})

    serve, patience = BAD[peer]
    asyncio.run(with_peer(serve, story, patience=patience))


def test_nesting_beyond_the_parser_is_one_of_our_errors() -> None:
    async def story(line: Lines) -> None:
        with pytest.raises(LostReply):
            await line.ask({})

    asyncio.run(with_peer(saying(b"[" * 200_000 + b"\n"), story))


def test_a_connection_that_the_peer_closed_meanwhile_is_known_to_have_sent_nothing() -> None:
    async def one_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"{}\n")
        await writer.drain()

    async def story(line: Lines) -> None:
        assert await line.ask({}) == {}
        await until(lambda: line.ended)
        with pytest.raises(Unreachable, match="nothing was sent"):
            await line.ask({})

    asyncio.run(with_peer(one_answer, story))


@pytest.mark.parametrize(
    ("host", "port"),
    [("127.0.0.1", 1), ("127.0.0.1", 99_999), ("no..such", 80), ("name.invalid", 80), ("x" * 70 + ".invalid", 80)],
)
def test_where_nothing_answers_is_unreachable(host: str, port: int) -> None:
    with pytest.raises(Unreachable):
        asyncio.run(connect(host, port, 5.0))


def test_a_cancelled_request_ends_the_connection() -> None:
    async def story(line: Lines) -> None:
        asking = asyncio.ensure_future(line.ask({}))
        await asyncio.sleep(0)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        assert asking.cancelled()
        assert line.ended

    asyncio.run(with_peer(silence, story))
