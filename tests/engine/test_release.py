"""The way out of a project: fenced, read back, revoked, cleaned, free; and the forced ways that stay closed."""

import pytest

from hil.core.errors import Blocked, IllegalState, Pending
from hil.core.limits import Limits
from hil.core.model import CLOSED, AuditMode, OperationStatus, PortState
from hil.drivers.switch.mock.faults import Fault, FaultKind
from hil.services import network, node, pool, port, project, switch
from hil.services.select import Selector
from tests.engine.site import Site
from tests.engine.test_changes import carried


def state(site: Site, name: str) -> tuple[str, int | None]:
    row = site.see(lambda ctx: ctx.node(name, node.Act.LIST))
    return row.state, row.project_id


def connected(site: Site) -> None:
    site.allocate("red", "n0", "n2")
    site.connect("n0", "red-net")
    site.connect("n2", "red-net")
    site.work()


def test_a_released_node_is_free_only_when_its_port_was_read_back_as_closed(site: Site) -> None:
    connected(site)
    asked = site.do(lambda ctx: node.node_release(ctx, "n0").id)
    assert state(site, "n0")[0] == "releasing"
    with pytest.raises(Blocked):
        site.allocate("blue", "n0")
    site.work()
    assert (site.status(asked), state(site, "n0"), carried(site, "n0")) == (
        OperationStatus.DONE,
        ("free", None),
        CLOSED,
    )


def test_a_release_withdraws_what_was_pending(site: Site) -> None:
    site.allocate("red", "n0")
    asked = site.connect("n0", "red-net")
    site.do(lambda ctx: node.node_release(ctx, "n0"))
    site.work()
    assert (site.status(asked), carried(site, "n0")) == (OperationStatus.ERROR, CLOSED)
    assert state(site, "n0") == ("free", None)


def test_a_node_behind_a_dead_switch_waits_with_a_reason_and_is_never_freed_by_time(site: Site) -> None:
    connected(site)
    site.switches[0].drop_sessions()
    site.switches[0].faults.add(Fault(kind=FaultKind.UNREACHABLE, count=None))
    asked = site.do(lambda ctx: node.node_release(ctx, "n0").id)
    site.now += site.store.limits.release_deadline + 1
    site.work()
    site.work()
    assert site.status(asked) is OperationStatus.PENDING
    assert "NIC e0" in site.reason(asked)
    assert "quarantine" in site.reason(asked)
    assert state(site, "n0")[0] == "releasing"


def test_the_forced_way_out_is_quarantine_and_only_a_clean_node_returns_from_it(site: Site) -> None:
    connected(site)
    site.switches[0].drop_sessions()
    site.switches[0].faults.add(Fault(kind=FaultKind.UNREACHABLE, count=None))
    site.do(lambda ctx: node.node_release(ctx, "n0"))
    site.do(lambda ctx: node.node_quarantine(ctx, "n0", "switch burnt"))
    assert state(site, "n0") == ("quarantined", None)
    with pytest.raises(Pending):
        site.do(lambda ctx: node.node_return(ctx, "n0"))
    with pytest.raises(Blocked):
        site.allocate("blue", "n0")
    site.switches[0].faults.clear()
    site.now += 120
    site.work()
    site.do(lambda ctx: node.node_return(ctx, "n0"))
    assert state(site, "n0") == ("free", None)


def test_a_port_whose_switch_is_gone_for_good_can_be_given_up_without_its_ids_being_reused(site: Site) -> None:
    connected(site)
    site.do(lambda ctx: node.node_quarantine(ctx, "n0", "switch burnt"))
    with pytest.raises(IllegalState):
        site.do(lambda ctx: port.port_forget_unreachable(ctx, "s1", "gi1/0/2", "no"))
    site.do(lambda ctx: port.port_forget_unreachable(ctx, "s0", "gi1/0/0", "burnt"))
    site.do(lambda ctx: node.node_return(ctx, "n0"))
    site.do(lambda ctx: node.node_release(ctx, "n2"))
    site.work()
    site.do(lambda ctx: network.network_delete(ctx, "red-net"))
    assert site.see(pool.pool_show)["draining"] == "100"
    with pytest.raises(Blocked, match="force"):
        site.do(lambda ctx: port.port_delete(ctx, "s0", "gi1/0/0"))
    site.do(lambda ctx: port.port_delete(ctx, "s0", "gi1/0/0", force=True))
    assert site.see(pool.pool_show)["draining"] == ""


