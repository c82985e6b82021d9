"""The policy is what the table says, and keeps the promises that no table shows."""

from dataclasses import replace

import pytest

from hil.core.model import ANONYMOUS, Actor, Role
from hil.core.policy import Act, Kind, Standing, Verdict, judge
from tests.policy.print_golden import GOLDEN, OPERATOR, ROLES, TENANT, deciding, standings, text

KINDS = pytest.mark.parametrize("kind", list(Kind))


def test_the_policy_is_what_the_table_says() -> None:
    assert text() == GOLDEN.read_text(), (
        "read the difference as a reviewer; then run `python -m tests.policy.print_golden --write`"
    )


def test_every_kind_and_act_is_in_the_table() -> None:
    table = GOLDEN.read_text()
    for kind in Kind:
        (head,) = (line.split() for line in table.splitlines() if line.startswith(f"{kind} "))
        assert head[1:] == [str(act) for act in Act]


@KINDS
def test_nobody_anonymous_may_anything_whatever_it_claims(kind: Kind) -> None:
    pretenders = [ANONYMOUS, replace(ANONYMOUS, operator=True), replace(ANONYMOUS, roles={1: Role.MANAGER}, user_id=1)]
    verdicts = {judge(actor, act, kind, standing) for actor in pretenders for act in Act for standing in standings()}
    assert verdicts == {Verdict.DENY}


@KINDS
def test_an_operator_may_everything(kind: Kind) -> None:
    assert {judge(OPERATOR, act, kind, standing) for act in Act for standing in standings()} == {Verdict.ALLOW}


@KINDS
def test_no_tenant_may_what_is_the_operators(kind: Kind) -> None:
    assert Verdict.ALLOW not in {judge(TENANT, Act.ADMIN, kind, standing) for standing in standings()}


@KINDS
def test_a_higher_role_never_may_less(kind: Kind) -> None:
    order = [Verdict.HIDE, Verdict.DENY, Verdict.ALLOW]
    for standing in standings():
        for part in ("owner", "guest"):
            if part == "owner" and standing.unowned:
                continue
            for act in Act:
                ranks = [order.index(judge(TENANT, act, kind, replace(standing, **{part: role}))) for role in ROLES[1:]]
                assert ranks == sorted(ranks), (kind, act, standing, part)


@KINDS
def test_a_reader_changes_nothing(kind: Kind) -> None:
    """Neither as owner nor as guest. Taking a node is judged on the project."""
    reader = Standing(owner=Role.READER, guest=Role.READER)
    allowed = {act for act in Act if judge(TENANT, act, kind, reader) is Verdict.ALLOW}
    harmless = {Act.LIST, Act.READ}
    if kind is Kind.NODE:
        harmless.add(Act.ALLOCATE)
    if kind is Kind.NETWORK:  # who puts a NIC there is judged on the NIC's node and on the access list
        harmless.add(Act.ATTACH)
    assert allowed <= harmless


@KINDS
def test_what_is_hidden_is_hidden_from_every_act_but_those_for_operators(kind: Kind) -> None:
    """An object that may not be read, and is told apart from an absent one by another act, is no longer hidden."""
    for standing in standings():
        if judge(TENANT, Act.READ, kind, standing) is Verdict.HIDE:
            others = {judge(TENANT, act, kind, standing) for act in Act if act not in (Act.LIST, Act.ADMIN)}
            assert others == {Verdict.HIDE}


@KINDS
def test_an_act_for_operators_does_not_tell_an_object_from_none(kind: Kind) -> None:
    """A look-up judges an absent object by an empty standing; one that the caller may not know of must not differ."""
    absent = judge(TENANT, Act.ADMIN, kind, Standing())
    for standing in standings():
        if judge(TENANT, Act.READ, kind, standing) is Verdict.HIDE:
            assert judge(TENANT, Act.ADMIN, kind, standing) is absent


def test_the_standing_of_an_actor_is_its_best_one() -> None:
    actor = Actor("ann", roles={1: Role.READER, 2: Role.MANAGER, 3: Role.MEMBER})
    assert Standing.of(actor, 1) == Standing(owner=Role.READER)
    assert Standing.of(actor, None, (1, 3, 9)) == Standing(unowned=True, guest=Role.MEMBER)
    assert Standing.of(actor, 9, (9,), public=True) == Standing(public=True)


def test_the_table_leaves_out_only_what_does_not_matter() -> None:
    assert {str(kind): deciding(kind) for kind in Kind} == {
        "project": ["owner"],
        "node": ["owner", "unowned"],
        "network": ["owner", "guest", "public"],
        "switch": [],
        "port": [],
        "user": ["itself"],
        "key": ["itself"],
        "operation": ["owner"],
        "pool": [],
        "journal": ["owner", "public"],
    }
