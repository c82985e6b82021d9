"""What the tests of Open vSwitch do with a data centre besides asking it: sessions, states, the way back to factory."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceError
from hil.core.model import CLOSED, Observed, PortChange, PortState
from hil.drivers.switch.ovs.session import open_session
from hil.drivers.switch.ovs.spec import SPEC
from hil.lab.ovs.datacentre import DataCentre, Nic

EMPTY: Any = ["set", []]
DEFAULT = {"vlan_mode": EMPTY, "tag": EMPTY, "trunks": EMPTY, "cvlans": EMPTY, "protected": False}
PLAIN_BRIDGE = {"external_ids": ["map", []], "controller": EMPTY, "mirrors": EMPTY, "fail_mode": EMPTY}


def writer(fence: int = 1) -> Writer:
    return Writer(fence, lambda: None)


def update(table: str, name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {"op": "update", "table": table, "where": [["name", "==", name]], "row": dict(row)}


def factory(centre: DataCentre) -> None:
    """Bring everything back to how it was built."""
    centre.reachable(True)
    centre.power(True)
    links = {"sw1": "sw1-sw2", "sw2": "sw2-sw1"}
    everything = {"trunks": ["set", list(range(1, 4095))], "vlan_mode": "trunk"}
    centre.transact(
        *(update("Port", port, {**DEFAULT, "vlan_mode": "access", "tag": 1}) for _, port in centre.wiring.values()),
        *(update("Port", switch, DEFAULT) for switch in centre.switches),
        *(update("Port", port, {**DEFAULT, **everything}) for port in links.values()),
        *(update("Bridge", switch, PLAIN_BRIDGE) for switch in centre.switches),
    )
    centre.settle()


@asynccontextmanager
async def session(centre: DataCentre, switch: str = "sw1", **config: Any) -> AsyncIterator[SwitchSession]:
    opened = await open_session(SPEC.validate(centre.config(switch, **config)))
    try:
        yield opened
    finally:
        await opened.close()


async def change(opened: SwitchSession, wants: Mapping[str, PortState]) -> list[PortChange]:
    found = await opened.read(list(wants))
    return [PortChange(port, found[port].state, want) for port, want in wants.items()]


async def put(opened: SwitchSession, wants: Mapping[str, PortState], fence: int = 1) -> dict[str, DeviceError | None]:
    return await opened.apply(await change(opened, wants), writer(fence))


def lead(centre: DataCentre, wants: Mapping[Nic, PortState]) -> None:
    """Have the driver bring these NICs to their states, and every other one to closed."""

    async def all_switches() -> None:
        for switch in centre.switches:
            ports = {port: wants.get(nic, CLOSED) for nic, (where, port) in centre.wiring.items() if where == switch}
            async with session(centre, switch) as opened:
                answers = await put(opened, ports)
                assert not any(answers.values()), answers
                found = await opened.read(list(ports))
                assert {port: observed.state for port, observed in found.items()} == ports

    asyncio.run(all_switches())


def read(centre: DataCentre, switch: str, *ports: str) -> dict[str, Observed]:
    async def once() -> dict[str, Observed]:
        async with session(centre, switch) as opened:
            return await opened.read(ports or None)

    return asyncio.run(once())


def count(centre: DataCentre) -> int:
    """How many transactions have asked to be applied so far."""
    select = {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]}
    found: int = centre.transact(select)[0]["rows"][0]["next_cfg"]
    return found
