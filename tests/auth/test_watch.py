"""What is remembered of the accounts on PostgreSQL is let go everywhere before a change of them is answered."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text

from hil.auth.database import DatabaseBackend
from hil.core.errors import Unauthenticated
from hil.core.model import Role
from hil.services import key, membership, network, node, project, user
from hil.store.unit import Store
from hil.store.watch import ERA, IDLE, LOCKS, TRUST, Watch
from tests.auth.conftest import OpenBackend
from tests.auth.people import PASSWORD, basic, do, join, login, person, projects
from tests.support.databases import OpenStore

pytestmark = pytest.mark.net  # looks until a thread of ours, or PostgreSQL, is where it must be
DEADLINE = 30.0


def until(fact: Callable[[], Any]) -> None:
    end = time.monotonic() + DEADLINE
    while not fact():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.002)


def vouched(backend: DatabaseBackend) -> None:
    """Wait until this backend may remember."""
    watch = backend._accounts._watch
    assert watch is not None
    until(lambda: watch.era is not None)


@contextmanager
def questions(backend: DatabaseBackend) -> Iterator[list[str]]:
    """What the backend asks of the database while the block lasts."""
    found: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        found.append(statement)

    event.listen(backend._accounts._engine, "before_cursor_execute", note)
    yield found
    event.remove(backend._accounts._engine, "before_cursor_execute", note)


def era(store: Store) -> int:
    query = text("SELECT value FROM setting WHERE name = :name")
    return int(store.read(lambda session: session.scalar(query, {"name": ERA})) or 0)


@contextmanager
def holding(store: Store, url: str, of: int) -> Iterator[psycopg.Connection[Any]]:
    """Hold the lock of an era, as a process does that believes what it read in it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", [LOCKS, of])
        yield connection


def waiting(store: Store) -> bool:
    query = text("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = :class AND NOT granted")
    return store.read(lambda session: session.scalar(query, {"class": LOCKS})) is not None


def test_a_remembered_log_in_asks_the_database_nothing(postgres_store: Store, open_backend: OpenBackend) -> None:
    projects(postgres_store, "one")
    person(postgres_store, "ann", one=Role.MEMBER)
    backend = open_backend(postgres_store)
    login(backend, "ann")
    vouched(backend)
    login(backend, "ann")
    with questions(backend) as found:
        assert login(backend, "ann").name == "ann"
    assert found == []


def test_what_is_revoked_is_refused_by_a_process_that_remembered_it(
    postgres_url: str, open_store: OpenStore, open_backend: OpenBackend
) -> None:
    here, elsewhere = open_store(postgres_url), open_backend(open_store(postgres_url))
    person(here, "ann")
    for _ in range(30):
        view, token = do(here, key.key_create, "ann")
        credentials = basic("ann", token)
        vouched(elsewhere)
        assert elsewhere.authenticate(credentials).name == "ann"
        do(here, key.key_revoke, view.id)
        with pytest.raises(Unauthenticated):
            elsewhere.authenticate(credentials)


def test_a_change_of_an_account_waits_for_each_process_that_still_believes(
    postgres_url: str, postgres_store: Store
) -> None:
    person(postgres_store, "ann")
    with holding(postgres_store, postgres_url, era(postgres_store)) as other, ThreadPoolExecutor(1) as threads:
        change: Future[Any] = threads.submit(do, postgres_store, user.user_set_operator, "ann", True)
        until(lambda: waiting(postgres_store))
        assert not change.done()
        other.execute("SELECT pg_advisory_unlock_all()")
        change.result(DEADLINE)


def test_who_reads_in_the_new_era_is_not_waited_for(postgres_url: str, postgres_store: Store) -> None:
    person(postgres_store, "ann")
    with holding(postgres_store, postgres_url, era(postgres_store) + 1):
        do(postgres_store, user.user_set_operator, "ann", True)


def test_a_process_that_is_not_heard_of_stops_believing_before_its_lock_can_be_lost(postgres_store: Store) -> None:
    now = [1000.0]
    watch = Watch(postgres_store.engine, clock=lambda: now[0])
    try:
        until(lambda: watch.era is not None)
        watch._stop.set()  # its thread says nothing more; what it said last still stands
        now[0] += TRUST
        assert watch.era is None
        assert TRUST < IDLE
    finally:
        watch.close()


def test_nothing_is_believed_while_the_database_is_away(postgres_store: Store, open_backend: OpenBackend) -> None:
    person(postgres_store, "ann")
    backend = open_backend(postgres_store)
    vouched(backend)
    watch = backend._accounts._watch
    assert watch is not None
    before = watch.era
    kill = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hil accounts'")
    postgres_store.read(lambda session: session.execute(kill))
    until(lambda: watch.era != before)
    login(backend, "ann")  # whoever is asked meanwhile asks the database
    vouched(backend)
    assert watch.era != before


CHANGES: dict[str, Callable[[Store], Any]] = {
    "user": lambda store: do(store, user.user_create, "bob", PASSWORD),
    "password": lambda store: do(store, user.user_password_change, "ann", PASSWORD),
    "operator": lambda store: do(store, user.user_set_operator, "ann", True),
    "user deleted": lambda store: do(store, user.user_delete, "ann"),
    "key": lambda store: do(store, key.key_create, "ann"),
    "member": lambda store: join(store, "ann", "two", Role.READER),
    "role": lambda store: do(store, membership.member_set, "one", "ann", Role.READER),
    "member removed": lambda store: do(store, membership.member_remove, "one", "ann"),
    "project disabled": lambda store: do(store, project.project_update, "one", enabled=False),
    "project deleted": lambda store: do(store, project.project_delete, "two"),
}
OTHERS: dict[str, Callable[[Store], Any]] = {
    "project": lambda store: do(store, project.project_create, "three"),
    "node": lambda store: do(store, node.node_register, "n0", {}, {}),
    "allocation": lambda store: do(store, node.node_allocate, "one", "n1"),
    "network": lambda store: do(store, network.network_create, "net", owner="one", net_id="700"),
}


@pytest.mark.parametrize("change", [*CHANGES, *OTHERS])
def test_an_era_ends_with_each_change_of_an_account_and_with_nothing_else(postgres_store: Store, change: str) -> None:
    projects(postgres_store, "one", "two")
    person(postgres_store, "ann", one=Role.MEMBER)
    do(postgres_store, node.node_register, "n1", {}, {})
    before = era(postgres_store)
    (CHANGES | OTHERS)[change](postgres_store)
    assert (era(postgres_store) > before) is (change in CHANGES)
