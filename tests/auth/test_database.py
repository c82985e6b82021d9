"""Log-in with a password, on both databases."""

import base64
import logging
import queue
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, event, text

from hil.auth.credentials import Credentials
from hil.auth.database import DatabaseBackend
from hil.core.errors import HilError, RateLimited, Unauthenticated, Unavailable
from hil.core.model import Role
from hil.core.secret import Secret
from hil.services.membership import member_remove, member_set
from hil.services.project import project_update
from hil.services.user import user_delete, user_password_change, user_set_operator
from hil.store.unit import Store
from tests.auth.conftest import OpenBackend
from tests.auth.people import NEW, PASSWORD, Counting, basic, do, login, person, projects, refused, set_hash
from tests.support.databases import OpenStore


def test_a_user_has_its_roles(store: Store, backend: DatabaseBackend) -> None:
    one, two = projects(store, "one", "two")
    projects(store, "three")
    person(store, "ann", one=Role.MANAGER, two=Role.READER)
    actor = login(backend, "ann")
    assert (actor.name, actor.operator, actor.anonymous, actor.via) == ("ann", False, False, "basic")
    assert actor.roles == {one: Role.MANAGER, two: Role.READER}
    assert actor.user_id is not None


def test_a_user_without_projects_and_an_operator_log_in(store: Store, backend: DatabaseBackend) -> None:
    person(store, "ann")
    person(store, "olga", operator=True)
    assert (login(backend, "ann").operator, login(backend, "ann").roles) == (False, {})
    assert login(backend, "olga").operator


def test_in_a_disabled_project_everybody_is_a_reader(store: Store, backend: DatabaseBackend) -> None:
    one, two = projects(store, "one", "two")
    person(store, "ann", one=Role.MANAGER, two=Role.MEMBER)
    assert login(backend, "ann").roles == {one: Role.MANAGER, two: Role.MEMBER}
    do(store, project_update, "one", enabled=False)
    assert login(backend, "ann").roles == {one: Role.READER, two: Role.MEMBER}


@pytest.mark.parametrize(
    "name", ["nobody", "", "ANN", "ann ", "a\0nn", "ann\0", "x" * 10_000, "ann' OR 1=1 --", "ånn", "%"]
)
def test_unknown_users_are_refused_in_the_same_words_as_wrong_passwords(
    store: Store, backend: DatabaseBackend, name: str
) -> None:
    person(store, "ann")
    assert refused(backend, name) == refused(backend, "ann", "wrong") == refused(backend, "ann", "")


def test_no_credentials_or_half_of_them_are_refused(backend: DatabaseBackend) -> None:
    for credentials in (Credentials(), Credentials(user="ann"), Credentials(password=PASSWORD)):
        with pytest.raises(Unauthenticated):
            backend.authenticate(credentials)


def test_a_user_without_password_cannot_log_in_with_any(store: Store, backend: DatabaseBackend) -> None:
    person(store, "ann")
    set_hash(store, "ann", None)
    for password in ("", "None", PASSWORD):
        refused(backend, "ann", password)


def test_the_reason_of_a_refusal_is_in_the_log_and_the_password_is_not(
    store: Store, backend: DatabaseBackend, caplog: pytest.LogCaptureFixture
) -> None:
    person(store, "ann")
    with caplog.at_level(logging.DEBUG):
        refused(backend, "ann", "hunter2222")
        refused(backend, "eve\nforged: line", "hunter2222")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("hil")]
    assert ["wrong password" in ours[0], "unknown user" in ours[1]] == [True, True]
    assert "hunter2222" not in caplog.text
    assert not any("\n" in line for line in ours)


def test_the_hash_is_paid_once_and_after_a_change_once_more(
    database_url: str, open_store: OpenStore, open_backend: OpenBackend
) -> None:
    counting = Counting()
    store = open_store(database_url, passwords=counting)
    backend = open_backend(store)
    person(store, "ann")
    for _ in range(3):
        login(backend, "ann")
    assert len(counting.verified) == 1
    do(store, user_password_change, "ann", NEW)
    for _ in range(3):
        login(backend, "ann", NEW)
    assert len(counting.verified) == 2


def asked(engine: Engine, statements: list[str]) -> Callable[[], None]:
    """Note what is asked of this engine; answers the way to stop."""

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if not statement.startswith("BEGIN"):
            statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    return lambda: event.remove(engine, "before_cursor_execute", note)


def test_a_log_in_with_a_verified_password_asks_the_database_one_question_at_most(
    store: Store, backend: DatabaseBackend
) -> None:
    projects(store, "one", "two")
    person(store, "ann", one=Role.MEMBER, two=Role.MEMBER)
    login(backend, "ann")
    statements: list[str] = []
    stop = asked(backend._accounts._engine, statements)
    login(backend, "ann")
    stop()
    assert len(statements) <= 1
    assert statements or store.postgres  # there it may be remembered; see test_watch


def test_what_changes_in_one_process_acts_at_once_in_another(
    database_url: str, open_store: OpenStore, open_backend: OpenBackend
) -> None:
    here, there = open_store(database_url), open_store(database_url)
    elsewhere = open_backend(there)
    (one,) = projects(here, "one")
    person(here, "ann", one=Role.MEMBER)
    person(here, "olga", operator=True)
    person(here, "otto", operator=True)
    for name in ("ann", "olga", "otto"):
        login(elsewhere, name)

    do(here, member_set, "one", "ann", Role.READER)
    assert login(elsewhere, "ann").roles == {one: Role.READER}
    do(here, member_remove, "one", "ann")
    assert login(elsewhere, "ann").roles == {}
    do(here, user_set_operator, "otto", False)
    assert not login(elsewhere, "otto").operator
    do(here, user_password_change, "ann", NEW)
    refused(elsewhere, "ann")
    login(elsewhere, "ann", NEW)
    do(here, user_delete, "ann")
    refused(elsewhere, "ann", NEW)


