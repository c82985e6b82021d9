"""What drivers vouch for beside the conformance check, tried on the lab's emulators: a grade is no more than a word."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hil.core.devices import SwitchSession
from hil.core.wiring import Mac, Neighbour, SeesMacs, SeesNeighbours, TellsAbout
from hil.drivers.quality import Status, grade
from hil.drivers.registry import capabilities_of, switch_spec
from hil.lab.devices import EMULATORS, Served, emulator
from tests.switches.harness import opened

MAC = "00:00:5e:00:53:01"
DRIVERS = sorted(EMULATORS)


def done(driver: str, criterion: str) -> bool:
    marks = grade(driver)
    assert marks is not None
    return marks[criterion].status is Status.DONE


def play(driver: str, case: Callable[[SwitchSession, Served], Awaitable[None]]) -> None:
    """Run a case with a session on a switch that has one machine plugged in, at its first port."""
    platform = emulator(driver)
    device = platform.device("graded")
    port = platform.ports[0]
    device.macs, device.neighbours = {port: [Mac(MAC, 1)]}, {port: [Neighbour(MAC, MAC, "node-01")]}

    async def run() -> None:
        async with platform.serve(device) as served:
            session = await opened(driver, served)
            try:
                await case(session, served)
            finally:
                await session.close()

    asyncio.run(run())


@pytest.mark.net
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_driver_tells_what_it_says_it_tells(driver: str) -> None:
    port = emulator(driver).ports[0]

    async def case(session: SwitchSession, served: Served) -> None:
        assert isinstance(session, TellsAbout)
        assert (await session.about()).model
        assert done(driver, "macs") <= isinstance(session, SeesMacs)
        if done(driver, "macs") and isinstance(session, SeesMacs):
            found = await session.macs()
            assert {where: {mac.address for mac in seen} for where, seen in found.items()} == {port: {MAC}}
        assert done(driver, "neighbours") <= isinstance(session, SeesNeighbours)
        if done(driver, "neighbours") and isinstance(session, SeesNeighbours):
            seen = await session.neighbours()
            assert {where: [each.port for each in said] for where, said in seen.items()} == {port: [MAC]}

    play(driver, case)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_confirm_timer_is_declared_where_it_is_vouched_for(driver: str) -> None:
    assert done(driver, "confirm-timer") <= (capabilities_of(switch_spec(driver), {}).confirm_timer is not None)
