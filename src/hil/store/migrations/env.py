"""What Alembic runs for each command: every revision in the transaction that `hil.store.migrate` has opened.

It reads no configuration file and opens no connection of its own.
"""

from alembic import context

from hil.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot alter a table: Alembic copies it
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
