"""Sessions with an emulated VDX switch: each status counts, refusals stay with their port, faults, saving."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceBusy, DeviceError, IdentityChanged, LoginRefused, LostReply, Refused, Unreachable
from hil.core.model import CLOSED, PortChange, PortState
from hil.core.wiring import Mac, Neighbour, SeesMacs, SeesNeighbours, TellsAbout
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.lab.devices import Served
from hil.lab.devices.model import Device, Mode, Session
from hil.lab.devices.slx import EMULATOR, TYPE, SlxPlatform
from hil.lab.devices.web import Answer, Request, serve
from tests.switches.harness import opened

pytestmark = pytest.mark.net
WRITER = Writer(3, lambda: None)
ONE, TWO, THREE = EMULATOR.ports[:3]
WANT = PortState(10, frozenset({20}))
Meddling = Callable[[Request], Answer | None]


class Bench:
    """A served switch; `asked` are the changing requests, `meddle` may answer in the switch's place."""

    def __init__(self, device: Device) -> None:
        self.platform = SlxPlatform(device)
        self.asked: list[str] = []
        self.meddle: Meddling = lambda request: None
        self.served: Served

    async def __call__(self, session: Session, request: Request) -> Answer:
        if request.method != "GET":
            self.asked.append(f"{request.method} {request.whole} {request.body.decode()}")
        return self.meddle(request) or await self.platform(session, request)

    @asynccontextmanager
    async def session(self, **settings: Any) -> AsyncIterator[SwitchSession]:
        session = await opened("slx", self.served, **settings)
        try:
            yield session
        finally:
            await session.close()


def story(test: Callable[[Bench, Device], Awaitable[None]]) -> None:
    async def whole() -> None:
        device = EMULATOR.device("slx")
        bench = Bench(device)
        async with serve(device, bench, {"interface_type": TYPE}) as bench.served:
            await test(bench, device)
        assert not device.sessions

    asyncio.run(whole())


async def closed(session: SwitchSession, *ports: str) -> None:
    seen = await session.read(ports)
    assert set((await session.apply([PortChange(p, seen[p].state, CLOSED) for p in ports], WRITER)).values()) == {None}


def opening(*ports: str) -> list[PortChange]:
    return [PortChange(port, CLOSED, WANT) for port in ports]


def test_a_port_ends_without_a_default_native_and_its_vlans_exist() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE, TWO)
            bench.asked.clear()
            assert await session.apply(opening(ONE, TWO), WRITER) == {ONE: None, TWO: None}
        assert sum("<Vlan>" in line for line in bench.asked) == 2
        assert device.config.ports[ONE].mode is Mode.HYBRID
        assert {10, 20} <= device.config.vlans
        assert device.running(ONE) == WANT

    story(test)


def test_a_refused_port_is_left_closed_and_the_others_go_on() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE, TWO, THREE)

            def full(request: Request) -> Answer | None:
                if TWO in request.whole and b"<add>" in request.body:
                    return Answer(500, b"<errors><error><error-message>TCAM is full</error-message></error></errors>")
                return None

            bench.meddle = full
            answers = await session.apply(opening(ONE, TWO, THREE), WRITER)
            assert isinstance(answers[TWO], Refused)
            assert "TCAM is full" in str(answers[TWO])
            assert (answers[ONE], answers[THREE]) == (None, None)
            unknown = await session.apply([PortChange("101/0/99", None, WANT)], WRITER)
            assert isinstance(unknown["101/0/99"], Refused)
        assert [device.running(port) for port in (ONE, TWO, THREE)] == [WANT, CLOSED, WANT]

    story(test)


def test_removing_all_vlans_is_checked_as_any_request() -> None:
    """The original ignored what the switch answered to `<none>true</none>`: the port stayed connected, unnoticed."""

    async def test(bench: Bench, device: Device) -> None:
        device.set_by_hand(ONE, WANT)
        async with bench.session() as session:
            bench.meddle = lambda request: Answer(500, b"no") if b"<none>" in request.body else None
            answers = await session.apply([PortChange(ONE, WANT, CLOSED)], WRITER)
            assert "HTTP 500" in str(answers[ONE])
        assert not device.carried(ONE).tagged

    story(test)


def test_a_conflict_that_means_there_already_is_success_and_one_that_means_locked_is_not() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE)
            await closed(session, ONE)
            device.faults.add(Fault(kind=FaultKind.BUSY, op=Op.WRITE))
            with pytest.raises(DeviceBusy, match="locked by session 27"):
                await session.apply([PortChange(ONE, None, CLOSED)], WRITER)

    story(test)


