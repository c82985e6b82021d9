"""Sessions with an emulated Cumulus switch: revisions that are taken, refused, awaited; faults; saving."""

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
from hil.lab.devices.model import Device, Session
from hil.lab.devices.nvue import EMULATOR, NvuePlatform, Revision
from hil.lab.devices.web import Answer, Request, as_json, serve
from tests.switches.harness import opened

pytestmark = pytest.mark.net
WRITER = Writer(3, lambda: None)
ONE, TWO, THREE = EMULATOR.ports[:3]
WANT = PortState(10, frozenset({20}))


class Bench:
    """A served switch whose platform can be looked into; `asked` are the changing requests."""

    def __init__(self, served: Served, platform: NvuePlatform, asked: list[str]) -> None:
        self.served, self.platform, self.asked = served, platform, asked

    @asynccontextmanager
    async def session(self, **settings: Any) -> AsyncIterator[SwitchSession]:
        session = await opened("nvue", self.served, **settings)
        try:
            yield session
        finally:
            await session.close()


def story(test: Callable[[Bench, Device], Awaitable[None]], polls: int = 0) -> None:
    async def whole() -> None:
        device = EMULATOR.device("nvue")
        platform = NvuePlatform(device, polls)
        asked: list[str] = []

        async def listened(session: Session, request: Request) -> Answer:
            if request.method != "GET":
                asked.append(f"{request.method} {'/'.join(request.path[1:])}")
            return await platform(session, request)

        async with serve(device, listened) as served:
            await test(Bench(served, platform, asked), device)
        assert not device.sessions

    asyncio.run(whole())


async def closed(session: SwitchSession, *ports: str) -> None:
    seen = await session.read(ports)
    assert set((await session.apply([PortChange(p, seen[p].state, CLOSED) for p in ports], WRITER)).values()) == {None}


def opening(*ports: str) -> list[PortChange]:
    return [PortChange(port, CLOSED, WANT) for port in ports]


def test_a_batch_is_one_revision_that_clears_before_it_sets() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE, TWO)
            bench.asked.clear()
            assert await session.apply(opening(ONE, TWO), WRITER) == {ONE: None, TWO: None}
        name = list(bench.platform.revisions)[-1]
        assert bench.asked == ["POST revision", "PATCH interface", "PATCH interface", f"PATCH revision/{name}"]
        assert device.running(ONE) == device.running(TWO) == WANT
        assert device.config.ports[ONE].lines == {"bpdu-guard", "admin-edge"}

    story(test)


def test_a_slow_switch_is_awaited() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE)
            assert await session.apply(opening(ONE), WRITER) == {ONE: None}

    story(test, polls=2)


def test_a_revision_that_never_ends_leaves_the_state_unknown() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session(apply_timeout=1.0) as session:
            with pytest.raises(LostReply, match="has not applied"):
                await session.apply([PortChange(ONE, None, CLOSED)], WRITER)

    story(test, polls=10**6)


@pytest.mark.parametrize("state", ["apply", "confirm", "readying"])
def test_while_another_revision_is_on_its_way_nothing_is_sent(state: str) -> None:
    async def test(bench: Bench, device: Device) -> None:
        bench.platform.revisions["7"] = Revision({}, state=state)
        async with bench.session() as session:
            with pytest.raises(DeviceBusy, match="revision 7"):
                await session.apply([PortChange(ONE, None, CLOSED)], WRITER)
        assert bench.asked == []

    story(test)


def test_one_refused_port_does_not_cost_the_others_their_change() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE, TWO, THREE)
            device.faults.add(Fault(kind=FaultKind.REFUSE, port=TWO, words="VLAN 20 is reserved"))
            answers = await session.apply(opening(ONE, TWO, THREE), WRITER)
            assert "VLAN 20 is reserved" in str(answers[TWO])
            assert isinstance(answers[TWO], Refused)
            assert (answers[ONE], answers[THREE]) == (None, None)
            unknown = await session.apply([PortChange("swp99", None, WANT)], WRITER)
            assert isinstance(unknown["swp99"], Refused)
        assert [device.running(port) for port in (ONE, TWO, THREE)] == [WANT, CLOSED, WANT]

    story(test)


