"""Questions that are asked so often that putting them together costs more than answering them.

A `Question` is one statement that is compiled once for each kind of database. Of a session that only reads and whose
statements stand alone (`Store.read` on PostgreSQL) it is put to the driver as it stands, on a connection of the same
pool: a third of the processor time. Anywhere else, and whenever that goes wrong, it takes the ordinary way, which
sees what the transaction has changed and knows what each error means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import CompoundSelect, Engine, Select
from sqlalchemy.orm import Session

STRAIGHT: Final = "straight"
"""In `Session.info`: the engine to which questions may be put without the session."""


class Question:
    """A statement with named parameters; its columns must be of types that the driver answers as they are wanted."""

    def __init__(self, statement: Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]]) -> None:
        self._statement: Final = statement
        self._text: dict[str, tuple[str, Mapping[str, Any]]] = {}

    def ask(self, session: Session, **parameters: Any) -> Sequence[Sequence[Any]]:
        """All rows, in the statement's order. Raises what `Session.execute` raises."""
        engine: Engine | None = session.info.get(STRAIGHT)
        if engine is not None:
            connection = engine.raw_connection()
            try:
                return self._put(engine, connection.cursor(), parameters)
            except engine.dialect.loaded_dbapi.Error as error:
                connection.invalidate(error)
            finally:
                connection.close()
        return session.execute(self._statement, parameters).all()

    def _put(self, engine: Engine, cursor: Any, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        kind = engine.dialect.name
        if kind not in self._text:
            compiled = self._statement.compile(dialect=engine.dialect)
            self._text[kind] = str(compiled), compiled.params
        text, given = self._text[kind]
        cursor.execute(text, {**given, **parameters})
        rows: Sequence[Sequence[Any]] = cursor.fetchall()
        cursor.close()
        return rows
