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
from hil.cli.explain import clean
from hil.cli.lazy import Command
from hil.cli.session import Session
from hil.cli.terminal import raw
from hil.client.console import Console
from hil.client.errors import ConsoleClosed, HilClientError, Unavailable, Unreachable
from hil.client.power import ConsoleTicket

EARLY = 90.0
"""A ticket is renewed so many seconds before it ends."""
TICK = 5.0
HELP = "~. ends it, ~t takes the typing over, ~g gives it up, ~~ types a tilde; each after a new line"


@click.command(
    "console",
    cls=Command,
    examples=(
        "hil node console node01",
        "hil node console node01 --follow",
        "hil node console node01 --follow --log node01.log",
    ),
)
@params.argument("node")
@click.option("-f", "--follow", is_flag=True, help="Look on, without typing; ends with Ctrl-C.")
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="Also write the output to this file.")
@click.pass_obj
def console(session: Session, node: str, follow: bool, log: Path | None) -> None:
    """Open the serial console of a machine.

    Several people may look at once; one types, and the others can take that over. After a new line, `~.` ends it and
    `~?` tells what else there is.
    """
    ticket = session.client.power.console(node, watch=follow)
    with ExitStack() as held:
        copy = held.enter_context(log.open("ab")) if log is not None else None
        opened = held.enter_context(Console(ticket, session.settings.ca_file))
        if not follow:
            held.enter_context(raw(sys.stdin.fileno()))  # before anything is said: from then on, every key counts
        Screen(session, node, opened, ticket, copy, follow=follow).run()


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
                self._say(f"console of {self._node}; " + ("Ctrl-C ends it" if self._follow else HELP))
                if len(viewers) > 1:
                    self._say(f"{len(viewers) - 1} others look at it")
            case {"event": "writer", "writer": {"number": int() as number, "user": str() as user}}:
                self._say("you type" if number == self._me else f"{user} types")
            case {"event": "writer"}:
                self._say("nobody types")
            case {"event": "gap", "bytes": int() as lost}:
                self._say(f"{lost} bytes of output were lost")
            case {"event": "refused", "detail": str() as why}:
                self._say(why)

    def _say(self, words: str) -> None:
        sys.stderr.write(f"\r\n[hil: {clean(words)}]\r\n" if not self._follow else f"[hil: {clean(words)}]\n")
        sys.stderr.flush()

    def _wait(self) -> bool:
        """Look on until the console ends; False: the person did not leave."""
        while not self._ready(self._over):
            self._renew()
        return False

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
            case Key.HELP:
                self._say(HELP)
            case Key.LEAVE:
                return False
        return True

    @staticmethod
    def _ready(*sources: int) -> list[int]:
        return select.select(sources, [], [], TICK)[0]

    def _renew(self) -> None:
        """Ask for a newer ticket before the present one ends."""
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
