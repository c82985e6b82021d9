"""Write the next migration from what differs between the tables and what the migrations make.

    .venv/bin/python tools/revision.py "nodes have a location"    a new revision, to be read and completed by hand
    .venv/bin/python tools/revision.py --first                    before the first release: 0001 anew, from the tables

Alembic sees tables, columns and indexes; check constraints, and what to do with rows that exist, are left to you.
"""

import re
import subprocess
import sys

from alembic import command
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from hil.store import migrate
from hil.store.tables import Base

FIRST = migrate.HERE / "versions" / "v0001_first.py"


def write_first() -> None:
    """Replace what follows `def make_tables` in the first revision."""
    with create_engine("sqlite://").connect() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": Base.metadata})
        operations = produce_migrations(context, Base.metadata).upgrade_ops
    assert operations is not None
    lines = [line for line in render_python_code(operations).splitlines() if not line.lstrip().startswith("#")]
    head = FIRST.read_text().partition("def make_tables() -> None:\n")
    FIRST.write_text(f"{head[0]}{head[1]}    " + "\n".join(lines).strip().replace(", unique=False)", ")") + "\n")
    subprocess.run(["ruff", "format", "--quiet", FIRST], check=True)


def write_next(message: str) -> None:
    migrate.upgrade(engine := create_engine("sqlite://"))
    settings = migrate.configuration()
    settings.set_main_option("file_template", "v%%(rev)s_%%(slug)s")
    number = f"{int(migrate.revisions()[-1]) + 1:04}"
    with engine.connect() as connection:
        settings.attributes["connection"] = connection
        command.revision(settings, message, autogenerate=True, rev_id=number)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not re.search(r"\w", sys.argv[1]):
        sys.exit(__doc__)
    write_first() if sys.argv[1] == "--first" else write_next(sys.argv[1])
