"""The journal: append-only, in commit order, each line sealed over the line before.

Lines collect in the unit of work and are written last, under the lock of one head row: numbers follow the order of
commits without gaps, so whoever reads `seq > N` can never miss a late committer, and the lock is held for one insert.
The seal is an HMAC under the installation's key: whoever can write the database, but does not hold the key, can
neither change nor remove a line unseen. It does not keep anybody from deleting the whole database.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from hil.core.errors import Unavailable
from hil.store.tables import Journal, JournalHead

_COLUMNS = tuple(column.name for column in Journal.__table__.columns if column.name != "seal")


@dataclass(frozen=True, slots=True)
class Source:
    """Who acted and from where; a worker's source is its own name."""

    actor: str
    via: str = ""
    remote: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened to one object. `before` and `after` are what a reader of the log compares."""

    action: str
    kind: str
    name: str
    project_id: int | None = None
    public: bool = False
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    outcome: str = "ok"


def seal(key: bytes, previous: str, line: Mapping[str, Any]) -> str:
    """Seal a line: HMAC-SHA256 over the previous seal and every other column, as hexadecimal text."""
    text = json.dumps([previous, line], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hmac.digest(key, text.encode(), "sha256").hex()


def append(session: Session, key: bytes, now: float, entries: list[tuple[Source, Entry]]) -> int:
    """Write the entries at the end of the journal; answer the last number. The caller commits at once."""
    head = session.scalar(select(JournalHead).where(JournalHead.id == 1).with_for_update())
    if head is None:
        raise Unavailable("The database has no journal: run `hil-admin db upgrade`.")
    seq, previous, rows = head.seq, head.seal, []
    for source, entry in entries:
        seq += 1
        line = {"seq": seq, "at": now, **_plain(source), **_plain(entry)}
        previous = seal(key, previous, line)
        rows.append({**line, "seal": previous})
    session.execute(insert(Journal), rows)
    session.execute(update(JournalHead).where(JournalHead.id == 1).values(seq=seq, seal=previous))
    return seq


def _plain(value: Source | Entry) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


@dataclass(frozen=True, slots=True)
class Verified:
    """The outcome of a verification: how far the chain holds, and what is wrong after that."""

    lines: int
    seal: str
    fault: str = ""


def verify(session: Session, key: bytes) -> Verified:
    """Walk the whole chain. A fault names the first line that was changed, removed or put in."""
    previous, expected = "", 0
    for line in _lines(session):
        expected += 1
        if line.seq != expected:
            return Verified(expected - 1, previous, f"line {expected} is missing (the next one is {line.seq})")
        if not hmac.compare_digest(line.seal, seal(key, previous, {name: getattr(line, name) for name in _COLUMNS})):
            return Verified(expected - 1, previous, f"line {line.seq} does not carry the seal of what it says")
        previous = line.seal
    head = session.scalar(select(JournalHead).where(JournalHead.id == 1))
    if head is None or head.seq != expected or head.seal != previous:
        return Verified(expected, previous, "lines are missing at the end, or the head was changed")
    return Verified(expected, previous)


def _lines(session: Session) -> Iterator[Journal]:
    last = 0
    while page := session.scalars(select(Journal).where(Journal.seq > last).order_by(Journal.seq).limit(1000)).all():
        yield from page
        last = page[-1].seq
        session.expunge_all()
