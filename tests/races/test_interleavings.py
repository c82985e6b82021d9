"""More of what two transactions may do to each other: verbs against workers, and against what moves under them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from hil.core.errors import Blocked, Exhausted, HilError, IdempotencyMismatch, IllegalState, NotFound, Pending
from hil.core.model import NodeState, Observed, OperationStatus
from hil.services import attach, network, nic, node, operation, pool, port, project, switch
from hil.services.context import Context
from hil.services.replay import replay_claim, replay_keep
from hil.services.select import Selector
from hil.store.claims import Claimed, Outcome, claim, settle
from hil.store.journal import Source
from hil.store.lanes import Hold, lane_take
from hil.store.tables import Attachment, Journal, Lane, Network, Node, Port
from hil.worker.release import Releases
from tests.races.arena import Arena, Work

pytestmark = pytest.mark.net  # polls PostgreSQL until the second transaction waits
SOURCE = Source("w")


def refused(ended: tuple[HilError | None, HilError | None], *kinds: type[HilError]) -> None:
    first, second = ended
    assert first is None
    assert isinstance(second, kinds), second


def hold(arena: Arena, owner: str = "w") -> Hold:
    identity = arena.store.read(lambda session: session.scalar(select(Lane.switch_id)))
    taken = lane_take(arena.store, identity or 0, owner)
    assert taken is not None
    return taken


def in_flight(arena: Arena, name: str = "n0", net: str = "red-net") -> tuple[Hold, list[Claimed], str]:
    """A connect of `name` whose batch is claimed and not settled."""
    arena.do(lambda ctx: node.node_allocate(ctx, "red", name))
    identity: str = arena.do(lambda ctx: attach.node_connect_network(ctx, name, "e0", net).id)
    lane = hold(arena)
    batch = arena.store.change(lambda unit: claim(unit, lane, SOURCE))
    assert len(batch) == 1
    return lane, batch, identity


def settling(lane: Hold, batch: list[Claimed]) -> Work:
    done = [Outcome(entry, Observed(entry.want)) for entry in batch]
    return lambda ctx: settle(ctx.unit, lane, done, SOURCE)


def port_of(arena: Arena, port_id: int) -> Port:
    found: Port = arena.store.read(lambda session: session.scalars(select(Port).where(Port.id == port_id)).one())
    return found


def states(arena: Arena) -> list[str]:
    return arena.store.read(lambda session: list(session.scalars(select(Attachment.state))))


# Verbs against workers.


def test_a_connect_that_is_settled_meanwhile_is_not_cancelled(arena: Arena) -> None:
    lane, batch, identity = in_flight(arena)
    cancel: Work = lambda ctx: operation.operation_cancel(ctx, identity)  # noqa: E731 as a value
    refused(arena.meet(settling(lane, batch), cancel), IllegalState)
    assert arena.see(lambda ctx: operation.operation_show(ctx, identity)).status == OperationStatus.DONE
    assert states(arena) == ["attached"]


def test_a_connect_that_is_cancelled_meanwhile_is_not_called_done(arena: Arena) -> None:
    lane, batch, identity = in_flight(arena)
    ended = arena.meet(lambda ctx: operation.operation_cancel(ctx, identity), settling(lane, batch))
    assert ended == (None, None)
    found = port_of(arena, batch[0].port_id)
    assert found.wanted == found.applied + 1, "what was written must be taken back"
    assert arena.see(lambda ctx: operation.operation_show(ctx, identity)).status == OperationStatus.ERROR
    assert states(arena) == []


def test_a_claim_after_a_cancel_takes_the_port_back(arena: Arena) -> None:
    arena.do(lambda ctx: node.node_allocate(ctx, "red", "n0"))
    identity = arena.do(lambda ctx: attach.node_connect_network(ctx, "n0", "e0", "red-net").id)
    lane, seen = hold(arena), []

    def take(ctx: Context) -> None:
        seen[:] = claim(ctx.unit, lane, SOURCE)

    assert arena.meet(lambda ctx: operation.operation_cancel(ctx, identity), take) == (None, None)
    assert [entry.want.vlans for entry in seen] == [frozenset()]


def test_a_quarantine_during_a_batch_leaves_the_port_to_be_closed(arena: Arena) -> None:
    lane, batch, _ = in_flight(arena)
    quarantine: Work = lambda ctx: node.node_quarantine(ctx, "n0", "forced")  # noqa: E731 as a value
    assert arena.meet(quarantine, settling(lane, batch)) == (None, None)
    found = port_of(arena, batch[0].port_id)
    assert found.wanted > found.applied
    assert states(arena) == ["detaching"]
    again = arena.store.change(lambda unit: claim(unit, lane, SOURCE))
    assert [entry.want.vlans for entry in again] == [frozenset()]


def test_a_quarantine_after_a_settlement_takes_it_back(arena: Arena) -> None:
    lane, batch, _ = in_flight(arena)
    quarantine: Work = lambda ctx: node.node_quarantine(ctx, "n0", "forced")  # noqa: E731 as a value
    assert arena.meet(settling(lane, batch), quarantine) == (None, None)
    assert states(arena) == ["detaching"]


def test_a_release_waits_for_what_a_settlement_has_just_attached(arena: Arena) -> None:
    lane, batch, _ = in_flight(arena)
    assert arena.meet(settling(lane, batch), lambda ctx: node.node_release(ctx, "n0")) == (None, None)
    found = port_of(arena, batch[0].port_id)
    assert found.wanted == found.applied + 1
    refused((None, _ended(arena, lambda ctx: node.node_allocate(ctx, "blue", "n0"))), Blocked)


def _ended(arena: Arena, work: Work) -> HilError | None:
    try:
        arena.do(work)
    except HilError as error:
        return error
    return None


def test_a_revoke_sees_what_a_claim_has_just_booked_though_its_connect_is_cancelled(arena: Arena) -> None:
    arena.do(lambda ctx: network.network_grant(ctx, "blue-net", "red"))
    _, _, identity = in_flight(arena, net="blue-net")
    revoke: Work = lambda ctx: network.network_revoke(ctx, "blue-net", "red")  # noqa: E731 as a value
    refused(arena.meet(lambda ctx: operation.operation_cancel(ctx, identity), revoke), Blocked)


def test_a_free_lane_goes_to_one_of_two_workers(arena: Arena) -> None:
    identity = arena.store.read(lambda session: session.scalar(select(Lane.switch_id)))
    got: list[Hold | None] = []

    def take(ctx: Context) -> None:
        ctx.session.execute(select(Lane).where(Lane.switch_id == identity).with_for_update())
        ctx.session.execute(Lane.__table__.update().values(owner="first", expires_at=2e9 * 10, fence=Lane.fence + 1))  # type: ignore[attr-defined]  # a Table

    assert arena.meet(take, lambda ctx: got.append(lane_take(arena.store, identity or 0, "second"))) == (None, None)
    assert got == [None]


def test_who_lost_the_lane_while_it_waited_settles_nothing(arena: Arena) -> None:
    lane, batch, _ = in_flight(arena)

    def take(ctx: Context) -> None:
        ctx.session.execute(Lane.__table__.update().values(owner="other", fence=Lane.fence + 1))  # type: ignore[attr-defined]  # a Table

    first, second = arena.meet(take, settling(lane, batch))
    assert first is None
    assert second is not None
    assert second.type == "lease-lost"
    assert port_of(arena, batch[0].port_id).tainted


def test_two_workers_free_a_node_once(arena: Arena) -> None:
    lane = hold(arena)
    arena.do(lambda ctx: node.node_allocate(ctx, "red", "n0"))
    arena.do(lambda ctx: node.node_release(ctx, "n0"))
    batch = arena.store.change(lambda unit: claim(unit, lane, SOURCE))
    arena.do(settling(lane, batch))

    async def call(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    releases = Releases(arena.store, "w", call)
    waiting = arena.store.read(releases._find)
    assert [entry.name for entry in waiting] == ["n0"]
    free: Work = lambda ctx: releases._book(ctx.unit, waiting[0], "")  # noqa: E731 as a value
    assert arena.meet(free, free) == (None, None)
    lines = select(func.count()).where(Journal.action == "node_free")
    assert arena.store.read(lambda session: session.scalar(lines)) == 1


# Verbs against what moves under them.


def test_a_node_that_is_being_wired_is_not_handed_out_unread(arena: Arena) -> None:
    arena.do(lambda ctx: nic.nic_register(ctx, "n2", "e1", ""))
    arena.do(lambda ctx: port.port_register(ctx, "s", "gi1/0/9"))
    wire: Work = lambda ctx: port.port_connect_nic(ctx, "s", "gi1/0/9", "n2", "e1")  # noqa: E731 as a value
    chosen = Selector.parse("rack=r1")
    refused(arena.meet(wire, lambda ctx: node.nodes_allocate(ctx, "red", chosen, 3)), Exhausted)
    refused((None, _ended(arena, lambda ctx: node.node_allocate(ctx, "red", "n2"))), Pending)


def test_a_node_that_is_being_wired_is_not_taken_by_name_either(arena: Arena) -> None:
    arena.do(lambda ctx: nic.nic_register(ctx, "n2", "e1", ""))
    arena.do(lambda ctx: port.port_register(ctx, "s", "gi1/0/9"))
    wire: Work = lambda ctx: port.port_connect_nic(ctx, "s", "gi1/0/9", "n2", "e1")  # noqa: E731 as a value
    refused(arena.meet(wire, lambda ctx: node.node_allocate(ctx, "red", "n2")), Pending)


def test_half_of_the_nodes_each_is_enough_for_two_askers(arena: Arena) -> None:
    arena.do(lambda ctx: node.node_register(ctx, "n3", {"rack": "r1"}, {}))

    def two(owner: str) -> Work:
        return lambda ctx: node.nodes_allocate(ctx, owner, Selector.parse("rack=r1"), 2)

    assert arena.meet(two("red"), two("blue")) == (None, None)


def move(ctx: Context) -> None:
    """The node leaves `red` and comes to `blue` in one commit."""
    node.node_free(ctx, "red", "n0")
    ctx.session.flush()
    node.node_allocate(ctx, "blue", "n0")


@pytest.mark.parametrize(
    "verb",
    [lambda ctx: node.node_free(ctx, "red", "n0"), lambda ctx: node.node_release(ctx, "n0")],
    ids=["free", "release"],
)
def test_a_node_that_has_changed_hands_is_not_taken_from_its_new_owner(arena: Arena, verb: Work) -> None:
    arena.do(lambda ctx: node.node_allocate(ctx, "red", "n0"))
    refused(arena.meet(move, verb), NotFound, IllegalState)
    assert arena.store.read(lambda session: session.scalar(select(Node.state).where(Node.name == "n0"))) == "allocated"


@pytest.mark.parametrize(
    "remove",
    [
        lambda ctx: port.port_detach_nic(ctx, "s", "gi1/0/0"),
        lambda ctx: nic.nic_delete(ctx, "n0", "e0"),
        lambda ctx: node.node_maintenance(ctx, "n0", "for a race"),
    ],
    ids=["unwire", "nic", "maintenance"],
)
def test_what_an_allocated_node_needs_is_not_taken_away_at_the_same_moment(arena: Arena, remove: Work) -> None:
    refused(arena.meet(lambda ctx: node.node_allocate(ctx, "red", "n0"), remove), Blocked, IllegalState)


def test_a_node_that_just_went_into_maintenance_is_not_free(arena: Arena) -> None:
    take: Work = lambda ctx: node.node_allocate(ctx, "red", "n0")  # noqa: E731 as a value
    refused(arena.meet(lambda ctx: node.node_maintenance(ctx, "n0", "for a race"), take), Blocked)


def test_a_deleted_node_is_allocated_to_nobody_and_an_allocated_one_not_deleted(arena: Arena) -> None:
    arena.do(lambda ctx: node.node_register(ctx, "bare", {}, {}))
    take: Work = lambda ctx: node.node_allocate(ctx, "red", "bare")  # noqa: E731 as a value
    end: Work = lambda ctx: node.node_delete(ctx, "bare")  # noqa: E731 as a value
    refused(arena.meet(take, end), Blocked)
    arena.do(lambda ctx: node.node_free(ctx, "red", "bare"))
    refused(arena.meet(end, take), NotFound)


def test_a_port_is_not_deleted_while_it_is_wired_and_not_wired_while_it_is_deleted(arena: Arena) -> None:
    arena.do(lambda ctx: nic.nic_register(ctx, "n0", "e1", ""))
    arena.do(lambda ctx: port.port_register(ctx, "s", "gi1/0/9"))
    wire: Work = lambda ctx: port.port_connect_nic(ctx, "s", "gi1/0/9", "n0", "e1")  # noqa: E731 as a value
    end: Work = lambda ctx: port.port_delete(ctx, "s", "gi1/0/9")  # noqa: E731 as a value
    refused(arena.meet(end, wire), NotFound)
    arena.do(lambda ctx: port.port_register(ctx, "s", "gi1/0/9"))
    refused(arena.meet(wire, end), Blocked)


def test_a_locked_port_is_wired_to_nobody(arena: Arena) -> None:
    arena.do(lambda ctx: nic.nic_register(ctx, "n0", "e1", ""))
    arena.do(lambda ctx: port.port_register(ctx, "s", "gi1/0/9"))
    wire: Work = lambda ctx: port.port_connect_nic(ctx, "s", "gi1/0/9", "n0", "e1")  # noqa: E731 as a value
    lock: Work = lambda ctx: port.port_lock(ctx, "s", "gi1/0/9", True)  # noqa: E731 as a value
    refused(arena.meet(lock, wire), Blocked)
    arena.do(lambda ctx: port.port_lock(ctx, "s", "gi1/0/9", False))
    refused(arena.meet(wire, lock), Blocked)


def test_a_switch_does_not_end_while_it_gets_a_port(arena: Arena) -> None:
    config = {"hostname": "short", "username": "u", "password": "p"}
    arena.do(lambda ctx: switch.switch_register(ctx, "short", "mock", config))
    add: Work = lambda ctx: port.port_register(ctx, "short", "gi1/0/1")  # noqa: E731 as a value
    end: Work = lambda ctx: switch.switch_delete(ctx, "short")  # noqa: E731 as a value
    refused(arena.meet(add, end), Blocked)
    arena.do(lambda ctx: port.port_delete(ctx, "short", "gi1/0/1"))
    refused(arena.meet(end, add), NotFound)


@pytest.mark.parametrize(
    "give",
    [
        lambda ctx: network.network_create(ctx, "late", owner="short"),
        lambda ctx: network.network_grant(ctx, "red-net", "short"),
    ],
    ids=["network", "grant"],
)
def test_a_project_does_not_end_while_it_gets_something(arena: Arena, give: Work) -> None:
    arena.do(lambda ctx: project.project_create(ctx, "short"))
    end: Work = lambda ctx: project.project_delete(ctx, "short")  # noqa: E731 as a value

    def given(ctx: Context) -> None:
        give(ctx)
        ctx.session.flush()

    refused(arena.meet(given, end), Blocked)


@pytest.mark.parametrize(
    "give",
    [
        lambda ctx: network.network_create(ctx, "late", owner="short"),
        lambda ctx: network.network_grant(ctx, "red-net", "short"),
    ],
    ids=["network", "grant"],
)
def test_a_project_that_just_ended_gets_nothing(arena: Arena, give: Work) -> None:
    arena.do(lambda ctx: project.project_create(ctx, "short"))
    refused(arena.meet(lambda ctx: project.project_delete(ctx, "short"), give), NotFound, Blocked)


def test_an_id_that_returns_meanwhile_is_waited_for_and_not_denied(arena: Arena) -> None:
    """A creation that is given up at the last moment must not have made another one fail for want of an id."""

    def make(ctx: Context) -> None:
        network.network_create(ctx, "late", owner="red")

    def shrunk(ctx: Context) -> None:
        pool.pool_set(ctx, frozenset({100, 101, 102, 103, 104}))

    first, second = arena.meet(shrunk, make)
    assert first is None
    assert second is None or (isinstance(second, Exhausted) and second.retry)


# One request twice.


def test_a_request_that_is_sent_twice_is_done_once_and_answered_twice(arena: Arena) -> None:
    answers: list[object] = []

    def request(mark: str) -> Work:
        def work(ctx: Context) -> None:
            kept = replay_claim(ctx, "key", mark)
            if kept is None:
                network.network_create(ctx, "once", owner="red")
                replay_keep(ctx, "key", 201, {"name": "once"})
            else:
                answers.append(kept)

        return work

    assert arena.meet(request("same"), request("same")) == (None, None)
    assert answers == [{"name": "once"}]
    refused((None, _ended(arena, request("other"))), IdempotencyMismatch)
    assert arena.store.read(lambda session: session.scalar(select(func.count()).where(Network.name == "once"))) == 1


@pytest.mark.parametrize(
    "put",
    [
        lambda ctx: node.node_label_set(ctx, "n0", "gpu", "yes"),
        lambda ctx: node.node_metadata_set(ctx, "n0", "note", "text"),
    ],
    ids=["label", "metadata"],
)
def test_setting_the_same_entry_twice_at_once_is_no_fault(arena: Arena, put: Work) -> None:
    assert arena.meet(put, put) == (None, None)


def test_two_states_of_a_node_are_decided_one_after_the_other(arena: Arena) -> None:
    aside: Work = lambda ctx: node.node_maintenance(ctx, "n0", "for a race")  # noqa: E731 as a value
    refused(arena.meet(aside, aside), IllegalState)
    back: Work = lambda ctx: node.node_return(ctx, "n0")  # noqa: E731 as a value
    refused(arena.meet(back, back), IllegalState)
    assert arena.store.read(lambda s: s.scalar(select(Node.state).where(Node.name == "n0"))) == NodeState.FREE
