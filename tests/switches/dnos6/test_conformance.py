"""The DNOS 6 driver keeps every promise of the conformance check against the emulated N-series switch."""

import pytest

from hil.lab.devices.dnos6 import PORTS, Dnos6Emulator
from tests.switches.harness import conforms, run


@pytest.mark.net
@pytest.mark.parametrize("old", [False, True], ids=["firmware 6", "firmware 5"])
def test_the_driver_keeps_every_promise(old: bool) -> None:
    run(conforms("dnos6", served_by=Dnos6Emulator(old=old, ports=PORTS[:4])))
