"""A HIL below a HIL: what the child's tenants ask for is on the wires of the parent's switch, and nothing else is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from hil.core.model import CLOSED, PortState
from hil.core.secret import Secret
from hil.drivers.switch.mock.faults import Fault, FaultKind
from hil.lab.devices.parent import EMULATOR, ParentDevice
from hil.lab.devices.parent_site import LIMITS, Site
from hil.services import network, nic, node, pool, port, project, switch
from hil.services.attach import Change, network_change
from hil.services.context import Context
from hil.services.operation import operation_show
from hil.store import migrate
from hil.store.keys import Keyring
from hil.store.unit import Store
from hil.worker.worker import Worker

pytestmark = pytest.mark.net
ONE, TWO = "node-01/eth0", "node-02/eth0"


def furnish(ctx: Context, config: dict[str, object]) -> None:
    switch.switch_register(ctx, "above", "hil", config)
    pool.pool_set(ctx, frozenset({100, 101}))
    for machine in ("red-1", "blue-1"):
        node.node_register(ctx, machine, {}, {})
        nic.nic_register(ctx, machine, "eth0", "")
    ctx.session.flush()
    for name, machine in ((ONE, "red-1"), (TWO, "blue-1")):
        port.port_register(ctx, "above", name)
        ctx.session.flush()
        port.port_connect_nic(ctx, "above", name, machine, "eth0")


def share(ctx: Context) -> None:
    for owner in ("red", "blue"):
        project.project_create(ctx, owner)
        ctx.session.flush()
        node.nodes_take(ctx, owner, [f"{owner}-1"])
        network.network_create(ctx, f"{owner}-net", owner=owner, access=[], public=False, net_id="")


@asynccontextmanager
async def child(directory: Path, config: dict[str, object]) -> AsyncIterator[Site]:
    """A HIL whose only switch is the parent, with two projects that hold a node and a network each."""
    store = Store(f"sqlite:///{directory}/hil.db", Keyring([Secret(Fernet.generate_key().decode())]), limits=LIMITS)
    migrate.upgrade(store.engine)
    worker = Worker(store, tick=0.2)
    task = asyncio.create_task(worker.run())
    site = Site(store)
    try:
        site.do(lambda ctx: furnish(ctx, config))
        await site.settled()
        site.do(share)
        yield site
    finally:
        worker.stop()
        await task
        store.close()


async def asked(site: Site, *changes: Change) -> tuple[str, str]:
    """Ask for changes and wait for their end; answers status and reason."""
    identity = site.do(lambda ctx: network_change(ctx, list(changes))).id
    await site.settled()
    seen = site.do(lambda ctx: operation_show(ctx, identity))
    return seen.status, seen.reason


def test_tenants_of_the_child_are_apart_on_the_wires_of_the_parent(tmp_path: Path) -> None:
    device = EMULATOR.device("parent", (ONE, TWO))
    assert isinstance(device, ParentDevice)
    red, blue = Change("red-1", "eth0", "red-net"), Change("blue-1", "eth0", "blue-net")

    async def story() -> None:
        async with EMULATOR.serve(device) as served, child(tmp_path, dict(served.config)) as below:
            assert await asked(below, red) == ("DONE", "")
            assert await asked(below, blue) == ("DONE", "")
            assert (device.running(ONE), device.running(TWO)) == (PortState(100), PortState(101))
            tagged = Change("red-1", "eth0", "red-net", "vlan/100")
            assert await asked(below, Change("red-1", "eth0", "red-net", connect=False)) == ("DONE", "")
            assert await asked(below, tagged) == ("DONE", "")
            assert device.running(ONE) == PortState(None, frozenset({100}))
            device.faults.add(Fault(kind=FaultKind.REFUSE, port=TWO, words="% Not today"))
            status, _ = await asked(below, Change("blue-1", "eth0", "blue-net", connect=False))
            assert status == "DONE", "a detach that was refused once is tried until it is done"
            assert (device.running(ONE), device.running(TWO)) == (PortState(None, frozenset({100})), CLOSED)

    asyncio.run(story())
    writes = [entry.after for entry in device.writes(ONE)]
    assert all(state in (CLOSED, PortState(100), PortState(None, frozenset({100}))) for state in writes)


def test_the_way_to_the_parent_may_break_at_any_request(tmp_path: Path) -> None:
    device = EMULATOR.device("parent", (ONE, TWO))

    async def story() -> None:
        async with EMULATOR.serve(device) as served, child(tmp_path, dict(served.config)) as below:
            for kind in (FaultKind.LOSE_REQUEST, FaultKind.LOSE_REPLY, FaultKind.BUSY):
                device.faults.add(Fault(kind=kind))
                assert await asked(below, Change("red-1", "eth0", "red-net")) == ("DONE", "")
                assert device.running(ONE) == PortState(100)
                device.faults.add(Fault(kind=kind))
                assert (await asked(below, Change("red-1", "eth0", "red-net", connect=False)))[0] == "DONE"
                assert device.running(ONE) == CLOSED

    asyncio.run(story())
    assert not device.sessions
