"""obmd's database: what is sealed, what only grows, what is refused."""

import threading
from contextlib import suppress

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import create_engine, insert, select, text, update

from hil.core.errors import BadArgument
from hil.core.secret import Secret
from hil.obmd import schema
from hil.obmd.schema import nodes, settings
from hil.obmd.store import EpochBehind, ObmdStore, Pause
from hil.store.keys import Keyring
from tests.support.databases import KEYS

CONFIG = {"address": "bmc-7.example.org:623", "password": "sealed-secret"}


def test_a_node_is_kept_and_forgotten(each_store: ObmdStore) -> None:
    assert each_store.records() == []
    assert each_store.put("n1", "ipmi", CONFIG).epoch == 0
    (found,) = each_store.records()
    assert (found.name, found.driver, found.config, found.epoch, found.enabled) == ("n1", "ipmi", CONFIG, 0, False)
    assert each_store.record("n1") == found
    each_store.delete("n1")
    assert each_store.records() == []
    assert each_store.record("n1") is None
    each_store.delete("never")
    each_store.ping()


def test_nothing_of_a_configuration_can_be_read_in_the_database(each_store: ObmdStore) -> None:
    each_store.put("n1", "ipmi", CONFIG)
    each_store.pause_set("ipmi bmc-7.example.org", Pause(1, 5.0))
    with each_store.engine.connect() as connection:
        rows = [
            [bytes(value) if isinstance(value, memoryview) else value for value in row]
            for table in schema.metadata.sorted_tables
            for row in connection.execute(select(table))
        ]
    assert len(rows) > 2
    assert "bmc-7" not in repr(rows)
    assert "sealed-secret" not in repr(rows)


def test_an_epoch_only_grows(each_store: ObmdStore) -> None:
    each_store.put("n1", "ipmi", CONFIG)
    each_store.raise_epoch("n1", 3, enabled=True)
    each_store.raise_epoch("n1", 3, enabled=True)
    with pytest.raises(EpochBehind) as found:
        each_store.raise_epoch("n1", 2, enabled=False)
    assert found.value.epoch == 3
    each_store.raise_epoch("n1", 3, enabled=False)
    with pytest.raises(EpochBehind):
        each_store.raise_epoch("n1", 3, enabled=True)
    each_store.raise_epoch("n1", 4, enabled=True)
    record = each_store.record("n1")
    assert record is not None
    assert (record.epoch, record.enabled) == (4, True)


def test_an_epoch_outlives_the_registration(each_store: ObmdStore) -> None:
    each_store.put("n1", "ipmi", CONFIG)
    each_store.raise_epoch("n1", 7, enabled=True)
    each_store.delete("n1")
    record = each_store.put("n1", "ipmi", CONFIG)
    assert (record.epoch, record.enabled) == (7, False)


def test_an_epoch_may_come_before_the_registration(each_store: ObmdStore) -> None:
    each_store.raise_epoch("n1", 5, enabled=False)
    assert each_store.records() == []
    assert each_store.put("n1", "ipmi", CONFIG).epoch == 5


def test_a_new_configuration_leaves_the_epoch(each_store: ObmdStore) -> None:
    each_store.put("n1", "ipmi", CONFIG)
    each_store.raise_epoch("n1", 2, enabled=True)
    changed = each_store.put("n1", "redfish", {"address": "other"})
    assert (changed.epoch, changed.enabled, changed.config) == (2, True, {"address": "other"})
    assert each_store.record("n1") == changed


def test_of_epochs_at_the_same_moment_the_highest_stays(each_store: ObmdStore) -> None:
    each_store.put("n1", "ipmi", CONFIG)
    begin = threading.Barrier(8)

    def raise_to(epoch: int) -> None:
        begin.wait()
        with suppress(EpochBehind):
            each_store.raise_epoch("n1", epoch, enabled=True)

    threads = [threading.Thread(target=raise_to, args=(epoch,)) for epoch in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record = each_store.record("n1")
    assert record is not None
    assert record.epoch == 8


def test_refused_log_ins_are_remembered(each_store: ObmdStore) -> None:
    assert each_store.pause("ipmi a") == Pause()
    each_store.pause_set("ipmi a", Pause(1, 10.5))
    each_store.pause_set("ipmi a", Pause(2, 20.5))
    assert each_store.pause("ipmi a") == Pause(2, 20.5)
    assert each_store.pause("ipmi b") == Pause()
    each_store.pause_set("ipmi a", Pause())
    assert each_store.pause("ipmi a") == Pause()


def fresh() -> Secret:
    return Secret(Fernet.generate_key().decode())


def test_keys_are_rotated(obmd_url: str) -> None:
    old, new = fresh(), fresh()
    first = ObmdStore(obmd_url, Keyring([old]))
    first.prepare()
    first.put("n1", "ipmi", CONFIG)
    first.put("n2", "ipmi", CONFIG)
    first.delete("n2")
    second = ObmdStore(obmd_url, Keyring([new, old]))
    second.prepare()
    assert second.rotate() == 1
    with second.engine.connect() as connection:
        sealed = connection.scalar(select(nodes.c.sealed).where(nodes.c.name == "n1"))
    assert Keyring([new]).open_up(sealed) == CONFIG
    for store in (first, second):
        store.close()


def test_another_key_is_refused(obmd_url: str) -> None:
    first = ObmdStore(obmd_url, KEYS)
    first.prepare()
    first.prepare()
    other = ObmdStore(obmd_url, Keyring([fresh()]))
    with pytest.raises(BadArgument, match="oldest key is not the one with which obmd's database began"):
        other.prepare()
    for store in (first, other):
        store.close()


def test_a_newer_database_is_refused(each_store: ObmdStore) -> None:
    with each_store.engine.begin() as connection:
        connection.execute(update(settings).where(settings.c.name == schema.VERSION).values(value="99"))
    with pytest.raises(BadArgument, match="version 99, newer than this obmd"):
        each_store.prepare()


def test_a_further_step_runs_once_on_a_filled_database(each_store: ObmdStore) -> None:
    each_store.put("n1", "ipmi", CONFIG)

    def another(connection: object) -> None:
        assert hasattr(connection, "execute")
        connection.execute(text("ALTER TABLE obmd_nodes ADD COLUMN note VARCHAR(10)"))

    for _ in range(2):
        with each_store.engine.begin() as connection:
            schema.upgrade(connection, (*schema.STEPS, another))
            assert schema.version(connection) == len(schema.STEPS) + 1
    assert each_store.record("n1") is not None


def test_a_database_of_somebody_else_is_refused(database_url: str) -> None:
    store = ObmdStore(database_url, KEYS)
    with pytest.raises(BadArgument, match="The database is not obmd's"):
        store.prepare()
    store.close()


def test_the_tables_are_those_of_the_first_step(obmd_url: str) -> None:
    engine = create_engine(obmd_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        schema.upgrade(connection)
        connection.execute(insert(nodes).values(name="n", driver=None, sealed=None, epoch=1, enabled=False))
        assert schema.version(connection) == len(schema.STEPS)
    engine.dispose()


def test_one_process_has_a_postgresql_database(empty_postgres: str) -> None:
    first, second = ObmdStore(empty_postgres, KEYS), ObmdStore(empty_postgres, KEYS)
    with first.alone(), pytest.raises(BadArgument, match="Another obmd runs on this database"), second.alone():
        raise AssertionError("two at once")
    with second.alone():
        pass
    for store in (first, second):
        store.close()
