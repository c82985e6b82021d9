"""JSON, one object per line, over TCP: request, answer, request, answer.

It knows framing and time and nothing of switches. It never retries and never reconnects: whether a request
may be sent again only the caller can know. One answer is awaited at a time, within `patience` seconds; after
any failure the connection is closed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from hil.core.errors import Unreachable
from hil.drivers.transport.errors import FOREIGN, mapped

LONGEST: Final = 8 * 2**20
"""Bytes of one line: all ports of a large chassis in one answer stay under 1 MiB."""


class Lines:
    """An open connection. Made by `connect`."""

    def __init__(
        self, device: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float
    ) -> None:
        self.device = device
        self._reader, self._writer, self._patience = reader, writer, patience

    @property
    def ended(self) -> bool:
        """Whether the connection is known to be of no more use."""
        return self._reader.at_eof() or self._reader.exception() is not None or self._writer.is_closing()

    async def ask(self, message: Mapping[str, Any], *, sent: bool = True) -> dict[str, Any]:
        """Send one object and answer the reply.

        Raises LostReply, or Unreachable if the connection had ended before; `sent=False` makes every failure
        Unreachable (the request was a login: it changes nothing).
        """
        if self.ended:
            self.close()
            raise Unreachable(f"{self.device} had closed the connection: nothing was sent.")
        try:
            with mapped(self.device, sent=sent):
                async with asyncio.timeout(self._patience):
                    self._writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
                    await self._writer.drain()
                    return _object(await self._reader.readuntil())
        except BaseException:
            self.close()
            raise

    def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Leave the protocol: the device was asked to, and what follows are bytes that belong to the caller."""
        return self._reader, self._writer

    def close(self) -> None:
        """Drop the connection at once; whatever was not sent is not sent any more."""
        self._writer.transport.abort()

    async def closed(self) -> None:
        """Drop the connection and wait until it is gone; never raises."""
        self.close()
        with suppress(*FOREIGN):
            await self._writer.wait_closed()


async def connect(host: str, port: int, patience: float) -> Lines:
    """Open a connection within `patience` seconds. Raises Unreachable."""
    device = f"{host}:{port}"
    with mapped(device, sent=False):
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection(host, port, limit=LONGEST)
    return Lines(device, reader, writer, patience)


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except RecursionError:
        raise ValueError("the answer is nested without end") from None
    if not isinstance(found, dict):
        raise ValueError("the answer is no JSON object")
    return found
