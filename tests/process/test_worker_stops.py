"""A worker that is asked to stop finishes the batch that it has begun."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.drivers.switch.mock.device import Delays, EmulatedSwitch
from hil.lab.switchd import EmulatedSwitchServer
from tests.process.serving import ANN, PATIENCE, Hil, run

pytestmark = pytest.mark.net


@pytest.fixture
def slow_switch() -> Iterator[EmulatedSwitchServer]:
    """A switch that takes two seconds for a log-in, served by a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    device = EmulatedSwitch("s", ports=["1"], username="u", password="p", delays=Delays(login=2.0))
    server = EmulatedSwitchServer(device)
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(PATIENCE)
    yield server
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(PATIENCE)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_batch_under_way_is_finished(
    start: Callable[..., Hil], tmp_path: Path, slow_switch: EmulatedSwitchServer
) -> None:
    hil = start("--state", "state", "--first-operator", ANN[0], variables={"HIL_ADMIN_PASSWORD": ANN[1]}).ready()
    config = {"address": slow_switch.address, "username": "u", "password": "p"}
    for method, path, body in [
        ("POST", "/v1/switches", {"name": "s", "driver": "emulated", "config": config}),
        ("POST", "/v1/switches/s/ports", {"name": "1"}),
        ("POST", "/v1/nodes", {"name": "n"}),
        ("POST", "/v1/nodes/n/nics", {"name": "eth0", "macaddr": ""}),
        ("PATCH", "/v1/switches/s/ports/1", {"nic": {"node": "n", "nic": "eth0"}}),
    ]:
        answer = hil.call(method, path, json=body)
        assert answer.is_success, answer.text
    deadline = time.monotonic() + PATIENCE
    while not hil.get("/v1/switches/s/ports/1").json()["tainted"]:
        assert time.monotonic() < deadline
    assert hil.stop() == 0
    assert run(tmp_path, "--state", "state", "plan", program="hil.admin") == (0, "nothing is pending\n")
    assert not any("WARNING" in line or "ERROR" in line for line in hil.said)
