"""`hil node console`: the console of a machine as a terminal, or as something to follow.

The screen is the machine's: what HIL has to say goes to standard error, one line each. Only a terminal is put into raw
mode, and it is put back whatever happens.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import click

from hil.cli import params
from hil.cli.escape import Escape, Key
from hil.cli.exits import Exit
from hil.cli.explain import clean, say
from hil.cli.lazy import Command
from hil.cli.output import text
from hil.cli.session import Fault, Session
from hil.cli.ssh import environment, ssh_line, ssh_run
from hil.cli.terminal import deaf, keyboard, raw, resized, size_command
from hil.client.console import Console
from hil.client.errors import ConsoleClosed, HilClientError, Unavailable, Unreachable
from hil.client.power import ConsoleTicket

EARLY = 90.0
"""A ticket is renewed so many seconds before it ends."""
TICK = 5.0
START = "after a new line, ~. ends it and ~? tells what else there is"
HELP = "~. ends it, ~t takes the typing over, ~g gives it up, ~s types the window's size, ~~ a tilde; after a new line"


@click.command(
    "console",
    cls=Command,
    examples=(
        "hil node console node01",
        "hil node console node01 --follow",
        "hil node console node01 --follow --log node01.log",
        "hil node console node01 --ssh",
    ),
)
@params.argument("node")
@click.option("-f", "--follow", is_flag=True, help="Look on, without typing; ends with Ctrl-C.")
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="Also append the output to this file.")
@click.option("--ssh", "over_ssh", is_flag=True, help="Open it with ssh, which is given host key and password.")
@click.option("--ssh-command", is_flag=True, help="Print the ssh command for it, with obmd's host key, and leave.")
@click.pass_obj
def console(session: Session, node: str, follow: bool, log: Path | None, over_ssh: bool, ssh_command: bool) -> None:
    """Open the serial console of a machine.

    Several people may look at once; one types, and the others can take that over. After a new line, `~.` ends it and
    `~?` tells what else there is.
    """
    if over_ssh or ssh_command:
        if follow or log is not None:
            raise click.UsageError("--ssh and --ssh-command stand alone: ssh knows neither --follow nor --log")
        return _ssh(session, node, run=over_ssh)
    ticket = session.client.power.console(node, watch=follow)
    with ExitStack() as held:
        copy = held.enter_context(_appended(log)) if log is not None else None
        opened = held.enter_context(Console(ticket, session.settings.ca_file))
        keys = deaf(keyboard()) if follow else raw(sys.stdin.fileno())
        held.enter_context(keys)  # before anything is said: from then on, every key counts
        screen = Screen(session, node, opened, ticket, copy, follow=follow)
        held.enter_context(resized(screen.note_size))
        screen.run()


def _ssh(session: Session, node: str, *, run: bool) -> None:
    """An API key lasts as long as the console; who has none goes in with a capability, which lasts for minutes."""
    address, ticket = session.client.recordings.ssh(node)
    if not run:
        click.echo(ssh_line(node, address))
        return say("with a key from `hil key ssh list` it opens at once", "else the password is an API key")
    key = session.settings.token
    if not key:
        say(f"without an API key, it ends at {text(ticket.raw['expires_at'])}", "`hil login` makes one")
    ssh_run(node, address, key or ticket.capability, environment())


def _appended(log: Path) -> BinaryIO:
    """What a console says may hold passwords: a file that is made is for its owner alone. Raises Fault."""
    try:
        return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    except OSError as error:
        raise Fault(f"cannot write to {log}: {error.strerror}", code=Exit.USAGE) from error


class Screen:
    """The person on one side and the console on the other."""

    def __init__(
        self,
        session: Session,
        node: str,
        opened: Console,
        ticket: ConsoleTicket,
        copy: BinaryIO | None,
        *,
        follow: bool,
    ) -> None:
        self._session, self._node, self._console, self._copy = session, node, opened, copy
        self._expires, self._follow = ticket.expires_at.timestamp(), follow
        self._end: HilClientError | None = None
        self._over, self._ended = os.pipe()
        self._me = 0
        self._resized = self._warned = False

    def run(self) -> None:
        """Carry both ways until one side ends it. Raises ConsoleClosed if it was not the person."""
        reader = threading.Thread(target=self._show, daemon=True)
        reader.start()
        left = True
        try:
            left = self._wait() if self._follow else self._type()
        except KeyboardInterrupt:
            self._say("left")
        except ConsoleClosed:  # whoever reads knows why
            left = False
        finally:
            self._console.close()
            reader.join(TICK)
        if self._end is not None and not left:
            raise self._end

    def _show(self) -> None:
        """Write what the console says to the screen; in a thread of its own."""
        try:
            while True:
                message = self._console.receive()
                if isinstance(message, bytes):
                    self._write(message)
                else:
                    self._told(message)
        except HilClientError as error:
            self._end = error
        except OSError as error:  # whoever read our output has left, or the disk is full
            self._end = ConsoleClosed(f"cannot write: {error.strerror}", type="local")
        finally:
            os.write(self._ended, b"x")

    def _write(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        if self._copy is not None:
            self._copy.write(data)
            self._copy.flush()

    def _told(self, event: dict[str, object]) -> None:
        match event:
            case {"event": "hello", "you": int() as number, "viewers": list() as viewers}:
                self._me = number
                self._say(f"console of {self._node}; " + ("Ctrl-C ends it" if self._follow else START))
                if others := ", ".join(_names(viewers, self._me)):
                    self._say(f"also here: {others}")
                self._tell_writer(event.get("writer"))
            case {"event": "writer", "writer": writer}:
                self._warned = False
                self._tell_writer(writer)
                if writer is None:
                    self._say("nobody types")
            case {"event": "gap", "bytes": int() as lost}:
                self._say(f"{lost} bytes of output were lost: you did not keep up")
            case {"event": "refused", "type": "not-writing", "detail": str() as why} if not self._follow:
                if not self._warned:  # once, and not for every key
                    self._say(f"{why.rstrip('.')} (~t after a new line)")
                self._warned = True
            case {"event": "refused", "detail": str() as why}:
                self._say(why)

    def _tell_writer(self, writer: object) -> None:
        match writer:
            case {"number": int() as number, "user": str() as user}:
                self._say("you type" if number == self._me else f"{user} types")

    def _say(self, words: str) -> None:
        sys.stderr.write(f"\r\n[hil: {clean(words)}]\r\n" if not self._follow else f"[hil: {clean(words)}]\n")
        sys.stderr.flush()

    def _wait(self) -> bool:
        """Look on until the console ends; False: the person did not leave."""
        while not self._ready(self._over):
            self._renew()
        return False

    def note_size(self) -> None:
        """The window has changed; it is said when there is time for it. Who only looks on needs no word."""
        self._resized = not self._follow

    def _type(self) -> bool:
        """Send what is typed; True when the person leaves. A pipe is sent too; at its end, the console stays open."""
        stdin, escape = sys.stdin.fileno(), Escape()
        sources = [stdin, self._over]
        while self._over not in (ready := self._ready(*sources)):
            self._renew()
            if stdin not in ready:
                continue
            if not (data := os.read(stdin, 4096)):
                sources.remove(stdin)
                continue
            if not all(self._did(key) for key in escape.read(data)):
                return True
        return False

    def _did(self, key: Key | bytes) -> bool:
        """Do what a key means; False: the person leaves."""
        match key:
            case bytes():
                self._console.send(key)
            case Key.TAKE:
                self._console.take()
            case Key.GIVE:
                self._console.give()
            case Key.SIZE if size := size_command(sys.stdin.fileno()):
                self._console.send(size)
            case Key.HELP | Key.SIZE:
                self._say(HELP)
            case Key.LEAVE:
                return False
        return True

    @staticmethod
    def _ready(*sources: int) -> list[int]:
        return select.select(sources, [], [], TICK)[0]

    def _renew(self) -> None:
        """Ask for a newer ticket before the present one ends, and say that the window has changed."""
        if self._resized:
            self._resized = False
            self._say("the window has another size now: at a shell of the machine, ~s tells it")
        if time.time() < self._expires - EARLY:
            return
        try:
            ticket = self._session.client.power.console(self._node, watch=self._follow)
        except (Unreachable, Unavailable) as error:
            self._say(f"{error.message}: the console stays open for a while without HIL")
            self._expires += TICK * 2
            return
        self._expires = ticket.expires_at.timestamp()
        self._console.renew(ticket)


def _names(viewers: list[object], me: int) -> list[str]:
    """Who else looks, each once, without whoever this is."""
    found: dict[str, None] = {}
    for viewer in viewers:
        match viewer:
            case {"number": int() as number, "user": str() as user} if number != me:
                found[user] = None
    return [*found]
