"""The OS10 driver keeps every promise of the conformance check against the emulated switch."""

import pytest

from tests.switches.harness import conforms, run


@pytest.mark.net
def test_the_driver_keeps_every_promise() -> None:
    run(conforms("os10"))
