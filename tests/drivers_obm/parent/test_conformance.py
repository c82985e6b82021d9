"""The driver `hil` keeps its promises to a real second HIL with its obmd and an emulated BMC."""

import pytest

from hil.drivers.obm.parent.session import open_session
from hil.drivers.obm.parent.spec import SPEC
from hil.drivers.obm_registry import obm_spec
from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from hil.lab.bmc.machine import Machine
from hil.testing.obm import check_obm_driver
from hil.testing.obm_case import ObmControl
from tests.drivers_obm.parent.peer import STRANGER, Road, api_key, api_of, config, nowhere, road_to
from tests.obm_side.world import ObmWorld


def control(machine: Machine, road: Road) -> ObmControl:
    async def power() -> bool:
        return machine.on

    async def boots() -> int:
        return len(machine.boots)

    async def changes() -> int:
        return len([entry for entry in machine.log if entry.action == "power-set"])

    async def sessions() -> int:
        return len(road.lines)

    async def say(data: bytes) -> None:
        machine.print(data)

    async def typed() -> bytes:
        return bytes(machine.typed)

    async def refuse(words: str) -> None:
        machine.faults.add(BmcFault(kind=BmcFaultKind.REFUSE, op=BmcOp.WRITE, words=words))

    async def lose_reply() -> None:
        machine.faults.add(BmcFault(kind=BmcFaultKind.LOSE_REPLY, op=BmcOp.WRITE))

    async def drop() -> None:
        road.drop()

    async def hang() -> None:
        road.hang()

    return ObmControl(
        power=power, boots=boots, changes=changes, sessions=sessions, say=say, typed=typed, refuse=refuse,
        lose_reply=lose_reply, drop=drop, hang=hang,
    )  # fmt: skip


@pytest.mark.net
def test_it_keeps_its_promises_to_another_hil(small_world: ObmWorld) -> None:
    machine = small_world.machine("n1", "p", enabled=True)
    _, token = api_key(small_world)

    async def story() -> None:
        with nowhere() as closed:
            async with api_of(small_world) as url, road_to(url) as road:
                found = config(road.url, token)
                report = await check_obm_driver(
                    open_session,
                    found,
                    control(machine, road),
                    spec=SPEC,
                    wrong_login={**found, "api_key": STRANGER},
                    unreachable={**found, "url": f"http://127.0.0.1:{closed.getsockname()[1]}"},
                    impatient={**found, "timeout": 0.3},
                )
        assert report.not_tried == {"refuses_what_it_lacks": "its capabilities lack nothing"}

    small_world.run(story())


def test_it_is_installed() -> None:
    assert obm_spec("hil") is SPEC