def test_a_refusal_that_names_no_port_is_found_by_trying_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE, TWO)
            patched = bench.platform._patched

            def grumpy(session: Session, request: Request) -> Answer:
                if "swp2" in (request.json() or {}):
                    return as_json({"title": "Bad Request", "detail": "no such feature", "status": 400}, 400)
                return patched(session, request)

            monkeypatch.setattr(bench.platform, "_patched", grumpy)
            answers = await session.apply(opening(ONE, TWO), WRITER)
            assert answers[ONE] is None
            assert "no such feature" in str(answers[TWO])
        assert device.running(ONE) == WANT

    story(test)


def test_the_question_are_you_sure_is_answered_beforehand() -> None:
    async def test(bench: Bench, device: Device) -> None:
        revision = Revision({})
        answer = bench.platform._revision(
            Session(device, "hand"), Request("PATCH", (), "", {}, b'{"state":"apply"}'), revision
        )
        assert answer.status == 200
        assert revision.state == "ays_fail"
        async with bench.session() as session:
            await closed(session, ONE)
        assert device.running(ONE) == CLOSED

    story(test)


def test_a_member_of_a_bond_is_never_written() -> None:
    async def test(bench: Bench, device: Device) -> None:
        device.config.ports[ONE] = replace(device.config.ports[ONE], lag="bond7")
        async with bench.session() as session:
            assert (await session.read([ONE]))[ONE].state is None
            answers = await session.apply([PortChange(ONE, None, CLOSED), PortChange(TWO, None, CLOSED)], WRITER)
            assert "bond7" in str(answers[ONE])
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


def test_a_device_that_lies_is_found_out_by_reading() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE)
            device.faults.add(Fault(kind=FaultKind.LIE, port=ONE))
            assert await session.apply(opening(ONE), WRITER) == {ONE: None}
            assert (await session.read([ONE]))[ONE].state == CLOSED

    story(test)


def test_applying_does_not_persist_and_saving_does() -> None:
    async def test(bench: Bench, device: Device) -> None:
        async with bench.session() as session:
            await closed(session, ONE)
            await session.apply(opening(ONE), WRITER)
            device.faults.add(Fault(kind=FaultKind.FAIL_SAVE, words="No space left on device"))
            with pytest.raises(Refused, match="No space left"):
                await session.save(WRITER)
        device.reboot()
        async with bench.session() as session:
            assert (await session.read([ONE]))[ONE].state is None
            await closed(session, ONE)
            await session.apply(opening(ONE), WRITER)
            await session.save(WRITER)
            device.reboot()
        assert device.running(ONE) == WANT
        async with bench.session() as session:
            device.faults.add(Fault(kind=FaultKind.BUSY, op=Op.SAVE))
            with pytest.raises(DeviceBusy):
                await session.save(WRITER)

    story(test)


def test_the_bridge_gets_no_vlans_that_a_port_without_its_own_would_inherit() -> None:
    async def test(bench: Bench, device: Device) -> None:
        before = device.carried(THREE)
        async with bench.session() as session:
            await closed(session, ONE)
            await session.apply(opening(ONE), WRITER)
        assert device.running(ONE) == WANT
        assert device.carried(THREE) == before
        assert not any("bridge" in path for path in bench.asked)

    story(test)


def test_who_is_believed_and_who_gets_in() -> None:
    async def test(bench: Bench, device: Device) -> None:
        with pytest.raises(IdentityChanged):
            await opened("nvue", bench.served, certificate=":".join(["0F"] * 32))
        with pytest.raises(LoginRefused):
            await opened("nvue", bench.served, password="wrong")
        device.faults.add(Fault(kind=FaultKind.UNREACHABLE, op=Op.LOGIN))
        with pytest.raises(Unreachable):
            await opened("nvue", bench.served)

        async def nothing(session: Session, request: Request) -> Answer:
            return Answer(404, b"not here", "text/plain")

        async with serve(device, nothing) as other:
            with pytest.raises(Unreachable):
                await opened("nvue", other)

    story(test)


def test_it_tells_what_it_sees() -> None:
    async def test(bench: Bench, device: Device) -> None:
        device.neighbours = {ONE: [Neighbour("52:54:00:00:00:01", "52:54:00:00:00:02", "node-1")]}
        device.macs = {TWO: [Mac("52:54:00:00:00:03", 10)]}
        async with bench.session() as session:
            assert isinstance(session, TellsAbout)
            assert isinstance(session, SeesNeighbours)
            assert isinstance(session, SeesMacs)
            assert await session.neighbours() == device.neighbours
            assert await session.macs() == device.macs
            assert (await session.about()).firmware == "Cumulus Linux 5.9.1"

    story(test)
