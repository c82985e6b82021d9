"""A machine's serial port outside the machine: QEMU at one end, whatever listens at the other.

QEMU connects before its machine begins to run, so that the first line of the firmware is heard. The port is a cable:
what comes while nobody listens is gone, but for the last 64 KiB, which are kept for the lab's own eyes. Who listens too
slowly, as a BMC that stands still, loses bytes and delays nobody.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

KEPT: Final = 64 * 1024
_WAITING: Final = 256 * 1024
_CHUNK: Final = 4096
_ESTABLISHED: Final = "01"


class Serial:
    """One port. Belongs to one event loop."""

    def __init__(self) -> None:
        self.heard = 0
        """Bytes that the machine has sent so far."""
        self._kept = bytearray()
        self._listeners: set[Callable[[bytes], None]] = set()
        self._machine: asyncio.StreamWriter | None = None
        self._life: asyncio.Future[int] | None = None

    @asynccontextmanager
    async def serving(self, path: Path) -> AsyncIterator[None]:
        """Wait at `path` for the machine, each time that it is switched on."""
        server = await asyncio.start_unix_server(self._machine_side, path)
        try:
            yield
        finally:
            server.close()
            if self._machine is not None:
                self._machine.transport.abort()

    def sign_of_life(self) -> asyncio.Future[int]:
        """The next machine that connects and says something: its process, as this host numbers it."""
        self._life = asyncio.get_running_loop().create_future()
        return self._life

    def since(self, place: int) -> tuple[int, bytes]:
        """What was heard from a place on, as far as it is kept, and the place that follows it."""
        skipped = max(0, place - (self.heard - len(self._kept)))
        return self.heard, bytes(self._kept[skipped:])

    def type(self, data: bytes) -> None:
        """Send to the machine; lost if it is off."""
        if self._machine is not None and self._machine.transport.get_write_buffer_size() < _WAITING:
            self._machine.write(data)

    async def attach(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Be the other end for a BMC until it goes."""

        def hand(data: bytes) -> None:
            if writer.transport.get_write_buffer_size() < _WAITING:
                writer.write(data)

        self._listeners.add(hand)
        try:
            with suppress(OSError):
                while data := await reader.read(_CHUNK):
                    self.type(data)
        finally:
            self._listeners.discard(hand)
            writer.transport.abort()

    async def _machine_side(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._machine = writer
        process = _process_of(writer.get_extra_info("socket"))
        try:
            with suppress(OSError):
                while data := await reader.read(_CHUNK):
                    if self._life is not None and not self._life.done():
                        self._life.set_result(process)
                    self._hear(data)
        finally:
            if self._machine is writer:
                self._machine = None
            writer.transport.abort()

    def _hear(self, data: bytes) -> None:
        self.heard += len(data)
        self._kept += data
        del self._kept[:-KEPT]
        for hand in tuple(self._listeners):
            hand(data)


def _process_of(line: socket.socket) -> int:
    pid: int = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    return pid


def is_ours(line: socket.socket, tables: str = "/proc/net/tcp") -> bool:
    """Whether the other end of a loopback connection belongs to this user (proc(5), the column `uid`).

    It must be there still: what is closed counts as root's.
    """
    ends = [_address(line.getpeername()), _address(line.getsockname()), _ESTABLISHED]
    for entry in Path(tables).read_text().splitlines()[1:]:
        fields = entry.split()
        if fields[1:4] == ends:
            return int(fields[7]) == os.geteuid()
    return False


def _address(end: tuple[str, int]) -> str:
    """An end as the kernel writes it: the address as a number of the host, in hexadecimal."""
    return f"{int.from_bytes(socket.inet_aton(end[0]), sys.byteorder):08X}:{end[1]:04X}"
