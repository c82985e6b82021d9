"""`hil-admin audit`: the journal, read and proved.

Whoever can write the database but does not hold the key cannot change or remove a line unseen. Whoever holds both can
write a new journal: against that, keep what `audit head` prints somewhere else, and give it to `audit verify`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy import select

from hil.admin.here import Here
from hil.cli.lazy import Group
from hil.core.errors import BadArgument, Conflict
from hil.core.policy import Act, Kind
from hil.process.log import one_line
from hil.services.context import Context
from hil.store import journal
from hil.store.tables import Journal, JournalHead

_COLUMNS = ("seq", "at", "actor", "via", "remote", "request_id", "action", "kind", "name", "before", "after", "outcome")


@click.group("audit", cls=Group)
def audit() -> None:
    """Read the journal, and prove that nobody changed it."""


@audit.verb("verify", "hil-admin audit verify", "hil-admin audit verify --head 1234:9f2c…")
@click.option(
    "--head", metavar="SEQ:SEAL", help="What `audit head` printed at an earlier time: that must still be there."
)
@click.pass_obj
def verify(here: Here, head: str | None) -> None:
    """Check every line's seal. Exit status 1, naming the first line that was changed, removed or put in."""
    with here.store() as store:
        found = store.read(lambda session: journal.verify(session, store.keys.sealing))
        if not found.fault and head is not None:
            number, seal = _head(head)
            kept = store.read(lambda session: session.scalar(select(Journal.seal).where(Journal.seq == number)))
            if kept != seal:
                raise Conflict(f"line {number} is not the one whose seal was kept: the journal was replaced or cut")
    if found.fault:
        raise Conflict(found.fault)
    click.echo(f"{found.lines} lines, none changed or missing; head {found.lines}:{found.seal}")


def _head(text: str) -> tuple[int, str]:
    number, colon, seal = text.partition(":")
    if not colon or not number.isdecimal():
        raise BadArgument("--head takes what `hil-admin audit head` printed, as in 1234:9f2c…")
    return int(number), seal


@audit.verb("head", "hil-admin audit head")
@click.pass_obj
def head(here: Here) -> None:
    """Print number and seal of the last line, to be kept on another machine."""
    with here.store() as store:
        found = store.read(lambda session: session.get_one(JournalHead, 1))
    click.echo(f"{found.seq}:{found.seal}")


@audit.verb("show", "hil-admin audit show --last 50", "hil-admin audit show --name node-01 --json")
@click.option("--last", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many lines.")
@click.option("--after", type=click.IntRange(0), help="The lines that follow this number, instead of the last ones.")
@click.option("--actor", help="Only what this user did.")
@click.option("--action", help="Only this action, as in node_release.")
@click.option("--kind", help="Only this kind of object, as in node.")
@click.option("--name", help="Only the object of this name.")
@click.option("--json", "json_", is_flag=True, help="For programs: one object per line.")
@click.pass_obj
def show(here: Here, /, last: int, after: int | None, json_: bool, **filters: str | None) -> None:
    """Show lines of the journal, the oldest first."""
    for line in here.read(lambda ctx: _lines(ctx, last, after, filters)):
        click.echo(json.dumps(line) if json_ else one_line(_written(line)))


def _lines(ctx: Context, last: int, after: int | None, filters: dict[str, str | None]) -> list[dict[str, Any]]:
    ctx.require(Act.ADMIN, Kind.JOURNAL)
    query = select(Journal).where(
        *(getattr(Journal, key) == value for key, value in filters.items() if value is not None)
    )
    if after is None:
        rows = list(ctx.session.scalars(query.order_by(Journal.seq.desc()).limit(last)))[::-1]
    else:
        rows = list(ctx.session.scalars(query.where(Journal.seq > after).order_by(Journal.seq).limit(last)))
    return [{column: getattr(row, column) for column in _COLUMNS} | {"at": _time(row.at)} for row in rows]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _written(line: dict[str, Any]) -> str:
    who = (
        line["actor"]
        + (f" ({line['via']})" if line["via"] else "")
        + (f" from {line['remote']}" if line["remote"] else "")
    )
    what = f"{line['action']} {line['kind']} {line['name']}"
    said = "".join(f" {key}={json.dumps(line[key])}" for key in ("before", "after") if line[key] is not None)
    return f"{line['seq']} {line['at']} {who}: {what}{said}" + (
        "" if line["outcome"] == "ok" else f" -> {line['outcome']}"
    )
