"""A database's schema as the database itself tells it, so that two can be compared word by word."""

from typing import Any

from sqlalchemy import Engine, text

COLUMNS = """
    SELECT table_name, column_name, data_type, character_maximum_length, numeric_precision, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public'
"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
SQLITE = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"


def schema(engine: Engine) -> set[Any]:
    """Every column, constraint and index, without Alembic's own table."""
    queries = [SQLITE] if engine.dialect.name == "sqlite" else [COLUMNS, CONSTRAINTS, INDEXES]
    with engine.connect() as connection:
        rows = [tuple(row) for query in queries for row in connection.execute(text(query))]
    return {words(row) for row in rows if "alembic_version" not in str(row)}


def words(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Leave out the order in which a table's constraints are written down, each on a line of its own."""
    return tuple(frozenset(lines(part)) if "CREATE TABLE" in str(part) else part for part in row)


def lines(statement: str) -> list[str]:
    return [line.strip().removesuffix(",") for line in statement.splitlines()]
