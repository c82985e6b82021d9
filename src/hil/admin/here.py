"""The installation that a command of `hil-admin` works on: its configuration, its place, its database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from hil.config import Config, load
from hil.core.errors import BadArgument
from hil.process import compose
from hil.process.place import Place, place
from hil.services.context import Context
from hil.store.unit import Store

T = TypeVar("T")
NAME: Final = "hil-admin"


class Here:
    """What `--config` and `--state` mean. Nothing is read before a command asks."""

    def __init__(self, config: Path | None, state: Path | None) -> None:
        self._config, self._state = config, state

    @cached_property
    def config(self) -> Config:
        return load(self._config)

    @cached_property
    def place(self) -> Place:
        return place(self.config, self._state)

    @contextmanager
    def database(self) -> Iterator[Store]:
        """Open the database, whatever state it is in. Raises BadArgument if it is an SQLite file that is not there."""
        file = self.place.file
        if file is not None and not file.exists():
            raise BadArgument(f"There is no database {file}: make it with `hil serve` or `{NAME} db upgrade`.")
        self.place.owned()
        with closing(compose.open_store(self.config, self.place)) as store:
            yield store

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the database of an installation that could serve."""
        with self.database() as store:
            compose.usable(store)
            yield store

    def change(self, work: Callable[[Context], T]) -> T:
        with self.store() as store:
            return compose.local(store, NAME, work)

    def read(self, work: Callable[[Context], T]) -> T:
        with self.store() as store:
            return compose.local_read(store, NAME, work)


def as_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, sort_keys=True))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns for people."""
    lines = [tuple(head), *map(tuple, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        click.echo("  ".join(f"{word:<{width}}" for word, width in zip(line, widths, strict=True)).rstrip())