def test_a_user_made_anew_under_an_old_name_is_not_the_old_one(store: Store, backend: DatabaseBackend) -> None:
    (one,) = projects(store, "one")
    person(store, "ann", one=Role.MEMBER)
    assert login(backend, "ann").roles == {one: Role.MEMBER}
    do(store, user_delete, "ann")
    person(store, "ann", password=NEW)
    refused(backend, "ann")
    assert login(backend, "ann", NEW).roles == {}


def test_guessing_is_limited_and_a_known_name_is_limited_as_an_unknown_one(
    store: Store, open_backend: OpenBackend
) -> None:
    person(store, "ann")
    backend = open_backend(store, user_burst=3, user_pause=100_000)
    for name in ("ann", "nobody"):
        for _ in range(3):
            refused(backend, name, "wrong")
        with pytest.raises(RateLimited) as limited:
            login(backend, name, "wrong")
        assert 0 < limited.value.retry_after <= 100_000
    backend.authenticate(basic("ann", PASSWORD, remote="192.0.2.99"))


def test_who_guessed_too_often_does_not_even_learn_that_a_guess_was_right(
    store: Store, open_backend: OpenBackend
) -> None:
    person(store, "ann")
    backend = open_backend(store, user_burst=2, user_pause=100_000)
    login(backend, "ann")
    for _ in range(2):
        refused(backend, "ann", "wrong")
    with pytest.raises(RateLimited):
        login(backend, "ann")


def test_successes_are_never_limited(store: Store, open_backend: OpenBackend) -> None:
    person(store, "ann")
    backend = open_backend(store, user_burst=1, remote_burst=1, user_pause=100_000, remote_pause=100_000, cache_size=1)
    person(store, "bob")
    for _ in range(5):  # the table holds one, so each of these pays for its hash
        login(backend, "ann")
        login(backend, "bob")


def test_a_remote_that_ran_out_of_tries_keeps_those_who_are_logged_in(store: Store, open_backend: OpenBackend) -> None:
    person(store, "ann")
    person(store, "bob")
    backend = open_backend(store, remote_burst=2, remote_pause=100_000)
    login(backend, "ann")
    for number in range(2):
        refused(backend, f"nobody{number}", "wrong")
    with pytest.raises(RateLimited):
        login(backend, "bob")
    login(backend, "ann")


def test_a_flood_of_wrong_passwords_computes_few_hashes_at_once(
    sqlite_url: str, open_store: OpenStore, open_backend: OpenBackend
) -> None:
    inside, finish = threading.Semaphore(0), threading.Event()
    outcomes: queue.SimpleQueue[type[HilError]] = queue.SimpleQueue()

    class Watched(Counting):
        def verify(self, stored: str, password: Secret) -> bool:
            inside.release()
            assert finish.wait(30)
            return super().verify(stored, password)

    backend = open_backend(open_store(sqlite_url, passwords=Watched()), hash_slots=2, hash_queue=1)

    def attack(number: int) -> None:
        try:
            login(backend, f"nobody{number}", "wrong")
        except HilError as refusal:
            outcomes.put(type(refusal))

    threads = [threading.Thread(target=attack, args=(number,)) for number in range(4)]
    for thread in threads[:2]:
        thread.start()
        assert inside.acquire(timeout=30)
    for thread in threads[2:]:  # one of them waits for a slot, the other one is sent away
        thread.start()
    assert outcomes.get(timeout=20) is RateLimited
    finish.set()
    for thread in threads:
        thread.join(30)
    assert [outcomes.get(timeout=1) for _ in range(3)] == [Unauthenticated] * 3


def test_a_database_that_fails_is_no_wrong_password(store: Store, backend: DatabaseBackend) -> None:
    person(store, "ann")
    with store.engine.begin() as connection:
        connection.execute(text("DROP TABLE membership"))
    with pytest.raises(Unavailable):
        login(backend, "ann")


def test_a_log_in_survives_a_restart_of_the_database(postgres_store: Store, open_backend: OpenBackend) -> None:
    backend = open_backend(postgres_store)
    person(postgres_store, "ann")
    login(backend, "ann")
    assert backend._accounts._watch is not None
    backend._accounts._watch.close()  # so that nothing is answered from memory
    kill = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'hil reading'"
    ended = postgres_store.change(lambda unit: unit.session.execute(text(kill)).all())
    assert len(ended) == 1
    assert login(backend, "ann").name == "ann"


@pytest.mark.parametrize("header", [b"ann:p\xc3\xa4ssw\xc3\xb6rd", b"ann:p\xe4ssw\xf6rd"], ids=["utf-8", "latin-1"])
def test_older_libraries_may_send_umlauts_in_latin_1(store: Store, backend: DatabaseBackend, header: bytes) -> None:
    person(store, "ann", password=Secret("pässwörd"))
    value = "Basic " + base64.b64encode(header).decode()
    assert backend.authenticate(Credentials.of({"authorization": value}, "")).name == "ann"
