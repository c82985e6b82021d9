"""What is asked of a database, statement by statement: lists must cost a constant number of queries."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import Engine, event

from hil.store.question import Question
from hil.store.unit import Store


@contextmanager
def asked(store: Store) -> Iterator[list[str]]:
    """Collect what this store asks of its database while the block lasts, but for the frame of a transaction."""
    found: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if not statement.startswith(("BEGIN", "SET")):
            found.append(statement)

    put = Question._put

    def straight(self: Question, engine: Engine, cursor: Any, given: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        found.append(str(self._statement))
        return put(self, engine, cursor, given)

    engines = {store.engine, store.reading}  # one and the same on SQLite
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        with patch.object(Question, "_put", straight):
            yield found
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)
