"""The driver for SONiC keeps every promise against the lab's switch."""

import asyncio

import pytest

from tests.switches.harness import conforms


@pytest.mark.net
def test_the_driver_keeps_every_promise() -> None:
    asyncio.run(conforms("sonic"))
