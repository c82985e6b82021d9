"""OVSDB, the protocol of Open vSwitch's database: JSON-RPC over a unix socket, TCP or TLS (RFC 7047).

It knows framing, time and the messages that a server sends unasked (`echo` is answered, `stolen` is noted, the
rest dropped), and nothing of bridges or VLANs. It never retries and never reconnects: whether a transaction may
be sent again only the caller can know. One connection is one session; after any failure it is closed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from hil.core import guard
from hil.core.devices import Writer
from hil.core.errors import LoginRefused, Refused, Unreachable
from hil.drivers.transport.errors import FOREIGN, mapped

LONGEST: Final = 32 * 2**20
"""Bytes of one message: 4,000 ports that list 1,000 VLANs each stay below."""

_OUTSIDE: Final = re.compile(rb'[{}\[\]"]')
_INSIDE: Final = re.compile(rb'"|\\.', re.DOTALL)

Op = dict[str, Any]


class Framer:
    """Cut a stream of bytes into JSON objects: the protocol has no separator, only balanced brackets."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._buffer = bytearray()
        self._at = self._depth = 0
        self._quoted = False
        self._longest = longest

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Take bytes, answer every object that they complete. Raises ValueError on what is no stream of objects."""
        self._buffer += data
        while (end := self._end()) is not None:
            text = bytes(self._buffer[:end])
            del self._buffer[:end]
            self._at = 0
            yield _object(text)
        if len(self._buffer) > self._longest:
            raise ValueError(f"a message of more than {self._longest} bytes")

    def _end(self) -> int | None:
        """Scan on from where the last call stopped; answer where the first object ends, if it does."""
        while found := (_INSIDE if self._quoted else _OUTSIDE).search(self._buffer, self._at):
            self._at = found.end()
            match found[0]:
                case b'"':
                    self._quoted = not self._quoted
                case b"{" | b"[":
                    self._depth += 1
                case b"}" | b"]":
                    self._depth -= 1
                    if self._depth <= 0:
                        self._depth = 0
                        return self._at
        # A lone backslash at the end waits for its second byte; one that a pair has consumed already does not.
        escape = self._quoted and self._at < len(self._buffer) and self._buffer.endswith(b"\\")
        self._at = len(self._buffer) - escape
        return None


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("a message nested without end") from None
    if not isinstance(found, dict):
        raise ValueError("a message that is no JSON object")
    return found


class Ovsdb:
    """An open connection, made by `connect_unix` or `connect_tcp`. Belongs to one task.

    `timeout` bounds every request, in seconds. `stolen` tells whether another client has taken the lock since `steal`.
    """

    def __init__(self, device: str, reader: asyncio.StreamReader, stream: asyncio.StreamWriter, timeout: float) -> None:
        self.device, self.timeout = device, timeout
        self.stolen = False
        self._reader, self._stream = reader, stream
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any] | None]] = {}
        self._ended: BaseException | None = None
        self._pump = asyncio.create_task(self._receive(), name=f"ovsdb {device}")

    @property
    def ended(self) -> bool:
        """Whether the connection is known to be of no more use."""
        return self._ended is not None

    async def call(self, method: str, params: list[Any], writer: Writer | None = None, extra: float = 0.0) -> Any:
        """Send one request and answer its result; `transact` says what `writer` and `extra` are for."""
        guard.device()
        if self.ended:
            raise Unreachable(f"{self.device} had closed the connection: nothing was sent.", detail=repr(self._ended))
        number = next(self._numbers)
        message = _encoded({"id": number, "method": method, "params": params})
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            with mapped(self.device, sent=writer is not None):
                async with asyncio.timeout(self.timeout + extra):
                    if writer is not None:
                        writer.check()
                    self._stream.write(message)
                    await self._stream.drain()
                    reply = await answer
                if reply is None:
                    raise self._ended or EOFError("closed")
        except BaseException:
            self.abort()
            raise
        finally:
            self._waiting.pop(number, None)
        if (error := reply.get("error")) is not None:
            raise Refused(f"{self.device} refused {method}: {words(error)}.", detail=repr(error)[:500])
        return reply.get("result")

    async def transact(
        self, database: str, ops: Sequence[Op], writer: Writer | None = None, *, extra: float = 0.0
    ) -> list[Any]:
        """Run one transaction and answer its results, one per operation; `failure` finds the errors among them.

        With `writer` the lease is checked just before the bytes leave, and a lost answer is LostReply; without
        one it is Unreachable, because nothing was to change. `extra` seconds are allowed beyond `timeout`.
        """
        results = await self.call("transact", [database, *ops], writer, extra)
        if not isinstance(results, list):
            raise Refused(f"{self.device} answered a transaction with no list of results.", detail=repr(results)[:500])
        return results

    async def steal(self, lock: str) -> None:
        """Own `lock`, whoever held it: what others then send under it, or sent and was not yet run, is refused."""
        await self.call("steal", [lock])
        self.stolen = False

    async def unlock(self, lock: str) -> None:
        await self.call("unlock", [lock])

    async def close(self) -> None:
        """End the connection; never raises."""
        self.abort()
        self._pump.cancel()
        with suppress(asyncio.CancelledError, *FOREIGN):
            await self._pump
        with suppress(*FOREIGN):
            await self._stream.wait_closed()

    def abort(self) -> None:
        """Drop the connection at once; what is still in our buffer is never sent."""
        self._end(EOFError("closed here"))
        self._stream.transport.abort()

    async def _receive(self) -> None:
        """Read until the connection ends; hand each reply to whoever waits for it."""
        framer = Framer()
        try:
            while data := await self._reader.read(2**16):
                for message in framer.feed(data):
                    self._take(message)
            raise EOFError("the peer closed the connection")
        except FOREIGN as error:
            self._end(error)
            self._stream.transport.abort()

    def _take(self, message: dict[str, Any]) -> None:
        method, number = message.get("method"), message.get("id")
        if method == "echo":
            self._stream.write(_encoded({"id": number, "result": message.get("params", []), "error": None}))
        elif method == "stolen":
            self.stolen = True
        elif method is None and isinstance(number, int):
            answer = self._waiting.get(number)
            if answer is not None and not answer.done():
                answer.set_result(message)

    def _end(self, error: BaseException) -> None:
        self._ended = self._ended or error
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result(None)


def failure(results: Sequence[Any]) -> tuple[int, dict[str, Any]] | None:
    """Find the operation that failed: its place and its error; None if all went well.

    A failed transaction is rolled back as a whole, yet its reply is no error (RFC 7047, section 4.1.3): the error
    stands among the results, at the operation's place, or behind the last one if the commit failed.
    """
    for place, result in enumerate(results):
        if isinstance(result, dict) and result.get("error") is not None:
            return place, result
    return None


def words(error: Any) -> str:
    """Put a server's error into one line: its own words, bounded and printable."""
    if isinstance(error, dict):
        error = ": ".join(str(error[key]) for key in ("error", "details") if error.get(key))
    return "".join(sign if sign.isprintable() else " " for sign in str(error))[:300].rstrip(". ")


