"""Races between the verbs of people, forced on PostgreSQL: one transaction is held open while another one comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from hil.auth.database import DatabaseBackend
from hil.core.errors import Blocked, Duplicate, HilError, NotFound, QuotaExceeded
from hil.core.model import Role
from hil.services import key as keys
from hil.services.context import Context
from hil.services.key import key_create, key_list, key_revoke
from hil.services.membership import member_add, member_list, member_set
from hil.services.user import user_create, user_delete, user_list, user_set_operator
from hil.store.journal import Source
from hil.store.tables import User
from hil.store.unit import Store, Unit
from tests.auth.people import PASSWORD, ROOT, bearer, do, person, projects, see

pytestmark = pytest.mark.net


def waits_for_a_lock(store: Store) -> bool:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return bool(store.read(lambda session: session.scalar(query)))


class Race:
    """Run two verbs so that the second comes when the first has done its work and has not committed yet.

    The first is let go once the second waits for a lock, or has ended without waiting.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.outcomes: list[object] = [None, None]
        self.waited = False
        self.runs = 0
        self._done, self._go = threading.Event(), threading.Event()

    def pause(self) -> None:
        """Let the second one come. Passes at once from then on."""
        self._done.set()
        assert self._go.wait(60)

    def run(self, first: Callable[[Context], Any], second: Callable[[Context], Any]) -> list[object]:
        def holding(ctx: Context) -> Any:
            result = first(ctx)
            ctx.session.flush()
            self.pause()
            return result

        threads = [
            threading.Thread(target=self._one, args=(number, verb)) for number, verb in ((0, holding), (1, second))
        ]
        threads[0].start()
        assert self._done.wait(60)
        threads[1].start()
        self._watch(threads[1])
        self._go.set()
        for thread in threads:
            thread.join(60)
        return self.outcomes

    def _watch(self, second: threading.Thread) -> None:
        deadline = time.monotonic() + 60
        while second.is_alive() and not self.waited:
            assert time.monotonic() < deadline
            self.waited = waits_for_a_lock(self.store)
            time.sleep(0.01)

    def _one(self, number: int, verb: Callable[[Context], Any]) -> None:
        def work(unit: Unit) -> Any:
            self.runs += 1
            return verb(Context.changing(unit, ROOT, Source("root")))

        try:
            self.outcomes[number] = self.store.change(work)
        except Exception as error:
            self.outcomes[number] = error
            self._done.set()


def kinds(outcomes: list[object]) -> list[type | None]:
    """Reduce outcomes to what was refused; an error that nobody planned is raised."""
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, HilError):
            raise outcome
    return [type(outcome) if isinstance(outcome, HilError) else None for outcome in outcomes]


def remove(name: str) -> Callable[[Context], Any]:
    return lambda ctx: user_delete(ctx, name)


def demote(name: str) -> Callable[[Context], Any]:
    return lambda ctx: user_set_operator(ctx, name, False)


@pytest.mark.parametrize("first", [remove, demote])
@pytest.mark.parametrize("second", [remove, demote])
@pytest.mark.parametrize("names", [("olga", "otto"), ("otto", "olga")])
def test_the_last_two_operators_cannot_remove_each_other(
    postgres_store: Store,
    first: Callable[[str], Callable[[Context], Any]],
    second: Callable[[str], Callable[[Context], Any]],
    names: tuple[str, str],
) -> None:
    for name in names:
        person(postgres_store, name, operator=True)
    race = Race(postgres_store)
    assert kinds(race.run(first(names[0]), second(names[1]))) == [None, Blocked]
    assert race.waited
    assert race.runs == 2, "they took turns; a deadlock would have been run again"
    users = see(postgres_store, user_list, limit=10)
    assert [user.name for user in users if user.operator] == [names[1]]


