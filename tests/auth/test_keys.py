"""The verbs of API keys, on both databases. What a key may once it logs in is in test_key_login.py."""

from dataclasses import replace
from typing import Any

import pytest

from hil.auth.database import DatabaseBackend
from hil.core.errors import BadArgument, Denied, NotFound, QuotaExceeded, Unauthenticated
from hil.core.model import ANONYMOUS, Actor, Role
from hil.core.secret import Secret
from hil.services import key as keys
from hil.services.key import KeyView, key_create, key_list, key_revoke
from hil.services.user import user_set_operator
from hil.store.unit import Store
from tests.auth.people import bearer, do, journal, login, person, projects, queries, see

LATER = 4e9
"""A time that tests will not reach."""


def enter(backend: DatabaseBackend, token: Secret) -> Actor:
    return backend.authenticate(bearer(token))


def made_with(store: Store, backend: DatabaseBackend, user: str, **scope: Any) -> Actor:
    """Log in with a fresh key of this scope."""
    return enter(backend, do(store, key_create, user, **scope)[1])


def test_a_key_is_made_listed_and_revoked(store: Store, backend: DatabaseBackend) -> None:
    projects(store, "one")
    person(store, "ann", one=Role.MEMBER)
    ann = login(backend, "ann")
    scope = {"project": "one", "role": Role.READER, "expires_at": LATER, "description": "nightly check"}
    view, token = do(store, key_create, "ann", actor=ann, **scope)
    assert view == KeyView(view.id, "ann", "one", Role.READER, False, "nightly check", view.created_at, LATER)
    assert token.reveal().startswith(f"hil_{view.id}_")
    assert see(store, key_list, "ann", limit=10, actor=ann) == [view]
    do(store, key_revoke, view.id, actor=ann)
    assert see(store, key_list, "ann", limit=10, actor=ann) == []
    with pytest.raises(NotFound):
        do(store, key_revoke, view.id, actor=ann)


def test_a_key_cannot_have_what_its_user_has_not(store: Store, backend: DatabaseBackend) -> None:
    projects(store, "one", "two")
    person(store, "ann", one=Role.MEMBER)
    person(store, "olga", operator=True)
    ann, olga = login(backend, "ann"), login(backend, "olga")
    do(store, key_create, "ann", project="one", role=Role.MEMBER, actor=ann)
    with pytest.raises(Denied):
        do(store, key_create, "ann", project="one", role=Role.MANAGER, actor=ann)
    with pytest.raises(NotFound):  # a project that ann may not know of
        do(store, key_create, "ann", project="two", actor=ann)
    with pytest.raises(Denied):
        do(store, key_create, "ann", project="two", actor=olga)
    with pytest.raises(Denied):
        do(store, key_create, "olga", project="one", actor=olga)


def test_only_operators_make_keys_with_power_and_only_unlimited_ones_for_operators(
    store: Store, backend: DatabaseBackend
) -> None:
    projects(store, "one")
    person(store, "ann", one=Role.MEMBER)
    person(store, "olga", operator=True, one=Role.MEMBER)
    ann, olga = login(backend, "ann"), login(backend, "olga")
    for user, actor in (("ann", ann), ("ann", olga)):
        with pytest.raises(Denied):
            do(store, key_create, user, operator=True, actor=actor)
    for limit in ({"project": "one"}, {"role": Role.READER}):
        with pytest.raises(BadArgument):
            do(store, key_create, "olga", operator=True, actor=olga, **limit)
    assert do(store, key_create, "olga", operator=True, actor=olga)[0].operator


@pytest.mark.parametrize(
    "wrong", [{"expires_at": 1.0}, {"description": "x" * 256}, {"description": "two\nlines"}, {"description": "\0"}]
)
def test_what_makes_no_sense_is_refused(store: Store, wrong: dict[str, Any]) -> None:
    person(store, "ann")
    with pytest.raises(BadArgument):
        do(store, key_create, "ann", **wrong)


