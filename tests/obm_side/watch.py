"""Asks of each command that a controller carries out, and of each byte of its console, whose the node is just then.

Who does what can be read from the controller's own log: each tenant has its own words (`WORDS`), and what a machine
says names its holder of that instant (`Watched.say`). The books are read from the database past everything of ours.

The order makes the judgement exact. The books are read after the command was carried out, and then the connection is
looked at: if obmd still holds it, obmd had not yet answered that the tenant's time is over when the books were read,
and so the books must still name the tenant. A connection that is gone by then is not judged: nobody can say what was
first.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import select
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from hil.lab.bmc import server
from hil.lab.bmc.machine import Machine

PEOPLE: Final = {"alice": "p", "bob": "q"}
HIL: Final = "hil"
WORDS: Final = {
    "alice": {"power": "cycle", "boot": "pxe", "look": "sensors", "key": "a"},
    "bob": {"power": "reset", "boot": "disk", "look": "firmware", "key": "b"},
}
"""What each tenant asks for, and nobody else does. HIL itself says `off`."""
MARK: Final = re.compile(rb"<([pq?-]):(\d+):([ex]):(\d+)>")
_QUERY: Final = (
    "SELECT project.name, node.state, node.obm_token IS NOT NULL, node.obm_revoke, node.obm_epoch "
    "FROM node LEFT JOIN project ON project.id = node.project_id WHERE node.name = "
)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the books say of a node. `revoke`: something may be alive at obmd."""

    project: str | None
    state: str
    enabled: bool
    revoke: bool
    epoch: int

    @property
    def holder(self) -> str:
        """Whose console it is: `-` nobody's; `?` it was quarantined by force, and obmd is still to be told."""
        if not self.enabled and not self.revoke:
            return "-"
        return "?" if self.state == "quarantined" else self.project or "-"

    def admits(self, who: str) -> bool:
        if who == HIL:
            return self.state == "releasing" and self.revoke
        return self.holder in ("?", PEOPLE[who])


class Books:
    """Reads what is committed, from any thread."""

    def __init__(self, url: str) -> None:
        self._lock = threading.Lock()
        self._line: Any
        if url.startswith("sqlite"):
            self._line = sqlite3.connect(
                url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False, timeout=30
            )
            self._query = f"{_QUERY}?"
        else:
            self._line = psycopg.connect(url, autocommit=True)
            self._query = f"{_QUERY}%s"

    def of(self, node: str) -> Truth:
        with self._lock:
            project, state, enabled, revoke, epoch = self._line.execute(self._query, (node,)).fetchone()
        return Truth(project, state, bool(enabled), bool(revoke), epoch)

    def close(self) -> None:
        self._line.close()


def doer(action: str, asked: str) -> str | None:
    """Who has asked the controller for this; None for what everybody asks."""
    for who, words in WORDS.items():
        mine = {
            "power-set": asked == words["power"],
            "boot-set": words["boot"] in asked,
            "type": words["key"] in asked,
            words["look"]: True,
        }
        if mine.get(action, False):
            return who
    return HIL if (action, asked) == ("power-set", "off") else None


@dataclass
class Watch:
    """What was found out. `counts` says how much was looked at."""

    books: Books
    violations: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def command(self, machine: Watched, session: str, action: str, asked: str) -> None:
        who = doer(action, asked)
        if who is None:
            return
        truth = self.books.of(machine.name)
        if not machine.there(session):
            return
        self.counts[f"{who} {action}"] += 1
        if not truth.admits(who):
            self.violations.append(f"{who} reached {machine.name} ({action} {asked}) while it was {truth}")

    def heard(self, who: str, epoch: int | None, stream: bytes, unsure: set[int]) -> None:
        """Judge all that one viewer, let in with a capability of this epoch (None: a token), has heard."""
        for owner, at, enabled, number in MARK.findall(stream):
            self.counts[f"{who} heard"] += 1
            mine = owner.decode() in ("?", PEOPLE[who])
            stale = epoch is not None and enabled == b"e" and int(at) != epoch
            if (not mine or stale) and int(number) not in unsure:
                words = f"what was said to {owner.decode()} in epoch {int(at)}"
                self.violations.append(f"{who} heard {words}, being let in for epoch {epoch}")


class Watched(Machine):
    """A machine that is judged at each command."""

    def __init__(self, name: str, watch: Watch, **options: Any) -> None:
        super().__init__(name, **options)
        self.watch = watch
        self.there: Callable[[str], bool] = lambda session: True
        self.unsure: set[int] = set()
        """Marks during which the node changed hands: nobody can say to whom they were said."""
        self._numbers = itertools.count(1)

    def note(self, who: str, action: str, asked: str = "") -> None:
        super().note(who, action, asked)
        self.watch.command(self, who, action, asked)

    def say(self) -> None:
        """Say something that is for the holder of this instant alone."""
        before, number = self.watch.books.of(self.name), next(self._numbers)
        self.print(f"<{before.holder}:{before.epoch}:{'e' if before.enabled else 'x'}:{number}>")
        if self.watch.books.of(self.name) != before:
            self.unsure.add(number)


class WatchedServer(server.EmulatedBmcServer):
    """An emulated BMC that can say whether a session is still held by its client."""

    def __init__(self, machine: Watched, *options: Any) -> None:
        super().__init__(machine, *options)
        self._lines: list[tuple[Any, Any]] = []
        machine.there = self.there

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = writer.get_extra_info("socket")
        client = server._Client(self, reader, writer)
        serving = asyncio.get_running_loop().create_task(client.serve())
        self._clients.add(serving)
        self._lines.append((client, line))

        def gone(task: asyncio.Task[None]) -> None:
            self._clients.discard(task)
            self._lines.remove((client, line))

        serving.add_done_callback(gone)

    def there(self, session: str) -> bool:
        """Whether the client of a session holds its connection now."""
        return any(client._who == session and _held(line) for client, line in self._lines)


def _held(line: socket.socket) -> bool:
    if line.fileno() < 0:
        return False
    looked = select.poll()
    looked.register(line.fileno(), select.POLLRDHUP)
    return not looked.poll(0)