@pytest.mark.parametrize("names", [("olga", "otto"), ("otto", "olga")])
def test_removals_of_operators_never_wait_for_each_other_crosswise(
    postgres_store: Store, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is held where it has just locked the user that it removes."""
    for name in ("olga", "otto", "third"):
        person(postgres_store, name, operator=True)
    race, look_up = Race(postgres_store), Context.user

    def held(ctx: Context, name: str, *rest: Any) -> User:
        found = look_up(ctx, name, *rest)
        if name == names[0]:
            race.pause()
        return found

    monkeypatch.setattr(Context, "user", held)
    assert kinds(race.run(remove(names[0]), demote(names[1]))) == [None, None]
    assert (race.waited, race.runs) == (True, 2)


def test_two_users_of_one_name_at_once(postgres_store: Store) -> None:
    def make(ctx: Context) -> Any:
        return user_create(ctx, "ann", PASSWORD)

    race = Race(postgres_store)
    assert kinds(race.run(make, make)) == [None, Duplicate]
    assert race.waited


def test_one_user_into_one_project_twice_at_once(postgres_store: Store) -> None:
    projects(postgres_store, "one")
    person(postgres_store, "ann")

    def add(role: Role) -> Callable[[Context], Any]:
        return lambda ctx: member_add(ctx, "one", "ann", role)

    race = Race(postgres_store)
    assert kinds(race.run(add(Role.READER), add(Role.MANAGER))) == [None, Duplicate]
    assert race.waited
    assert [member.role for member in see(postgres_store, member_list, "one", limit=10)] == [Role.READER]


def test_a_user_joins_while_it_is_deleted(postgres_store: Store) -> None:
    projects(postgres_store, "one")
    person(postgres_store, "ann")

    def add(ctx: Context) -> Any:
        return member_add(ctx, "one", "ann", Role.READER)

    race = Race(postgres_store)
    assert kinds(race.run(remove("ann"), add)) == [None, NotFound]
    assert (race.waited, race.runs) == (True, 2)
    person(postgres_store, "ann")
    race = Race(postgres_store)
    assert kinds(race.run(add, remove("ann"))) == [None, None]
    assert (race.waited, race.runs) == (True, 2)
    assert see(postgres_store, member_list, "one", limit=10) == []


def test_two_roles_at_once_the_later_one_holds(postgres_store: Store) -> None:
    projects(postgres_store, "one")
    person(postgres_store, "ann", one=Role.MEMBER)

    def change(role: Role) -> Callable[[Context], Any]:
        return lambda ctx: member_set(ctx, "one", "ann", role)

    race = Race(postgres_store)
    assert kinds(race.run(change(Role.READER), change(Role.MANAGER))) == [None, None]
    assert race.waited
    assert [member.role for member in see(postgres_store, member_list, "one", limit=10)] == [Role.MANAGER]


def test_a_key_is_not_made_with_a_key_that_is_being_revoked(postgres_store: Store) -> None:
    person(postgres_store, "ann")
    view, token = do(postgres_store, key_create, "ann")
    backend = DatabaseBackend({}, postgres_store)
    actor = backend.authenticate(bearer(token))
    backend.close()
    race = Race(postgres_store)
    outcomes = race.run(
        lambda ctx: key_revoke(ctx, view.id),
        lambda ctx: key_create(Context.changing(ctx.unit, actor, ctx.source), "ann"),
    )
    assert race.waited
    assert kinds(outcomes) == [None, Blocked]
    assert see(postgres_store, key_list, "ann", limit=10) == []


def test_a_key_is_revoked_once(postgres_store: Store) -> None:
    person(postgres_store, "ann")
    view, _ = do(postgres_store, key_create, "ann")

    def revoke(ctx: Context) -> None:
        key_revoke(ctx, view.id)

    assert kinds(Race(postgres_store).run(revoke, revoke)) == [None, NotFound]


def test_two_keys_at_once_do_not_pass_the_limit(postgres_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST", 1)
    person(postgres_store, "ann")

    def make(ctx: Context) -> Any:
        return key_create(ctx, "ann")

    race = Race(postgres_store)
    assert kinds(race.run(make, make)) == [None, QuotaExceeded]
    assert race.waited