def test_a_user_has_only_so_many_keys(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST", 2)
    for name in ("ann", "bob"):
        person(store, name)
    for _ in range(2):
        view, _ = do(store, key_create, "ann")
    with pytest.raises(QuotaExceeded):
        do(store, key_create, "ann")
    do(store, key_create, "bob")
    do(store, key_revoke, view.id)
    do(store, key_create, "ann")


def test_the_keys_of_others_do_not_exist(store: Store, backend: DatabaseBackend) -> None:
    for name in ("ann", "bob"):
        person(store, name)
    view, _ = do(store, key_create, "ann")
    bob = login(backend, "bob")
    words = []
    for public_id in (view.id, "0" * 16):
        with pytest.raises(NotFound) as hidden:
            do(store, key_revoke, public_id, actor=bob)
        words.append(hidden.value.message.replace(public_id, ""))
    assert words[0] == words[1]
    for name in ("ann", "nobody"):
        with pytest.raises(NotFound):
            do(store, key_create, name, actor=bob)
        with pytest.raises(NotFound):
            see(store, key_list, name, limit=10, actor=bob)
    assert len(see(store, key_list, "ann", limit=10)) == 1


def test_an_operator_makes_and_revokes_the_keys_of_anybody(store: Store, backend: DatabaseBackend) -> None:
    person(store, "ann")
    person(store, "olga", operator=True)
    olga = login(backend, "olga")
    view, token = do(store, key_create, "ann", actor=olga)
    assert enter(backend, token).name == "ann"
    do(store, key_revoke, view.id, actor=olga)


def test_anonymous_callers_neither_make_nor_see_nor_revoke(store: Store) -> None:
    person(store, "ann")
    view, _ = do(store, key_create, "ann")
    for verb, what in ((key_create, "ann"), (key_revoke, view.id)):
        with pytest.raises(Unauthenticated):
            do(store, verb, what, actor=ANONYMOUS)
    with pytest.raises(Unauthenticated):
        see(store, key_list, "ann", limit=10, actor=ANONYMOUS)


LIMITED: dict[str, Any] = {"project": "one", "role": Role.MEMBER, "expires_at": LATER}


@pytest.mark.parametrize(
    "more",
    [{"project": "two"}, {"role": Role.MANAGER}, {"expires_at": LATER + 1}, {"operator": True}],
    ids=["project", "role", "expiry", "power"],
)
def test_a_key_cannot_make_a_key_with_more_than_it_has(
    store: Store, backend: DatabaseBackend, more: dict[str, Any]
) -> None:
    projects(store, "one", "two")
    person(store, "olga", operator=True, one=Role.MANAGER, two=Role.MANAGER)
    actor = made_with(store, backend, "olga", **LIMITED)
    with pytest.raises((Denied, NotFound, BadArgument)):
        do(store, key_create, "olga", actor=actor, **more)


def test_a_key_is_held_to_its_own_limits_even_if_its_actor_claims_more(store: Store, backend: DatabaseBackend) -> None:
    one, two = projects(store, "one", "two")
    person(store, "olga", operator=True, one=Role.MANAGER, two=Role.MANAGER)
    scoped = replace(made_with(store, backend, "olga", **LIMITED), roles={one: Role.MANAGER, two: Role.MANAGER})
    with pytest.raises(Denied):
        do(store, key_create, "olga", project="two", actor=scoped)
    powerless = replace(made_with(store, backend, "olga"), operator=True)
    with pytest.raises(Denied):
        do(store, key_create, "olga", operator=True, actor=powerless)


def test_who_logged_in_before_becoming_an_operator_makes_no_key_with_power(
    store: Store, backend: DatabaseBackend
) -> None:
    person(store, "olga")
    before = login(backend, "olga")
    do(store, user_set_operator, "olga", True)
    with pytest.raises(Denied):
        do(store, key_create, "olga", operator=True, actor=before)


def test_limits_that_a_new_key_leaves_open_are_those_of_the_key_that_asks(
    store: Store, backend: DatabaseBackend
) -> None:
    (one,) = projects(store, "one")
    person(store, "ann", one=Role.MANAGER)
    actor = made_with(store, backend, "ann", **LIMITED)
    view, token = do(store, key_create, "ann", actor=actor)
    assert (view.project, view.role, view.expires_at) == ("one", Role.MEMBER, LATER)
    assert enter(backend, token).roles == {one: Role.MEMBER}
    less, _ = do(store, key_create, "ann", role=Role.READER, expires_at=LATER - 1, actor=actor)
    assert (less.role, less.expires_at) == (Role.READER, LATER - 1)


def test_a_key_without_power_of_an_operator_gives_no_role_that_it_has_not(
    store: Store, backend: DatabaseBackend
) -> None:
    projects(store, "one", "two")
    person(store, "olga", operator=True, one=Role.READER)
    actor = made_with(store, backend, "olga")
    with pytest.raises(Denied):
        do(store, key_create, "olga", project="one", role=Role.MEMBER, actor=actor)
    with pytest.raises(NotFound):
        do(store, key_create, "olga", project="two", actor=actor)
    with pytest.raises(Denied):
        do(store, key_create, "olga", operator=True, actor=actor)
    with pytest.raises(NotFound):
        do(store, key_create, "ann", actor=actor)


def test_revoking_a_key_takes_along_what_was_made_with_it(store: Store, backend: DatabaseBackend) -> None:
    projects(store, "one")
    person(store, "ann", one=Role.MEMBER)
    view, token = do(store, key_create, "ann", project="one")
    child = do(store, key_create, "ann", actor=enter(backend, token))[1]
    grandchild = do(store, key_create, "ann", actor=enter(backend, child))[1]
    apart = do(store, key_create, "ann")[1]
    do(store, key_revoke, view.id)
    for dead in (token, child, grandchild):
        with pytest.raises(Unauthenticated):
            enter(backend, dead)
    enter(backend, apart)


def test_a_limited_key_sees_and_revokes_itself_and_its_own_only(store: Store, backend: DatabaseBackend) -> None:
    projects(store, "one", "two")
    person(store, "ann", one=Role.MEMBER, two=Role.MEMBER)
    apart, _ = do(store, key_create, "ann", project="two", description="a secret plan")
    view, token = do(store, key_create, "ann", project="one")
    actor = enter(backend, token)
    child, _ = do(store, key_create, "ann", actor=actor)
    assert {key.id for key in see(store, key_list, "ann", limit=10, actor=actor)} == {view.id, child.id}
    with pytest.raises(NotFound):
        do(store, key_revoke, apart.id, actor=actor)
    do(store, key_revoke, child.id, actor=actor)
    do(store, key_revoke, view.id, actor=actor)
    with pytest.raises(Unauthenticated):
        do(store, key_create, "ann", actor=actor)


def test_an_unlimited_key_manages_its_users_keys(store: Store, backend: DatabaseBackend) -> None:
    person(store, "ann")
    apart, _ = do(store, key_create, "ann")
    actor = made_with(store, backend, "ann")
    assert len(see(store, key_list, "ann", limit=10, actor=actor)) == 2
    do(store, key_revoke, apart.id, actor=actor)


def test_power_that_ends_takes_its_keys_along_and_leaves_the_others(store: Store) -> None:
    person(store, "olga", operator=True)
    person(store, "otto", operator=True)
    do(store, key_create, "olga", operator=True)
    plain, _ = do(store, key_create, "olga")
    do(store, user_set_operator, "olga", False)
    assert [key.id for key in see(store, key_list, "olga", limit=10)] == [plain.id]


def test_keys_are_listed_in_pages_with_two_queries_however_many_they_are(store: Store) -> None:
    projects(store, "one")
    person(store, "ann", one=Role.MEMBER)
    made = sorted(do(store, key_create, "ann", project="one")[0].id for _ in range(5))
    first = see(store, key_list, "ann", limit=3)
    rest = see(store, key_list, "ann", after=first[-1].id, limit=100)
    assert [key.id for key in first + rest] == made
    for limit in (1, 100):
        assert len(queries(store, lambda limit=limit: see(store, key_list, "ann", limit=limit))) == 2


def test_making_and_revoking_are_in_the_journal(store: Store, backend: DatabaseBackend) -> None:
    projects(store, "one")
    person(store, "ann", one=Role.MEMBER)
    view, _ = do(
        store, key_create, "ann", project="one", role=Role.READER, description="d", actor=login(backend, "ann")
    )
    do(store, key_revoke, view.id)
    facts = {"user": "ann", "project": "one", "role": "reader", "operator": False, "description": "d"}
    facts["expires_at"] = None
    lines = [line for line in journal(store) if line.kind == "key"]
    assert [(line.action, line.actor, line.name, line.before, line.after) for line in lines] == [
        ("key_create", "ann", view.id, None, facts),
        ("key_revoke", "root", view.id, facts, None),
    ]
