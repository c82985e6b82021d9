"""A real HIL for tests: `hil serve` in a process of its own, and emulated switches, which can be made to fail.

One runs for each pytest process. Tests share it, so each makes a world with names of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hil.client import Client
from hil.drivers.switch.mock.device import EmulatedSwitch
from hil.drivers.switch.mock.faults import Fault, FaultKind
from hil.lab.bmc.machine import Machine
from hil.lab.bmc.server import EmulatedBmcServer
from hil.lab.switchd import EmulatedSwitchServer

PASSWORD = "correct horse battery"
MEMBER = "ann"
"""A user who is in no project until a world takes her in."""
MAIN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from hil.main import main; main()"
"""The program, with Ctrl-C as a terminal gives it, even if whoever runs the tests ignores it."""
LISTENING = re.compile(r"listening on (\S+)")
_numbers = itertools.count(1)


def clean(environ: dict[str, str] | None = None) -> dict[str, str]:
    """The environment without anything of HIL or of a terminal in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HIL_", "_HIL", "XDG_"))}
    return {**kept, "NO_COLOR": "1", **(environ or {})}


class Server:
    """The process, and how to speak to it."""

    def __init__(self, directory: Path) -> None:
        self.log, self.state = directory / "log", directory / "state"
        options = ["serve", "--state", str(directory / "state"), "--listen", "127.0.0.1:0", "--first-operator", "root"]
        settings = {"HIL_ADMIN_PASSWORD": PASSWORD, "HIL_VLAN__POOL": "100-999", "HIL_WORKER__TICK": "0.2"}
        settings |= {"HIL_OBMD__SSH_LISTEN": "127.0.0.1:0"}
        with self.log.open("wb") as log:
            command = [sys.executable, "-c", MAIN, *options]
            self._process = subprocess.Popen(
                command, env=clean({**settings, "HOME": str(directory)}), stdout=log, stderr=log
            )
        self.endpoint = f"http://{self._address()}"
        self.operator = self.client("root")
        self.operator.users.create(MEMBER, PASSWORD)
        self.tenant = self.client(MEMBER)
        self.devices = Devices()

    def _address(self) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            text = self.log.read_text()
            if (found := LISTENING.search(text)) and "ready" in text:
                return found[1]
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError(f"`hil serve` does not start:\n{self.log.read_text()}")

    def obmd(self) -> httpx.Client:
        """An operator's way to the obmd inside."""
        found = re.search(r"obmd: listening on (\S+)", self.log.read_text())
        assert found is not None
        token = (self.state / "obmd" / "admin-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=f"http://{found[1]}", headers=headers, trust_env=False)

    def client(self, username: str = "", password: str = PASSWORD, **how: Any) -> Client:
        return Client(self.endpoint, username=username, password=password if username else "", **how)

    def environ(self, username: str = "root") -> dict[str, str]:
        """What a person would set to speak to it."""
        return {"HIL_ENDPOINT": self.endpoint, "HIL_USERNAME": username, "HIL_PASSWORD": PASSWORD}

    def stop(self) -> None:
        self.operator.close()
        self.tenant.close()
        self.devices.stop()
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        finally:
            self._process.kill()


class Devices:
    """Emulated switches on loopback ports, in a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._servers: list[EmulatedSwitchServer | EmulatedBmcServer] = []

    def make(self, name: str) -> EmulatedSwitchServer:
        """A switch with power."""
        made = EmulatedSwitchServer(EmulatedSwitch(name))
        self._servers.append(made)
        asyncio.run_coroutine_threadsafe(made.start(), self._loop).result(30)
        return made

    def controller(self, machine: Machine) -> str:
        """A controller of this machine; answers its address."""
        made = EmulatedBmcServer(machine)
        self._servers.append(made)
        asyncio.run_coroutine_threadsafe(made.start(), self._loop).result(30)
        return made.address

    def print(self, machine: Machine, data: bytes) -> None:
        """Let a machine say something; it lives in the thread of its controller."""
        self._loop.call_soon_threadsafe(machine.print, data)

    def stop(self) -> None:
        for server in self._servers:
            asyncio.run_coroutine_threadsafe(server.stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()


class World:
    """A project with a manager, `ann`, four free nodes behind a switch of their own, and names that nobody else has."""

    def __init__(self, server: Server) -> None:
        self.server, self.operator, self.tenant, self.member = server, server.operator, server.tenant, MEMBER
        number = next(_numbers)
        self.project, self.switch, self.prefix, self.label = f"blue{number}", f"sw{number}", f"w{number}n", str(number)
        self.nodes = [f"{self.prefix}{at}" for at in range(1, 5)]
        self.operator.projects.create(self.project)
        self.operator.projects.set_member(self.project, MEMBER, "manager")
        self.device = server.devices.make(self.switch)
        self.operator.switches.register(
            self.switch, "emulated", {"address": self.device.address, "username": "hil", "password": "s3cr3t"}
        )
        for at, node in enumerate(self.nodes, 1):
            self.operator.nodes.register(node, labels={"world": self.label})
            self.operator.nodes.add_nic(node, "eth0", f"02:00:00:00:{number:02x}:{at:02x}")
            self.operator.ports.register(self.switch, f"gi1/0/{at}")
            self.operator.ports.wire(self.switch, f"gi1/0/{at}", node, "eth0")
        self.settled()

    def settled(self) -> None:
        """Wait until every port was read back."""
        deadline = time.monotonic() + 60
        while any(port.applied < port.wanted for port in self.operator.ports.list(self.switch)):
            assert time.monotonic() < deadline, "the worker does not settle the ports"
            time.sleep(0.02)

    def machine(self, node: str) -> Machine:
        """What is behind a node, registered, settled, and enabled by whoever has it."""
        machine = Machine(node)
        config = {"address": self.server.devices.controller(machine), "password": machine.password}
        with self.server.obmd() as obmd:
            body = {"driver": "emulated", "config": config}
            assert obmd.put(f"/v1/nodes/{node}", json=body).status_code == 201
            self.operator.obm.register(node, str(obmd.base_url))
        deadline = time.monotonic() + 60
        while not self.operator.obm.get(node).settled:
            assert time.monotonic() < deadline, "obmd is not heard"
            time.sleep(0.02)
        return machine

    def network(self, **facts: Any) -> str:
        """A fresh network of the project."""
        name = f"{self.project}-net{next(_numbers)}"
        return self.operator.networks.create(name, self.project, **facts).name

    def allocate(self, *nodes: str) -> None:
        self.tenant.nodes.allocate(self.project, nodes)

    def refuse(self, port: int, words: str = "% no room left in the table") -> None:
        """Let the switch refuse the next write of a port, 1 to 4."""
        self.device.device.faults.add(Fault(kind=FaultKind.REFUSE, port=f"gi1/0/{port}", words=words))

    def away(self) -> None:
        """Let the switch be out of reach, from now on."""
        self.device.device.faults.add(Fault(kind=FaultKind.UNREACHABLE, count=None))

    def back(self) -> None:
        self.device.device.faults.clear()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The HIL of this pytest process."""
    made = Server(tmp_path_factory.mktemp("hil"))
    yield made
    made.stop()


@pytest.fixture
def world(server: Server) -> Iterator[World]:
    """A project of one's own on it."""
    made = World(server)
    yield made
    made.back()
    server.operator.projects.remove_member(made.project, MEMBER)