def rows(result: Any) -> list[dict[str, Any]]:
    """Answer the rows of a `select`; none if the result is something else."""
    found = result.get("rows") if isinstance(result, dict) else None
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


async def connect_unix(path: str, timeout: float) -> Ovsdb:
    """Connect to a socket of this host. Raises Unreachable."""
    guard.device()
    device = f"unix:{path}"
    with mapped(device, sent=False):
        async with asyncio.timeout(timeout):
            reader, stream = await asyncio.open_unix_connection(path)
    return Ovsdb(device, reader, stream, timeout)


async def connect_tcp(host: str, port: int, timeout: float, tls: ssl.SSLContext | None = None) -> Ovsdb:
    """Connect over TCP, inside TLS if `tls` is given; its certificate must name `host`.

    Raises Unreachable, IdentityChanged (the server's certificate) and LoginRefused (the server refuses ours).
    """
    guard.device()
    device = f"{'ssl' if tls else 'tcp'}:{host}:{port}"
    try:
        with mapped(device, sent=False):
            async with asyncio.timeout(timeout):
                reader, stream = await asyncio.open_connection(host, port, ssl=tls)
    except Unreachable as error:
        if isinstance(error.__cause__, ssl.SSLError) and "ALERT" in (error.__cause__.reason or ""):
            raise LoginRefused(f"{device} refused our certificate.", detail=error.detail) from error
        raise
    connection = Ovsdb(device, reader, stream, timeout)
    if tls is not None:
        await _greeted(connection)
    return connection


async def _greeted(connection: Ovsdb) -> None:
    """Wait for a first answer: since TLS 1.3 a server judges our certificate only after the handshake.

    It then hangs up, and why it did may be lost with the connection (RFC 8446, section 4.4.2.4).
    """
    try:
        await connection.call("list_dbs", [])
    except BaseException as error:
        await connection.close()
        if isinstance(error, Unreachable) and not isinstance(error.__cause__, TimeoutError):
            raise LoginRefused(
                f"{connection.device} hung up before its first answer, as it does when it refuses a certificate.",
                detail=error.detail,
            ) from error
        raise


def _encoded(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
