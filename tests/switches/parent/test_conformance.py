"""The driver `hil` against a real second HIL over HTTPS keeps every promise."""

import asyncio

import pytest

from tests.switches.harness import conforms


@pytest.mark.net
def test_it_keeps_every_promise() -> None:
    stranger = {"api_key": "hil_0123456789abcdef_" + "0" * 64}
    asyncio.run(conforms("hil", wrong_login=stranger, unknown_port="node-09/eth0"))
