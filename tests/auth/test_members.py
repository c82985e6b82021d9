"""The verbs of membership, on both databases."""

from collections.abc import Callable
from typing import Any

import pytest

from hil.auth.database import DatabaseBackend
from hil.core.errors import Denied, Duplicate, NotFound
from hil.core.model import Role
from hil.services.membership import MemberView, member_add, member_list, member_remove, member_set
from hil.services.project import project_update
from hil.store.unit import Store
from tests.auth.people import do, journal, login, person, projects, queries, see


def test_members_come_change_and_go(store: Store) -> None:
    projects(store, "one")
    for name in ("ann", "bob"):
        person(store, name)
    assert do(store, member_add, "one", "bob", Role.READER) == MemberView("bob", Role.READER)
    do(store, member_add, "one", "ann", Role.MEMBER)
    do(store, member_set, "one", "bob", Role.MANAGER)
    listed = see(store, member_list, "one", limit=10)
    assert listed == [MemberView("ann", Role.MEMBER), MemberView("bob", Role.MANAGER)]
    do(store, member_remove, "one", "ann")
    assert see(store, member_list, "one", limit=10) == listed[1:]


def test_a_member_is_added_once_and_who_is_none_cannot_change(store: Store) -> None:
    projects(store, "one", "two")
    person(store, "ann", one=Role.READER)
    with pytest.raises(Duplicate):
        do(store, member_add, "one", "ann", Role.MANAGER)
    for verb, rest in ((member_set, (Role.READER,)), (member_remove, ())):
        for project, user in (("two", "ann"), ("one", "nobody"), ("none", "ann")):
            with pytest.raises(NotFound):
                do(store, verb, project, user, *rest)
    for project, user in (("one", "nobody"), ("none", "ann")):
        with pytest.raises(NotFound):
            do(store, member_add, project, user, Role.READER)


CHANGES: list[tuple[Callable[..., Any], str, tuple[Role, ...]]] = [
    (member_add, "bob", (Role.READER,)),
    (member_set, "ann", (Role.MANAGER,)),
    (member_remove, "ann", ()),
]


@pytest.mark.parametrize(("verb", "whom", "rest"), CHANGES)
@pytest.mark.parametrize(
    ("role", "refusal"), [(Role.MANAGER, None), (Role.MEMBER, Denied), (Role.READER, Denied), (None, NotFound)]
)
def test_managers_decide_and_nobody_else(
    store: Store,
    backend: DatabaseBackend,
    verb: Callable[..., Any],
    whom: str,
    rest: tuple[Role, ...],
    role: Role | None,
    refusal: type[Exception] | None,
) -> None:
    projects(store, "one", "other")
    person(store, "ann", one=Role.MEMBER)
    person(store, "bob")
    person(store, "max", other=Role.MANAGER)
    if role is not None:
        do(store, member_add, "one", "max", role)
    actor = login(backend, "max")
    if refusal is None:
        do(store, verb, "one", whom, *rest, actor=actor)
    else:
        with pytest.raises(refusal):
            do(store, verb, "one", whom, *rest, actor=actor)


def test_who_may_not_change_members_learns_nothing_of_users(store: Store, backend: DatabaseBackend) -> None:
    projects(store, "one")
    person(store, "ann", one=Role.MEMBER)
    person(store, "bob")
    words = set()
    for name in ("bob", "nobody"):
        with pytest.raises(Denied) as refusal:
            do(store, member_add, "one", name, Role.READER, actor=login(backend, "ann"))
        words.add(refusal.value.message)
    assert len(words) == 1


def test_in_a_disabled_project_only_operators_change_members(store: Store, backend: DatabaseBackend) -> None:
    projects(store, "one")
    person(store, "max", one=Role.MANAGER)
    person(store, "ann")
    do(store, project_update, "one", enabled=False)
    with pytest.raises(Denied):
        do(store, member_add, "one", "ann", Role.READER, actor=login(backend, "max"))
    do(store, member_add, "one", "ann", Role.READER)


def test_readers_see_the_members_and_strangers_do_not_know_of_the_project(
    store: Store, backend: DatabaseBackend
) -> None:
    projects(store, "one")
    person(store, "ann", one=Role.READER)
    person(store, "bob")
    assert see(store, member_list, "one", limit=10, actor=login(backend, "ann")) == [MemberView("ann", Role.READER)]
    with pytest.raises(NotFound):
        see(store, member_list, "one", limit=10, actor=login(backend, "bob"))


def test_members_are_listed_in_pages_with_two_queries_however_many_they_are(store: Store) -> None:
    projects(store, "one")
    for number in range(6):
        person(store, f"user{number}", one=Role.MEMBER)
    first = see(store, member_list, "one", limit=4)
    rest = see(store, member_list, "one", after=first[-1].user, limit=100)
    assert [member.user for member in first + rest] == [f"user{number}" for number in range(6)]
    for limit in (1, 100):
        assert len(queries(store, lambda limit=limit: see(store, member_list, "one", limit=limit))) == 2


def test_changes_of_members_are_events_of_the_project(store: Store) -> None:
    (one,) = projects(store, "one")
    person(store, "ann", one=Role.MEMBER)
    do(store, member_set, "one", "ann", Role.READER)
    do(store, member_remove, "one", "ann")
    lines = [line for line in journal(store) if line.action.startswith("member_")]
    member, reader = ({"user": "ann", "role": role} for role in ("member", "reader"))
    assert [(line.action, line.before, line.after) for line in lines] == [
        ("member_add", None, member),
        ("member_set", member, reader),
        ("member_remove", reader, None),
    ]
    assert {(line.kind, line.name, line.project_id) for line in lines} == {("project", "one", one)}
