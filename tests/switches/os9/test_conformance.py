"""The OS9 driver keeps every promise of the conformance check against the emulated switch."""

import pytest

from hil.lab.devices.os9 import Os9Emulator
from tests.switches.harness import conforms, run


@pytest.mark.net
@pytest.mark.parametrize("disabled", [True, False], ids=["default VLAN disabled", "default VLAN enabled"])
def test_the_driver_keeps_every_promise(disabled: bool) -> None:
    run(conforms("os9", served_by=Os9Emulator(disabled=disabled)))
