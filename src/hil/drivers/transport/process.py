"""Programs that speak to a device for us: run one to its end, or talk with it while it runs.

It knows processes, time and how to hand over a secret, and nothing of devices. A secret travels in an anonymous file in
memory that only the child inherits: never in an argument, an environment or a file system. Whatever happens, a program
that was started is ended and reaped; its output is bounded; its standard error is for the operator's log.
"""

from __future__ import annotations

import asyncio
import errno
import os
import pty
import signal
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from hil.core.errors import LostReply, Unreachable
from hil.drivers.transport.errors import mapped

LONGEST: Final = 4 * 2**20
"""Bytes of one output: a full event log of 65,535 entries stays near 6 MiB as text, and nobody needs all of it."""
CHUNK: Final = 64 * 2**10
ENVIRONMENT: Final = {
    "LC_ALL": "C",
    "TZ": "UTC",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
"""All that a program sees of ours: no variable of this process, some of which are secret, reaches it."""

Arguments = Callable[[str], Sequence[str]]
"""Makes the arguments of a program from the path under which it finds the secret."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a program left behind."""

    code: int
    out: str
    err: str


async def run(
    device: str, arguments: Arguments, secret: str, *, patience: float, sent: bool, env: Mapping[str, str] | None = None
) -> Ended:
    """Run a program to its end, within `patience` seconds.

    `sent` tells what a failure to finish means: LostReply, or Unreachable when the program could change nothing.
    """
    with mapped(device, sent=sent), _handed(secret) as path:
        process = await _started(device, arguments(path), _number(path), asyncio.subprocess.PIPE, env)
        try:
            async with asyncio.timeout(patience):
                out, err = await asyncio.gather(_all(process.stdout), _all(process.stderr))
                code = await process.wait()
        finally:
            await _reaped(process)
    return Ended(code, out, err)


class Talk:
    """A program that goes on: what is written is its standard input, its terminal output is read."""

    def __init__(self, device: str, process: asyncio.subprocess.Process, screen: _Screen) -> None:
        self.device = device
        self._process, self._screen = process, screen
        self._reading = asyncio.Lock()

    async def read(self) -> bytes:
        """Wait for output; empty bytes mean that the program has ended. Raises LostReply."""
        with mapped(self.device, sent=True):
            try:
                return await self._chunk()
            except OSError as error:  # Linux ends a terminal, whose other side was closed, with EIO
                if error.errno != errno.EIO:
                    raise
                return b""

    async def write(self, data: bytes) -> None:
        """Raises LostReply."""
        stdin = self._process.stdin
        if stdin is None or stdin.is_closing():
            raise LostReply(f"The conversation with {self.device} has ended.")
        with mapped(self.device, sent=True):
            stdin.write(data)
            await stdin.drain()

    async def words(self, patience: float) -> str:
        """What an ended program said on its standard error; the first part of it if it does not end."""
        with suppress(TimeoutError, ValueError):
            async with asyncio.timeout(patience):
                return await _all(self._process.stderr)
        return ""

    async def code(self, patience: float) -> int | None:
        """The exit status of a program that has closed its output; None if it goes on nevertheless."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                return await self._process.wait()
        return None

    async def close(self, patience: float) -> None:
        """End its input, let it say goodbye for so many seconds, then kill it. Never raises."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    while await self._drained():
                        pass
                    await self._process.wait()
        finally:
            await _reaped(self._process)
            self._screen.transport.close()

    async def _drained(self) -> bool:
        with suppress(OSError):
            return bool(await self._chunk())
        return False

    async def _chunk(self) -> bytes:
        """One reader at a time: whoever closes may do so while another still waits."""
        async with self._reading:
            return await self._screen.reader.read(CHUNK)


@dataclass(frozen=True, slots=True)
class _Screen:
    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport


async def talk(device: str, arguments: Arguments, secret: str) -> Talk:
    """Start a program to talk with. Its output is a terminal, so that it comes at once; no byte of it is changed.

    Raises Unreachable.
    """
    ours, theirs = pty.openpty()
    try:
        tty.setraw(theirs)
        with mapped(device, sent=False), _handed(secret) as path:
            process = await _started(device, arguments(path), _number(path), theirs, None)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", buffering=0)
        )
    except BaseException:
        await _reaped(process)
        raise
    return Talk(device, process, _Screen(reader, transport))


@contextmanager
def _handed(secret: str) -> Iterator[str]:
    """A path at which the child, and nobody else but root and its own user, can read the secret."""
    number = os.memfd_create("secret", os.MFD_CLOEXEC)
    try:
        os.write(number, secret.encode())
        yield f"/dev/fd/{number}"
    finally:
        os.close(number)


def _number(path: str) -> int:
    return int(path.rpartition("/")[2])


async def _started(
    device: str, arguments: Sequence[str], secret: int, stdout: int, env: Mapping[str, str] | None
) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    try:
        return await asyncio.create_subprocess_exec(
            *arguments,
            stdin=pipe if stdout != pipe else asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=pipe,
            pass_fds=(secret,),
            start_new_session=True,  # a Ctrl-C meant for this process is not meant for it
            env={**ENVIRONMENT, **(env or {})},
        )
    except FileNotFoundError as error:
        raise Unreachable(
            f"{device} cannot be spoken to: the program {arguments[0]} is not installed on this host.",
            detail=str(error),
        ) from error


async def _all(stream: asyncio.StreamReader | None) -> str:
    """Read to the end. Raises ValueError beyond LONGEST bytes."""
    found = bytearray()
    while stream is not None and (chunk := await stream.read(CHUNK)):
        found += chunk
        if len(found) > LONGEST:
            raise ValueError(f"more than {LONGEST} bytes of output")
    return found.decode("utf-8", "replace")


async def _reaped(process: asyncio.subprocess.Process) -> None:
    """Kill what still runs, its own children too, and wait until it is gone, even while this task is cancelled."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await asyncio.shield(process.wait())
