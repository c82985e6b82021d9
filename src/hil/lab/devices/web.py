"""What every emulated switch with a web interface is served by: HTTP/1.1 over TLS on asyncio, one session a connection.

A platform says what a request means (`Platform`); this module knows bytes, TLS, Basic authentication and how a device
dies: `Dropped` is a reset of the connection (RST) before the answer. The certificate is made when serving begins, and
its fingerprint is in the configuration that HIL is given. It refuses requests above 8 MiB and knows no other framing
than that of `h11`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import socket
import ssl
import struct
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import h11
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hil.lab.devices import Served
from hil.lab.devices.model import Device, Dropped, Session

LARGEST: Final = 8 * 2**20
HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a session; `path` is unquoted segment by segment, `whole` as one text."""

    method: str
    path: tuple[str, ...]
    whole: str
    query: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None for what is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode())


Platform = Callable[[Session, Request], Awaitable[Answer]]
"""What a platform makes of a request. Dropped resets the connection; Busy it answers itself."""


@asynccontextmanager
async def serve(device: Device, platform: Platform, extra: Mapping[str, Any] | None = None) -> AsyncIterator[Served]:
    """Serve a device on a free loopback port for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as directory:
        context, pin = certificate(Path(directory))
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(_Connection(device, platform, reader, writer).run())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, HOST, 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Served(device, _config(device, port, pin) | dict(extra or {}))
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def _config(device: Device, port: int, pin: str) -> dict[str, Any]:
    return {
        "url": f"https://{HOST}:{port}",
        "username": device.username or "hil",
        "password": device.password or "pw",
        "certificate": pin,
    }


def certificate(directory: Path) -> tuple[ssl.SSLContext, str]:
    """Make a self-signed certificate for the loopback address; answer a server's context and its fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "emulated switch")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "switch.pem"
    private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(_PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, made.fingerprint(hashes.SHA256()).hex(":").upper()


_PEM: Final = serialization.Encoding.PEM


class _Connection:
    """One connection: judged once for each Authorization header, begun as a session once."""

    def __init__(
        self, device: Device, platform: Platform, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._device, self._platform, self._reader, self._writer = device, platform, reader, writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST)
        self._session: Session | None = None
        self._admitted: str | None = None

    async def run(self) -> None:
        try:
            while (request := await self._request()) is not None:
                await self._send(await self._answer(*request))
                if self._http.our_state is h11.MUST_CLOSE:
                    break
                self._http.start_next_cycle()
        except (Dropped, OSError, EOFError, h11.ProtocolError):
            pass
        finally:
            self._end()
            with suppress(OSError):
                await self._writer.wait_closed()

    async def _answer(self, request: Request, authorization: str) -> Answer:
        if authorization != self._admitted:
            user, password = _credentials(authorization)
            if not self._device.admits(user, password):
                return Answer(401, b"Unauthorized", "text/plain", {"WWW-Authenticate": 'Basic realm="switch"'})
            self._admitted = authorization
            if self._session is None:
                self._session = await self._device.begin(user)
                self._session.on_close = self._reset
        assert self._session is not None
        return await self._platform(self._session, request)

    async def _request(self) -> tuple[Request, str] | None:
        """Read one whole request and its Authorization; None at the end of the connection."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            match self._http.next_event():
                case h11.NEED_DATA:
                    self._http.receive_data(await self._reader.read(65536))
                case h11.Request() as head:
                    pass
                case h11.Data(data=data):
                    body += data
                    if len(body) > LARGEST:
                        raise Dropped
                case h11.EndOfMessage() if head is not None:
                    return _understood(head, bytes(body))
                case _:
                    return None

    async def _send(self, answer: Answer) -> None:
        headers = {"Content-Type": answer.kind, "Content-Length": str(len(answer.body)), **answer.headers}
        response = h11.Response(status_code=answer.status, headers=list(headers.items()))
        for event in (response, h11.Data(data=answer.body), h11.EndOfMessage()):
            self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()

    def _reset(self) -> None:
        """Reset the connection: lingering for no time makes the kernel send RST (socket(7), SO_LINGER)."""
        if (bare := self._writer.get_extra_info("socket")) is not None and not self._writer.transport.is_closing():
            with suppress(OSError):
                bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def _end(self) -> None:
        if self._session is not None:
            self._session.close()
        self._reset()


def _understood(head: h11.Request, body: bytes) -> tuple[Request, str]:
    path, _, query = head.target.decode("ascii", "replace").partition("?")
    segments = tuple(unquote(part) for part in path.split("/") if part)
    headers = {name.lower(): value for name, value in head.headers}
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    return Request(head.method.decode(), segments, unquote(path), dict(parse_qsl(query)), body), authorization


def _credentials(authorization: str) -> tuple[str, str]:
    """Read HTTP Basic (RFC 7617); two empty texts for anything else."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password
