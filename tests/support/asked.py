"""What is asked of a database, statement by statement: lists must cost a constant number of queries."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from hil.store.unit import Store


@contextmanager
def asked(store: Store) -> Iterator[list[str]]:
    """Collect what this store asks of its database while the block lasts, but for the frame of a transaction."""
    found: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if not statement.startswith(("BEGIN", "SET")):
            found.append(statement)

    engines = {store.engine, store.reading}  # one and the same on SQLite
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)
