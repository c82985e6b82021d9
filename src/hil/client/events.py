"""Events: everything that the caller may see, as it happens, without losing one when the connection is lost.

The wire is server-sent events (WHATWG HTML, section 9.2). Each event carries its number in the journal; after a lost
connection the stream goes on behind the last number that was seen.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hil.client.connection import Connection
from hil.client.decode import JSON, Shape
from hil.client.errors import Unavailable, UnexpectedAnswer, Unreachable
from hil.client.pages import pages

SILENCE = 60.0
"""Without even a heartbeat for so many seconds the connection counts as lost."""
LONGEST_LINE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Event(Shape):
    """One thing that happened. `seq` is its number in the journal: later events have larger ones."""

    seq: int
    action: str
    kind: str = ""
    name: str = ""
    at: datetime | None = None
    project: str | None = None
    after: JSON = None


@dataclass(frozen=True, kw_only=True)
class JournalLine(Shape):
    """One line of the journal, which only operators read."""

    seq: int
    at: datetime
    actor: str
    action: str
    kind: str
    name: str
    via: str = ""
    remote: str = ""
    request_id: str = ""
    project: str | None = None
    outcome: str = "ok"
    before: JSON = None
    after: JSON = None


@dataclass(slots=True)
class Message:
    """One event of the wire, before anybody reads its data."""

    id: str = ""
    event: str = ""
    data: list[str] = field(default_factory=list)


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    r"""Split a stream into lines at `\n`, `\r` or `\r\n`, wherever the chunks are cut; nothing else ends a line.

    >>> list(lines([b"a\r", b"\nb", b"c\r", b"d\n"]))
    ['a', 'bc', 'd']
    """
    rest = bytearray()
    after_return = False
    for chunk in chunks:
        for byte in chunk:
            if byte == 0x0A and after_return:
                after_return = False
                continue
            after_return = byte == 0x0D
            if byte in (0x0A, 0x0D):
                yield rest.decode("utf-8", "replace")
                rest.clear()
            else:
                rest.append(byte)
        if len(rest) > LONGEST_LINE:
            raise UnexpectedAnswer("a line of the event stream does not end")


def messages(stream: Iterable[str]) -> Iterator[Message]:
    """Gather lines into events, and into places without an event: an id without data. Comments yield nothing."""
    found, placed = Message(), False
    for number, line in enumerate(stream):
        name, _, value = (line if number else line.removeprefix("\ufeff")).partition(":")
        value = value.removeprefix(" ")
        if not line:
            if found.data or placed:
                yield found
            found, placed = Message(id=found.id), False
        elif name == "data":
            found.data.append(value)
        elif name == "event":
            found.event = value
        elif name == "id" and "\0" not in value:
            found.id, placed = value, True


class Events:
    """`client.events`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def follow(self, after: int | None = None, *, patience: float = 120.0) -> Iterator[Event]:
        """Yield events for ever: those behind number `after`, or with None whatever happens from now on.

        A lost connection is made again. Raises Unreachable when HIL was out of reach for `patience` seconds, and
        at once what cannot get better, as a revoked key.
        """
        last, heard, tries = after, time.monotonic(), 0
        while True:
            try:
                for seq, event in self._session(last):
                    heard, tries = time.monotonic(), 0
                    if last is None or seq > last:
                        last = seq
                        if event is not None:
                            yield event
                heard = time.monotonic()
            except (Unreachable, Unavailable):
                if time.monotonic() - heard > patience:
                    raise
            self._connection.sleep(self._connection.retry.pause(tries))
            tries = min(tries + 1, 16)

    def _session(self, after: int | None) -> Iterator[tuple[int, Event | None]]:
        """One connection: events with their numbers, and numbers alone, up to which there is nothing to see."""
        headers = {"Accept": "text/event-stream"}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        with self._connection.stream("/events", {}, headers, SILENCE) as chunks:
            for message in messages(lines(chunks)):
                if message.id:
                    yield _event(message)

    def journal(
        self,
        *,
        after: str | None = None,
        action: str | None = None,
        kind: str | None = None,
        name: str | None = None,
        actor: str | None = None,
    ) -> Iterator[JournalLine]:
        """The journal, oldest first. Operators only."""
        query = {"after": after, "action": action, "kind": kind, "name": name, "actor": actor}
        return pages(self._connection, "/journal", JournalLine, query)


def _event(message: Message) -> tuple[int, Event | None]:
    try:
        seq = int(message.id)
        data: Any = json.loads("\n".join(message.data)) if message.data else None
    except ValueError as error:
        raise UnexpectedAnswer(f"event {message.id[:20]!r} cannot be read") from error
    if not message.data:
        return seq, None
    if not isinstance(data, dict):
        raise UnexpectedAnswer(f"event {message.id[:20]!r} cannot be read")
    return seq, Event.of({"action": message.event, **data, "seq": seq})
