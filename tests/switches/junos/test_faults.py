"""What goes wrong between HIL and a Junos switch: locks, refusals, lies, lost replies, and the timer that undoes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from hil.core.devices import Writer
from hil.core.errors import DeviceBusy, IdentityChanged, LeaseLost, LostReply, Refused
from hil.core.model import CLOSED, PortChange, PortState
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.junos.session import JunosSession, open_session
from hil.drivers.switch.junos.spec import SPEC
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.lab.devices import emulator
from hil.lab.devices.model import Device
from tests.switches.harness import opened

pytestmark = pytest.mark.net
WRITER = Writer(1, lambda: None)
LAB = emulator("junos")
A, B = LAB.ports[:2]
WANT = PortState(10, frozenset({20}))


class Clock:
    """A device's sleep that ends when the test says so."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.rang = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        await self.rang.wait()

    async def ring(self) -> None:
        self.rang.set()
        for _ in range(5):
            await asyncio.sleep(0)


def device(**settings: Any) -> Device:
    found = LAB.device("lab", **settings)
    for port in LAB.ports:
        found.set_by_hand(port, CLOSED)
    found.saved = found.config.copy()
    return found


def with_session(found: Device, body: Callable[[JunosSession], Awaitable[Any]], **settings: Any) -> Any:
    async def run() -> Any:
        async with LAB.serve(found) as served:
            session = await opened("junos", served, **settings)
            try:
                return await body(session)
            finally:
                await session.close()

    return asyncio.run(run())


def opening(*ports: str) -> list[PortChange]:
    return [PortChange(port, CLOSED, WANT) for port in ports]


def test_a_candidate_that_another_session_holds_is_busy() -> None:
    found = device()

    async def run() -> None:
        async with LAB.serve(found) as served:
            first, second = await opened("junos", served), await opened("junos", served)
            await first._lock()
            with pytest.raises(DeviceBusy, match="locked by"):
                await second.apply(opening(A), WRITER)
            await first.close()
            third = await opened("junos", served)
            assert await third.apply(opening(A), WRITER) == {A: None}
            await asyncio.gather(second.close(), third.close())

    asyncio.run(run())
    assert found.running(A) == WANT


def test_changes_that_somebody_left_in_the_candidate_are_never_committed() -> None:
    found = device()

    async def body(session: JunosSession) -> None:
        netconf = session._netconf
        described = f"<interface><name>{B}</name><description>x</description></interface>"
        change = f"<configuration><interfaces>{described}</interfaces></configuration>"
        await netconf.rpc(f"<edit-config><target><candidate/></target><config>{change}</config></edit-config>")
        with pytest.raises(DeviceBusy, match="modified"):
            await session.apply(opening(A), WRITER)

    with_session(found, body)
    assert found.running(A) == CLOSED
    assert not found.config.ports[B].lines


def test_a_port_that_is_refused_is_left_out_and_the_others_are_done() -> None:
    found = device()
    found.faults.add(Fault(kind=FaultKind.REFUSE, port=A, words="not while I live"))
    answers = with_session(found, lambda session: session.apply(opening(A, B), WRITER))
    assert isinstance(answers[A], Refused)
    assert "not while I live" in answers[A].message
    assert answers[B] is None
    assert found.running(A) == CLOSED
    assert found.running(B) == WANT


def test_what_reads_otherwise_is_taken_back_and_the_others_are_done() -> None:
    found = device()
    found.faults.add(Fault(kind=FaultKind.LIE, port=A))
    answers = with_session(found, lambda session: session.apply(opening(A, B), WRITER))
    assert isinstance(answers[A], Refused)
    assert "taken back" in answers[A].message
    assert answers[B] is None
    assert (found.running(A), found.running(B)) == (CLOSED, WANT)
    assert found.saved.ports[B] == found.config.ports[B]


def test_a_commit_that_nobody_confirms_undoes_itself() -> None:
    async def run() -> None:
        clock = Clock()
        found = device(sleep=clock.sleep)
        found.faults.add(Fault(kind=FaultKind.HALF, port=A))
        async with LAB.serve(found) as served:
            session = await opened("junos", served, confirm=77)
            with pytest.raises(LostReply):
                await session.apply(opening(A), WRITER)
            await session.close()
            assert found.running(A) == WANT
            assert clock.asked == [77]
            await clock.ring()
            assert found.running(A) == CLOSED

    asyncio.run(run())