def test_nodes_are_allocated_by_selector_all_or_none(site: Site) -> None:
    for name in ("n0", "n2"):
        site.do(lambda ctx, name=name: node.node_label_set(ctx, name, "gpu", "a100"))
    chosen = Selector.parse("gpu=a100")
    with pytest.raises(Blocked.__mro__[1], match="2 free nodes match"):
        site.do(lambda ctx: node.nodes_allocate(ctx, "red", chosen, 3))
    assert state(site, "n0")[0] == "free"
    taken = site.do(lambda ctx: [entry.name for entry in node.nodes_allocate(ctx, "red", chosen, 2)])
    assert taken == ["n0", "n2"]


def test_a_quota_and_a_disabled_project_stop_growth(site: Site) -> None:
    site.do(lambda ctx: project.project_update(ctx, "red", quotas={"nodes": 1, "networks": 1}))
    site.allocate("red", "n0")
    with pytest.raises(Blocked.__mro__[1], match="1 of at most 1"):
        site.allocate("red", "n1")
    with pytest.raises(Blocked.__mro__[1], match="1 of at most 1"):
        site.do(lambda ctx: network.network_create(ctx, "second", owner="red"))
    site.do(lambda ctx: project.project_update(ctx, "blue", enabled=False))
    with pytest.raises(IllegalState, match="disabled"):
        site.allocate("blue", "n1")


def test_a_release_into_the_maintenance_project_says_when_that_is_missing(site: Site) -> None:
    site.store.limits = Limits(maintenance_project="repair")
    site.allocate("red", "n0")
    site.do(lambda ctx: node.node_free(ctx, "red", "n0"))
    site.work()
    site.work()
    assert state(site, "n0")[0] == "releasing"
    site.do(lambda ctx: project.project_create(ctx, "repair"))
    site.work()
    site.work()
    row = site.see(lambda ctx: ctx.node("n0", node.Act.LIST))
    repair = site.see(lambda ctx: ctx.project("repair", node.Act.READ)).id
    assert (row.state, row.project_id) == ("allocated", repair)


@pytest.mark.parametrize("mode", list(AuditMode))
def test_drift_is_told_healed_or_answered_by_closing_as_the_switch_is_configured(site: Site, mode: AuditMode) -> None:
    connected(site)
    site.do(lambda ctx: switch.switch_update(ctx, "s0", audit=mode))
    site.switches[0].set_by_hand("gi1/0/0", PortState(101))
    assert site.audit() == 1
    site.work()
    expected = {AuditMode.REPORT: PortState(101), AuditMode.HEAL: PortState(100), AuditMode.QUARANTINE: CLOSED}[mode]
    assert carried(site, "n0") == expected
    found = site.port("n0")
    assert found.drifted == (mode is AuditMode.REPORT)
    assert found.quarantined == (mode is AuditMode.QUARANTINE)
    if mode is AuditMode.REPORT:
        assert site.audit() == 1
        assert site.see(pool.pool_show)["draining"] == ""


def test_a_port_let_out_of_quarantine_is_made_what_is_wished_again(site: Site) -> None:
    connected(site)
    site.do(lambda ctx: switch.switch_update(ctx, "s0", audit=AuditMode.QUARANTINE))
    site.switches[0].set_by_hand("gi1/0/0", PortState(101))
    site.audit()
    site.work()
    with pytest.raises(Blocked, match="quarantined"):
        site.detach("n0", "red-net")
    site.do(lambda ctx: port.port_release_quarantine(ctx, "s0", "gi1/0/0"))
    site.work()
    assert carried(site, "n0") == PortState(100)


def test_an_audit_of_ports_as_they_should_be_finds_nothing(site: Site) -> None:
    connected(site)
    assert site.audit() == 0
