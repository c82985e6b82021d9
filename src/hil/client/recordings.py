"""What consoles have said: `client.recordings`, and the way to them over SSH.

HIL gives a ticket and passes nothing through: recordings are asked of obmd, over the connection that is proved by the
same certificates, with a capability that lives for minutes. One sees what was said while one's project held the node.
What a machine printed may hold anything: only `play` gives it as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from hil.client.connection import Connection, path
from hil.client.decode import Shape
from hil.client.errors import UnexpectedAnswer
from hil.client.power import ConsoleTicket, Power, lines

NEWEST: Final = "newest"
"""Names the last recording, whatever its id is."""
SILENCE: Final = 60.0
_HOST: Final = re.compile(r"[0-9A-Za-z:][0-9A-Za-z.:_-]{0,254}")
_KEY: Final = re.compile(r"[a-z][a-z0-9@.-]{0,63} [0-9A-Za-z+/]{16,2000}={0,2}")
"""Both are given to another program as arguments."""


@dataclass(frozen=True, kw_only=True)
class Recording(Shape):
    """What the console said in one time in which the project held the node; `last` is when it said something last."""

    id: str
    begun: datetime
    last: datetime
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Line(Shape):
    """One line, without what a terminal would obey, and when it began."""

    recording: str
    at: datetime
    line: str


@dataclass(frozen=True, kw_only=True)
class Match(Line):
    """A line that was looked for, with the lines around it."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SshAddress(Shape):
    """Where a console is over SSH, and the keys by which it proves that, as in a known_hosts file."""

    host: str
    port: int
    host_keys: tuple[str, ...]


class Recordings:
    """`client.recordings`. `since` and `until` are moments; a moment without a zone is refused."""

    def __init__(self, connection: Connection, power: Power) -> None:
        self._connection, self._power = connection, power

    def list(self, node: str) -> tuple[Recording, ...]:
        """Every recording of the node that one may see, oldest first."""
        with self._obmd(node) as (obmd, _):
            found = obmd.call("GET", path("nodes", node, "recordings")).data
        return tuple(Recording.of(_timed(item, "begun", "last")) for item in _items(found))

    def search(
        self,
        node: str,
        text: str,
        *,
        recording: str = "",
        context: int = 0,
        limit: int = 100,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> tuple[Match, ...]:
        """Lines that hold a text, in capitals or not, the newest recording first; with so many lines around each."""
        asked = {"text": text, "limit": limit, "context": context, "recording": recording or None}
        asked |= _span(since, until)
        with self._obmd(node) as (obmd, _):
            at = path("nodes", node, "recordings", "search")
            found = obmd.call("GET", at, params=asked, wait=SILENCE).data
        return tuple(Match.of(_timed(item, "at")) for item in _items(found))

    def lines(
        self,
        node: str,
        recording: str = NEWEST,
        *,
        last: int = 10_000,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Line]:
        """The last lines of a recording, in their order. Raises NotFound."""
        asked = {"as": "lines", "last": last} | _span(since, until)
        with self._stream(node, recording, asked) as found:
            for item in found:
                yield Line.of(_timed(item, "at"))

    def play(
        self,
        node: str,
        recording: str = NEWEST,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[tuple[float, str]]:
        """Output as it was, each piece with the seconds since the recording began. Raises NotFound.

        It may hold anything that steers a terminal.
        """
        with self._stream(node, recording, {"as": "cast"} | _span(since, until)) as found:
            head = next(found, None)
            if not isinstance(head, dict) or head.get("version") != 2:
                raise UnexpectedAnswer("the recording is no asciicast v2")
            for event in found:
                match event:
                    case [int() | float() as at, "o", str() as text]:
                        yield float(at), text

    def ssh(self, node: str) -> tuple[SshAddress, ConsoleTicket]:
        """Where the console is over SSH, with a ticket whose capability is good as password. Raises NotFound."""
        with self._obmd(node, watch=False) as (obmd, ticket):
            found = obmd.call("GET", path("nodes", node, "ssh")).data
        if isinstance(found, dict) and found.get("host") is None:
            found = {**found, "host": urlsplit(ticket.url).hostname or ""}
        return ssh_address(found), ticket

    @contextmanager
    def _stream(self, node: str, recording: str, params: Mapping[str, Any]) -> Iterator[Iterator[Any]]:
        at = path("nodes", node, "recordings", recording)
        with self._obmd(node) as (obmd, _), obmd.stream(at, params, {}, SILENCE) as parts:
            yield lines(parts)

    @contextmanager
    def _obmd(self, node: str, *, watch: bool = True) -> Iterator[tuple[Connection, ConsoleTicket]]:
        """A connection to the node's obmd, as the holder of a fresh ticket."""
        ticket = self._power.console(node, watch=watch)
        theirs = replace(
            self._connection.settings, endpoint=_base(ticket.url, node), token=ticket.capability, username="",
            password="",
        )  # fmt: skip
        obmd = replace(self._connection, settings=theirs)
        try:
            yield obmd, ticket
        finally:
            obmd.close()


def _base(url: str, node: str) -> str:
    """The obmd behind the address of a console. Raises UnexpectedAnswer."""
    end = f"/v1{path('nodes', node, 'console')}"
    if not url.startswith(("ws://", "wss://")) or not url.endswith(end):
        raise UnexpectedAnswer("the ticket names no console of an obmd")
    return "http" + url[2:].removesuffix(end)


def ssh_address(found: Any) -> SshAddress:
    """Read what obmd says of SSH. Raises UnexpectedAnswer, also for what another program could take for an option."""
    address = SshAddress.of(found)
    if not (_HOST.fullmatch(address.host) and address.host_keys and all(map(_KEY.fullmatch, address.host_keys))):
        raise UnexpectedAnswer("the address of the console over SSH cannot be meant")
    return address


def _span(since: datetime | None, until: datetime | None) -> dict[str, Any]:
    given = {"from": _seconds(since), "to": _seconds(until)}
    return {name: moment for name, moment in given.items() if moment is not None}


def _seconds(moment: datetime | None) -> float | None:
    if moment is not None and moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return None if moment is None else moment.timestamp()


def _items(found: Any) -> list[Any]:
    items = found.get("items") if isinstance(found, dict) else None
    if not isinstance(items, list):
        raise UnexpectedAnswer("the recordings are no list")
    return items


def _timed(item: Any, *names: str) -> Any:
    """UTC seconds as RFC 3339, as HIL itself writes times."""
    if not isinstance(item, dict):
        raise UnexpectedAnswer("a recording is no object")
    return {**item, **{name: _moment(item.get(name)) for name in names}}


def _moment(seconds: Any) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (TypeError, ValueError, OverflowError, OSError):
        raise UnexpectedAnswer("a recording has no time") from None
