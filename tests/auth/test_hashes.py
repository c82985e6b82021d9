"""Hashes of passwords over time: old ones are renewed at a log-in, and an unknown name costs what a known one does."""

import argon2
import pytest

from hil.auth.database import DatabaseBackend
from hil.core.errors import Unavailable
from hil.core.secret import Secret
from hil.services.user import user_password_change
from hil.store.passwords import Passwords
from hil.store.unit import Store
from tests.auth.conftest import OpenBackend
from tests.auth.people import NEW, PASSWORD, Counting, do, journal, login, person, refused, set_hash, stored_hash
from tests.support.databases import OpenStore

IMPORTED = (
    "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/"
    "y3RnOaw5v."
)

IMPORTED_PASSWORD = Secret("Hello world!")


def test_an_imported_hash_is_replaced_at_the_first_log_in(store: Store, backend: DatabaseBackend) -> None:
    person(store, "ann")
    set_hash(store, "ann", IMPORTED)
    refused(backend, "ann", PASSWORD)
    assert stored_hash(store, "ann") == IMPORTED
    login(backend, "ann", IMPORTED_PASSWORD)
    renewed = stored_hash(store, "ann")
    assert renewed is not None
    assert renewed.startswith("$argon2id$")
    login(backend, "ann", IMPORTED_PASSWORD)
    assert stored_hash(store, "ann") == renewed
    line = journal(store)[-1]
    assert (line.action, line.actor, line.name, line.remote) == ("user_password_rehash", "ann", "ann", "192.0.2.1")


def test_a_hash_with_old_parameters_is_replaced_at_the_first_log_in(
    database_url: str, open_store: OpenStore, open_backend: OpenBackend
) -> None:
    person(open_store(database_url), "ann")
    store = open_store(database_url, passwords=Passwords(time_cost=2, memory_kib=16))
    login(open_backend(store), "ann")
    assert argon2.extract_parameters(stored_hash(store, "ann") or "").time_cost == 2


def test_a_renewed_hash_is_remembered_at_once(
    database_url: str, open_store: OpenStore, open_backend: OpenBackend
) -> None:
    counting = Counting()
    store = open_store(database_url, passwords=counting)
    backend = open_backend(store)
    person(store, "ann")
    set_hash(store, "ann", IMPORTED)
    login(backend, "ann", IMPORTED_PASSWORD)
    login(backend, "ann", IMPORTED_PASSWORD)
    assert counting.verified == [IMPORTED]


def test_a_log_in_never_puts_back_a_password_that_was_changed_meanwhile(
    database_url: str, open_store: OpenStore, open_backend: OpenBackend
) -> None:
    other = open_store(database_url)

    class Slow(Counting):
        """While the new hash is computed, somebody else changes the password."""

        def hash(self, password: Secret) -> str:
            if self.verified:
                do(other, user_password_change, "ann", NEW)
            return super().hash(password)

    store = open_store(database_url, passwords=Slow())
    backend = open_backend(store)
    person(store, "ann")
    set_hash(store, "ann", IMPORTED)
    login(backend, "ann", IMPORTED_PASSWORD)
    refused(backend, "ann", IMPORTED_PASSWORD)
    login(backend, "ann", NEW)


def test_a_log_in_succeeds_even_if_its_hash_cannot_be_renewed(
    store: Store, backend: DatabaseBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    person(store, "ann")
    set_hash(store, "ann", IMPORTED)

    def broken(work: object) -> None:
        raise Unavailable("no", detail="the disk is full")

    monkeypatch.setattr(store, "change", broken)
    assert login(backend, "ann", IMPORTED_PASSWORD).name == "ann"
    assert "the disk is full" in caplog.text


def shape(stored: str) -> str:
    """What a verification costs: everything of a hash but salt and digest."""
    return stored.rsplit("$", 2)[0]


@pytest.mark.parametrize("hashes", [["argon2"], [IMPORTED], ["argon2", IMPORTED]], ids=["new", "imported", "mixed"])
def test_an_unknown_user_costs_one_hash_of_a_kind_that_a_user_has(
    store: Store, open_store: OpenStore, database_url: str, open_backend: OpenBackend, hashes: list[str]
) -> None:
    old = Passwords(time_cost=3, memory_kib=32)
    for number, kind in enumerate(hashes):
        person(store, f"ann{number}")
        set_hash(store, f"ann{number}", old.hash(PASSWORD) if kind == "argon2" else kind)
    kinds = {shape(stored_hash(store, f"ann{number}") or "") for number in range(len(hashes))}
    counting = Counting()
    backend = open_backend(open_store(database_url, passwords=counting))
    for number in range(20):
        refused(backend, f"nobody{number}", "wrong")
    assert len(counting.verified) == 20
    assert {shape(stored) for stored in counting.verified} == kinds


def test_an_unknown_name_pretends_the_same_kind_each_time_and_in_each_process(
    store: Store, open_store: OpenStore, database_url: str, open_backend: OpenBackend
) -> None:
    for number in range(2):
        person(store, f"ann{number}")
    set_hash(store, "ann0", IMPORTED)
    seen = []
    for _ in range(2):
        counting = Counting()
        backend = open_backend(open_store(database_url, passwords=counting))
        for number in range(40):  # all of one kind by chance: once in 2**39 runs
            refused(backend, f"nobody{number}", "wrong")
        seen.append([shape(stored) for stored in counting.verified])
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == 2
