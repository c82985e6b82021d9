"""The NX-OS driver keeps every promise of the conformance check, over NX-API and in the shell."""

import pytest

from hil.lab.devices.nxos import NxosEmulator
from tests.switches.harness import conforms, run


@pytest.mark.net
@pytest.mark.parametrize(
    "emulated",
    [NxosEmulator(), NxosEmulator(stops=True), NxosEmulator(transport="ssh")],
    ids=["NX-API", "NX-API that stops", "SSH"],
)
def test_the_driver_keeps_every_promise(emulated: NxosEmulator) -> None:
    run(conforms("nxos", served_by=emulated))
