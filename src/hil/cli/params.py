"""Options and arguments that commands share, and the types that complete live names."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hil.cli.output import FORMATS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Live(click.ParamType[str]):
    """A name that HIL knows; the shell completes it by asking HIL."""

    def __init__(self, kind: str) -> None:
        self.name = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from hil.cli.complete import live

        return live(ctx, self.name, incomplete)


class Duration(click.ParamType[int]):
    """A time: `90`, `90s`, `15m`, `12h`, `30d`; its value is seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", value)
        if match is None or int(match[1]) == 0:
            self.fail(f"{value!r} is no time: write 90, 90s, 15m, 12h or 30d", param, ctx)
        return int(match[1]) * UNITS[match[2]]


DURATION = Duration()


class Moment(click.ParamType[datetime]):
    """A moment: `2026-11-21T16:00:00Z`, with the local zone if it names none, or `15m`, so long ago."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        if re.fullmatch(r"[0-9]{1,9}[smhd]", value):
            return datetime.now(UTC) - timedelta(seconds=DURATION.convert(value, param, ctx))
        try:
            return datetime.fromisoformat(value).astimezone()
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no moment: write 2026-11-21T16:00:00Z, or 15m for so long ago", param, ctx)


class Pair(click.ParamType[tuple[str, str]]):
    """`KEY=VALUE`."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not (key and equals):
            self.fail(f"{value!r} is no KEY=VALUE", param, ctx)
        return key, text


def argument(kind: str, name: str | None = None, **attributes: Any) -> Callable[[F], F]:
    """An argument that names an object of a kind."""
    return click.argument(name or kind, type=Live(kind), **attributes)


def noderange(function: F) -> F:
    """NODERANGE…, one or more."""
    return click.argument("noderange", type=Live("noderange"), nargs=-1, required=True)(function)


def option(kind: str, *names: str, **attributes: Any) -> Callable[[F], F]:
    """An option that names an object of a kind."""
    return click.option(*names, type=Live(kind), metavar=kind.upper(), **attributes)


def project(function: F) -> F:
    """--project, which may be left unsaid."""
    words = "Which project.  [default: HIL_PROJECT, the profile's, else your only one]"
    return option("project", "-p", "--project", help=words)(function)


def output(function: F) -> F:
    """-o/--output."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default="table",
        envvar="HIL_OUTPUT",
        help="How to print.  [default: table, or HIL_OUTPUT]",
    )(function)


def waiting(function: F) -> F:
    """--wait, --no-wait and --timeout of commands that are accepted now and done later."""
    function = click.option(
        "--timeout", type=Duration(), default="15m", show_default=True, help="How long to wait: 90s, 15m, 1h."
    )(function)
    return click.option(
        "--wait/--no-wait", default=True, help="Wait until it is done (default), or print the operation and leave."
    )(function)


def span(function: F) -> F:
    """--since and --until."""
    until = click.option("--until", type=Moment(), help="Only what was said before: a moment, or 15m for so long ago.")
    since = click.option(
        "--since", type=Moment(), help="Only what was said from then on: a moment, or 15m, 12h, 30d ago."
    )
    return since(until(function))


def yes(function: F) -> F:
    """--yes."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(function)


def password_stdin(function: F) -> F:
    """--password-stdin; a password is never an argument, which other users of the machine could read."""
    return click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")(function)
