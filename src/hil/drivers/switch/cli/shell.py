"""A conversation with a command line: one command, its whole output, the next command.

The device's name is learnt at the log-in, and only a prompt with that name, alone on the last line, ends an output; the
next command's echo must then come first, or the conversation is out of step and is given up: what a device prints,
and a tenant's machine may have had a hand in it, is never taken for an answer to something else. Output and time are
bounded. A question that is not known is not answered: the command then ends in a timeout. It never repeats anything.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterable
from typing import Final, NoReturn, Protocol

from hil.core import guard
from hil.core.devices import Writer
from hil.core.errors import DeviceBusy, DeviceError, LoginRefused, Refused, Unreachable
from hil.drivers.switch.cli.dialect import Answers, Dialect, prompt_of
from hil.drivers.switch.cli.screen import shown
from hil.drivers.transport.errors import mapped

LONGEST: Final = 16 * 2**20
"""Bytes of one command's output: the running configuration of a large chassis is a tenth of it."""
_TAIL: Final = 2048
"""Bytes in which the last line is looked for."""


class Wire(Protocol):
    """What carries the bytes; a `Stream` of the SSH transport is one."""

    @property
    def ended(self) -> bool: ...

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    async def read(self, limit: int = ...) -> bytes: ...


class Shell:
    """A logged-in command line. Made by `login`; belongs to one task."""

    def __init__(self, device: str, wire: Wire, dialect: Dialect, patience: float) -> None:
        self.device, self.dialect, self.patience = device, dialect, patience
        self.host, self.mode = "", ""
        self.sent = False
        """Whether a command that may change something has left: a death is then a LostReply."""
        self._wire, self._buffer, self._from = wire, bytearray(), 0
        self._prompt = dialect.prompt

    async def run(self, command: str, *, answers: Answers = (), changes: bool = False, patience: float = 0.0) -> str:
        """Send one command and answer its output, without echo and prompt, however the device judged it.

        `changes` says that it may change something. Raises LostReply, or Unreachable while nothing was changed.
        """
        guard.device()
        if not command.isprintable():
            raise RuntimeError("a command is one printable line")
        if self._wire.ended and not self.sent:
            raise Unreachable(f"{self.device} had closed the connection: nothing was sent.")
        self.sent = self.sent or changes
        with mapped(self.device, sent=self.sent):
            async with asyncio.timeout(patience or self.patience):
                await self._send(command + self.dialect.newline)
                return _without_echo(await self._reply((*answers, *self.dialect.questions)), command)

    async def ask(self, command: str, *, patience: float = 0.0) -> str:
        """Run a command that only shows something. Raises Refused with the device's own words, DeviceBusy.

        A refusal is short and comes first; further down, banners and descriptions may say anything.
        """
        output = await self.run(command, patience=patience)
        if error := self.judge(command, "\n".join(output.splitlines()[:4])):
            raise error
        return output

    async def tell(
        self, command: str, writer: Writer, *, answers: Answers = (), patience: float = 0.0
    ) -> Refused | None:
        """Run a command that changes something; answer its refusal. Raises DeviceBusy, LeaseLost, LostReply."""
        writer.check()
        output = await self.run(command, answers=answers, changes=True, patience=patience)
        error = self.judge(command, output)
        if isinstance(error, DeviceBusy):
            raise error
        return error

    async def tell_all(self, commands: Iterable[str], writer: Writer) -> Refused | None:
        """Run commands in turn up to the first that is refused; answer that refusal."""
        for command in commands:
            if error := await self.tell(command, writer):
                return error
        return None

    async def resynchronise(self) -> None:
        """Catch up with a device that may have drawn one prompt too many: some take `y` without an end of line."""
        guard.device()
        with mapped(self.device, sent=self.sent):
            async with asyncio.timeout(self.patience):
                await self._synchronise()

    async def enter(self, writer: Writer) -> None:
        """Begin to configure. Raises Refused, DeviceBusy."""
        writer.check()
        output = await self.run(self.dialect.configure)
        if error := self.judge(self.dialect.configure, output):
            raise error

    async def leave(self) -> None:
        """End configuring; changes nothing by itself. Raises Refused, DeviceBusy."""
        if error := self.judge(self.dialect.leave, await self.run(self.dialect.leave)):
            raise error

    def judge(self, command: str, output: str) -> Refused | DeviceBusy | None:
        """Say what the output of a command means: nothing, or the device's own words."""
        dialect = self.dialect
        if dialect.busy is not None and dialect.busy.search(output):
            return DeviceBusy(f"{self.device} is being configured by somebody else: {words(output)}")
        for line in output.splitlines():
            if dialect.refused.search(line) and not (dialect.tolerated and dialect.tolerated.search(line)):
                return Refused(f"The switch refuses `{command}`: {words(output)}")
        return None

    # -- the log-in -----------------------------------------------------------------------------------------------

    async def login(self, username: str, password: str, enable_password: str = "") -> None:
        """Lead a fresh shell to a privileged prompt, asked for credentials or not. Raises LoginRefused, Unreachable."""
        with mapped(self.device, sent=False):
            async with asyncio.timeout(self.patience):
                await self._greet(username, password)
                await self._synchronise()
                if self.dialect.enable is not None and self.mode.endswith(">"):
                    await self._enable(self.dialect.enable, enable_password)
        for command in self.dialect.quiet:
            await self.run(command)

    async def _greet(self, username: str, password: str) -> None:
        dialect = self.dialect
        left = [(dialect.asks_user, username), (dialect.asks_password, password)]
        while not dialect.prompt.fullmatch(line := self._last_line()):
            asked = next(
                (pattern for pattern in (dialect.asks_user, dialect.asks_password) if pattern.search(line)), None
            )
            if len(left) < 2 and dialect.login_failed.search(shown(self._buffer[self._from :])):
                self._refuse_login("the user name or password")
            if asked is not None:
                # Each is told once: a second question means that the first answer was wrong.
                known = next(((pattern, text) for pattern, text in left if pattern is asked), None)
                if known is None:
                    self._refuse_login("the user name or password")
                left.remove(known)
                await self._send(known[1] + dialect.newline)
            elif not await self._answered(dialect.greetings, line):
                await self._fill()

    async def _synchronise(self) -> None:
        """Send a line that means nothing and is like no other; what comes after its echo is the prompt."""
        token = f"{self.dialect.sync}hil{secrets.token_hex(8)}"
        await self._send(token + self.dialect.newline)
        while True:
            _, echo, after = self._shown().partition(token)
            found = self.dialect.prompt.fullmatch(after.rpartition("\n")[2].strip()) if echo and "\n" in after else None
            if found:
                break
            await self._fill()
        self.host, self.mode = found["host"], found[0]
        self._prompt = prompt_of(self.host)
        self._forget()

    async def _enable(self, command: str, password: str) -> None:
        await self._send(command + self.dialect.newline)
        output = await self._reply([(self.dialect.asks_password, password + self.dialect.newline)], once=True)
        if self.mode.endswith(">") or self.dialect.login_failed.search(output):
            self._refuse_login("the enable password")

    def _refuse_login(self, what: str) -> NoReturn:
        raise LoginRefused(f"{self.device} refuses {what}.")

    # -- bytes ----------------------------------------------------------------------------------------------------

    async def _send(self, text: str) -> None:
        self._from = len(self._buffer)
        self._wire.write(text.encode())
        await self._wire.drain()

    async def _reply(self, answers: Answers, *, once: bool = False) -> str:
        """Read up to the prompt, turning pages and answering questions; answer everything before the prompt."""
        left = list(answers)
        while not self._prompt.fullmatch(line := self._last_line()):
            if self.dialect.pager.search(line):
                await self._send(self.dialect.pager_key)
            elif answer := next((pair for pair in left if pair[0].search(line)), None):
                if once:
                    left.remove(answer)
                await self._send(answer[1])
            elif once and self.dialect.asks_password.search(line):
                self._refuse_login("the enable password")
            else:
                await self._fill()
        self.mode = line
        text = self._shown()
        self._forget()
        return text.rpartition("\n")[0]

    async def _answered(self, answers: Answers, line: str) -> bool:
        for pattern, answer in answers:
            if pattern.search(line):
                await self._send(answer)
                return True
        return False

    async def _fill(self) -> None:
        data = await self._wire.read(65536)
        if not data:
            raise EOFError("the shell ended")
        self._buffer += data
        if len(self._buffer) > LONGEST:
            raise ValueError("the output does not end")

    def _last_line(self) -> str:
        """The line that the cursor is on, as far as it came after the last thing that was sent."""
        return shown(self._buffer[max(self._from, len(self._buffer) - _TAIL) :]).rpartition("\n")[2].strip()

    def _shown(self) -> str:
        return shown(self._buffer)

    def _forget(self) -> None:
        self._buffer.clear()
        self._from = 0


def words(output: str) -> str:
    """The device's own words on one line, without the marks that point at a column, short enough for a message."""
    lines = (line.strip() for line in output.splitlines())
    return " ".join(line for line in lines if line.strip("^ "))[:300]


def _without_echo(text: str, command: str) -> str:
    """Take the echo of a command, perhaps wrapped, off its output. Raises ValueError if it is not there."""
    place = 0
    for sign in re.sub(r"\s", "", command):
        while place < len(text) and text[place].isspace():
            place += 1
        if text[place : place + 1] != sign:
            raise ValueError("the device answers something else than it was asked")
        place += 1
    return text[place:].partition("\n")[2]


def failure(port: str, error: DeviceError) -> Refused:
    """Say of a port what the device said of a command."""
    return Refused(f"Port {port}: {error.message}", detail=error.detail)
