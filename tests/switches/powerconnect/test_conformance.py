"""The PowerConnect driver keeps every promise of the conformance check against the emulated 5548."""

import pytest

from hil.lab.devices.powerconnect import PORTS, PowerConnectEmulator
from tests.switches.harness import conforms, run


@pytest.mark.net
@pytest.mark.parametrize("terse", [False, True], ids=["all ports at once", "one port at a time"])
def test_the_driver_keeps_every_promise(terse: bool) -> None:
    run(conforms("powerconnect", served_by=PowerConnectEmulator(terse=terse, ports=PORTS[:4])))
