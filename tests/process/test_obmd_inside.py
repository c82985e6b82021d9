"""The obmd inside `hil serve`: it needs no configuration, and an operator on the machine needs no token in hand."""

from __future__ import annotations

import asyncio
import json
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from hil.lab.bmc.machine import Machine
from hil.lab.bmc.server import EmulatedBmcServer
from tests.process.serving import ANN, Hil, run

pytestmark = pytest.mark.net
Start = Callable[..., Hil]
PASSWORD = "Bmc-Geheimnis-4711"


@contextmanager
def controller(machine: Machine) -> Iterator[str]:
    """An emulated BMC in a thread; yields its address."""
    ready, ending, found = threading.Event(), asyncio.Event(), []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with EmulatedBmcServer(machine) as server:
            found.append(server.address)
            ready.set()
            await ending.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(30)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join()
        loop.close()


def admin(directory: Path, url: str, *words: str, text: str = "") -> tuple[int, str]:
    return run(directory, "--state", "state", "obm", *words, "--url", url, program="hil.admin", text=text)


def settled(hil: Hil) -> None:
    """Wait until obmd was heard for the node."""
    hil.wait_for("ready")
    for _ in range(600):
        if hil.get("/v1/nodes/n1/obm").json()["settled"]:
            return
        threading.Event().wait(0.05)
    raise AssertionError("obmd was never heard")


def rotated(hil: Hil, directory: Path) -> None:
    """Change the key that signs; obmd believes the next one soon, with no restart."""
    for words in (("rotate-key",), ("rotate-key", "--switch")):
        assert run(directory, "--state", "state", "obm", *words, program="hil.admin")[0] == 0
    for _ in range(600):
        if hil.get("/v1/nodes/n1/power", params={"max_age": 0}).status_code == 200:
            return
        threading.Event().wait(0.05)
    raise AssertionError("obmd did not learn the new key")


def test_a_machine_is_registered_enabled_and_driven_with_nothing_configured(start: Start, tmp_path: Path) -> None:
    machine = Machine("n1", password=PASSWORD)
    variables = {"HIL_ADMIN_PASSWORD": ANN[1], "HIL_LOG__LEVEL": "debug"}
    with controller(machine) as address:
        hil = start("--state", "state", "--first-operator", ANN[0], variables=variables).ready()
        url = f"http://{hil.wait_for(r'obmd: listening on ([0-9.:]+)')[1]}"
        assert hil.call("POST", "/v1/nodes", json={"name": "n1"}).status_code == 201
        words = ("register", "n1", "--driver", "emulated", "--set", f"address={address}")
        assert admin(tmp_path, url, *words, "--set", f"password={PASSWORD}")[0] == 1  # others could read it
        done = admin(tmp_path, url, *words, "--password-stdin", text=PASSWORD + "\n")
        assert done[0] == 0
        assert done[1].endswith(f"registered the controller of n1\nHIL knows that the obmd of n1 is {url}\n")
        status, said = admin(tmp_path, url, "list", "--json")
        assert (status, json.loads(said[said.index("[\n") :])[0]["driver"]) == (0, "emulated")
        assert "power is off" in admin(tmp_path, url, "test", "n1")[1]
        settled(hil)
        assert hil.call("POST", "/v1/nodes/n1/obm/enable").json()["enabled"]
        assert hil.call("POST", "/v1/nodes/n1/power", json={"action": "on"}).status_code == 202
        assert machine.on
        ticket = hil.call("POST", "/v1/nodes/n1/console", json={}).json()["capability"]
        v0 = httpx.get(f"{hil.url}/v0/node/n1/power_status", auth=ANN)
        assert v0.status_code == 307
        rotated(hil, tmp_path)
        shown = hil.command_line()
        found = [hil.get(f"/v1/{path}").text for path in ("nodes/n1", "nodes/n1/obm", "journal", "trouble", "plan")]
        assert admin(tmp_path, url, "remove", "n1")[0] == 1  # it is enabled
        assert hil.call("POST", "/v1/nodes/n1/obm/disable").status_code == 200
        assert admin(tmp_path, url, "remove", "n1")[1].endswith("obmd has forgotten the controller of n1\n")
        assert hil.stop() == 0
    token = httpx.URL(v0.headers["location"]).params["token"]
    admin_token = (tmp_path / "state" / "obmd" / "admin-token").read_text().strip()
    databases = [path.read_bytes() for path in (tmp_path / "state").rglob("*.db*")]
    everything = "\n".join([*hil.said, *found, said, shown]).encode() + b"".join(databases)
    for secret in (PASSWORD, ticket, token, admin_token):
        assert secret.encode() not in everything
    assert stat.S_IMODE((tmp_path / "state" / "obmd" / "admin-token").stat().st_mode) == 0o600


def test_without_a_listening_address_there_is_none_inside(start: Start, tmp_path: Path) -> None:
    (tmp_path / "hil.toml").write_text('[obmd]\nlisten = ""\n')
    hil = start("--state", "state", "--config", "hil.toml").ready()
    assert hil.stop() == 0
    assert not any("obmd: listening" in line for line in hil.said)
    assert not (tmp_path / "state" / "obmd").exists()


def test_the_public_key_is_printed_and_rotated_in_two_steps(tmp_path: Path) -> None:
    def admin_key(*words: str) -> tuple[int, str]:
        return run(tmp_path, "--state", "state", *words, program="hil.admin")

    assert admin_key("db", "upgrade")[0] == 0
    first = admin_key("obm", "public-key")[1]
    assert admin_key("obm", "public-key") == (0, first)
    assert admin_key("obm", "rotate-key", "--switch")[0] == 1
    second = admin_key("obm", "rotate-key")[1]
    assert admin_key("obm", "public-key")[1] == first + second
    assert admin_key("obm", "rotate-key", "--switch") == (0, second)
    assert admin_key("obm", "public-key")[1] == second
    assert admin_key("key", "rotate")[1].startswith("re-encrypted 1 secrets")
    assert admin_key("obm", "public-key")[1] == second
