"""What becomes of a wish: done when read back, refused, lost, late, swapped, cancelled."""

import asyncio

import pytest

from hil.core.errors import BadArgument, Blocked, IllegalState, LeaseLost, Pending, ProjectMismatch
from hil.core.model import CLOSED, NATIVE, OperationStatus, PortState
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.services import attach, network, node, operation, pool, port
from tests.engine.site import Site

DONE, ERROR, PENDING = OperationStatus.DONE, OperationStatus.ERROR, OperationStatus.PENDING
REFUSES = Fault(kind=FaultKind.REFUSE, words="% VLAN limit reached", count=None)


def carried(site: Site, name: str) -> PortState:
    index = int(name[1:])
    held = site.switches[index // 2].running(f"gi1/0/{index}")
    assert isinstance(held, PortState)
    return held


def test_a_wired_port_is_closed_and_read_back_before_its_node_can_be_had(site: Site) -> None:
    assert all(carried(site, f"n{index}") == CLOSED for index in range(4))
    site.do(lambda ctx: port.port_register(ctx, "s0", "gi1/0/9"))
    site.do(lambda ctx: node.node_register(ctx, "new", {}, {}))
    site.do(attach_new)
    with pytest.raises(Pending, match="not clean"):
        site.allocate("red", "new")
    site.work()
    site.allocate("red", "new")


def attach_new(ctx: attach.Context) -> None:
    from hil.services import nic

    nic.nic_register(ctx, "new", "e0", "")
    port.port_connect_nic(ctx, "s0", "gi1/0/9", "new", "e0")


def test_a_connect_is_pending_until_the_switch_was_read_back(site: Site) -> None:
    site.allocate("red", "n0", "n2")
    first, second = site.connect("n0", "red-net"), site.connect("n2", "red-net")
    assert (site.status(first), carried(site, "n0")) == (PENDING, CLOSED)
    site.work()
    assert (site.status(first), site.status(second)) == (DONE, DONE)
    assert site.fabric.pairs() == {frozenset({"n0", "n2"})}
    assert site.journal_holds()


def test_a_second_change_waits_for_the_first_one_on_its_nic(site: Site) -> None:
    site.allocate("red", "n0")
    site.connect("n0", "red-net")
    with pytest.raises(Pending):
        site.detach("n0", "red-net")


def test_a_switch_that_refuses_ends_the_connect_with_its_own_words_and_the_port_goes_back(site: Site) -> None:
    site.allocate("red", "n0")
    site.switches[0].faults.add(Fault(kind=FaultKind.REFUSE, words="% VLAN limit reached"))
    asked = site.connect("n0", "red-net")
    site.work()
    assert site.status(asked) is ERROR
    assert "% VLAN limit reached" in site.reason(asked)
    assert carried(site, "n0") == CLOSED
    assert not site.port("n0").tainted
    site.do(lambda ctx: node.node_free(ctx, "red", "n0"))


def test_a_refused_detach_stays_wished_blocks_release_and_happens_in_the_end(site: Site) -> None:
    site.allocate("red", "n0")
    site.connect("n0", "red-net")
    site.work()
    site.switches[0].faults.add(REFUSES)
    asked = site.detach("n0", "red-net")
    site.work()
    assert site.status(asked) is ERROR
    assert site.port("n0").tainted
    with pytest.raises(Blocked):
        site.do(lambda ctx: node.node_free(ctx, "red", "n0"))
    with pytest.raises(Blocked):
        site.do(lambda ctx: network.network_delete(ctx, "red-net"))
    site.switches[0].faults.clear()
    site.now += 120
    site.work()
    assert (site.status(asked), carried(site, "n0")) == (DONE, CLOSED)
    site.do(lambda ctx: node.node_free(ctx, "red", "n0"))


def test_one_refused_port_does_not_hold_up_the_others_of_its_batch(site: Site) -> None:
    site.allocate("red", "n0", "n1")
    site.switches[0].faults.add(Fault(kind=FaultKind.REFUSE, port="gi1/0/0", count=None))
    bad, good = site.connect("n0", "red-net"), site.connect("n1", "red-net")
    site.work()
    assert (site.status(bad), site.status(good)) == (ERROR, DONE)


def test_a_switch_that_cannot_be_reached_leaves_the_wish_pending_with_the_reason(site: Site) -> None:
    site.allocate("red", "n0")
    site.switches[0].drop_sessions()
    site.switches[0].faults.add(Fault(kind=FaultKind.UNREACHABLE, count=None))
    asked = site.connect("n0", "red-net")
    site.work()
    assert site.status(asked) is PENDING
    assert "does not answer" in site.reason(asked)
    site.switches[0].faults.clear()
    site.now += 120
    site.work()
    assert site.status(asked) is DONE


def test_a_connect_past_its_deadline_is_withdrawn_and_a_detach_never_is(site: Site) -> None:
    site.allocate("red", "n0", "n1")
    site.connect("n1", "red-net")
    site.work()
    site.switches[0].drop_sessions()
    site.switches[0].faults.add(Fault(kind=FaultKind.UNREACHABLE, count=None))
    connect, detach = site.connect("n0", "red-net"), site.detach("n1", "red-net")
    site.work()
    site.now += site.store.limits.connect_deadline + 1
    site.work()
    assert (site.status(connect), site.status(detach)) == (ERROR, PENDING)
    assert "deadline" in site.reason(connect)
    site.switches[0].faults.clear()
    site.now += 120
    site.work()
    assert (site.status(connect), site.status(detach)) == (ERROR, DONE)
    assert (carried(site, "n0"), carried(site, "n1")) == (CLOSED, CLOSED)


def test_a_device_that_says_done_and_did_nothing_is_not_believed(site: Site) -> None:
    site.allocate("red", "n0")
    site.switches[0].faults.add(Fault(kind=FaultKind.LIE, count=1))
    asked = site.connect("n0", "red-net")
    site.work()
    assert site.status(asked) is PENDING
    site.now += 120
    site.work()
    assert site.status(asked) is DONE


def test_a_device_that_lies_on_and_on_has_refused(site: Site) -> None:
    site.allocate("red", "n0")
    site.switches[0].faults.add(Fault(kind=FaultKind.LIE, count=None))
    asked = site.connect("n0", "red-net")
    for _ in range(4):
        site.work()
        site.now += 120
    assert site.status(asked) is ERROR
    assert "shows native none" in site.reason(asked)


@pytest.mark.parametrize("op", [Op.WRITE, Op.SAVE, Op.READ])
def test_a_lost_reply_leaves_the_port_tainted_until_it_was_read_again(site: Site, op: Op) -> None:
    site.allocate("red", "n0")
    asked = site.connect("n0", "red-net")
    site.switches[0].faults.add(Fault(kind=FaultKind.LOSE_REPLY, op=op, after=1 if op is Op.READ else 0))
    site.work()
    assert (site.status(asked), site.port("n0").tainted) == (PENDING, True)
    site.now += 120
    site.work()
    assert (site.status(asked), site.port("n0").tainted) == (DONE, False)
    assert site.switches[0].unsaved == frozenset()


def test_an_attempt_that_died_before_saving_is_saved_by_the_next_one_though_nothing_differs(site: Site) -> None:
    site.allocate("red", "n0")
    asked = site.connect("n0", "red-net")
    site.switches[0].faults.add(Fault(kind=FaultKind.LOSE_REQUEST, op=Op.SAVE))
    site.work()
    site.now += 120
    written = len(site.switches[0].writes())
    site.work()
    assert site.status(asked) is DONE
    assert len(site.switches[0].writes()) == written
    site.switches[0].reboot()
    assert carried(site, "n0") == PortState(100)


def test_the_id_of_a_deleted_network_returns_only_when_no_port_may_carry_it(site: Site) -> None:
    site.allocate("red", "n0")
    site.switches[0].faults.add(Fault(kind=FaultKind.LOSE_REPLY, op=Op.WRITE))
    asked = site.connect("n0", "red-net")
    site.work()
    site.do(lambda ctx: operation.operation_cancel(ctx, asked))
    site.do(lambda ctx: network.network_delete(ctx, "red-net"))
    assert carried(site, "n0") == PortState(100)
    assert site.see(pool.pool_show)["draining"] == "100"
    site.do(lambda ctx: network.network_create(ctx, "other", owner="blue"))
    with pytest.raises(Blocked, match="s0/gi1/0/0"):
        site.do(lambda ctx: network.network_create(ctx, "more", owner=None, net_id="100"))
    site.now += 120
    site.work()
    assert site.see(pool.pool_show)["free"] == "100"


def test_one_request_swaps_the_native_network_of_a_port(site: Site) -> None:
    site.do(lambda ctx: network.network_create(ctx, "red-two", owner="red"))
    site.allocate("red", "n0")
    site.connect("n0", "red-net")
    site.work()
    swap = [attach.Change("n0", "e0", "red-net", connect=False), attach.Change("n0", "e0", "red-two")]
    asked = site.do(lambda ctx: attach.network_change(ctx, swap).id)
    site.work()
    assert (site.status(asked), carried(site, "n0")) == (DONE, PortState(102))


def test_a_list_of_changes_is_accepted_as_a_whole_or_not_at_all(site: Site) -> None:
    site.allocate("red", "n0")
    good, bad = attach.Change("n0", "e0", "red-net"), attach.Change("n1", "e0", "red-net")
    with pytest.raises(ProjectMismatch):
        site.do(lambda ctx: attach.network_change(ctx, [good, bad]))
    assert site.port("n0").wanted == site.port("n0").applied
    with pytest.raises(ProjectMismatch):
        site.connect("n0", "blue-net")


def test_native_and_several_tagged_networks_share_a_nic(site: Site) -> None:
    site.do(lambda ctx: network.network_create(ctx, "red-two", owner="red"))
    site.allocate("red", "n0")
    changes = [attach.Change("n0", "e0", "red-net", NATIVE), attach.Change("n0", "e0", "red-two", "vlan/102")]
    site.do(lambda ctx: attach.network_change(ctx, changes))
    site.work()
    assert carried(site, "n0") == PortState(100, frozenset({102}))
    with pytest.raises(Blocked, match="already"):
        site.connect("n0", "red-two")
    site.detach("n0", "red-net")
    site.work()
    assert carried(site, "n0") == PortState(None, frozenset({102}))


def test_a_channel_of_another_network_is_no_channel(site: Site) -> None:
    site.allocate("red", "n0")
    with pytest.raises(BadArgument, match="vlan/100"):
        site.connect("n0", "red-net", "vlan/101")


def test_a_port_that_hil_does_not_have_is_refused_and_its_neighbour_goes_on(site: Site) -> None:
    from hil.drivers.switch.mock.device import EmulatedSwitch, place

    device = EmulatedSwitch(site.hosts[0], ports=["gi1/0/0"])
    place(site.hosts[0], device)
    site.switches[0].drop_sessions()
    site.allocate("red", "n0", "n1")
    good, bad = site.connect("n0", "red-net"), site.connect("n1", "red-net")
    site.work()
    assert (site.status(good), site.status(bad)) == (DONE, ERROR)
    assert "Invalid port" in site.reason(bad)


def test_an_operation_without_anything_pending_cannot_be_cancelled(site: Site) -> None:
    site.allocate("red", "n0")
    asked = site.connect("n0", "red-net")
    site.work()
    with pytest.raises(IllegalState):
        site.do(lambda ctx: operation.operation_cancel(ctx, asked))


def test_a_worker_whose_lane_was_taken_books_nothing_and_writes_nothing(site: Site) -> None:
    site.allocate("red", "n0")
    asked = site.connect("n0", "red-net")
    late, other = site.lanes[0], site.lane(0, "w2")

    async def story() -> None:
        assert await late.take()
        site.now += site.store.limits.lease + 1
        assert await other.take()
        with pytest.raises(LeaseLost):
            await late.step()
        assert await other.step()

    asyncio.run(story())
    assert site.status(asked) is DONE
    assert {entry.fence for entry in site.switches[0].writes("gi1/0/0")} == {1, 2}


def test_a_switch_with_new_settings_is_read_again_before_its_ports_count_as_known(site: Site) -> None:
    from hil.drivers.switch.mock.device import EmulatedSwitch, place
    from hil.services import switch

    site.allocate("red", "n0")
    site.connect("n0", "red-net")
    site.work()
    spare = EmulatedSwitch("spare")
    place("spare", spare)
    config = {"hostname": "spare", "username": "u"}
    site.do(lambda ctx: switch.switch_update(ctx, "s0", config=config))
    with pytest.raises(Pending):
        site.allocate("blue", "n1")
    site.work()
    place("spare", None)
    assert (spare.running("gi1/0/0"), spare.running("gi1/0/1")) == (PortState(100), CLOSED)
    site.allocate("blue", "n1")


def test_a_refused_password_is_not_tried_again_for_every_new_wish(site: Site) -> None:
    site.allocate("red", "n0", "n1")
    site.switches[0].drop_sessions()
    site.switches[0].faults.add(Fault(kind=FaultKind.WRONG_PASSWORD, count=None))
    asked = site.connect("n0", "red-net")
    site.work()
    site.switches[0].faults.clear()
    site.switches[0].faults.add(Fault(kind=FaultKind.WRONG_PASSWORD, count=1))
    site.connect("n1", "red-net")
    site.now += site.store.limits.retry_most - 1
    site.work()
    assert list(site.switches[0].faults), "another log-in was tried"
    assert "password" in site.reason(asked)


def test_access_is_not_taken_away_while_a_quarantined_node_may_still_be_on_the_network(site: Site) -> None:
    site.do(lambda ctx: network.network_grant(ctx, "blue-net", "red"))
    site.allocate("red", "n0")
    site.connect("n0", "blue-net")
    site.work()
    site.do(lambda ctx: node.node_quarantine(ctx, "n0", "forced"))
    with pytest.raises(Blocked, match="n0"):
        site.do(lambda ctx: network.network_revoke(ctx, "blue-net", "red"))
    site.work()
    site.do(lambda ctx: network.network_revoke(ctx, "blue-net", "red"))
