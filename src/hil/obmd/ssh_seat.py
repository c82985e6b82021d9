"""One viewer's place at a console over SSH: what the machine says goes out as it is, what is typed goes in.

The first who types has the line; while somebody else has it, nothing goes in until it is taken over. After a new line
`~.` ends the session, `~t` takes the typing over, `~g` gives it up, `~s` types the
window's size, `~?` tells of these, and `~~` is a tilde.
(OpenSSH's own client keeps `~` for itself: `~~t` reaches us as `~t`.) What we have to say goes to the error stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import asyncssh

from hil.core.errors import DeviceError, Unauthenticated, Unavailable
from hil.obmd.hub import Event, NotWriting, Viewer
from hil.obmd.node import Tenure
from hil.obmd.nodes import Nodes
from hil.services.capability import SKEW, Capability, Right

Process = asyncssh.SSHServerProcess[bytes]
HELP: Final = (
    "~. ends it, ~t takes the typing over, ~g gives it up, ~s types the window's size, ~~ a tilde; after a new line"
)
START: Final = "after a new line, ~. ends it and ~? tells what else there is"
EARLY: Final = 60.0
"""Seconds before its end at which a capability is renewed."""
AGAIN: Final = 10.0
"""Seconds until HIL is asked again, if it could not be reached."""
_KEYS: Final = b".tgs?"


class Seat:
    """`renew` gives a newer capability, or None if there is no way to one."""

    def __init__(
        self,
        nodes: Nodes,
        process: Process,
        tenure: Tenure,
        capability: Capability,
        renew: Callable[[], Awaitable[Capability | None]],
    ) -> None:
        self._nodes, self._process, self._renew = nodes, process, renew
        self._hub, self._term, self._capability = tenure.hub, tenure.term, capability
        self._warned = False

    async def sit(self) -> None:
        """Carry both ways until one side ends it. Raises HilError for an end that has a reason."""
        viewer = await self._hub.attach(self._capability.user, way="ssh")
        tasks = [asyncio.ensure_future(work) for work in (self._show(viewer), self._listen(viewer), self._expire())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            self._hub.detach(viewer)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _show(self, viewer: Viewer) -> None:
        while items := await viewer.take():
            for item in items:
                if not self._term.alive:
                    return
                if isinstance(item, bytes):
                    self._process.stdout.write(item)
                    await self._process.stdout.drain()
                else:
                    self._tell(viewer, item)
                    await self._process.stderr.drain()

    def _tell(self, viewer: Viewer, event: Event) -> None:
        match event:
            case {"event": "hello", "viewers": viewers, "writer": writer}:
                say(self._process, f"console of {self._capability.node}; {START}")
                if others := dict.fromkeys(each["user"] for each in viewers if each["number"] != viewer.number):
                    say(self._process, f"also here: {', '.join(others)}")
                if writer is not None:
                    say(self._process, f"writing now: {writer['user']}")
            case {"event": "writer", "writer": writer}:
                self._warned = False
                who = "nobody" if writer is None else "you" if writer["number"] == viewer.number else writer["user"]
                say(self._process, f"writing now: {who}")
            case {"event": "gap", "bytes": lost}:
                say(self._process, f"{lost} bytes of output were lost: you did not keep up")
            case {"event": "end", "detail": detail}:
                say(self._process, detail)

    async def _listen(self, viewer: Viewer) -> None:
        """Type what comes in. At the end of input the session ends: there is nobody on the other side."""
        tilde = Tilde()
        while True:
            try:
                data = await self._process.stdin.read(4096)
            except (asyncssh.BreakReceived, asyncssh.SignalReceived, asyncssh.TerminalSizeChanged):
                continue
            if not data:
                return
            for item in tilde.read(data):
                if isinstance(item, bytes):
                    await self._type(viewer, item)
                elif item == ord("s") and (size := self._size()):
                    await self._type(viewer, size)
                elif self._asked(viewer, chr(item)):
                    return
            await self._process.stderr.drain()

    async def _type(self, viewer: Viewer, data: bytes) -> None:
        try:
            self._must_write()
            await self._hub.write(viewer, data)
        except NotWriting as error:
            if not self._warned:
                say(self._process, f"{error.message} ({HELP})")
            self._warned = True

    def _size(self) -> bytes:
        """What tells a shell on the machine how large the window is; without a terminal, nothing."""
        columns, rows = self._process.get_terminal_size()[:2]
        return f"stty rows {rows} cols {columns}\r".encode() if rows and columns else b""

    def _asked(self, viewer: Viewer, key: str) -> bool:
        """Do what a key after a tilde asks for; True: the session is to end."""
        try:
            match key:
                case ".":
                    return True
                case "t":
                    self._must_write()
                    self._hub.take_over(viewer)
                case "g":
                    self._hub.give_up(viewer)
                case _:
                    say(self._process, HELP)
        except NotWriting as error:
            say(self._process, error.message)
        return False

    def _must_write(self) -> None:
        if Right.CONSOLE not in self._capability.rights:
            self._hub.tally.input_refused["watching"] += 1
            raise NotWriting("You may watch this console, not type on it.")

    async def _expire(self) -> None:
        """Renew the capability in time, for as long as HIL gives another. Raises HilError when it has ended."""
        clock = self._nodes.clock
        while (left := self._capability.expires + SKEW - clock.now()) > 0:
            early = left - SKEW - EARLY
            if early > 0:
                await clock.sleep(early)
                continue
            try:
                newer = await self._renew()
            except (Unavailable, DeviceError):
                newer = self._capability
            if newer is None:
                await clock.sleep(left)
            elif newer.expires <= self._capability.expires:
                await clock.sleep(min(AGAIN, left))
            else:
                self._capability = newer
        raise Unauthenticated("The capability has expired: log in again.")


class Tilde:
    """Reads what is typed: pieces for the machine, and the number of each key that is meant for us."""

    def __init__(self) -> None:
        self._fresh, self._held = True, False

    def read(self, data: bytes) -> Iterator[bytes | int]:
        """Nothing is kept back but a tilde at the begin of a line."""
        out = bytearray()
        for sign in data:
            if self._held:
                self._held = False
                if sign in _KEYS:
                    if out:
                        yield bytes(out)
                        out.clear()
                    self._fresh = True
                    yield sign
                    continue
                out += b"" if sign == ord("~") else b"~"
            elif self._fresh and sign == ord("~"):
                self._held = True
                continue
            out.append(sign)
            self._fresh = sign in b"\r\n"
        if out:
            yield bytes(out)


def clean(text: str) -> str:
    """What may come from elsewhere, without anything that a terminal would obey."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def say(process: Process, text: str) -> None:
    """Say a line of our own beside what the machine says."""
    process.stderr.write(f"\r\nhil: {clean(text)}\r\n".encode())
