"""The driver for Junos keeps every promise against the lab's NETCONF server, in both framings."""

import asyncio

import pytest

from hil.drivers.transport.netconf import BASE_1_1
from hil.lab.devices.junos.server import CAPABILITIES, JunosEmulator
from tests.switches.harness import conforms

pytestmark = pytest.mark.net


@pytest.mark.parametrize("more", [(), (BASE_1_1,)], ids=["base:1.0", "base:1.1"])
def test_the_driver_keeps_every_promise(more: tuple[str, ...]) -> None:
    asyncio.run(conforms("junos", served_by=JunosEmulator((*CAPABILITIES, *more))))
