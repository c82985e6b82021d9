"""The NVUE driver keeps every promise against the emulated Cumulus switch."""

import pytest

from tests.switches.harness import conforms, run


@pytest.mark.net
def test_every_promise_is_kept() -> None:
    run(conforms("nvue"))