def test_a_member_of_a_port_channel_is_never_written() -> None:
    async def test(bench: Bench, device: Device) -> None:
        device.config.ports[ONE] = replace(device.config.ports[ONE], lag="7")
        async with bench.session() as session:
            answers = await session.apply([PortChange(ONE, None, CLOSED), PortChange(TWO, None, CLOSED)], WRITER)
            assert "port channel 7" in str(answers[ONE])
            assert answers[TWO] is None
        assert not device.writes(ONE)

    story(test)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=FaultKind.LOSE_REQUEST, op=Op.WRITE),
        Fault(kind=FaultKind.UNREACHABLE, op=Op.WRITE),
        Fault(kind=FaultKind.LOSE_REPLY, op=Op.WRITE),
        Fault(kind=FaultKind.HALF),
    ],
)
def test_a_session_that_dies_leaves_less_and_the_next_one_goes_on(fault: Fault) -> None:
    async def test(bench: Bench, device: Device) -> None:
        device.set_by_hand(ONE, PortState(30, frozenset({20, 40})))
        async with bench.session() as session:
            have = (await session.read([ONE]))[ONE].state
            assert have is not None
            device.faults.add(fault)
            with pytest.raises(LostReply):
                await session.apply([PortChange(ONE, have, WANT)], WRITER)
            with pytest.raises(DeviceError):
                await session.read()
        carried = device.carried(ONE)
        assert carried.tagged | {carried.native} <= have.vlans | WANT.vlans | {None}
        async with bench.session() as session:
            seen = (await session.read([ONE]))[ONE].state
            assert await session.apply([PortChange(ONE, seen, WANT)], WRITER) == {ONE: None}
        assert device.running(ONE) == WANT

    story(test)


def test_a_device_that_lies_is_found_out_by_reading() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE)
            device.faults.add(Fault(kind=FaultKind.LIE, port=ONE, count=None))
            await session.apply(opening(ONE), WRITER)
            assert (await session.read([ONE]))[ONE].state == CLOSED

    story(test)


def test_the_configuration_is_copied_once_and_a_failed_copy_is_an_error() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE)
            await session.apply(opening(ONE), WRITER)
            device.faults.add(Fault(kind=FaultKind.FAIL_SAVE, words="flash is <full>"))
            with pytest.raises(Refused, match="flash is <full>"):
                await session.save(WRITER)
            await session.save(WRITER)
            assert device.startup(ONE) == WANT
            device.faults.add(Fault(kind=FaultKind.BUSY, op=Op.SAVE))
            with pytest.raises(DeviceBusy):
                await session.save(WRITER)
        assert [line for line in bench.asked if "<src>" in line] == [line for line in bench.asked if "<dest>" in line]

    story(test)


def test_what_was_not_saved_is_lost_in_a_reboot_and_read_as_lost() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE)
            await session.save(WRITER)
            await session.apply(opening(ONE), WRITER)
        device.reboot()
        async with bench.session() as session:
            assert (await session.read([ONE]))[ONE].state == CLOSED

    story(test)


def test_a_switch_that_saves_by_itself_is_told_nothing() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session(save="automatic") as session:
            await session.save(WRITER)
        assert bench.asked == []

    story(test)


def test_a_copy_that_never_ends_leaves_the_state_unknown() -> None:
    async def test(bench: Bench, device: Device) -> None:
        bench.platform.copies = {str(number): "in-progress" for number in range(1)}

        def slow(request: Request) -> Answer | None:
            if "bna-config-cmd" not in request.whole:
                return None
            return Answer(200, b"<output><session-id>1</session-id><status>in-progress</status></output>")

        async with bench.session(save_timeout=1.0) as session:
            bench.meddle = slow
            with pytest.raises(LostReply, match="still copying"):
                await session.save(WRITER)

    story(test)


def test_who_is_believed_and_who_gets_in() -> None:
    async def test(bench: Bench, device: Device) -> None:
        with pytest.raises(IdentityChanged):
            await opened("slx", bench.served, certificate=":".join(["0F"] * 32))
        with pytest.raises(LoginRefused):
            await opened("slx", bench.served, password="wrong")
        with pytest.raises(Refused, match="FortyGigabitEthernet"):
            await opened("slx", bench.served, interface_type="FortyGigabitEthernet")
        device.faults.add(Fault(kind=FaultKind.UNREACHABLE, op=Op.LOGIN))
        with pytest.raises(Unreachable):
            await opened("slx", bench.served)

    story(test)


def test_it_tells_what_it_sees() -> None:
    async def test(bench: Bench, device: Device) -> None:
        device.neighbours = {
            ONE: [Neighbour("52:54:00:00:00:01", "52:54:00:00:00:02", "node-1"), Neighbour("a", "b")],
            TWO: [Neighbour("52:54:00:00:00:04", "eth1")],
        }
        device.macs = {TWO: [Mac("52:54:00:00:00:03", 10)]}
        async with bench.session() as session:
            assert isinstance(session, TellsAbout)
            assert isinstance(session, SeesNeighbours)
            assert isinstance(session, SeesMacs)
            assert await session.neighbours() == device.neighbours
            assert await session.macs() == device.macs
            assert (await session.about()).firmware == "7.2.0"

    story(test)
