"""The verbs of users, on both databases."""

import json

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from hil.auth.database import DatabaseBackend
from hil.core.errors import (
    BadArgument,
    Blocked,
    Denied,
    Duplicate,
    IllegalState,
    NotFound,
    PreconditionFailed,
    Unauthenticated,
)
from hil.core.model import ANONYMOUS, Actor, Role
from hil.core.secret import Secret
from hil.services.key import key_create
from hil.services.user import (
    user_create,
    user_delete,
    user_get,
    user_list,
    user_password_change,
    user_set_operator,
)
from hil.store.tables import ApiKey, Journal, Membership, User
from hil.store.unit import Store
from tests.auth.people import PASSWORD, bearer, do, join, journal, login, person, projects, queries, see

NEW = Secret("another password")


def test_a_user_is_made_shown_and_deleted_with_all_it_had(store: Store, backend: DatabaseBackend) -> None:
    projects(store, "one", "two")
    made = do(store, user_create, "ann", PASSWORD)
    assert (made.name, made.operator, made.projects) == ("ann", False, {})
    join(store, "ann", "two", Role.READER)
    join(store, "ann", "one", Role.MANAGER)
    shown = see(store, user_get, "ann")
    assert list(shown.projects.items()) == [("one", Role.MANAGER), ("two", Role.READER)]
    assert shown.version > made.version
    do(store, key_create, "ann")
    do(store, user_delete, "ann")
    for table in (User, Membership, ApiKey):
        assert see_all(store, table) == []
    with pytest.raises(NotFound):
        see(store, user_get, "ann")


def see_all(store: Store, table: type) -> list[object]:
    def rows(session: Session) -> list[object]:
        return list(session.scalars(select(table)))

    return store.read(rows)


@pytest.mark.parametrize("name", ["", "a b", "ann:x", "änn", "a/b", "x" * 65, ".", "a\n", "a\0"])
def test_a_user_needs_a_name_that_fits_http_basic(store: Store, name: str) -> None:
    with pytest.raises(BadArgument):
        do(store, user_create, name, PASSWORD)


def test_two_users_do_not_share_a_name(store: Store) -> None:
    person(store, "ann")
    with pytest.raises(Duplicate):
        do(store, user_create, "ann", NEW)


def test_weak_passwords_are_for_the_original_api_only(store: Store, backend: DatabaseBackend) -> None:
    with pytest.raises(BadArgument):
        do(store, user_create, "ann", Secret("short"))
    do(store, user_create, "ann", Secret("short"), allow_weak=True)
    login(backend, "ann", "short")
    with pytest.raises(BadArgument):
        do(store, user_password_change, "ann", Secret(""))


def test_the_last_operator_stays(store: Store) -> None:
    person(store, "olga", operator=True)
    for verb, rest in ((user_delete, ()), (user_set_operator, (False,))):
        with pytest.raises(Blocked, match="last operator"):
            do(store, verb, "olga", *rest)
    person(store, "otto", operator=True)
    do(store, user_set_operator, "olga", False)
    with pytest.raises(Blocked):
        do(store, user_delete, "otto")
    do(store, user_delete, "olga")


def test_an_operator_may_delete_itself_while_there_is_another(store: Store, backend: DatabaseBackend) -> None:
    person(store, "olga", operator=True)
    person(store, "otto", operator=True)
    do(store, user_delete, "olga", actor=login(backend, "olga"))
    assert [user.name for user in see(store, user_list, limit=10)] == ["otto"]


def test_a_change_that_names_an_old_version_is_refused(store: Store) -> None:
    person(store, "olga", operator=True)
    person(store, "ann")
    seen = see(store, user_get, "ann").version
    changed = do(store, user_set_operator, "ann", True, seen).version
    assert changed != seen
    for verb, rest in ((user_delete, ()), (user_set_operator, (False,))):
        with pytest.raises(PreconditionFailed):
            do(store, verb, "ann", *rest, seen)
    do(store, user_delete, "ann", changed)


@pytest.mark.parametrize("value", [True, False])
def test_nobody_changes_its_own_power(store: Store, backend: DatabaseBackend, value: bool) -> None:
    person(store, "olga", operator=True)
    person(store, "otto", operator=True)
    with pytest.raises(IllegalState):
        do(store, user_set_operator, "olga", value, actor=login(backend, "olga"))


def test_power_is_given_and_taken(store: Store, backend: DatabaseBackend) -> None:
    person(store, "olga", operator=True)
    person(store, "ann")
    assert do(store, user_set_operator, "ann", True).operator
    assert login(backend, "ann").operator
    assert not do(store, user_set_operator, "ann", False).operator
    assert not login(backend, "ann").operator


def test_ones_own_password_takes_the_old_one(store: Store, backend: DatabaseBackend) -> None:
    person(store, "olga", operator=True)
    for name in ("ann", "olga"):
        if name == "ann":
            person(store, name)
        actor = login(backend, name)
        for old in (None, Secret("wrong"), Secret("")):
            with pytest.raises(Denied):
                do(store, user_password_change, name, NEW, old, actor=actor)
        do(store, user_password_change, name, NEW, PASSWORD, actor=actor)
        login(backend, name, NEW)
        with pytest.raises(Unauthenticated):
            login(backend, name, PASSWORD)


