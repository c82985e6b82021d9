"""SSH for emulated switches, and a command line in it: log-in, echo, prompts by mode, pager, questions.

`serve_ssh` is the server alone, for whatever speaks over SSH. `Terminal` is a command line whose commands are a table:
pattern and function, by mode. It echoes each line as it takes it up, as a real terminal does when somebody types ahead,
and knows no abbreviation but those in the table. What is dropped is reset without a word.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import asyncssh

from hil.drivers.switch.mock.faults import Op
from hil.lab.devices.model import Busy, Device, Dropped, PortConfig, Session

Process = asyncssh.SSHServerProcess[bytes]
LOOPBACK: Final = "127.0.0.1"


class Login(StrEnum):
    """How a device asks who is there."""

    PASSWORD = "password"  # noqa: S105 the name of a method
    KEYBOARD = "keyboard-interactive"
    SHELL = "none"
    """SSH lets everybody in; the shell asks."""


@asynccontextmanager
async def serve_ssh(
    device: Device,
    talk: Callable[[Process, Session], Awaitable[None]],
    *,
    login: Login = Login.PASSWORD,
    admit: Callable[[Process], Awaitable[str | None]] | None = None,
    together: bool = False,
    **options: Any,
) -> AsyncIterator[dict[str, Any]]:
    """Serve `talk` on a free loopback port with a host key of its own; answer the settings that reach it.

    `talk` is given each shell, command or subsystem (see `process.command`, `process.subsystem`) in a session of its
    own, or with `together` in the one session of its connection. Under Login.SHELL `admit` asks in the shell, and
    answers the user's name or None. `options` go to asyncssh.
    """
    door = _Door(device, talk, login, admit, together)
    key = asyncssh.generate_private_key("ssh-ed25519")
    listener = await asyncssh.create_server(
        lambda: _Server(door),
        LOOPBACK,
        0,
        server_host_keys=[key],
        process_factory=door.enter,
        encoding=None,
        **{"line_editor": False, "gss_host": None, "config": None, "login_timeout": 0} | options,
    )
    try:
        yield {
            "hostname": LOOPBACK,
            "port": listener.get_port(),
            "username": device.username or "hil",
            "password": device.password or "pw",
            "host_key": " ".join(key.export_public_key().decode().split()[:2]),
        }
    finally:
        listener.close()
        await door.clear()
        await listener.wait_closed()


class _Door:
    """Who is connected to one device."""

    def __init__(
        self,
        device: Device,
        talk: Callable[[Process, Session], Awaitable[None]],
        login: Login,
        admit: Callable[[Process], Awaitable[str | None]] | None,
        together: bool,
    ) -> None:
        self.device, self.login, self.together = device, login, together
        self.shared: dict[object, Session] = {}
        self._talk, self._admit = talk, admit
        self.open: set[asyncssh.SSHServerConnection] = set()
        self._talks: set[asyncio.Task[Any]] = set()

    async def enter(self, process: Process) -> None:
        """Hold one session from begin to end; reset the connection where the device drops it."""
        connection = process.channel.get_connection()
        session = None
        if task := asyncio.current_task():
            self._talks.add(task)
            task.add_done_callback(self._talks.discard)
        try:
            user: str | None = process.get_extra_info("username")
            if self._admit is not None:
                user = await self._admit(process)
            if user is not None:
                session = self.shared.get(connection) or await self.device.begin(user)
                session.on_close = connection.abort
                if self.together:
                    self.shared[connection] = session
                await self._talk(process, session)
        except (Dropped, EOFError):
            connection.abort()
        except (asyncssh.Error, OSError):
            pass  # the other side is gone
        finally:
            if session is not None and not self.together:
                session.on_close = None
                session.close()
            with suppress(asyncssh.Error, OSError):
                process.exit(0)

    async def clear(self) -> None:
        for connection in list(self.open):
            connection.abort()
            await connection.wait_closed()
        talks = list(self._talks)
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


class _Server(asyncssh.SSHServer):
    """One connection's log-in."""

    def __init__(self, door: _Door) -> None:
        self._door = door
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._door.open.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._door.open.discard(self._connection)
            if session := self._door.shared.pop(self._connection, None):
                session.on_close = None
                session.close()

    def begin_auth(self, username: str) -> bool:
        return self._door.login is not Login.SHELL

    def password_auth_supported(self) -> bool:
        return self._door.login is Login.PASSWORD

    def validate_password(self, username: str, password: str) -> bool:
        return self._door.device.admits(username, password)

    def kbdint_auth_supported(self) -> bool:
        return self._door.login is Login.KEYBOARD

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        return self._door.device.admits(username, responses[0] if responses else "")


# -- the command line -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What a platform's command line looks like."""

    prompts: Mapping[str, str]
    """What follows the device's name, by mode."""
    first: str = "exec"
    """The mode after the log-in."""
    parents: Mapping[str, str] = field(default_factory=dict)
    """The mode whose commands are also taken in a mode, which they end."""
    invalid: str = "% Invalid input detected at '^' marker."
    busy: str = "% Configuration is locked by another session"
    banner: str = ""
    pager: str = " --More-- "
    erase: str = "\b" * 10 + " " * 10 + "\b" * 10
    """What takes the pager's question off the screen."""
    page: int = 24
    """Lines of a page."""
    after_prompt: str = ""
    """Drawn between prompt and echo, as control sequences."""


