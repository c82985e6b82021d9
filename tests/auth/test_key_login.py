"""Log-in with an API key, on both databases: what it may, and when it ends."""

from typing import Any

import pytest
from sqlalchemy import update

from hil.auth.credentials import Credentials
from hil.auth.database import DatabaseBackend
from hil.core.errors import RateLimited, Unauthenticated
from hil.core.model import Actor, Role
from hil.core.secret import Secret
from hil.services.key import key_create, key_revoke
from hil.services.membership import member_remove, member_set
from hil.services.project import project_delete, project_update
from hil.services.user import user_delete, user_set_operator
from hil.store import tokens
from hil.store.tables import User
from hil.store.unit import Store
from tests.auth.conftest import OpenBackend
from tests.auth.people import PASSWORD, basic, bearer, do, login, person, projects
from tests.support.databases import OpenStore


def make(store: Store, user: str, **scope: Any) -> Secret:
    return do(store, key_create, user, **scope)[1]


def enter(backend: DatabaseBackend, token: Secret) -> Actor:
    return backend.authenticate(bearer(token))


def refused(backend: DatabaseBackend, credentials: Credentials) -> None:
    with pytest.raises(Unauthenticated):
        backend.authenticate(credentials)


def test_a_key_is_accepted_in_every_place_that_a_client_can_put_it(store: Store, backend: DatabaseBackend) -> None:
    person(store, "ann")
    view, token = do(store, key_create, "ann")
    places = [
        bearer(token),
        Credentials.of({"x-auth-token": token.reveal()}, ""),
        basic("ann", token),
        basic("key", token),
    ]
    for credentials in places:
        actor = backend.authenticate(credentials)
        assert (actor.name, actor.via) == ("ann", f"key:{view.id}")


def test_a_key_under_the_name_of_another_user_is_refused(store: Store, backend: DatabaseBackend) -> None:
    person(store, "ann")
    person(store, "bob")
    token = make(store, "ann")
    for name in ("bob", "nobody", ""):
        refused(backend, basic(name, token))


def test_a_key_with_another_secret_or_id_is_refused(store: Store, backend: DatabaseBackend) -> None:
    person(store, "ann")
    _, public_id, secret = make(store, "ann").reveal().split("_")
    _, other_id, other_secret = make(store, "ann").reveal().split("_")
    refused(backend, bearer(f"hil_{public_id}_{other_secret}"))
    refused(backend, bearer(f"hil_{other_id}_{secret}"))
    refused(backend, bearer(f"hil_{'0' * 16}_{secret}"))
    refused(backend, bearer(f"hil_{public_id}_{secret[:-1]}"))
    refused(backend, bearer(""))
    refused(backend, bearer("gAAAAAB-some-keystone-token"))


def test_an_unlimited_key_has_all_that_its_user_has_at_the_time_but_no_power(
    store: Store, backend: DatabaseBackend
) -> None:
    one, two = projects(store, "one", "two")
    person(store, "olga", operator=True, one=Role.MANAGER)
    token = make(store, "olga")
    assert enter(backend, token).roles == {one: Role.MANAGER}
    person(store, "ann")
    do(store, member_set, "one", "olga", Role.READER)
    actor = enter(backend, token)
    assert (actor.roles, actor.operator) == ({one: Role.READER}, False)
    assert two not in actor.roles


def test_a_scoped_key_has_one_project_and_at_most_its_role(store: Store, backend: DatabaseBackend) -> None:
    one, two = projects(store, "one", "two")
    person(store, "ann", one=Role.MANAGER, two=Role.MEMBER)
    assert enter(backend, make(store, "ann", project="one")).roles == {one: Role.MANAGER}
    reader = make(store, "ann", project="one", role=Role.READER)
    assert enter(backend, reader).roles == {one: Role.READER}
    everywhere = make(store, "ann", role=Role.MEMBER)
    assert enter(backend, everywhere).roles == {one: Role.MEMBER, two: Role.MEMBER}


def test_a_key_loses_what_its_user_loses(store: Store, backend: DatabaseBackend) -> None:
    (one,) = projects(store, "one")
    person(store, "ann", one=Role.MANAGER)
    token = make(store, "ann", project="one", role=Role.MEMBER)
    do(store, project_update, "one", enabled=False)
    assert enter(backend, token).roles == {one: Role.READER}
    do(store, project_update, "one", enabled=True)
    do(store, member_set, "one", "ann", Role.READER)
    assert enter(backend, token).roles == {one: Role.READER}
    do(store, member_remove, "one", "ann")
    assert enter(backend, token).roles == {}
    do(store, project_delete, "one")
    refused(backend, bearer(token))


def test_only_a_key_with_operator_scope_has_its_users_power_and_only_while_he_has_it(
    store: Store, backend: DatabaseBackend
) -> None:
    person(store, "olga", operator=True)
    person(store, "otto", operator=True)
    token = make(store, "olga", operator=True)
    assert enter(backend, token).operator
    assert not enter(backend, make(store, "olga")).operator
    do(store, user_set_operator, "olga", False)
    refused(backend, bearer(token))
    do(store, user_set_operator, "olga", True)
    refused(backend, bearer(token))  # power that was taken away does not come back with an old key


def test_power_that_was_taken_in_the_database_is_gone_from_the_key_too(store: Store, backend: DatabaseBackend) -> None:
    person(store, "olga", operator=True)
    token = make(store, "olga", operator=True)
    store.change(lambda unit: unit.session.execute(update(User).values(operator=False)))
    assert not enter(backend, token).operator


def test_a_revoked_key_and_those_of_a_deleted_user_end_at_once_in_every_process(
    database_url: str, open_store: OpenStore, open_backend: OpenBackend
) -> None:
    here, elsewhere = open_store(database_url), open_backend(open_store(database_url))
    person(here, "ann")
    view, token = do(here, key_create, "ann")
    other = make(here, "ann")
    enter(elsewhere, token)
    enter(elsewhere, other)
    do(here, key_revoke, view.id)
    refused(elsewhere, bearer(token))
    enter(elsewhere, other)
    do(here, user_delete, "ann")
    refused(elsewhere, bearer(other))


def test_a_key_expires_to_the_second(database_url: str, open_store: OpenStore, open_backend: OpenBackend) -> None:
    now = [1_000_000.0]
    store = open_store(database_url, clock=lambda: now[0])
    backend = open_backend(store)
    person(store, "ann")
    token = make(store, "ann", expires_at=now[0] + 60)
    now[0] += 59.9
    enter(backend, token)
    now[0] += 0.1
    refused(backend, bearer(token))


def test_failures_with_a_key_are_limited_and_the_right_key_never_is(store: Store, open_backend: OpenBackend) -> None:
    person(store, "ann")
    token = make(store, "ann")
    wrong = f"{token.reveal()[:-64]}{'0' * 64}"
    backend = open_backend(store, user_burst=2, user_pause=100_000)
    for _ in range(2):
        refused(backend, bearer(wrong))
    with pytest.raises(RateLimited):
        backend.authenticate(bearer(wrong))
    backend.authenticate(bearer(token))
    login(backend, "ann", PASSWORD)


def test_a_revoked_key_that_somebody_forgot_does_not_shut_its_host_out(store: Store, open_backend: OpenBackend) -> None:
    person(store, "ann")
    backend = open_backend(store, user_burst=2, user_pause=100_000, remote_burst=5, remote_pause=100_000)
    forgotten = tokens.make()[1]
    for _ in range(2):
        refused(backend, bearer(forgotten))
    for _ in range(20):
        with pytest.raises(RateLimited):
            backend.authenticate(bearer(forgotten))
    login(backend, "ann")
