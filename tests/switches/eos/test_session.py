"""Sessions with an emulated Arista switch: what is staged, confirmed, undone; faults, and what others leave behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from hil.core.devices import SwitchSession, Writer
from hil.core.errors import (
    DeviceBusy,
    DeviceError,
    IdentityChanged,
    LeaseLost,
    LoginRefused,
    LostReply,
    Refused,
    Unreachable,
)
from hil.core.model import CLOSED, PortChange, PortState
from hil.core.wiring import Mac, Neighbour, SeesMacs, SeesNeighbours, TellsAbout
from hil.drivers.switch.eos.session import EosSession
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.lab.devices import Served
from hil.lab.devices.eos import EMULATOR, EosPlatform
from hil.lab.devices.model import Device
from hil.lab.devices.web import as_json, serve
from tests.switches.harness import opened

pytestmark = pytest.mark.net
WRITER = Writer(3, lambda: None)
ONE, TWO, THREE = EMULATOR.ports[:3]
WANT = PortState(10, frozenset({20}))


class Bench:
    """A served switch whose platform can be looked into, with a clock that the test moves."""

    def __init__(self, served: Served, platform: EosPlatform, ring: asyncio.Event) -> None:
        self.served, self.platform, self.ring = served, platform, ring

    @asynccontextmanager
    async def session(self, **settings: Any) -> AsyncIterator[SwitchSession]:
        session = await opened("eos", self.served, **settings)
        try:
            yield session
        finally:
            await session.close()


def story(test: Callable[[Bench, Device], Awaitable[None]], device: Device | None = None) -> None:
    async def whole() -> None:
        found = device or EMULATOR.device("eos")
        ring = asyncio.Event()

        async def sleep(seconds: float) -> None:
            await ring.wait()

        platform = EosPlatform(found, sleep)
        async with serve(found, platform) as served:
            await test(Bench(served, platform, ring), found)
        platform.close()
        assert not found.sessions

    asyncio.run(whole())


async def closed(session: SwitchSession, *ports: str) -> None:
    seen = await session.read(ports)
    assert set((await session.apply([PortChange(p, seen[p].state, CLOSED) for p in ports], WRITER)).values()) == {None}


def opening(*ports: str) -> list[PortChange]:
    return [PortChange(port, CLOSED, WANT) for port in ports]


def test_a_batch_is_one_session_that_is_confirmed() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE, TWO)
            assert await session.apply(opening(ONE, TWO), WRITER) == {ONE: None, TWO: None}
        assert bench.platform.pending == {}
        assert device.running(ONE) == device.running(TWO) == WANT
        assert {"spanning-tree portfast", "spanning-tree bpduguard enable"} <= device.config.ports[ONE].lines
        assert [entry.action for entry in device.log].count("login") == 1

    story(test)


def test_a_change_that_is_not_confirmed_is_undone_by_the_switch() -> None:
    async def test(bench: Bench, device: Device) -> None:
        left = 3  # closed: stage, commit, confirm; then stage, commit

        def check() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise LeaseLost("gone")

        async with bench.session() as session:
            await closed(session, ONE)
            left = 2
            with pytest.raises(LeaseLost):
                await session.apply(opening(ONE), Writer(3, check))
        assert device.running(ONE) == WANT
        timers = [entry.timer for entry in bench.platform.pending.values()]
        bench.ring.set()
        await asyncio.gather(*[timer for timer in timers if timer is not None])
        assert device.running(ONE) == CLOSED
        assert bench.platform.pending == {}

    story(test)


def test_what_a_dead_worker_left_is_settled_before_anything_else() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE)
            device.faults.add(Fault(kind=FaultKind.LOSE_REPLY, op=Op.WRITE, after=1))
            with pytest.raises(LostReply):
                await session.apply(opening(ONE), WRITER)
        assert [entry.state for entry in bench.platform.pending.values()] == ["pendingCommitTimer"]
        async with bench.session() as session:
            assert (await session.read([ONE]))[ONE].state == WANT
            await session.save(WRITER)
        assert bench.platform.pending == {}
        assert device.startup(ONE) == device.running(ONE) == WANT
        async with bench.session() as session:
            device.faults.add(Fault(kind=FaultKind.HALF, port=ONE))
            with pytest.raises(LostReply):
                await session.apply([PortChange(ONE, WANT, PortState(30))], WRITER)
        assert [entry.state for entry in bench.platform.pending.values()] == ["pending"]
        async with bench.session() as session:
            assert await session.apply([PortChange(ONE, WANT, PortState(30))], WRITER) == {ONE: None}
        assert bench.platform.pending == {}
        assert device.running(ONE) == PortState(30)

    story(test)


def test_somebody_elses_timer_makes_the_switch_busy() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            assert isinstance(session, EosSession)
            await session._run(["configure session alice"], WRITER)
            await session._run(["configure session alice commit timer 00:05:00"], WRITER)
        async with bench.session() as session:
            with pytest.raises(DeviceBusy, match="alice"):
                await session.apply([PortChange(ONE, PortState(1), WANT)], WRITER)
        async with bench.session() as session:
            with pytest.raises(DeviceBusy, match="alice"):
                await session.save(WRITER)
        assert not device.writes(ONE)

    story(test)


def test_sessions_that_others_keep_open_leave_no_room() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            assert isinstance(session, EosSession)
            for number in range(5):
                await session._run([f"configure session alice{number}"], WRITER)
            with pytest.raises(DeviceBusy, match="pending sessions"):
                await session.apply([PortChange(ONE, PortState(1), WANT)], WRITER)
        assert not device.writes()

    story(test)


def test_one_refused_port_does_not_cost_the_others_their_change() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE, TWO, THREE)
            device.faults.add(Fault(kind=FaultKind.REFUSE, port=TWO, words="VLAN 20 is used internally by Ethernet48"))
            answers = await session.apply(opening(ONE, TWO, THREE), WRITER)
            assert isinstance(answers[TWO], Refused)
            assert "used internally by Ethernet48" in str(answers[TWO])
            assert (answers[ONE], answers[THREE]) == (None, None)
            unknown = await session.apply([PortChange("Ethernet99", None, WANT)], WRITER)
            assert isinstance(unknown["Ethernet99"], Refused)
        assert [device.running(port) for port in (ONE, TWO, THREE)] == [WANT, CLOSED, WANT]
        assert bench.platform.pending == {}

    story(test)


def test_a_device_that_lies_is_rolled_back_and_found_out() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE, TWO)
            device.faults.add(Fault(kind=FaultKind.LIE, port=TWO))
            answers = await session.apply(opening(ONE, TWO), WRITER)
            assert answers[ONE] is None
            assert "read back" in str(answers[TWO])
        assert [device.running(port) for port in (ONE, TWO)] == [WANT, CLOSED]

    story(test)


def test_a_timer_that_ran_out_too_early_leaves_the_state_unknown() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE)
            bench.ring.set()
            with pytest.raises(LostReply):
                await session.apply(opening(ONE), WRITER)
        assert device.running(ONE) == CLOSED

    story(test)


def test_a_member_of_a_port_channel_is_never_written() -> None:
    async def test(bench: Bench, device: Device) -> None:
        device.config.ports[ONE] = replace(device.config.ports[ONE], lag="7")
        async with bench.session() as session:
            observed = (await session.read([ONE]))[ONE]
            assert observed.state is None
            answers = await session.apply([PortChange(ONE, None, CLOSED), PortChange(TWO, None, CLOSED)], WRITER)
            assert "port channel 7" in str(answers[ONE])
            assert answers[TWO] is None
        assert not device.writes(ONE)

    story(test)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind=FaultKind.BUSY, op=Op.WRITE), DeviceBusy),
        (Fault(kind=FaultKind.LOSE_REQUEST, op=Op.WRITE), LostReply),
        (Fault(kind=FaultKind.UNREACHABLE, op=Op.WRITE), LostReply),
        (Fault(kind=FaultKind.HALF), LostReply),
    ],
)
def test_a_fault_ends_the_session_and_the_next_one_goes_on(fault: Fault, error: type[DeviceError]) -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE)
            device.faults.add(fault)
            with pytest.raises(error):
                await session.apply(opening(ONE), WRITER)
            with pytest.raises(DeviceError):
                await session.read()
        assert device.running(ONE) == CLOSED
        async with bench.session() as session:
            assert await session.apply(opening(ONE), WRITER) == {ONE: None}

    story(test)


def test_a_save_that_fails_is_an_error_and_what_was_not_saved_is_lost_in_a_reboot() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE)
            await session.apply(opening(ONE), WRITER)
            device.faults.add(Fault(kind=FaultKind.FAIL_SAVE, words="No space left on flash"))
            with pytest.raises(Refused, match="No space left"):
                await session.save(WRITER)
        device.reboot()
        async with bench.session() as session:
            assert (await session.read([ONE]))[ONE].state == PortState(1)
            device.faults.add(Fault(kind=FaultKind.BUSY, op=Op.SAVE))
            with pytest.raises(DeviceBusy):
                await session.save(WRITER)

    story(test)


def test_a_reboot_forgets_sessions_and_timers() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE)
            await session.save(WRITER)
            device.faults.add(Fault(kind=FaultKind.LOSE_REPLY, op=Op.WRITE, after=1))
            with pytest.raises(LostReply):
                await session.apply(opening(ONE), WRITER)
        device.reboot()
        async with bench.session() as session:
            assert (await session.read([ONE]))[ONE].state == CLOSED
            assert await session.apply(opening(ONE), WRITER) == {ONE: None}
        assert bench.platform.pending == {}

    story(test)


def test_who_is_believed_and_who_gets_in() -> None:
    async def test(bench: Bench, device: Device) -> None:
        config = dict(bench.served.config)
        with pytest.raises(IdentityChanged):
            await opened("eos", bench.served, certificate=":".join(["0F"] * 32))
        with pytest.raises(LoginRefused):
            await opened("eos", bench.served, password="wrong")
        device.faults.add(Fault(kind=FaultKind.UNREACHABLE, op=Op.LOGIN))
        with pytest.raises(Unreachable):
            await opened("eos", bench.served)
        assert config["password"] == "pw"

    story(test)


def test_it_tells_what_it_sees() -> None:
    async def test(bench: Bench, device: Device) -> None:
        device.neighbours = {ONE: [Neighbour("52:54:00:00:00:01", "52:54:00:00:00:02", "node-1")]}
        device.macs = {TWO: [Mac("52:54:00:00:00:03", 10)]}
        async with bench.session(enable="secret") as session:
            assert isinstance(session, TellsAbout)
            assert isinstance(session, SeesNeighbours)
            assert isinstance(session, SeesMacs)
            assert await session.neighbours() == device.neighbours
            assert await session.macs() == device.macs
            assert (await session.about()).model == "DCS-7050TX-64-F"

    story(test)


def test_an_answer_that_is_none_is_a_lost_reply_or_no_session() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async def nonsense(session: object, request: object) -> object:
            return as_json({"jsonrpc": "2.0"})

        async with serve(device, nonsense) as served:  # type: ignore[arg-type]  # what no switch would be
            with pytest.raises(Unreachable):
                await opened("eos", served)

    story(test)
