"""`hil node recording`: what the console of a machine said while one's project had it.

A machine prints what it likes, its tenants may make it print anything: lists and searches show nothing that a terminal
would obey. A replay is the output itself, so it is shown to a terminal that is put right afterwards.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from hil.cli import params
from hil.cli.explain import say
from hil.cli.lazy import Group
from hil.cli.output import emit, printable, text
from hil.cli.pace import paced
from hil.cli.session import Session
from hil.cli.terminal import shielded

if TYPE_CHECKING:
    from hil.client import Line, Match

recording = Group("recording", help="What consoles said: list, read, search and replay it.")
NEWEST = "newest"
which = click.argument("recording", required=False, default=NEWEST)


@recording.verb("list", "hil node recording list node01")
@params.argument("node")
@params.output
@click.pass_obj
def recording_list(session: Session, node: str, output: str) -> None:
    """List the recordings of a node's console: one for each time in which your project had it enabled."""
    found = [
        {**each.raw, "seconds": round((each.last - each.begun).total_seconds(), 3)}
        for each in session.client.recordings.list(node)
    ]
    emit(found, "id begun last seconds bytes", output)


@recording.verb("show", "hil node recording show node01", "hil node recording show node01 17 --since 2h --last 1000")
@params.argument("node")
@which
@click.option(
    "--last", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Most lines: the last ones."
)
@click.option("--times/--no-times", default=True, help="With the time of each line (default), or without.")
@params.span
@params.output
@click.pass_obj
def show(
    session: Session, node: str, recording: str, last: int, times: bool, output: str,
    since: datetime | None, until: datetime | None,
) -> None:  # fmt: skip
    """Print what a recording says, line by line, without colours and such; the newest one, if none is named."""
    found = session.client.recordings.lines(node, recording, last=last, since=since, until=until)
    if output != "table":
        return emit(found, "recording at line", output)
    for each in found:
        click.echo(f"{_when(each)}  {_safe(each.line)}" if times else _safe(each.line))


@recording.verb(
    "search", "hil node recording search node01 panic", "hil node recording search node01 'no carrier' -C 5 --since 12h"
)
@params.argument("node")
@click.argument("text")
@click.option("-C", "--context", type=click.IntRange(0, 20), default=0, help="Lines around each.  [default: none]")
@click.option("--recording", metavar="ID", default="", help="Only in this one.  [default: all, the newest first]")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Most matches.")
@params.span
@params.output
@click.pass_obj
def search(
    session: Session, node: str, text: str, context: int, recording: str, limit: int, output: str,
    since: datetime | None, until: datetime | None,
) -> None:  # fmt: skip
    """Find lines that hold a text, in capitals or not, in all that your project may see."""
    found = session.client.recordings.search(
        node, text, recording=recording, context=context, limit=limit, since=since, until=until
    )
    if output != "table":
        return emit(found, "recording at line before after", output)
    for line in _told(found, apart=context > 0):
        click.echo(line)
    if not found:
        say("nothing that you may see holds this")
    elif len(found) == limit:
        say(f"there may be more than {limit}", "give --limit, --since or --recording")


def _told(found: Iterable[Match], *, apart: bool) -> Iterable[str]:
    """As people read it: a colon marks the line that was found, a bar those around it."""
    for number, match in enumerate(found):
        if apart and number:
            yield "--"
        head = f"{_safe(match.recording)}  {_when(match)}"
        yield from (f"{'':{len(head)}} | {_safe(line)}" for line in match.before)
        yield f"{head} : {_safe(match.line)}"
        yield from (f"{'':{len(head)}} | {_safe(line)}" for line in match.after)


@recording.verb(
    "replay",
    "hil node recording replay node01",
    "hil node recording replay node01 17 --speed 4 --longest-pause 2s",
    "hil node recording replay node01 --no-wait --since 15m",
)
@params.argument("node")
@which
@click.option(
    "--speed", type=click.FloatRange(0.01, 1000), default=1.0, show_default=True, help="So many times as fast."
)
@click.option("--longest-pause", type=params.Duration(), help="Cut longer silences to this.  [default: none is cut]")
@click.option("--wait/--no-wait", default=True, help="In its own time (default), or all at once.")
@params.span
@click.pass_obj
def replay(
    session: Session, node: str, recording: str, speed: float, longest_pause: int | None, wait: bool,
    since: datetime | None, until: datetime | None,
) -> None:  # fmt: skip
    """Show the console again as it was, colours, screens and all, in its own time; Ctrl-C ends it.

    The output goes to your terminal as the machine sent it. Afterwards the terminal is put right, and what it answered
    to the output is thrown away. The newest recording is shown, if none is named.
    """
    heard = session.client.recordings.play(node, recording, since=since, until=until)
    if wait:  # fetched before it is shown: nobody holds a connection open while a person looks
        heard = iter([*heard])
    shown = paced(heard, speed=speed, longest=longest_pause) if wait else (piece for _, piece in heard)
    with shielded():
        for piece in shown:
            sys.stdout.buffer.write(piece.encode())
            sys.stdout.buffer.flush()


def _when(line: Line) -> str:
    return text(line.raw["at"])


def _safe(words: Any) -> str:
    return printable(str(words).expandtabs())
