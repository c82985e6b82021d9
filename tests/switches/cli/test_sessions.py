"""What a session with a switch that is told lines does when things go wrong, on each platform and by each way."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hil.core.devices import SwitchSession, Writer
from hil.core.errors import (
    BadArgument,
    DeviceBusy,
    IdentityChanged,
    LeaseLost,
    LoginRefused,
    LostReply,
    Refused,
    Unreachable,
)
from hil.core.model import CLOSED, PortChange, PortState
from hil.core.wiring import Mac, Neighbour, SeesMacs, SeesNeighbours, TellsAbout
from hil.drivers.registry import switch_spec
from hil.drivers.switch.mock.faults import FaultKind, Op
from hil.lab.devices import Emulator, Served
from hil.lab.devices.ios import IosEmulator
from hil.lab.devices.model import Device, PortConfig
from hil.lab.devices.nxos import NxosEmulator
from tests.switches.harness import arm, changed, dead_port, elsewhere, opened, run, writer

pytestmark = pytest.mark.net
WAYS: dict[str, tuple[str, Emulator]] = {
    "ios": ("ios", IosEmulator()),
    "nxos over NX-API": ("nxos", NxosEmulator()),
    "nxos in a shell": ("nxos", NxosEmulator(transport="ssh")),
}
each_way = pytest.mark.parametrize("way", WAYS)
TEN, BOTH = PortState(10), PortState(10, frozenset({20, 30}))
Use = Callable[[Device, Served, SwitchSession], Awaitable[None]]


def against(way: str, use: Use, **settings: Any) -> Device:
    """Use one session with a served device, and leave nothing behind."""
    name, emulated = WAYS[way]
    device = emulated.device("sw")

    async def all_of_it() -> None:
        async with emulated.serve(device) as served:
            session = await opened(name, served, **settings)
            await use(device, served, session)
            await session.close()
        assert not device.sessions

    run(all_of_it())
    return device


async def again(way: str, served: Served) -> SwitchSession:
    return await opened(WAYS[way][0], served)


async def dead(session: SwitchSession) -> None:
    """The session is of no more use."""
    with pytest.raises((Unreachable, LostReply)):
        await session.read()


@each_way
def test_a_busy_switch_changes_nothing_and_ends_the_session(way: str) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        port = device.ports()[0]
        batch = [PortChange(port, CLOSED, TEN)]
        before = device.running(port)
        arm(device, FaultKind.BUSY, Op.WRITE)
        with pytest.raises(DeviceBusy, match="somebody else"):
            await session.apply(batch, writer())
        assert device.running(port) == before
        await dead(session)

    against(way, use)


@each_way
def test_a_refused_line_is_its_ports_and_the_others_go_on(way: str) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        first, second, third = device.ports()[:3]
        arm(device, FaultKind.REFUSE, port=second, words="% Not on a Sunday")
        answers = await changed(session, dict.fromkeys((first, second, third), BOTH))
        assert answers[first] is None
        assert answers[third] is None
        error = answers[second]
        assert isinstance(error, Refused)
        assert "% Not on a Sunday" in error.message
        assert second in error.message
        found = await session.read([first, second, third])
        assert (found[first].state, found[third].state) == (BOTH, BOTH)
        assert found[second].state != BOTH

    against(way, use)


@each_way
@pytest.mark.parametrize("after", range(6))
def test_a_line_refused_at_any_place_leaves_the_port_no_wider(way: str, after: int) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        port = device.ports()[0]
        device.config.ports[port] = PortConfig(allowed=None, mode=device.config.ports[port].mode)
        await changed(session, {port: CLOSED})
        device.config.ports[port] = PortConfig(shut=True, allowed=None)  # shut, and a trunk of all once it is opened
        have = (await session.read([port]))[port].state
        assert have == CLOSED
        arm(device, FaultKind.REFUSE, port=port, after=after)
        answers = await session.apply([PortChange(port, CLOSED, TEN)], writer())
        carried = device.carried(port)
        if answers[port] is not None:
            assert (carried.native, carried.tagged, carried.everything) == (None, frozenset(), False)
        else:
            assert device.running(port) == TEN

    against(way, use)


@each_way
@pytest.mark.parametrize("kind", [FaultKind.LOSE_REPLY, FaultKind.LOSE_REQUEST, FaultKind.HALF])
def test_a_session_that_dies_in_a_change_is_a_lost_reply(way: str, kind: FaultKind) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        port = device.ports()[0]
        have = (await session.read([port]))[port].state
        arm(device, kind, Op.WRITE, port=port)
        with pytest.raises(LostReply):
            await session.apply([PortChange(port, have, BOTH)], writer())
        await dead(session)
        other = await again(way, served)
        assert await changed(other, {port: BOTH}) == {port: None}
        assert device.running(port) == BOTH
        await other.close()

    against(way, use)


@each_way
def test_a_session_that_dies_before_a_change_is_unreachable(way: str) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        arm(device, FaultKind.LOSE_REPLY, Op.READ)
        with pytest.raises((Unreachable, LostReply)):
            await session.read()
        assert not device.writes()
        await dead(session)

    against(way, use)


@each_way
def test_a_lie_is_seen_when_it_is_read_back(way: str) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        port = device.ports()[0]
        await changed(session, {port: CLOSED})
        arm(device, FaultKind.LIE, port=port, count=None)
        assert await changed(session, {port: TEN}) == {port: None}
        assert (await session.read([port]))[port].state == CLOSED

    against(way, use)


@each_way
def test_what_is_saved_is_there_after_a_reboot_and_what_is_not_is_lost(way: str) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        first, second = device.ports()[:2]
        await changed(session, {first: BOTH})
        await session.save(writer())
        await changed(session, {second: BOTH})
        factory = device.startup(second)
        device.reboot()
        await dead(session)
        assert (device.running(first), device.running(second)) == (BOTH, factory)
        other = await again(way, served)
        assert (await other.read([first]))[first].state == BOTH
        assert (await other.read([second]))[second].state != BOTH
        await other.close()

    against(way, use)


@each_way
def test_a_save_that_fails_is_refused_in_words(way: str) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        arm(device, FaultKind.FAIL_SAVE, words="% NVRAM is full")
        with pytest.raises(Refused, match="NVRAM is full"):
            await session.save(writer())
        await session.save(writer())
        with pytest.raises(LeaseLost):
            await session.save(Writer(1, lost))

    def lost() -> None:
        raise LeaseLost("over")

    against(way, use)


@each_way
def test_a_member_of_an_aggregation_is_read_as_one_and_never_written(way: str) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        member, free = device.ports()[:2]
        device.config.ports[member] = PortConfig(lag="Po7", allowed=None)
        observed = (await session.read([member]))[member]
        assert observed.state is None
        assert observed.reason == "member of LAG 7"
        answers = await changed(session, {member: TEN, free: TEN})
        assert isinstance(answers[member], Refused)
        assert "LAG 7" in str(answers[member])
        assert answers[free] is None
        assert not device.writes(member)

    against(way, use)


@each_way
def test_a_foreign_port_is_shut_before_anything_else(way: str) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        port = device.ports()[0]
        device.config.ports[port] = PortConfig(mode=device.config.ports[port].mode, allowed=None, lines=frozenset())
        assert await session.apply([PortChange(port, None, TEN)], writer()) == {port: None}
        assert device.writes(port)[0].after == CLOSED
        assert device.running(port) == TEN

    against(way, use)


@each_way
def test_a_vlan_is_made_before_it_is_carried(way: str) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        first, second = device.ports()[:2]
        arm(device, FaultKind.BUSY, Op.WRITE)
        with pytest.raises(DeviceBusy):
            await changed(session, {first: PortState(77)})
        assert 77 not in device.config.vlans
        other = await again(way, served)
        assert await changed(other, {first: PortState(77), second: PortState(78)}) == {first: None, second: None}
        assert {77, 78} <= device.config.vlans
        assert device.carried(first).native == 77
        await other.close()

    against(way, use)


@each_way
def test_long_lists_get_there_and_come_back(way: str) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        port = device.ports()[0]
        many = PortState(None, frozenset(range(100, 990, 2)))
        assert await changed(session, {port: many}) == {port: None}
        assert (await session.read([port]))[port].state == many
        assert await changed(session, {port: BOTH}) == {port: None}
        assert device.running(port) == BOTH

    against(way, use)


@each_way
def test_a_batch_is_one_session_and_writes_only_differences(way: str) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        ports = device.ports()
        assert set((await changed(session, dict.fromkeys(ports, BOTH))).values()) == {None}
        count = len(device.writes())
        assert set((await changed(session, dict.fromkeys(ports, BOTH))).values()) == {None}
        assert len(device.writes()) == count
        assert len([entry for entry in device.log if entry.action == "login"]) == 1

    against(way, use)


@each_way
def test_the_switch_tells_who_it_is_and_who_is_there(way: str) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        port = device.ports()[4]
        mac = "52:54:00:aa:bb:01"
        device.neighbours[port] = [Neighbour(mac, "52:54:00:aa:bb:02", "node-1"), Neighbour("rack 3", "eth0")]
        device.macs[port] = [Mac(mac, 10), Mac("52:54:00:aa:bb:03", 20)]
        assert isinstance(session, TellsAbout)
        assert isinstance(session, SeesNeighbours)
        assert isinstance(session, SeesMacs)
        about = await session.about()
        assert about.model
        assert about.firmware
        assert about.serial.startswith("FDO")
        assert await session.neighbours() == device.neighbours
        assert await session.macs() == device.macs

    against(way, use)


@each_way
def test_a_neighbour_that_speaks_of_other_ports_is_heard_on_its_own(way: str) -> None:
    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        own, other = device.ports()[:2]
        forged = f"evil\nLocal Intf: {other}\nLocal Port id: {other}"
        device.neighbours[own] = [Neighbour("52:54:00:aa:bb:01", "52:54:00:aa:bb:02", forged)]
        assert isinstance(session, SeesNeighbours)
        assert set(await session.neighbours()) == {own}

    against(way, use)


@each_way
def test_no_session_is_had_where_the_switch_has_no_more_or_is_another(way: str) -> None:
    name, emulated = WAYS[way]

    async def all_of_it() -> None:
        device = emulated.device("sw", max_sessions=1)
        async with emulated.serve(device) as served:
            session = await opened(name, served)
            with pytest.raises((Unreachable, LoginRefused)):
                await opened(name, served)
            await session.close()
            other = dict(served.config)
            async with emulated.serve(emulated.device("other")) as impostor:
                identity = "host_key" if "host_key" in other else "certificate"
                with pytest.raises(IdentityChanged):
                    await opened(name, served, **{identity: impostor.config[identity]})
            with dead_port() as port, pytest.raises(Unreachable):
                await opened(name, Served(device, elsewhere(other, port)))
        assert not device.sessions

    run(all_of_it())


@each_way
def test_foreign_vlans_are_refused_before_anything_is_sent(way: str) -> None:
    name, _ = WAYS[way]

    async def use(device: Device, served: Served, session: SwitchSession) -> None:
        port, other = device.ports()[:2]
        spec = switch_spec(name)
        for vlan in (1, 999, max(spec.capabilities.reserved)):
            answers = await session.apply([PortChange(port, CLOSED, PortState(None, frozenset({vlan, 10})))], writer())
            assert isinstance(answers[port], Refused)
            with pytest.raises(BadArgument):
                spec.render(served.config, [PortChange(port, CLOSED, PortState(vlan))])
        assert not device.writes()
        assert await session.apply([PortChange(other, CLOSED, PortState(1))], writer())
        assert not device.writes()

    against(way, use)