Handler = Callable[["Terminal", "re.Match[str]"], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Command:
    """A command: the modes it is known in, the whole of its line as a pattern, and what it does and prints."""

    modes: tuple[str, ...]
    pattern: re.Pattern[str]
    does: Handler


def command(modes: str, pattern: str, does: Handler) -> Command:
    """Make a table's row; modes are separated by blanks, blanks in the pattern stand for any number of them."""
    whole = re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE)
    return Command(tuple(modes.split()), whole, does)


class Terminal:
    """One command line in one session. `place` is what the mode is about: the port of `interface`, for one.

    Without a process it has no screen, and its questions find nobody: `obey` alone is of use.
    """

    def __init__(
        self, process: Process | None, session: Session, face: Face, table: Sequence[Command], host: str
    ) -> None:
        self.session, self.device, self.face, self.host = session, session.device, face, host
        self.mode, self.place, self.page, self.done = face.first, "", face.page, False
        self.memory: dict[str, Any] = {}
        """Whatever else a platform's commands remember in a session."""
        self._table, self._keys = table, Keys(process)

    async def converse(self) -> None:
        """Take commands until the other side leaves, or one sets `done`. Raises Dropped, EOFError."""
        if self.face.banner:
            self._keys.write(self.face.banner.replace("\n", "\r\n") + "\r\n")
        while not self.done:
            self._keys.write(f"\r\n{self.host}{self.face.prompts[self.mode]}{self.face.after_prompt}")
            line = await self._keys.line()
            self._keys.write(line + "\r\n")
            await self._print(await self.obey(line))

    async def question(self, text: str, *, key: bool = False, hidden: bool = False) -> str:
        """Ask at the screen; answer a line, or with `key` the one key that was pressed."""
        self._keys.write(text.replace("\n", "\r\n"))
        answer = await self._keys.key() if key else await self._keys.line()
        self._keys.write(("" if hidden else answer) + "\r\n")
        return answer

    async def show(self, render: Callable[[Device], str]) -> str:
        """A command that shows something: it takes the device's time for reading. Raises Dropped."""
        await self.session.enter(Op.READ)
        text = render(self.device)
        self.session.leave(Op.READ)
        return text

    async def change(self, port: str, change: Callable[[PortConfig], PortConfig]) -> str:
        """A command that changes a port, or is refused in words. Raises Dropped, Busy."""
        await self.session.enter(Op.WRITE, port)
        refused = self.session.refusal(port)
        if refused is None:
            self.session.set(port, change(self.device.config.ports[port]))
        self.session.leave(Op.WRITE, port)
        return refused or ""

    async def make_vlans(self, vlans: Sequence[int]) -> str:
        """A command that makes VLANs. Raises Dropped, Busy."""
        await self.session.enter(Op.WRITE)
        self.device.config.vlans |= set(vlans)
        self.session.leave(Op.WRITE)
        return ""

    async def save(self, done: str) -> str:
        """A command that saves; `done` is said where it worked. Raises Dropped, Busy."""
        await self.session.enter(Op.SAVE)
        refused = self.session.save()
        self.session.leave(Op.SAVE)
        return done if refused is None else refused

    async def obey(self, line: str) -> str:
        """Do one line; answer what it prints. Raises Dropped."""
        line = line.strip()
        if not line or line.startswith("!"):
            return ""
        mode: str | None = self.mode
        while mode is not None:
            for entry in self._table:
                if mode in entry.modes and (found := entry.pattern.fullmatch(line)):
                    self.mode = mode
                    try:
                        return await entry.does(self, found)
                    except Busy:
                        return self.face.busy
            mode = self.face.parents.get(mode)
        return f"{' ' * (len(self.host) + 1)}^\n{self.face.invalid}"

    async def _print(self, text: str) -> None:
        lines = text.rstrip("\n").split("\n") if text else []
        size = self.page - 1 if self.page else max(len(lines), 1)
        for start in range(0, len(lines), size):
            self._keys.write("".join(f"{line}\r\n" for line in lines[start : start + size]))
            if start + size < len(lines):
                self._keys.write(self.face.pager)
                key = await self._keys.key()
                self._keys.write(self.face.erase)
                if key.lower() == "q":
                    return


class Keys:
    """What is typed, and what is shown, byte by byte."""

    def __init__(self, process: Process | None) -> None:
        self._process = process
        self._typed = b""

    def write(self, text: str) -> None:
        """Show. Raises Dropped if nobody looks any more."""
        if self._process is None or self._process.is_closing():
            raise Dropped
        self._process.stdout.write(text.encode())

    async def key(self) -> str:
        """Answer the next key. Raises EOFError."""
        while not self._typed:
            if self._process is None:
                raise EOFError
            self._typed = await self._process.stdin.read(4096)
            if not self._typed:
                raise EOFError
        pressed, self._typed = self._typed[:1], self._typed[1:]
        return pressed.decode("latin-1")

    async def line(self) -> str:
        """Answer what is typed up to the end of a line. Raises EOFError."""
        typed = ""
        while (pressed := await self.key()) not in "\r\n":
            typed += pressed
        return typed


async def asked_in_shell(process: Process, device: Device, *, user: str, password: str, wrong: str) -> str | None:
    """Ask for name and password in the shell, three times at most; answer the name of who was admitted."""
    keys = Keys(process)
    for _ in range(3):
        keys.write(f"\r\n{user}")
        name = await keys.line()
        keys.write(f"{name}\r\n{password}")
        if device.admits(name, await keys.line()):
            return name
        keys.write(f"\r\n{wrong}\r\n")
    return None
