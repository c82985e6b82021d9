"""What goes wrong between HIL and a SONiC switch: refusals, lies, locks, lost replies, and the way back."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from hil.core.devices import Writer
from hil.core.errors import DeviceBusy, IdentityChanged, LostReply, Refused, Unreachable
from hil.core.model import CLOSED, PortChange, PortState
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.drivers.switch.sonic.session import SonicSession, open_session
from hil.drivers.switch.sonic.spec import SPEC
from hil.lab.devices import emulator
from hil.lab.devices.model import Device
from tests.switches.harness import opened

pytestmark = pytest.mark.net
WRITER = Writer(1, lambda: None)
LAB = emulator("sonic")
A, B = LAB.ports[:2]
WANT = PortState(10, frozenset({20}))


def device() -> Device:
    found = LAB.device("lab")
    for port in LAB.ports:
        found.set_by_hand(port, CLOSED)
    found.saved = found.config.copy()
    return found


def with_session(found: Device, body: Callable[[SonicSession], Awaitable[Any]], **settings: Any) -> Any:
    async def run() -> Any:
        async with LAB.serve(found) as served:
            session = await opened("sonic", served, **settings)
            try:
                return await body(session)
            finally:
                await session.close()

    return asyncio.run(run())


def opening(*ports: str) -> list[PortChange]:
    return [PortChange(port, CLOSED, WANT) for port in ports]


def test_a_port_that_is_refused_is_left_out_and_the_others_are_done() -> None:
    found = device()
    found.faults.add(Fault(kind=FaultKind.REFUSE, port=A, words="not while I live"))
    answers = with_session(found, lambda session: session.apply(opening(A, B), WRITER))
    assert isinstance(answers[A], Refused)
    assert "not while I live" in answers[A].message
    assert answers[B] is None
    assert (found.running(A), found.running(B)) == (CLOSED, WANT)


def test_what_reads_otherwise_is_rolled_back_and_the_others_are_done() -> None:
    found = device()
    found.set_by_hand(A, PortState(20))
    found.faults.add(Fault(kind=FaultKind.LIE, port=A))
    batch = [PortChange(A, PortState(20), WANT), *opening(B)]
    answers = with_session(found, lambda session: session.apply(batch, WRITER))
    assert isinstance(answers[A], Refused)
    assert "rolled back" in answers[A].message
    assert answers[B] is None
    assert (found.running(A), found.running(B)) == (PortState(20), WANT)


def test_a_configuration_that_another_holds_is_busy_and_nothing_is_changed() -> None:
    found = device()
    found.faults.add(Fault(kind=FaultKind.BUSY, op=Op.WRITE))

    def other(step: str) -> None:
        """Somebody else's change, between the checkpoint and the patch."""
        if found.faults and step == "read.after" and found.running(B) == CLOSED:
            found.set_by_hand(B, PortState(30))

    async def body(session: SonicSession) -> None:
        found.on_step = other
        with pytest.raises(DeviceBusy):
            await session.apply(opening(A, B), WRITER)

    with_session(found, body)
    assert found.running(A) == CLOSED
    assert found.running(B) == PortState(30)


@pytest.mark.parametrize("kind", [FaultKind.LOSE_REQUEST, FaultKind.LOSE_REPLY, FaultKind.HALF])
def test_a_patch_that_dies_on_its_way_is_lost(kind: FaultKind) -> None:
    found = device()
    found.faults.add(Fault(kind=kind, op=Op.WRITE, port=A))

    async def body(session: SonicSession) -> None:
        with pytest.raises(LostReply):
            await session.apply(opening(A), WRITER)

    with_session(found, body)
    assert found.running(A) == (CLOSED if kind is FaultKind.LOSE_REQUEST else WANT)


def test_a_read_that_dies_is_unreachable() -> None:
    found = device()

    async def body(session: SonicSession) -> None:
        found.faults.add(Fault(kind=FaultKind.LOSE_REPLY, op=Op.READ))
        with pytest.raises(Unreachable):
            await session.read()

    with_session(found, body)


def test_a_save_that_fails_is_told_and_a_reboot_forgets() -> None:
    found = device()
    found.faults.add(Fault(kind=FaultKind.FAIL_SAVE, words="No space left on device"))

    async def body(session: SonicSession) -> None:
        assert await session.apply(opening(A), WRITER) == {A: None}
        with pytest.raises(Refused, match="No space left"):
            await session.save(WRITER)
        found.reboot()

    with_session(found, body)
    assert found.running(A) == CLOSED


def test_a_user_without_the_rights_is_refused_in_the_words_of_sudo() -> None:
    async def body(session: SonicSession) -> None:
        with pytest.raises(Refused, match="command not found"):
            await session._shown("sudo -n reboot")

    with_session(device(), body)


def test_a_lag_member_is_refused_and_not_written() -> None:
    found = device()
    found.config.ports[A] = replace(found.config.ports[A], lag="PortChannel1")

    async def body(session: SonicSession) -> Any:
        assert (await session.read([A]))[A].reason == "member of LAG PortChannel1"
        return await session.apply([PortChange(A, None, CLOSED), *opening(B)], WRITER)

    answers = with_session(found, body)
    assert isinstance(answers[A], Refused)
    assert "PortChannel1" in answers[A].message
    assert answers[B] is None


def test_another_host_key_is_another_identity() -> None:
    async def run() -> None:
        async with LAB.serve(device()) as served, LAB.serve(device()) as other:
            config = SPEC.validate({**served.config, "host_key": other.config["host_key"]})
            with pytest.raises(IdentityChanged):
                await open_session(config)

    asyncio.run(run())


def test_one_batch_is_one_patch_however_many_ports() -> None:
    ports = tuple(f"Ethernet{4 * number}" for number in range(48))
    found = LAB.device("big", ports)
    calls: list[str] = []
    found.on_step = calls.append
    batch = [PortChange(port, None, WANT) for port in ports]
    assert set(with_session(found, lambda session: session.apply(batch, WRITER)).values()) == {None}
    assert {found.running(port) for port in ports} == {WANT}
    assert calls.count("write.before") == 1
    assert calls.count("login.before") == 1


def test_it_tells_who_it_is_and_who_is_heard() -> None:
    found = device()
    found.neighbours[A] = [Neighbour("", "00:1b:21:00:00:02", "node-1")]
    found.macs[B] = [Mac("00:1b:21:00:00:09", 20)]

    async def body(session: SonicSession) -> Any:
        return await session.about(), await session.neighbours(), await session.macs()

    about, neighbours, macs = with_session(found, body)
    assert about == About("LAB-48x25G", "SONiC.202411.0-lab", "LAB4711")
    assert neighbours == found.neighbours
    assert macs == found.macs
