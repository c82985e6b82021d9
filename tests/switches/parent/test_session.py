"""What a session with a parent HIL does when the parent, its switch or the way to it does not do what it should."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceBusy, IdentityChanged, LoginRefused, LostReply, Refused
from hil.core.model import CLOSED, PortChange, PortState
from hil.core.wiring import About, TellsAbout
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.drivers.switch.parent.session import open_session
from hil.drivers.switch.parent.spec import SPEC
from hil.lab.devices.parent import EMULATOR, ParentDevice, certified
from hil.lab.devices.parent_site import PROJECT, Site
from hil.services import network, node, pool, project

pytestmark = pytest.mark.net
ONE, TWO, THREE = "node-01/eth0", "node-01/eth1", "node-02/eth0"
A = PortState(100)
Case = Callable[[ParentDevice, Site, dict[str, Any]], Awaitable[None]]


def play(case: Case, **changes: Any) -> ParentDevice:
    """Run a case against a parent of its own, with these settings changed."""
    device = EMULATOR.device("parent", (ONE, TWO, THREE))
    assert isinstance(device, ParentDevice)

    async def run() -> None:
        async with EMULATOR.serve(device) as served:
            assert device.site is not None
            await case(device, device.site, SPEC.validate({**served.config, **changes}))

    asyncio.run(run())
    assert not device.sessions
    return device


def writer() -> Writer:
    return Writer(1, lambda: None)


async def put(session: SwitchSession, wants: dict[str, PortState]) -> dict[str, Any]:
    found = await session.read(list(wants))
    return await session.apply([PortChange(port, found[port].state, want) for port, want in wants.items()], writer())


def test_ports_are_those_of_the_project_and_a_node_that_left_it_is_none() -> None:
    async def case(device: ParentDevice, site: Site, config: dict[str, Any]) -> None:
        session = await open_session(config)
        assert set(await session.read()) == {ONE, TWO, THREE}
        site.do(lambda ctx: node.node_free(ctx, PROJECT, "node-02"))
        assert set(await session.read()) == {ONE, TWO}
        with pytest.raises(Refused, match="has no NIC node-02/eth0"):
            await session.read([THREE])
        answers = await session.apply([PortChange(THREE, CLOSED, A), PortChange(ONE, CLOSED, A)], writer())
        assert isinstance(answers[THREE], Refused)
        assert answers[ONE] is None
        assert isinstance(session, TellsAbout)
        assert (await session.about()).model == "HIL"
        assert isinstance(await session.about(), About)
        await session.close()

    play(case)


def test_one_list_carries_a_whole_batch_and_one_refused_port_spoils_no_other() -> None:
    async def case(device: ParentDevice, site: Site, config: dict[str, Any]) -> None:
        session = await open_session(config)
        assert await put(session, {ONE: A, TWO: A, THREE: A}) == {ONE: None, TWO: None, THREE: None}
        device.faults.add(Fault(kind=FaultKind.REFUSE, port=ONE, words="% Table full"))
        answers = await put(session, {ONE: PortState(101), TWO: PortState(101), THREE: CLOSED})
        assert "% Table full" in str(answers[ONE])
        assert (answers[TWO], answers[THREE]) == (None, None)
        found = await session.read()
        assert (found[TWO].state, found[THREE].state) == (PortState(101), CLOSED)
        await session.close()

    play(case)


def test_a_list_that_is_turned_down_is_tried_port_by_port() -> None:
    async def case(device: ParentDevice, site: Site, config: dict[str, Any]) -> None:
        session = await open_session(config)
        answers = await put(session, {ONE: PortState(500), TWO: A})
        assert isinstance(answers[ONE], Refused)
        assert "vlan-500" in str(answers[ONE])
        assert answers[TWO] is None
        assert (await session.read([TWO]))[TWO].state == A
        await session.close()

    play(case)


def test_a_tagged_network_must_have_the_same_id_at_the_parent() -> None:
    async def case(device: ParentDevice, site: Site, config: dict[str, Any]) -> None:
        session = await open_session(config)
        tagged = PortState(None, frozenset({300}))
        assert isinstance((await put(session, {ONE: tagged}))[ONE], Refused)
        assert (await put(session, {ONE: PortState(300)}))[ONE] is None
        assert (await session.read([ONE]))[ONE].state == PortState(300)
        await session.close()

    play(case, networks={"300": "vlan-100"})


def test_networks_are_made_when_they_are_needed_if_that_was_asked_for() -> None:
    async def case(device: ParentDevice, site: Site, config: dict[str, Any]) -> None:
        session = await open_session(config)
        site.do(lambda ctx: pool.pool_set(ctx, frozenset({700, 701})))
        assert await put(session, {ONE: PortState(5), TWO: PortState(5)}) == {ONE: None, TWO: None}
        assert site.do(lambda ctx: network.networks_list(ctx, after="made-", limit=1))[0].name == "made-5"
        assert device.running(ONE) == device.running(TWO) == PortState(700)
        assert (await session.read([ONE]))[ONE].state == PortState(5)
        await session.close()

    play(case, networks="made-{vlan}", create=True)


def test_a_network_of_a_stranger_is_not_taken_for_ones_own_because_of_its_name() -> None:
    async def case(device: ParentDevice, site: Site, config: dict[str, Any]) -> None:
        site.do(lambda ctx: project.project_create(ctx, "stranger"))
        site.do(
            lambda ctx: network.network_create(
                ctx, "made-5", owner="stranger", access=["stranger", PROJECT], public=False, net_id="700"
            )
        )
        site.do(lambda ctx: network.network_create(ctx, "made-6", owner=None, access=[], public=True, net_id="701"))
        session = await open_session(config)
        answers = await put(session, {ONE: PortState(5), TWO: PortState(6)})
        for port in (ONE, TWO):
            assert isinstance(answers[port], Refused)
            assert "does not belong to project child" in str(answers[port])
        assert device.running(ONE) == device.running(TWO) == CLOSED
        await session.close()
        session = await open_session({**config, "create": False, "networks": {"5": "made-5"}})
        assert (await put(session, {ONE: PortState(5)}))[ONE] is None, "this one was chosen"
        await session.close()

    play(case, networks="made-{vlan}", create=True)


def test_what_somebody_else_is_changing_is_busy_for_that_port_alone() -> None:
    async def case(device: ParentDevice, site: Site, config: dict[str, Any]) -> None:
        session = await open_session(config)
        device.faults.add(Fault(kind=FaultKind.BUSY, op=Op.WRITE, count=1))
        device.faults.add(Fault(kind=FaultKind.BUSY, op=Op.WRITE, port=ONE, count=1))
        answers = await put(session, {ONE: A, TWO: A})
        assert isinstance(answers[ONE], DeviceBusy)
        assert answers[TWO] is None
        await session.close()

    play(case)


def test_a_change_under_way_at_the_parent_is_waited_for() -> None:
    async def case(device: ParentDevice, site: Site, config: dict[str, Any]) -> None:
        session = await open_session(config)
        device.set_by_hand(ONE, A)
        assert (await session.read([ONE]))[ONE].state == A
        device.set_by_hand(ONE, PortState(101, frozenset({100})))
        await site.settled()
        await session.close()

    play(case)


def test_without_patience_it_is_not_representable_and_not_written() -> None:
    async def case(device: ParentDevice, site: Site, config: dict[str, Any]) -> None:
        device.leaf.faults = device.faults
        session = await open_session(config)
        device.faults.add(Fault(kind=FaultKind.UNREACHABLE, op=Op.LOGIN, count=None))
        device.leaf.drop_sessions()
        device.set_by_hand(ONE, A)
        seen = (await session.read([ONE]))[ONE]
        assert (seen.state, seen.reason) == (None, "the parent has not finished connecting network vlan-100")
        answers = await session.apply([PortChange(ONE, None, CLOSED), PortChange(TWO, CLOSED, CLOSED)], writer())
        assert isinstance(answers[ONE], DeviceBusy)
        with pytest.raises(LostReply, match="has accepted a change and not finished it"):
            await session.apply([PortChange(TWO, CLOSED, A)], writer())
        with pytest.raises(LostReply, match="has ended"):
            await session.read([TWO])
        await session.close()

    play(case, patience=0)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind=FaultKind.LOSE_REQUEST, op=Op.WRITE), LostReply),
        (Fault(kind=FaultKind.LOSE_REPLY, op=Op.WRITE), LostReply),
        (Fault(kind=FaultKind.UNREACHABLE, op=Op.READ), LostReply),
    ],
    ids=str,
)
def test_a_way_that_breaks_ends_the_session_and_the_next_one_tells(fault: Fault, error: type[Exception]) -> None:
    async def case(device: ParentDevice, site: Site, config: dict[str, Any]) -> None:
        session = await open_session(config)
        device.faults.add(fault)
        with pytest.raises(error):
            await session.apply([PortChange(ONE, CLOSED, A)], writer())
        await session.close()
        await site.settled()
        session = await open_session(config)
        assert (await session.read([ONE]))[ONE].state == device.running(ONE)
        await session.close()

    play(case)


@pytest.mark.parametrize("kind", [FaultKind.LIE, FaultKind.HALF, FaultKind.FAIL_SAVE])
def test_a_parents_switch_that_misbehaves_is_the_parents_to_bring_round(kind: FaultKind) -> None:
    async def case(device: ParentDevice, site: Site, config: dict[str, Any]) -> None:
        session = await open_session(config)
        device.faults.add(Fault(kind=kind))
        assert (await put(session, {ONE: A}))[ONE] is None
        assert device.running(ONE) == A
        await session.close()

    play(case)


def test_another_certificate_is_another_identity_and_gets_no_key() -> None:
    async def case(device: ParentDevice, site: Site, config: dict[str, Any]) -> None:
        before = len(device.log)
        with pytest.raises(IdentityChanged):
            await open_session({**config, "certificate": certified()[1]})
        assert len(device.log) == before

    play(case)


def test_a_key_that_is_no_members_is_told_from_a_wrong_one() -> None:
    async def case(device: ParentDevice, site: Site, config: dict[str, Any]) -> None:
        with pytest.raises(Refused, match="no role of a member in project other"):
            await open_session({**config, "project": "other"})
        with pytest.raises(LoginRefused) as found:
            await open_session({**config, "api_key": "hil_0123456789abcdef_" + "0" * 64})
        assert "hil_" not in str(found.value) + found.value.detail

    play(case)
