"""Clients of the original at work: scripts that set up a data centre, the command line, leasing, imaging.

A worker drives the switch meanwhile, and nobody waits where nobody waited before.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from hil.api.settings import Settings
from hil.core.model import CLOSED, PortState
from hil.worker.worker import Worker
from tests.api_v0.obmd import ADMIN, running
from tests.api_v0.original import Client, FailedAPICallException, end_lease, force_remove, wait_for_action
from tests.api_v0.world import MOCK, Api, World

pytestmark = pytest.mark.net
Script = Callable[["Site"], Awaitable[None]]


class Site:
    """A HIL at work, and its people."""

    def __init__(self, world: World, clients: dict[str, Client]) -> None:
        self.world = world
        self.root, self.alice, self.bob, self.eve = (clients[name] for name in ("root", "alice", "bob", "eve"))

    async def machine(self, name: str, port: str, uri: str = "http://obmd.test/x") -> None:
        """Everything at once, as scripts that set up a data centre do, and no waiting between any two steps."""
        call = self.root.call
        if not await call("GET", "switches"):
            fields = {"type": MOCK, "hostname": uuid.uuid4().hex, "username": "", "password": ""}
            await call("PUT", "switch", "sw", body=fields)
        await call("PUT", "node", name, body={"obmd": {"uri": uri, "admin_token": ADMIN}})
        await call("PUT", "node", name, "nic", "eth0", body={"macaddr": "52:54:00:12:34:56"})
        await call("PUT", "switch", "sw", "port", port)
        await call("POST", "switch", "sw", "port", port, "connect_nic", body={"node": name, "nic": "eth0"})

    async def connect(self, who: Client, node: str, network: str, channel: str = "") -> None:
        body = {"network": network, "channel": channel}
        queued = await who.call("POST", "node", node, "nic", "eth0", "connect_network", body=body)
        assert await wait_for_action(who, queued["status_id"]) == "DONE"


def play(world: World, script: Script) -> None:
    """Run a script beside a worker, in one loop."""

    async def run() -> None:
        async with at_work(world) as site, asyncio.timeout(120):
            await script(site)

    world.api.runner.run(run())


@asynccontextmanager
async def at_work(world: World) -> AsyncIterator[Site]:
    transport = httpx.ASGITransport(Api(world.api.edge, Settings(v0_patience=60.0), world.api.runner).app)
    clients = {name: Client(transport, name, "secret") for name in ("root", "alice", "bob", "eve")}
    worker = Worker(world.store, tick=0.05)
    working = asyncio.create_task(worker.run())
    try:
        yield Site(world, clients)
    finally:
        worker.stop()
        await working
        for client in clients.values():
            await client.close()


def test_a_data_centre_is_set_up_used_and_taken_apart_without_a_pause(world: World) -> None:
    async def script(site: Site) -> None:
        await site.machine("n1", "gi1/0/1")
        await site.alice.call("POST", "project", "p", "connect_node", body={"node": "n1"})
        await site.alice.call("PUT", "network", "net", body={"owner": "p", "access": "p", "net_id": ""})
        await site.connect(site.alice, "n1", "net")
        assert (await site.alice.call("GET", "node", "n1"))["nics"][0]["networks"] == {"vlan/native": "net"}
        device = site.world.device()
        assert device.carried("gi1/0/1")[:2] == (100, frozenset())
        body = {"network": "net"}
        queued = await site.alice.call("POST", "node", "n1", "nic", "eth0", "detach_network", body=body)
        assert await wait_for_action(site.alice, queued["status_id"]) == "DONE"
        assert device.carried("gi1/0/1")[:2] == (CLOSED.native, CLOSED.tagged)
        await site.alice.call("POST", "project", "p", "detach_node", body={"node": "n1"})
        await site.root.call("POST", "switch", "sw", "port", "gi1/0/1", "detach_nic")
        await site.root.call("DELETE", "node", "n1", "nic", "eth0")
        await site.root.call("DELETE", "node", "n1")
        await site.root.call("DELETE", "switch", "sw", "port", "gi1/0/1")
        await site.root.call("DELETE", "switch", "sw")
        await site.alice.call("DELETE", "network", "net")

    play(world, script)


def test_wiring_may_be_undone_right_after_it_was_done(world: World) -> None:
    async def script(site: Site) -> None:
        for _ in range(5):
            await site.machine("n1", "gi1/0/1")
            await site.root.call("POST", "switch", "sw", "port", "gi1/0/1", "detach_nic")
            await site.root.call("POST", "switch", "sw", "port", "gi1/0/1", "connect_nic", body=NIC)
            await site.root.call("DELETE", "node", "n1", "nic", "eth0")
            await site.root.call("DELETE", "node", "n1")
            await site.root.call("DELETE", "switch", "sw", "port", "gi1/0/1")

    play(world, script)


NIC = {"node": "n1", "nic": "eth0"}


def test_a_lease_ends_by_revert_and_release(world: World) -> None:
    async def script(site: Site) -> None:
        await site.root.call("PUT", "network", "lan", body={"owner": "admin", "access": "", "net_id": ""})
        for number in (1, 2):
            await site.machine(f"n{number}", f"te1/{number}")
        free = await site.root.call("GET", "nodes", "free")
        assert free == ["n1", "n2"]
        for node in free:
            await site.root.call("POST", "project", "p", "connect_node", body={"node": node})
        await site.connect(site.root, "n1", "lan")
        for node in free:
            await end_lease(site.root, node)
        assert await site.root.call("GET", "nodes", "free") == free
        assert site.world.device().carried("te1/1")[:2] == (None, frozenset())

    play(world, script)


def test_forced_removal_works_on_a_node_in_full_use(world: World) -> None:
    with running() as obmd:

        async def script(site: Site) -> None:
            await put_machine(obmd.uri("m1"))
            await site.machine("n1", "gi1/0/1", obmd.uri("m1"))
            await site.alice.call("POST", "project", "p", "connect_node", body={"node": "n1"})
            await site.alice.call("PUT", "network", "net", body={"owner": "p", "access": "p", "net_id": ""})
            await site.connect(site.alice, "n1", "net", "vlan/100")
            await site.alice.call("PUT", "node", "n1", "obm", body={"enabled": True})
            assert await site.alice.call("POST", "node", "n1", "power_cycle", body={"force": True}) is None
            assert await site.alice.call("GET", "node", "n1", "power_status") == {"power_status": "Mock Status"}
            assert await site.alice.call("PUT", "node", "n1", "boot_device", body={"bootdev": "A"}) is None
            assert await site.alice.console("n1") == b"Booting\r\nlogin: "
            with pytest.raises(FailedAPICallException) as unknown:  # the OBMd's errors have no body
                await site.alice.call("PUT", "node", "n1", "boot_device", body={"bootdev": "floppy"})
            assert unknown.value.error_type == "unknown"
            await force_remove(site.root, "p", "n1")
            assert (await site.root.call("GET", "node", "n1"))["project"] is None
            assert obmd.machines["m1"].token is None

        play(world, script)


async def put_machine(uri: str) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.put(uri, json={"type": "mock", "info": {}}, auth=("admin", ADMIN))).status_code == 200


def test_imaging_asks_whether_a_user_may_act_for_a_project(world: World) -> None:
    async def script(site: Site) -> None:
        await site.machine("n1", "gi1/0/1")
        await site.alice.call("POST", "project", "p", "connect_node", body={"node": "n1"})
        assert await site.alice.call("GET", "project", "p", "nodes") == ["n1"]
        nics = (await site.alice.call("GET", "node", "n1"))["nics"]
        assert [(nic["label"], nic["macaddr"]) for nic in nics] == [("eth0", "52:54:00:12:34:56")]
        for who in (site.bob, site.eve):
            with pytest.raises(FailedAPICallException) as refused:
                await who.call("GET", "project", "p", "nodes")
            assert refused.value.error_type == "NotFoundError"
            with pytest.raises(FailedAPICallException) as refused:
                await who.call("GET", "node", "n1")
            assert refused.value.error_type == "AuthorizationError"

    play(world, script)


def test_tagged_and_native_networks_share_a_nic_and_the_switch_agrees(world: World) -> None:
    async def script(site: Site) -> None:
        await site.machine("n1", "gi1/0/1")
        await site.alice.call("POST", "project", "p", "connect_node", body={"node": "n1"})
        for name in ("a", "b", "c"):
            await site.alice.call("PUT", "network", name, body={"owner": "p", "access": "p", "net_id": ""})
        await site.connect(site.alice, "n1", "b", "vlan/101")
        await site.connect(site.alice, "n1", "a")
        await site.connect(site.alice, "n1", "c", "vlan/102")
        want = PortState(100, frozenset({101, 102}))
        assert site.world.device().carried("gi1/0/1")[:2] == (want.native, want.tagged)
        shown = await site.root.call("GET", "switch", "sw", "port", "gi1/0/1")
        assert shown == {**NIC, "networks": {"vlan/101": "b", "vlan/102": "c", "vlan/native": "a"}}

    play(world, script)