def test_saving_confirms_what_an_earlier_session_left_unconfirmed() -> None:
    """Otherwise a port would be called done that a timer is about to change."""

    async def run() -> None:
        clock = Clock()
        found = device(sleep=clock.sleep)
        found.faults.add(Fault(kind=FaultKind.HALF, port=A))
        async with LAB.serve(found) as served:
            first = await opened("junos", served)
            with pytest.raises(LostReply):
                await first.apply(opening(A), WRITER)
            second = await opened("junos", served)
            assert (await second.read([A]))[A].state == WANT
            await second.save(WRITER)
            await clock.ring()
            assert found.running(A) == WANT
            found.reboot()
            assert found.running(A) == WANT
            await asyncio.gather(first.close(), second.close())

    asyncio.run(run())


def test_a_lease_that_ends_before_the_confirmation_lets_the_device_roll_back() -> None:
    async def run() -> None:
        clock = Clock()
        found = device(sleep=clock.sleep)
        left = [2]

        def check() -> None:
            left[0] -= 1
            if left[0] < 0:
                raise LeaseLost("over")

        async with LAB.serve(found) as served:
            session = await opened("junos", served)
            with pytest.raises(LeaseLost):
                await session.apply(opening(A), Writer(1, check))
            await session.close()
            assert found.running(A) == WANT
            await clock.ring()
            assert found.running(A) == CLOSED

    asyncio.run(run())


@pytest.mark.parametrize("kind", [FaultKind.LOSE_REQUEST, FaultKind.LOSE_REPLY])
def test_a_session_that_dies_in_an_edit_changes_nothing(kind: FaultKind) -> None:
    found = device()
    found.faults.add(Fault(kind=kind, op=Op.WRITE))

    async def body(session: JunosSession) -> None:
        with pytest.raises(LostReply):
            await session.apply(opening(A), WRITER)

    with_session(found, body)
    assert found.running(A) == CLOSED


def test_a_lag_member_is_refused_and_not_written() -> None:
    found = device()
    found.config.ports[A] = replace(found.config.ports[A], lag="ae1")

    async def body(session: JunosSession) -> Any:
        assert (await session.read([A]))[A].reason == "member of LAG ae1"
        return await session.apply([PortChange(A, None, CLOSED), *opening(B)], WRITER)

    answers = with_session(found, body)
    assert isinstance(answers[A], Refused)
    assert "ae1" in answers[A].message
    assert answers[B] is None
    assert found.config.ports[A].lag == "ae1"


def test_another_host_key_is_another_identity() -> None:
    async def run() -> None:
        async with LAB.serve(device()) as served, LAB.serve(device()) as other:
            config = SPEC.validate({**served.config, "host_key": other.config["host_key"]})
            with pytest.raises(IdentityChanged):
                await open_session(config)

    asyncio.run(run())


def test_one_batch_is_one_commit_however_many_ports() -> None:
    ports = tuple(f"xe-0/0/{number}" for number in range(48))
    found = LAB.device("big", ports)
    calls: list[str] = []
    found.on_step = calls.append
    batch = [PortChange(port, None, WANT) for port in ports]
    assert set(with_session(found, lambda session: session.apply(batch, WRITER)).values()) == {None}
    assert {found.running(port) for port in ports} == {WANT}
    assert calls.count("write.before") == 3  # edit, commit, confirm
    assert calls.count("login.before") == 1


def test_it_tells_who_it_is_and_who_is_heard() -> None:
    found = device()
    found.neighbours[A] = [Neighbour("00:1b:21:00:00:01", "00:1b:21:00:00:02", "node-1")]
    found.macs[B] = [Mac("00:1b:21:00:00:09", 20)]
    found.config.vlans |= {20}

    async def body(session: JunosSession) -> Any:
        return await session.about(), await session.neighbours(), await session.macs()

    about, neighbours, macs = with_session(found, body)
    assert about == About("ex4300-48t", "21.4R3-S5.4", "LAB0815")
    assert neighbours == found.neighbours
    assert macs == found.macs
