"""The promises that every driver of a controller makes, kept towards machines that really start and stop."""

import asyncio
import socket
from dataclasses import replace
from typing import Any

import pytest

from hil.core.obms import BootDevice, ObmCapabilities, PowerAction
from hil.testing.obm import check_obm_driver
from hil.testing.obm_case import ObmControl
from tests.lab_machines.rack import BOTH, DRIVERS, Rack

pytestmark = [pytest.mark.ovs, pytest.mark.machines]

IPMI = ObmCapabilities(
    actions=frozenset(PowerAction),
    devices=frozenset(BootDevice),
    boot_read=True,
    boot_once=True,
    console=True,
    sensors=True,
    event_log=True,
    identify=True,
    firmware=True,
)
REDFISH = ObmCapabilities(
    actions=frozenset(PowerAction),
    devices=frozenset(BootDevice),
    boot_read=True,
    boot_once=True,
    boot_persistent=True,
    console=True,
    identify=True,
    firmware=True,
)
KIND = {"ipmi": socket.SOCK_DGRAM, "redfish": socket.SOCK_STREAM}
PROMISES = {
    *("switches_on_and_off", "sets_the_boot_device", "refuses_what_it_lacks", "tells_wrong_login", "tells_unreachable"),
    *("tells_no_secret", "survives_the_session", "gives_the_console_back", "reads_sensors", "identifies"),
}
"""Those that concern a machine; the others are tried with the simulators of tests/drivers_obm, which can be broken."""


@pytest.mark.parametrize("node", BOTH)
def test_the_drivers_keep_their_promises_to_these_machines(machines: Rack, node: str) -> None:
    async def power() -> bool:
        return (await machines.look(node)).power

    async def boots() -> int:
        return (await machines.look(node)).boots

    async def story() -> None:
        spec, opened = DRIVERS[machines.controllers[node].driver]
        here = spec.validate(machines.controllers[node].config)
        has = IPMI if spec.name == "ipmi" else REDFISH
        with socket.socket(socket.AF_INET, KIND[spec.name]) as held:
            held.bind(("127.0.0.1", 0))
            report = await check_obm_driver(
                opened,
                here,
                ObmControl(power=power, boots=boots),
                spec=replace(spec, capabilities=has),
                wrong_login={**here, "password": "wrong"},
                only=PROMISES,
                unreachable={**here, **_elsewhere(spec.name, held.getsockname()[1]), "timeout": 1.0},
            )
        assert set(report.not_tried) == (set() if has.sensors else {"reads_sensors"})

    asyncio.run(story())


def _elsewhere(driver: str, port: int) -> dict[str, Any]:
    return {"port": port} if driver == "ipmi" else {"url": f"https://127.0.0.1:{port}"}
