"""What the emulated switch tells of its cables arrives through either driver, and what a peer answers is checked."""

import asyncio
from typing import Any

import pytest

from hil import __version__
from hil.core.errors import LostReply
from hil.core.wiring import About, Mac, Neighbour, SeesMacs, SeesNeighbours, TellsAbout
from hil.drivers.switch.emulated import wire
from hil.drivers.switch.emulated.session import open_session
from hil.drivers.switch.emulated.spec import SPEC
from hil.drivers.switch.mock.device import EmulatedSwitch
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.drivers.switch.mock.session import open_on
from hil.lab.switchd import EmulatedSwitchServer

NEIGHBOURS = {"gi1/0/1": [Neighbour("00:00:5e:00:53:01", "00:00:5e:00:53:02", "node-01")]}
MACS = {"gi1/0/1": [Mac("00:00:5e:00:53:02", 100), Mac("00:00:5e:00:53:03", None)]}


def cabled() -> EmulatedSwitch:
    device = EmulatedSwitch(ports=["gi1/0/1", "gi1/0/2"])
    device.neighbours, device.macs = {**NEIGHBOURS, "gi1/0/2": []}, {**MACS, "gi1/0/2": []}
    return device


async def told(session: Any) -> tuple[About, Any, Any]:
    assert isinstance(session, TellsAbout)
    assert isinstance(session, SeesNeighbours)
    assert isinstance(session, SeesMacs)
    answer = await session.about(), await session.neighbours(), await session.macs()
    await session.close()
    return answer


def test_a_mock_switch_tells_who_is_plugged_in() -> None:
    async def ask() -> Any:
        return await told(await open_on(cabled(), "hil", "pw"))

    assert asyncio.run(ask()) == (About("emulated switch", __version__), NEIGHBOURS, MACS)


@pytest.mark.net
def test_so_does_the_emulated_one_over_tcp() -> None:
    async def ask() -> Any:
        async with EmulatedSwitchServer(cabled()) as server:
            config = SPEC.validate({"address": server.address, "username": "hil", "password": "pw"})
            return await told(await open_session(config))

    assert asyncio.run(ask())[1:] == (NEIGHBOURS, MACS)


@pytest.mark.parametrize("verb", ["neighbours", "macs"])
def test_a_session_that_is_lost_while_it_tells_is_closed(verb: str) -> None:
    device = cabled()
    device.faults.add(Fault(kind=FaultKind.LOSE_REPLY, op=Op.READ))

    async def ask() -> None:
        session = await open_on(device, "hil", "pw")
        await getattr(session, verb)()

    with pytest.raises(LostReply):
        asyncio.run(ask())
    assert not device.sessions


@pytest.mark.parametrize(
    "found",
    [None, [], {"a": None}, {"a": [None]}, {"a": [["x"]]}, {"a": [["x", 1, "y"]]}, {"a": [["00:00:5E:00:53:01", "1"]]}],
)
def test_what_is_no_table_is_a_value_error(found: Any) -> None:
    for read in (wire.neighbours_in, wire.macs_in):
        with pytest.raises(ValueError, match="not"):
            read(found)
