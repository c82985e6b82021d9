"""The journal as its readers see it: the audit log of operators, and the events that anybody may follow.

A caller sees the events of its projects and of public networks, never those of switches, ports, users or the pool, and
never the names of ports inside the others. What is shown of an event is decided here, line by line, at the moment it
is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from hil.core.model import Actor
from hil.core.policy import Act, Kind, Standing, Verdict, judge
from hil.services.context import Context
from hil.store.tables import Journal, JournalHead, Project

TENANTS: Final = frozenset({Kind.PROJECT, Kind.NODE, Kind.NETWORK, Kind.OPERATION})
"""Kinds of objects whose events a tenant may see; whatever is not named here is the operators'."""
_OPERATORS_FACTS: Final = frozenset({"switch", "port"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the journal, as plain values. `project` is None where there is none any more."""

    seq: int
    at: float
    actor: str
    via: str
    remote: str
    request_id: str
    action: str
    kind: str
    name: str
    project_id: int | None
    project: str | None
    public: bool
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    outcome: str


_COLUMNS: Final = (
    *(Journal.seq, Journal.at, Journal.actor, Journal.via, Journal.remote, Journal.request_id, Journal.action),
    *(Journal.kind, Journal.name, Journal.project_id, Project.name, Journal.public),
    *(Journal.before, Journal.after, Journal.outcome),
)


def _lines() -> Select[Any]:
    return select(*_COLUMNS).outerjoin(Project, Project.id == Journal.project_id)


def head(session: Session) -> int:
    """Number of the last line."""
    return session.scalar(select(JournalHead.seq).where(JournalHead.id == 1)) or 0


def newest(session: Session, after: int, limit: int) -> list[Line]:
    """The last `limit` lines after this number, oldest first."""
    query = _lines().where(Journal.seq > after).order_by(Journal.seq.desc()).limit(limit)
    return [Line(*row) for row in session.execute(query)][::-1]


def journal_list(
    ctx: Context, *, after: int, limit: int, action: str | None = None, kind: str | None = None,
    name: str | None = None, actor: str | None = None,
) -> list[Line]:  # fmt: skip
    """One page of the audit log, oldest first. For operators."""
    ctx.require(Act.ADMIN, Kind.JOURNAL)
    query = _lines().where(Journal.seq > after).order_by(Journal.seq).limit(limit)
    wanted = ((Journal.action, action), (Journal.kind, kind), (Journal.name, name), (Journal.actor, actor))
    query = query.where(*(column == value for column, value in wanted if value is not None))
    return [Line(*row) for row in ctx.session.execute(query)]


def events_after(ctx: Context, after: int, limit: int) -> tuple[list[Line], int]:
    """One page of the events that the caller may see, and the number up to which nothing is missing from it."""
    ctx.require(Act.LIST, Kind.JOURNAL)
    last = head(ctx.session)
    query = _lines().where(Journal.seq > after, Journal.seq <= last).order_by(Journal.seq).limit(limit)
    if not ctx.actor.operator:
        mine = or_(Journal.public, Journal.project_id.in_(list(ctx.actor.roles)))
        query = query.where(mine, Journal.kind.in_(sorted(TENANTS)))
    lines = [Line(*row) for row in ctx.session.execute(query)]
    return events_visible(ctx.actor, lines), lines[-1].seq if len(lines) == limit else max(last, after)


def events_visible(actor: Actor, lines: Sequence[Line]) -> list[Line]:
    """Those lines that the caller may see as events."""
    return [line for line in lines if _visible(actor, line)]


def _visible(actor: Actor, line: Line) -> bool:
    if actor.operator:
        return True
    standing = Standing(owner=actor.role(line.project_id), public=line.public)
    return line.kind in TENANTS and judge(actor, Act.READ, Kind.JOURNAL, standing) is Verdict.ALLOW


def event_facts(actor: Actor, line: Line) -> dict[str, Any] | None:
    """What happened, as far as the caller may know: all for operators, no switch or port for the project's members.

    To others a public network's events say only that they happened: its access list is not theirs.
    """
    if actor.operator or line.after is None:
        return line.after
    if actor.role(line.project_id) is None:
        return None
    return {key: value for key, value in line.after.items() if key not in _OPERATORS_FACTS}
