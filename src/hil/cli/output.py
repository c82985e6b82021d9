"""What commands print: tables for people, JSON, YAML and CSV for programs.

A table on a terminal is drawn with colours; in a pipe it is plain, aligned text. JSON and YAML hold all that the server
said, CSV and tables chosen columns. Nothing that a server says can control the terminal.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hil.client import Shape

FORMATS = ("table", "json", "yaml", "csv")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
UNSAFE = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What JSON lets stand as it is, and a terminal obeys, or shows in another order than it stands (Unicode TR 9)."""
COLOURS = {
    "free": "green",
    "allocated": "cyan",
    "releasing": "yellow",
    "maintenance": "magenta",
    "quarantined": "red",
    "attached": "green",
    "connecting": "yellow",
    "detaching": "yellow",
    "PENDING": "yellow",
    "DONE": "green",
    "ERROR": "red",
}


def emit(items: Iterable[Shape | Mapping[str, Any]], columns: str, output: str) -> None:
    """Print a list. `columns` are the keys of a table, in order, separated by spaces."""
    rows = [_raw(item) for item in items]
    if output in ("json", "yaml"):
        dump(rows, output)
    elif output == "csv":
        _csv(rows, columns.split())
    else:
        table(columns.split(), [[text(row.get(key)) for key in columns.split()] for row in rows])


def emit_one(item: Shape | Mapping[str, Any], columns: str, output: str) -> None:
    """Print one object; a table of it is a list of its facts, in which `key.` stands for all that is in `key`."""
    row = _raw(item)
    if output in ("json", "yaml"):
        dump(row, output)
    elif output == "csv":
        _csv([row], columns.replace(".", "").split())
    else:
        facts = [fact for column in columns.split() for fact in _facts(row, column)]
        width = max(len(key) for key, _ in facts)
        for key, value in facts:
            click.echo(f"{key:{width}}  {text(value)}")


def _facts(row: Mapping[str, Any], column: str) -> list[tuple[str, Any]]:
    inner = row.get(column.rstrip(".")) if column.endswith(".") else None
    if isinstance(inner, Mapping):
        return [(f"{column}{key}", value) for key, value in inner.items()]
    return [(column.rstrip("."), row.get(column.rstrip(".")))]


def dump(data: Any, output: str) -> None:
    """Print anything as JSON or YAML."""
    if output == "yaml":
        import yaml

        click.echo(yaml.safe_dump(_plain(data), sort_keys=False, allow_unicode=True), nl=False)
    else:
        click.echo(UNSAFE.sub(_escaped, json.dumps(_plain(data), indent=2, ensure_ascii=False)))


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def text(value: Any) -> str:
    """One value as a person reads it."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case {"native": native, "tagged": list() as tagged}:
            parts = [f"native {native}"] * (native is not None) + [f"tagged {text(tagged)}"] * bool(tagged)
            return ", ".join(parts) or "nothing"
        case {"reason": reason, "raw": _}:
            return f"unclear: {text(reason)}"
        case Mapping():
            return " ".join(f"{key}={text(inner)}" if inner != "" else str(key) for key, inner in value.items()) or "-"
        case list() | tuple():
            return ",".join(map(text, value)) or "-"
        case str() if RFC_3339.fullmatch(value):
            return value[:19].replace("T", " ") + "Z"
        case _:
            return printable(str(value))


def printable(words: str) -> str:
    """Keep control characters, which could play with the terminal, visible."""
    return words if words.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in words)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns: with colours on a terminal, else as plain aligned text."""
    titles = [column.upper().replace("_", "-") for column in columns]
    if sys.stdout.isatty():
        _rich(titles, rows)
    else:
        click.echo("\n".join(_aligned([titles, *rows])))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _rich(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, title in enumerate(titles):
        drawn.add_column(title, overflow="fold", no_wrap=number == 0)  # who copies a name wants it whole
    for row in rows:
        drawn.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    Console(highlight=False).print(drawn)


def _csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
    click.echo(out.getvalue(), nl=False)


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return printable(value)
    return json.dumps(_plain(value)) if isinstance(value, Mapping | list | tuple) else value


def _raw(item: Shape | Mapping[str, Any]) -> Mapping[str, Any]:
    return item if isinstance(item, Mapping) else item.raw


def _plain(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _plain(value) for key, value in data.items()}
    return [_plain(value) for value in data] if isinstance(data, list | tuple) else data
