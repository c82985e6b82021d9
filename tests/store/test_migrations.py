"""Migrations make exactly what the tables say, run on filled databases, and refuse what is not theirs."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, delete, func, insert, select, text, update

from hil.core.errors import BadArgument, Unavailable
from hil.core.secret import Secret
from hil.store import migrate
from hil.store.engine import open_engine
from hil.store.keys import Keyring
from hil.store.tables import Base, JournalHead, Setting, Vlan
from hil.store.unit import Store
from tests.store import filled
from tests.store.schemas import schema
from tests.support.databases import KEYS, Cluster, OpenStore

OTHER_KEYS = Keyring([Secret("b3RoZXJfb3RoZXJfb3RoZXJfb3RoZXJfb3RoZXJfMTI=")])


@pytest.fixture
def empty_engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Engine]]:
    """Two empty databases of one kind."""
    kind = request.param
    if kind == "sqlite":
        place = tmp_path_factory.mktemp("empty")
        engines = [open_engine(f"sqlite:///{place}/{number}.db") for number in range(2)]
        yield engines
        for engine in engines:
            engine.dispose()
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    names = [cluster.create() for _ in range(2)]
    engines = [open_engine(cluster.url(name)) for name in names]
    for engine in engines:
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    yield engines
    for name, engine in zip(names, engines, strict=True):
        engine.dispose()
        cluster.drop(name)


both = pytest.mark.parametrize("empty_engines", ["sqlite", "postgresql"], indirect=True)
pytestmark = pytest.mark.net  # PostgreSQL listens on a socket in a directory


@both
def test_the_migrations_make_exactly_the_tables(empty_engines: list[Engine]) -> None:
    migrated, created = empty_engines
    migrate.upgrade(migrated)
    Base.metadata.create_all(created)
    assert schema(migrated) == schema(created)
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


@both
def test_a_new_database_has_every_vlan_and_an_empty_journal(empty_engines: list[Engine]) -> None:
    migrate.upgrade(empty_engines[0])
    with empty_engines[0].connect() as connection:
        assert list(connection.scalars(select(Vlan.id).order_by(Vlan.id))) == list(range(1, 4095))
        assert connection.scalar(select(func.count()).where(Vlan.pool | (Vlan.reserved != 0))) == 0
        assert connection.execute(select(JournalHead.id, JournalHead.seq, JournalHead.seal)).all() == [(1, 0, "")]


@both
def test_every_migration_runs_on_a_filled_database(empty_engines: list[Engine]) -> None:
    engine = empty_engines[0]
    before: dict[str, list[Any]] = {}
    for revision in migrate.revisions():
        migrate.upgrade(engine, revision)
        after = filled.contents(engine)
        assert {name for name, rows in before.items() if name in after and len(after[name]) < len(rows)} == set()
        filled.fill(engine)
        before = filled.contents(engine)
        assert all(before.values()), "a table that nothing fills proves nothing"
    assert migrate.check(engine, KEYS) == []


@both
def test_a_second_upgrade_changes_nothing(empty_engines: list[Engine]) -> None:
    engine = empty_engines[0]
    migrate.upgrade(engine)
    filled.fill(engine)
    before = schema(engine), filled.contents(engine)
    migrate.upgrade(engine)
    assert (schema(engine), filled.contents(engine)) == before


@both
def test_two_upgrades_at_the_same_moment_wait_for_each_other(empty_engines: list[Engine]) -> None:
    engine = empty_engines[0]
    failures: list[BaseException] = []
    together = threading.Barrier(2)

    def run() -> None:
        try:
            together.wait()
            migrate.upgrade(engine)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert migrate.check(engine, KEYS) == []


@both
def test_a_migration_that_fails_leaves_nothing_behind(
    empty_engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = empty_engines[0]
    command = migrate.command.upgrade

    def then_break(*arguments: object) -> None:
        command(*arguments)  # type: ignore[arg-type]  # it is handed on as it came
        raise RuntimeError("the power is gone")

    monkeypatch.setattr(migrate.command, "upgrade", then_break)
    with pytest.raises(RuntimeError):
        migrate.upgrade(engine)
    assert schema(engine) == set()
    monkeypatch.undo()
    migrate.upgrade(engine)
    assert migrate.check(engine, KEYS) == []


@both
def test_a_database_of_a_newer_hil_is_refused_and_left_alone(empty_engines: list[Engine]) -> None:
    engine = empty_engines[0]
    migrate.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'feed'"))
    before = schema(engine)
    with pytest.raises(BadArgument, match="revision feed, which this version of HIL does not know: run the newer"):
        migrate.upgrade(engine)
    assert schema(engine) == before
    assert "newer HIL" in migrate.check(engine)[0]


@both
def test_a_database_of_something_else_is_refused_and_left_alone(empty_engines: list[Engine]) -> None:
    engine = empty_engines[0]
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE invoices (id INTEGER)"))
    before = schema(engine)
    with pytest.raises(BadArgument, match="not HIL's: it has a table 'invoices'"):
        migrate.upgrade(engine)
    assert schema(engine) == before


@both
def test_an_empty_database_is_not_current(empty_engines: list[Engine]) -> None:
    assert migrate.check(empty_engines[0]) == ["The database is empty: run `hil-admin db upgrade`."]


def test_check_finds_nothing_wrong_with_a_fresh_installation(store: Store) -> None:
    migrate.claim_keys(store)
    migrate.claim_keys(store)
    assert migrate.check(store.engine, KEYS) == []


def test_check_misses_the_journals_head(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.execute(delete(JournalHead))
    assert migrate.check(store.engine, KEYS) == ["The journal's head is missing: restore the database from a backup."]


def test_keys_of_another_installation_are_told_apart(store: Store, open_store: OpenStore) -> None:
    migrate.claim_keys(store)
    assert "give HIL the key file that belongs to it" in migrate.check(store.engine, OTHER_KEYS)[0]
    store.keys = OTHER_KEYS
    with pytest.raises(BadArgument, match="oldest key is not the one"):
        migrate.claim_keys(store)
    with store.engine.connect() as connection:
        assert connection.scalar(select(Setting.value)) == KEYS.check


def test_check_wants_commits_that_survive_a_power_cut(postgres_store: Store) -> None:
    assert migrate.check(postgres_store.engine) == []
    name = postgres_store.engine.url.database
    with postgres_store.engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    postgres_store.engine.dispose()
    (fault,) = migrate.check(postgres_store.engine)
    assert fault == "PostgreSQL's synchronous_commit is off: set it to on for HIL's database or role."


def test_a_database_that_cannot_be_reached_is_unavailable() -> None:
    engine = open_engine("postgresql://hil@/hil?host=/nonexistent")
    with pytest.raises(Unavailable):
        migrate.check(engine)
    with pytest.raises(Unavailable):
        migrate.upgrade(engine)


def test_a_migration_that_breaks_a_reference_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine("sqlite://")
    migrate.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(insert(Setting).values(name="a", value="b"))

    def break_it(settings: migrate.Config, _revision: str) -> None:
        connection = settings.attributes["connection"]
        connection.execute(text("INSERT INTO node_label (node_id, key, value) VALUES (17, 'a', 'b')"))
        connection.execute(update(Setting).values(value="c"))

    monkeypatch.setattr(migrate.command, "upgrade", break_it)
    with pytest.raises(Unavailable, match="undone: it would break references"):
        migrate.upgrade(engine)
    with engine.connect() as connection:
        assert connection.scalar(select(Setting.value)) == "b"
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
