"""A guest on a machine's cable: its frames are carried between the emulator's socket and the machine's interface.

For the process inside the sandbox. The guest has no other way out: the emulator is given one socket, and what comes
through it goes to that one interface, tags included. The machine's own kernel stays on the cable, as a second host on
a hub would: a probe hears what the guest may hear. Guest and kernel do not hear each other.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

from hil.lab.ovs import netns
from hil.lab.ovs.daemons import SEARCH
from hil.lab.ovs.frames import Cable

NETDEV: Final = "lan"
"""What the emulator's options call the cable."""
_LENGTH: Final = struct.Struct("!I")
_LONGEST: Final = 2**16
_WAITING: Final = 2**20
"""Bytes that may wait for the guest; what comes then is lost, as on any cable."""
_WORDS: Final = 2000


async def run(namespace: int, interface: str, argv: Sequence[str]) -> tuple[int, str]:
    """Run an emulator (QEMU) on an interface until it ends; answer its status and its last words.

    QEMU's `socket` netdev carries each frame behind its length, four bytes (QEMU, net/socket.c).
    """
    with netns.within(namespace):
        cable = Cable(interface, probes_only=False)
    ours, theirs = socket.socketpair()
    program: asyncio.subprocess.Process | None = None
    carrying: asyncio.Task[None] | None = None
    try:
        with theirs:
            program = await asyncio.create_subprocess_exec(
                *(*argv, "-netdev", f"socket,id={NETDEV},fd={theirs.fileno()}"),
                env={**os.environ, "PATH": SEARCH},
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        carrying = asyncio.create_task(_carry(ours, cable))
        _, words = await program.communicate()
        return program.returncode or 0, words.decode(errors="replace")[-_WORDS:]
    finally:
        if program is not None and program.returncode is None:
            program.kill()
            await program.wait()
        if carrying is not None:
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)
        cable.close()
        ours.close()


async def while_there(asker: asyncio.StreamReader, work: Coroutine[Any, Any, Any]) -> Any:
    """Do work for as long as whoever asked for it is there. Raises ConnectionError if it goes."""
    doing, gone = asyncio.ensure_future(work), asyncio.ensure_future(asker.read(1))
    try:
        await asyncio.wait((doing, gone), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ConnectionError("whoever asked has gone")
        return doing.result()
    finally:
        for task in (doing, gone):
            task.cancel()
        await asyncio.gather(doing, gone, return_exceptions=True)


async def _carry(line: socket.socket, cable: Cable) -> None:
    """Carry frames both ways until the guest ends."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection(sock=line, limit=_WAITING)
    loop.add_reader(cable.socket, _to_guest, cable, writer)
    try:
        while True:
            (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
            if length > _LONGEST:
                return
            frame = await reader.readexactly(length)
            with suppress(OSError):  # the interface is down, or its queue full
                cable.send(frame)
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        loop.remove_reader(cable.socket)
        writer.transport.abort()


def _to_guest(cable: Cable, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        for frame in cable.receive():
            if writer.transport.get_write_buffer_size() < _WAITING:
                writer.write(_LENGTH.pack(len(frame)) + frame)
