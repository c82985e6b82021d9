"""What the proof has found, each as the shortest story that shows it."""

from __future__ import annotations

import asyncio

import pytest

from hil.core.errors import Blocked, IllegalState, LeaseLost
from hil.core.model import CLOSED, OperationStatus, PortState
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.services import network, operation, project
from hil.store.lanes import lanes_renew
from tests.engine.site import Site

FOREVER = None


def half_connected(site: Site) -> str:
    """`red`'s guest network is written to the port of `n0`, and the answer of the switch was lost."""
    site.do(lambda ctx: network.network_grant(ctx, "blue-net", "red"))
    site.allocate("red", "n0")
    identity = site.connect("n0", "blue-net")
    site.switches[0].faults.add(Fault(kind=FaultKind.LOSE_REPLY, op=Op.WRITE, count=FOREVER))
    site.work()
    assert site.switches[0].carried("gi1/0/0").native == 101
    return identity


def test_access_stays_while_a_withdrawn_connect_may_still_be_on_the_port(site: Site) -> None:
    identity = half_connected(site)
    site.do(lambda ctx: operation.operation_cancel(ctx, identity))
    with pytest.raises(Blocked, match="n0"):
        site.do(lambda ctx: network.network_revoke(ctx, "blue-net", "red"))
    site.switches[0].faults.clear()
    site.now += 120
    site.work()
    site.do(lambda ctx: network.network_revoke(ctx, "blue-net", "red"))
    assert not site.switches[0].carried("gi1/0/0").native


def test_a_public_network_is_not_closed_while_a_withdrawn_connect_may_still_be_on_a_port(site: Site) -> None:
    identity = half_connected(site)
    site.do(lambda ctx: network.network_set_public(ctx, "blue-net", True))
    site.do(lambda ctx: network.network_revoke(ctx, "blue-net", "red"))
    site.do(lambda ctx: operation.operation_cancel(ctx, identity))
    with pytest.raises(Blocked, match="n0"):
        site.do(lambda ctx: network.network_set_public(ctx, "blue-net", False))


def test_what_is_called_done_survives_a_reboot_though_a_hand_had_brought_it_about(site: Site) -> None:
    site.allocate("red", "n0")
    site.connect("n0", "red-net")
    site.work()
    site.switches[0].set_by_hand("gi1/0/0", CLOSED)
    identity = site.detach("n0", "red-net")
    site.work()
    assert site.status(identity) == OperationStatus.DONE
    site.switches[0].reboot()
    assert site.switches[0].running("gi1/0/0") == CLOSED


def test_cancelling_what_has_ended_leaves_what_came_later_alone(site: Site) -> None:
    site.allocate("red", "n0")
    first = site.connect("n0", "red-net")
    site.work()
    site.do(lambda ctx: network.network_grant(ctx, "blue-net", "red"))
    second = site.connect("n0", "blue-net", "vlan/101")
    with pytest.raises(IllegalState):
        site.do(lambda ctx: operation.operation_cancel(ctx, first))
    site.work()
    assert site.status(second) == OperationStatus.DONE
    assert site.switches[0].running("gi1/0/0") == PortState(100, frozenset({101}))


def test_a_lane_given_up_for_want_of_time_is_not_renewed_and_is_taken_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.allocate("red", "n0")
    identity = site.connect("n0", "red-net")
    lane = site.lanes[0]
    lane.deadline -= site.store.limits.lease - site.store.limits.lease_margin  # the renewals came late

    with pytest.raises(LeaseLost):
        asyncio.run(lane.step())
    assert lane.hold is None
    kept, _ = lanes_renew(site.store, lane.owner, [])
    assert not kept
    site.now += site.store.limits.lease + 1
    site.work()
    assert site.status(identity) == OperationStatus.DONE


def test_a_port_that_the_switch_has_no_more_hides_no_drift_of_the_others(site: Site) -> None:
    device = site.switches[0]
    device._on_demand = False
    del device._running["gi1/0/0"]
    device.set_by_hand("gi1/0/1", PortState(102))
    assert site.audit() == 2
    assert site.port("n1").drifted
    assert "gi1/0/0" in site.port("n0").error


def test_a_new_project_is_not_taken_for_a_deleted_one(site: Site) -> None:
    """Journal lines outlive the project that they name, and who is in the project reads them as events."""
    first = site.do(lambda ctx: (project.project_create(ctx, "short"), ctx.session.flush())[0]).id
    site.do(lambda ctx: project.project_delete(ctx, "short"))
    second = site.do(lambda ctx: (project.project_create(ctx, "next"), ctx.session.flush())[0]).id
    assert second > first
