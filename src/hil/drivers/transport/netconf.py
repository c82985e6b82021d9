"""NETCONF over SSH (RFC 6241, RFC 6242): hello, framing of both versions, one request after the other.

It knows messages and errors and nothing of switches. A message beyond `LONGEST` ends the session. It never retries.
"""

from __future__ import annotations

import asyncio
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hil.core import guard
from hil.core.devices import Writer
from hil.core.errors import LostReply, Unreachable
from hil.drivers.transport.errors import mapped
from hil.drivers.transport.ssh import Ssh, Stream
from hil.drivers.xml import children, local, parsed, text

BASE: Final = "urn:ietf:params:xml:ns:netconf:base:1.0"
BASE_1_0: Final = "urn:ietf:params:netconf:base:1.0"
BASE_1_1: Final = "urn:ietf:params:netconf:base:1.1"
LONGEST: Final = 64 * 2**20
END: Final = b"]]>]]>"
_CHUNK: Final = re.compile(rb"\n#([1-9][0-9]{0,9}|#)\n")


@dataclass(frozen=True, slots=True)
class Error:
    """One rpc-error: its tag, the device's words, and whatever it says about the place."""

    tag: str
    message: str
    place: str = ""

    def __str__(self) -> str:
        return self.message or self.tag


@dataclass(frozen=True, slots=True)
class Reply:
    """An rpc-reply; warnings are no errors."""

    root: ET.Element
    errors: tuple[Error, ...]


class Framer:
    """Bytes to messages: ended by a mark until `chunked` is set, in chunks from then on (RFC 6242, section 4)."""

    def __init__(self) -> None:
        self.chunked = False
        self._data, self._message = bytearray(), bytearray()

    def feed(self, data: bytes) -> None:
        self._data += data

    def messages(self) -> Iterator[bytes]:
        """Answer what is whole. Raises ValueError for what is no frame, or has no end."""
        while (message := self._chunks() if self.chunked else self._marked()) is not None:
            yield message

    def _marked(self) -> bytes | None:
        message, mark, rest = bytes(self._data).partition(END)
        if not mark:
            self._bounded(len(self._data))
            return None
        self._data = bytearray(rest)
        return message

    def _chunks(self) -> bytes | None:
        while True:
            found = _CHUNK.match(self._data)
            if found is None:
                if len(self._data) > 13 or not b"\n#".startswith(bytes(self._data[:2])):
                    raise ValueError("the peer sends what is no chunk")
                return None
            if found[1] == b"#":
                del self._data[: found.end()]
                message, self._message = bytes(self._message), bytearray()
                return message
            size = int(found[1])
            self._bounded(len(self._message) + size)
            if len(self._data) < found.end() + size:
                return None
            self._message += self._data[found.end() : found.end() + size]
            del self._data[: found.end() + size]

    @staticmethod
    def _bounded(size: int) -> None:
        if size > LONGEST:
            raise ValueError("the message does not end")


def framed(message: bytes, chunked: bool) -> bytes:
    """Put a message into a frame."""
    return b"\n#%d\n%s\n##\n" % (len(message), message) if chunked else message + END


class Netconf:
    """An open NETCONF session. Made by `open_netconf`; belongs to one task."""

    def __init__(self, ssh: Ssh, stream: Stream) -> None:
        self.device, self.capabilities = ssh.device, frozenset[str]()
        self.sent = False
        """Whether something that changes the device may have left."""
        self._ssh, self._stream, self._framer, self._number = ssh, stream, Framer(), 0

    async def hello(self) -> None:
        """Exchange capabilities, and agree on the framing."""
        with mapped(self.device, sent=False):
            async with asyncio.timeout(self._ssh.patience):
                capabilities = "".join(f"<capability>{name}</capability>" for name in (BASE_1_0, BASE_1_1))
                await self._send(f'<hello xmlns="{BASE}"><capabilities>{capabilities}</capabilities></hello>')
                greeting = parsed(await self._receive())
            if local(greeting) != "hello":
                raise ValueError("the peer does not say hello")
        offered = children(greeting, "capabilities", "capability")
        self.capabilities = frozenset((found.text or "").strip() for found in offered)
        self._framer.chunked = BASE_1_1 in self.capabilities

    async def rpc(self, operation: str, writer: Writer | None = None, *, patience: float | None = None) -> Reply:
        """Send one operation, as XML, and answer its reply. With a writer the lease is asked just before.

        Raises LostReply if the session died after something was sent that changes the device, else Unreachable.
        """
        guard.device()
        if self._stream.ended:
            kind = LostReply if self.sent else Unreachable
            raise kind(f"{self.device} has ended the session.")
        self._number += 1
        number = str(self._number)
        request = f'<rpc message-id="{number}" xmlns="{BASE}">{operation}</rpc>'
        if writer is not None:
            writer.check()
            self.sent = True
        with mapped(self.device, sent=self.sent):
            async with asyncio.timeout(self._ssh.patience if patience is None else patience):
                await self._send(request)
                root = parsed(await self._receive())
            if local(root) != "rpc-reply" or root.get("message-id", number) != number:
                raise ValueError("the peer answers something else")
        return Reply(root, tuple(_errors(root)))

    def close(self) -> None:
        self._ssh.close()

    async def closed(self) -> None:
        await self._ssh.closed()

    async def _send(self, message: str) -> None:
        self._stream.write(framed(message.encode(), self._framer.chunked))
        await self._stream.drain()

    async def _receive(self) -> bytes:
        while True:
            for message in self._framer.messages():
                return message
            data = await self._stream.read()
            if not data:
                raise EOFError("the peer has ended the session")
            self._framer.feed(data)


def _errors(root: ET.Element) -> Iterator[Error]:
    """Every error of a reply, wherever it stands: some devices put them inside their results."""
    for found in root.iter():
        if local(found) == "rpc-error" and text(found, "error-severity") != "warning":
            place = " ".join(
                (part.text or "").strip()
                for part in found.iter()
                if local(part) in ("error-path", "bad-element") and part.text
            )
            words = " ".join(text(found, "error-message").split())[:300]
            yield Error(text(found, "error-tag"), "".join(sign for sign in words if sign.isprintable()), place)


async def open_netconf(ssh: Ssh) -> Netconf:
    """Open the subsystem and say hello. Raises Unreachable."""
    session = Netconf(ssh, await ssh.subsystem("netconf"))
    await session.hello()
    return session
