"""The IOS driver keeps every promise of the conformance check against the emulated Catalyst."""

import pytest

from hil.lab.devices.ios import IosEmulator
from hil.lab.devices.shell import Login
from tests.switches.harness import conforms, run


@pytest.mark.net
@pytest.mark.parametrize(
    "emulated",
    [
        IosEmulator(),
        IosEmulator(login=Login.KEYBOARD, enable="hunter2", isl=True),
    ],
    ids=["password", "keyboard-interactive, enable, ISL"],
)
def test_the_driver_keeps_every_promise(emulated: IosEmulator) -> None:
    run(conforms("ios", served_by=emulated))
