"""The driver for SNMP keeps every promise against the lab's agent, in both versions of the protocol."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from hil.drivers.switch.snmp.session import open_session
from hil.drivers.switch.snmp.spec import SPEC
from hil.lab.devices import emulator
from hil.lab.devices.snmp.agent import keys_of
from hil.testing import check_switch_driver
from tests.switches.control import control_of
from tests.switches.harness import conforms

pytestmark = pytest.mark.net
QUICK = {"timeout": 2.0, "retries": 1}


@pytest.fixture
def silence() -> Iterator[dict[str, object]]:
    """A port on which somebody listens and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield {"port": deaf.getsockname()[1], "timeout": 0.2, "retries": 0}


def test_the_driver_keeps_every_promise_with_version_3(silence: dict[str, object]) -> None:
    wrong = {"auth_password": "wrong-wrong"}
    asyncio.run(conforms("snmp", settings=QUICK, wrong_login=wrong, unreachable=silence))


def test_version_2c_keeps_its_promises_too(silence: dict[str, object]) -> None:
    """Those that hang on the protocol; a wrong community is silence, which is all that version 2c can say."""
    lab = emulator("snmp")
    device = lab.device("old")
    promises = ["reads_ports", "survives_session", "refuses_in_words", "tells_lost_replies", "tells_unreachable"]

    async def check() -> None:
        async with lab.serve(device) as served:
            same = {key: served.config[key] for key in ("hostname", "port", "save_oid", "error_oid")}
            config = SPEC.validate({**same, **QUICK, "version": "2c", "community": keys_of(device)["community"]})
            for dark in ({**config, **silence}, {**config, "community": "wrong", "timeout": 0.2, "retries": 0}):
                report = await check_switch_driver(
                    open_session,
                    config,
                    lab.ports[:2],
                    control_of(device, "snmp"),
                    spec=SPEC,
                    unreachable=dark,
                    only=promises if dark["port"] == silence["port"] else promises[-1:],
                )
                assert report.not_tried == {}

    asyncio.run(check())