def test_an_operator_sets_any_password_without_the_old_one(store: Store, backend: DatabaseBackend) -> None:
    person(store, "olga", operator=True)
    person(store, "ann")
    do(store, user_password_change, "ann", NEW, actor=login(backend, "olga"))
    login(backend, "ann", NEW)


def test_a_key_cannot_change_its_users_password_even_with_the_old_one(store: Store, backend: DatabaseBackend) -> None:
    person(store, "ann")
    actor = backend.authenticate(bearer(do(store, key_create, "ann")[1]))
    with pytest.raises(Denied):
        do(store, user_password_change, "ann", NEW, PASSWORD, actor=actor)


def test_others_do_not_exist_for_a_user_and_only_operators_change_users(store: Store, backend: DatabaseBackend) -> None:
    for name in ("ann", "bob"):
        person(store, name)
    ann = login(backend, "ann")
    assert [user.name for user in see(store, user_list, limit=10, actor=ann)] == ["ann"]
    assert see(store, user_get, "ann", actor=ann).name == "ann"
    words = []
    for name in ("bob", "nobody"):
        with pytest.raises(NotFound) as hidden:
            see(store, user_get, name, actor=ann)
        words.append(hidden.value.message.replace(name, ""))
        with pytest.raises(NotFound):
            do(store, user_password_change, name, NEW, actor=ann)
        for verb, rest in ((user_delete, ()), (user_set_operator, (True,)), (user_create, (PASSWORD,))):
            with pytest.raises(Denied):
                do(store, verb, name, *rest, actor=ann)
    assert words[0] == words[1]
    with pytest.raises(Denied):
        do(store, user_delete, "ann", actor=ann)


@pytest.mark.parametrize("name", ["a\0b", "\0"])
def test_a_name_that_the_database_cannot_take_is_the_callers_fault(store: Store, name: str) -> None:
    with pytest.raises((NotFound, BadArgument)):
        see(store, user_get, name)
    with pytest.raises((NotFound, BadArgument)):
        do(store, user_password_change, name, NEW)


def test_anonymous_callers_see_and_change_nothing(store: Store) -> None:
    person(store, "ann")
    for verb, rest in ((user_get, ("ann",)), (user_list, ())):
        options = {"limit": 10} if verb is user_list else {}
        with pytest.raises(Unauthenticated):
            see(store, verb, *rest, actor=ANONYMOUS, **options)
    for verb, rest in ((user_delete, ("ann",)), (user_password_change, ("ann", NEW)), (user_create, ("x", NEW))):
        with pytest.raises(Unauthenticated):
            do(store, verb, *rest, actor=ANONYMOUS)


def test_a_scoped_key_does_not_see_its_users_other_projects(store: Store, backend: DatabaseBackend) -> None:
    projects(store, "one", "two")
    person(store, "ann", one=Role.MEMBER, two=Role.MEMBER)
    actor = backend.authenticate(bearer(do(store, key_create, "ann", project="one")[1]))
    assert see(store, user_get, "ann", actor=actor).projects == {"one": Role.MEMBER}


def test_users_are_listed_in_pages_with_two_queries_however_many_they_are(store: Store) -> None:
    projects(store, "one", "two")
    for number in range(7):
        person(store, f"user{number}", one=Role.MEMBER, two=Role.READER)
    first = see(store, user_list, limit=4)
    rest = see(store, user_list, after=first[-1].name, limit=100)
    assert [user.name for user in first + rest] == [f"user{number}" for number in range(7)]
    assert all(user.projects == {"one": Role.MEMBER, "two": Role.READER} for user in first + rest)
    assert len(queries(store, lambda: see(store, user_list, limit=1))) == 2
    assert len(queries(store, lambda: see(store, user_list, limit=100))) == 2


def test_every_change_is_in_the_journal_and_no_secret_is(store: Store) -> None:
    projects(store, "one")
    person(store, "olga", operator=True)
    person(store, "ann", one=Role.MEMBER)
    _, token = do(store, key_create, "ann", description="for tests")
    do(store, user_set_operator, "ann", True)
    do(store, user_password_change, "ann", NEW)
    stored = see_all(store, User)
    do(store, user_delete, "ann")
    lines = [line for line in journal(store) if line.name == "ann" and line.kind == "user"]
    assert [(line.action, line.before, line.after) for line in lines] == [
        ("user_create", None, {"operator": False}),
        ("user_set_operator", {"operator": False}, {"operator": True}),
        ("user_password_change", None, None),
        ("user_delete", {"operator": True, "projects": {"one": "member"}}, None),
    ]
    assert {line.actor for line in lines} == {"root"}
    text = json.dumps([[getattr(line, column.key) for column in Journal.__table__.columns] for line in journal(store)])
    secrets = [PASSWORD.reveal(), NEW.reveal(), token.reveal(), token.reveal()[-64:]]
    hashes = [user.password_hash for user in stored if isinstance(user, User) and user.password_hash]
    assert len(hashes) == 2
    assert [secret for secret in secrets + hashes if secret in text] == []


def test_a_refused_change_leaves_no_line(store: Store) -> None:
    person(store, "olga", operator=True)
    before = len(journal(store))
    for actor in (Actor("ann", user_id=99), ANONYMOUS):
        with pytest.raises((Denied, Unauthenticated)):
            do(store, user_delete, "olga", actor=actor)
    assert len(journal(store)) == before
