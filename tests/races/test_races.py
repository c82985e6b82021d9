"""What two requests at the same instant may do to each other: in either order, the right one is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Select, func, select

from hil.core.errors import Blocked, Duplicate, Exhausted, HilError, IllegalState, Pending, ProjectMismatch
from hil.core.model import Observed
from hil.services import attach, network, nic, node, pool, port, project, switch
from hil.services.context import Context
from hil.services.select import Selector
from hil.store.claims import Outcome, claim, settle
from hil.store.journal import Source, verify
from hil.store.lanes import lane_take
from hil.store.tables import Attachment, Lane, Node, Port, Vlan
from tests.races.arena import Arena, Work

pytestmark = pytest.mark.net  # polls PostgreSQL until the second transaction waits


def one_of(ended: tuple[HilError | None, HilError | None], *refusal: type[HilError]) -> None:
    """The first was committed, the second refused, in one of these ways."""
    first, second = ended
    assert first is None
    assert isinstance(second, refusal), second


def count(arena: Arena, query: Select[Any]) -> int:
    return arena.store.read(lambda session: session.scalar(query)) or 0


def allocate(project_name: str, name: str) -> Work:
    return lambda ctx: node.node_allocate(ctx, project_name, name)


def connect(name: str, net: str) -> Work:
    return lambda ctx: attach.node_connect_network(ctx, name, "e0", net)


def create(name: str, **more: Any) -> Work:
    return lambda ctx: network.network_create(ctx, name, owner=more.pop("owner", None), **more)


def test_two_networks_never_get_one_vlan(arena: Arena) -> None:
    arena.do(lambda ctx: pool.pool_set(ctx, frozenset({100, 101, 102, 103, 104})))
    assert arena.meet(create("a", owner="red"), create("b", owner="blue")) == (None, None)
    assert count(arena, select(func.count(Vlan.network_id))) == 5


def test_the_last_vlan_goes_to_one_of_two(arena: Arena) -> None:
    one_of(arena.meet(create("a", owner="red"), create("b", owner="blue")), Exhausted)


def test_one_asserted_id_goes_to_one_of_two(arena: Arena) -> None:
    one_of(arena.meet(create("a", net_id="900"), create("b", net_id="900")), Blocked)


def test_one_node_goes_to_one_of_two_projects(arena: Arena) -> None:
    one_of(arena.meet(allocate("red", "n0"), allocate("blue", "n0")), Blocked)


def test_a_quota_is_not_overrun_by_two_at_once(arena: Arena) -> None:
    arena.do(lambda ctx: project.project_update(ctx, "red", quotas={"nodes": 1, "networks": 1}))
    first, second = arena.meet(allocate("red", "n0"), allocate("red", "n1"))
    assert first is None
    assert second is not None
    assert second.type == "quota-exceeded"


def test_askers_by_selector_get_all_or_nothing(arena: Arena) -> None:
    chosen = Selector.parse("rack=r1")

    def two(owner: str) -> Work:
        return lambda ctx: node.nodes_allocate(ctx, owner, chosen, 2)

    one_of(arena.meet(two("red"), two("blue")), Exhausted)
    owned = select(func.count()).where(Node.project_id.is_not(None))
    assert count(arena, owned) == 2


def test_a_channel_of_a_nic_is_used_once(arena: Arena) -> None:
    arena.do(allocate("red", "n0"))
    one_of(arena.meet(connect("n0", "red-net"), connect("n0", "open")), Blocked)
    assert count(arena, select(func.count()).select_from(Attachment)) == 1


@pytest.mark.parametrize(
    "release",
    [
        lambda ctx: node.node_release(ctx, "n0"),
        lambda ctx: node.node_free(ctx, "red", "n0"),
        lambda ctx: node.node_quarantine(ctx, "n0", "forced"),
    ],
)
def test_a_connect_and_a_release_never_both_have_their_way(arena: Arena, release: Work) -> None:
    arena.do(allocate("red", "n0"))
    one_of(arena.meet(release, connect("n0", "red-net")), IllegalState, ProjectMismatch)
    assert count(arena, select(func.count()).select_from(Attachment)) == 0


def test_a_release_after_a_connect_takes_it_back(arena: Arena) -> None:
    arena.do(allocate("red", "n0"))
    assert arena.meet(connect("n0", "red-net"), lambda ctx: node.node_release(ctx, "n0")) == (None, None)
    assert count(arena, select(func.count()).where(Attachment.state == "detaching")) == 1


def test_a_plain_release_after_a_connect_is_refused(arena: Arena) -> None:
    arena.do(allocate("red", "n0"))
    one_of(arena.meet(connect("n0", "red-net"), lambda ctx: node.node_free(ctx, "red", "n0")), Blocked, Pending)


def guest(arena: Arena) -> None:
    arena.do(lambda ctx: network.network_grant(ctx, "blue-net", "red"))
    arena.do(allocate("red", "n0"))


def revoke(ctx: Context) -> None:
    network.network_revoke(ctx, "blue-net", "red")


def test_a_connect_that_meets_a_revoke_is_refused(arena: Arena) -> None:
    guest(arena)
    one_of(arena.meet(revoke, connect("n0", "blue-net")), ProjectMismatch)


def test_a_revoke_that_meets_a_connect_is_refused(arena: Arena) -> None:
    guest(arena)
    one_of(arena.meet(connect("n0", "blue-net"), revoke), Blocked)


def test_a_connect_that_meets_the_end_of_its_network_is_refused(arena: Arena) -> None:
    arena.do(allocate("red", "n0"))
    first, second = arena.meet(lambda ctx: network.network_delete(ctx, "red-net"), connect("n0", "red-net"))
    assert first is None
    assert second is not None
    assert second.status in (404, 409)


def test_the_end_of_a_network_that_meets_a_connect_is_refused(arena: Arena) -> None:
    arena.do(allocate("red", "n0"))
    one_of(arena.meet(connect("n0", "red-net"), lambda ctx: network.network_delete(ctx, "red-net")), Blocked)


def close(ctx: Context) -> None:
    network.network_set_public(ctx, "open", public=False)


def test_a_connect_that_meets_the_closing_of_a_public_network_is_refused(arena: Arena) -> None:
    arena.do(allocate("red", "n0"))
    one_of(arena.meet(close, connect("n0", "open")), ProjectMismatch)


def test_the_closing_of_a_public_network_that_meets_a_connect_is_refused(arena: Arena) -> None:
    arena.do(allocate("red", "n0"))
    one_of(arena.meet(connect("n0", "open"), close), Blocked)


def shrink(ctx: Context) -> None:
    pool.pool_set(ctx, frozenset({100, 101, 102}))


def test_an_id_that_leaves_the_pool_is_given_to_nobody(arena: Arena) -> None:
    one_of(arena.meet(shrink, create("a", owner="red")), Exhausted)


def test_a_pool_does_not_lose_an_id_that_was_just_given(arena: Arena) -> None:
    one_of(arena.meet(create("a", owner="red"), shrink), Blocked)


def parking(ctx: Context) -> None:
    config = {"address": "127.0.0.1:9", "username": "u", "password": "p", "nativeless": "parked", "parked": 103}
    switch.switch_register(ctx, "parking", "emulated", config)


def test_a_vlan_that_a_switch_takes_for_itself_is_given_to_nobody(arena: Arena) -> None:
    one_of(arena.meet(parking, create("a", net_id="103")), Blocked)


def test_a_switch_does_not_take_a_vlan_that_was_just_given(arena: Arena) -> None:
    one_of(arena.meet(create("a", net_id="103"), parking), Blocked)


@pytest.mark.parametrize(
    "make",
    [
        lambda ctx: project.project_create(ctx, "new"),
        lambda ctx: node.node_register(ctx, "new", {}, {}),
        lambda ctx: nic.nic_register(ctx, "n0", "new", ""),
        lambda ctx: switch.switch_register(ctx, "new", "mock", {"hostname": "h", "username": "u", "password": "p"}),
        lambda ctx: port.port_register(ctx, "s", "gi1/0/9"),
        lambda ctx: network.network_create(ctx, "new", owner=None, net_id="900"),
        lambda ctx: network.network_grant(ctx, "red-net", "blue"),
    ],
    ids=["project", "node", "nic", "switch", "port", "network", "grant"],
)
def test_a_name_is_taken_once(arena: Arena, make: Work) -> None:
    one_of(arena.meet(make, make), Duplicate, Blocked)


def test_a_cable_has_one_end_at_each_side(arena: Arena) -> None:
    arena.do(lambda ctx: nic.nic_register(ctx, "n0", "e1", ""))
    arena.do(lambda ctx: port.port_register(ctx, "s", "gi1/0/8"))
    arena.do(lambda ctx: port.port_register(ctx, "s", "gi1/0/9"))

    def wire(at: str, machine: str, card: str) -> Work:
        return lambda ctx: port.port_connect_nic(ctx, "s", at, machine, card)

    one_of(arena.meet(wire("gi1/0/8", "n0", "e1"), wire("gi1/0/9", "n0", "e1")), Duplicate)
    arena.do(lambda ctx: nic.nic_register(ctx, "n1", "e1", ""))
    one_of(arena.meet(wire("gi1/0/9", "n1", "e1"), wire("gi1/0/9", "n1", "e1")), Duplicate)


def test_a_project_does_not_end_while_it_gets_a_node(arena: Arena) -> None:
    arena.do(lambda ctx: project.project_create(ctx, "short"))
    end: Work = lambda ctx: project.project_delete(ctx, "short")  # noqa: E731 as a value it is passed twice
    one_of(arena.meet(allocate("short", "n0"), end), Blocked)
    arena.do(lambda ctx: node.node_free(ctx, "short", "n0"))
    first, second = arena.meet(end, allocate("short", "n0"))
    assert first is None
    assert second is not None
    assert second.status in (404, 409)


def worker(arena: Arena) -> tuple[Any, Source]:
    identity = arena.store.read(lambda session: session.scalar(select(Lane.switch_id)))
    hold = lane_take(arena.store, identity, "w")
    assert hold is not None
    return hold, Source("w")


def test_a_claim_sees_a_wish_whole_or_not_at_all(arena: Arena) -> None:
    arena.do(allocate("red", "n0"))
    hold, source = worker(arena)
    seen: list[Any] = []
    arena.meet(connect("n0", "red-net"), lambda ctx: seen.extend(claim(ctx.unit, hold, source)))
    assert seen == [], "the wish was not committed yet"
    arena.meet(lambda ctx: node.node_release(ctx, "n0"), lambda ctx: seen.extend(claim(ctx.unit, hold, source)))
    assert [(entry.generation, entry.want.native) for entry in seen] == [(3, None)]


def test_a_settlement_leaves_a_newer_wish_pending(arena: Arena) -> None:
    arena.do(allocate("red", "n0"))
    hold, source = worker(arena)
    arena.do(connect("n0", "red-net"))
    batch = arena.store.change(lambda unit: claim(unit, hold, source))
    done = [Outcome(entry, Observed(entry.want)) for entry in batch]
    first, second = arena.meet(
        lambda ctx: node.node_release(ctx, "n0"), lambda ctx: settle(ctx.unit, hold, done, source)
    )
    assert (first, second) == (None, None)
    found = arena.store.read(lambda session: session.scalars(select(Port).where(Port.id == batch[0].port_id)).one())
    assert (found.applied, found.wanted) == (2, 3)
    assert count(arena, select(func.count()).where(Attachment.state == "detaching")) == 1
    assert not arena.store.read(lambda session: verify(session, arena.store.keys.sealing)).fault


def test_a_node_is_not_quarantined_and_freed_at_once(arena: Arena) -> None:
    arena.do(allocate("red", "n0"))
    first, second = arena.meet(
        lambda ctx: node.node_quarantine(ctx, "n0", "forced"), lambda ctx: node.node_free(ctx, "red", "n0")
    )
    assert first is None
    assert second is not None
    assert count(arena, select(func.count()).where(Node.state == "quarantined")) == 1


def no_locks(query: Select[Any], **options: Any) -> Select[Any]:
    return query


LOCKED_RACES: list[Callable[[Arena], None]] = [
    test_one_node_goes_to_one_of_two_projects,
    test_a_quota_is_not_overrun_by_two_at_once,
    test_a_revoke_that_meets_a_connect_is_refused,
    test_a_connect_that_meets_the_closing_of_a_public_network_is_refused,
    test_an_id_that_leaves_the_pool_is_given_to_nobody,
]


@pytest.mark.parametrize("race", LOCKED_RACES, ids=lambda race: race.__name__)
def test_without_row_locks_this_race_is_lost(
    arena: Arena, race: Callable[[Arena], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Select, "with_for_update", no_locks)
    with pytest.raises(AssertionError):
        race(arena)
