"""What goes wrong with agents on the wire, each told apart."""

import asyncio
from typing import Any

import pytest

from hil.core.devices import Writer
from hil.core.errors import BadArgument, DeviceBusy, IdentityChanged, LostReply, Refused, Unreachable
from hil.core.model import CLOSED, PortChange, PortState
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.drivers.switch.snmp.session import SnmpSession, open_session
from hil.drivers.switch.snmp.spec import SPEC
from hil.drivers.transport.snmp import Bind, Kind
from hil.lab.devices import emulator
from hil.lab.devices.model import Device

pytestmark = pytest.mark.net
WRITER = Writer(1, lambda: None)
LAB = emulator("snmp")
A, B = LAB.ports[:2]


def device() -> Device:
    found = LAB.device("lab")
    for port in LAB.ports:
        found.set_by_hand(port, CLOSED)
    return found


def with_session(found: Device, body: Any, **settings: Any) -> Any:
    """Run `body(session)` in a session with a device."""

    async def run() -> Any:
        async with LAB.serve(found) as served:
            config = SPEC.validate({**served.config, "timeout": 1.5, "retries": 0, **settings})
            session = await open_session(config)
            try:
                return await body(session)
            finally:
                await session.close()

    return asyncio.run(run())


def open_a() -> list[PortChange]:
    return [PortChange(A, CLOSED, PortState(10, frozenset({20})))]


def test_another_manager_in_between_is_busy_and_nothing_is_changed() -> None:
    found = device()
    found.faults.add(Fault(kind=FaultKind.BUSY, op=Op.WRITE))

    async def body(session: SnmpSession) -> None:
        with pytest.raises(DeviceBusy):
            await session.apply(open_a(), WRITER)

    with_session(found, body)
    assert found.running(A) == CLOSED
    assert not found.writes()


def test_another_manager_in_the_middle_of_a_batch_leaves_the_state_unknown() -> None:
    found = device()
    found.faults.add(Fault(kind=FaultKind.BUSY, op=Op.WRITE, after=2))

    async def body(session: SnmpSession) -> None:
        with pytest.raises(LostReply):
            await session.apply(open_a(), WRITER)

    with_session(found, body)


@pytest.mark.parametrize("kind", [FaultKind.LOSE_REQUEST, FaultKind.LOSE_REPLY, FaultKind.HALF])
def test_a_set_that_is_not_answered_is_lost_and_never_sent_again(kind: FaultKind) -> None:
    found = device()
    found.config.vlans |= {10, 20}
    found.faults.add(Fault(kind=kind, op=Op.WRITE, port=A))

    async def body(session: SnmpSession) -> None:
        with pytest.raises(LostReply):
            await session.apply(open_a(), WRITER)
        with pytest.raises(Unreachable):
            await session.read()

    with_session(found, body, retries=3)
    assert len(found.writes()) == (0 if kind is FaultKind.LOSE_REQUEST else 1)


def test_a_read_that_is_lost_is_unreachable() -> None:
    found = device()

    async def body(session: SnmpSession) -> None:
        found.faults.add(Fault(kind=FaultKind.LOSE_REPLY, op=Op.READ))
        with pytest.raises(Unreachable):
            await session.read()

    with_session(found, body)


def test_the_overtaken_twin_of_a_set_is_refused_by_the_agents_lock() -> None:
    """What a network delivers late must not undo what came after it."""
    found = device()

    async def body(session: SnmpSession) -> None:
        assert await session.apply(open_a(), WRITER) == {A: None}
        snmp = session._snmp
        snmp._serial = (snmp._serial or 0) - 1
        with pytest.raises(DeviceBusy):
            await snmp.set([Bind((1, 3, 6, 1, 2, 1, 2, 2, 1, 7, 101), Kind.INTEGER, 2)], WRITER)

    with_session(found, body)
    assert found.running(A) == PortState(10, frozenset({20}))


def test_one_port_of_a_list_is_refused_and_the_others_go_on() -> None:
    found = device()
    found.faults.add(Fault(kind=FaultKind.REFUSE, port=A, words="port is locked", after=0))

    async def body(session: SnmpSession) -> Any:
        return await session.apply([PortChange(port, CLOSED, PortState(10)) for port in (A, B)], WRITER)

    answers = with_session(found, body)
    assert isinstance(answers[A], Refused)
    assert "genErr: port is locked" in answers[A].message
    assert answers[B] is None
    assert found.running(A) == CLOSED
    assert found.running(B) == PortState(10)


def test_a_device_that_lies_is_found_out_by_reading() -> None:
    found = device()
    found.faults.add(Fault(kind=FaultKind.LIE, port=A))

    async def body(session: SnmpSession) -> Any:
        assert await session.apply(open_a(), WRITER) == {A: None}
        return (await session.read([A]))[A]

    assert with_session(found, body).state != PortState(10, frozenset({20}))


def test_saving_is_the_vendors_object_and_its_failure_is_told() -> None:
    found = device()
    found.faults.add(Fault(kind=FaultKind.FAIL_SAVE, words="flash is full"))

    async def body(session: SnmpSession) -> None:
        await session.apply(open_a(), WRITER)
        with pytest.raises(Refused, match="flash is full"):
            await session.save(WRITER)
        found.reboot()

    with_session(found, body)
    assert found.running(A) != PortState(10, frozenset({20}))


def test_without_such_an_object_saving_asks_only_the_lease() -> None:
    found = device()
    asked: list[None] = []

    async def body(session: SnmpSession) -> None:
        session._config = {key: value for key, value in session._config.items() if key != "save_oid"}
        await session.save(Writer(1, lambda: asked.append(None)))

    with_session(found, body)
    assert asked
    assert not [entry for entry in found.log if entry.action == "save"]


def test_another_engine_behind_the_address_is_another_identity() -> None:
    async def body(session: SnmpSession) -> None: ...

    with pytest.raises(IdentityChanged):
        with_session(device(), body, engine_id="80001f8804aabbccdd")


def test_a_user_without_privacy_is_not_let_in() -> None:
    with pytest.raises(BadArgument, match="priv_password"):
        SPEC.validate({"hostname": "a", "username": "hil", "auth_password": "12345678"})


def test_it_tells_who_it_is_and_who_is_heard() -> None:
    found = device()
    found.neighbours[A] = [Neighbour("00:1b:21:00:00:01", "00:1b:21:00:00:02", "node-1")]
    found.macs[B] = [Mac("00:1b:21:00:00:09", 20)]
    found.config.vlans |= {20}

    async def body(session: SnmpSession) -> Any:
        return await session.about(), await session.neighbours(), await session.macs()

    about, neighbours, macs = with_session(found, body)
    assert about == About("QB-48", "7.4.1", "LAB00004")
    assert neighbours == found.neighbours
    assert macs == found.macs
