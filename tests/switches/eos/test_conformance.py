"""The EOS driver keeps every promise against the emulated Arista switch."""

import pytest

from tests.switches.harness import conforms, run

pytestmark = pytest.mark.net


@pytest.mark.parametrize("nativeless", ["parked", "tagged"])
def test_every_promise_is_kept(nativeless: str) -> None:
    run(conforms("eos", settings={"nativeless": nativeless}))
