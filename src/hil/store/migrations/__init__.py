"""The history of the schema, as Alembic revisions in `versions`; `hil.store.migrate` is the only way to run them."""
