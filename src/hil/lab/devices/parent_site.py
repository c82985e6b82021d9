"""A second HIL in this process, for the driver `hil`: store, worker and a project that owns everything.

Its database lies in a directory that goes with it. Its only switch is an emulated one, whose ports are called as the
child calls them (`node/nic`), so that the two can be compared port by port. For every VLAN that the child may use, the
project has a network of the very same id; one more network stands for no VLAN of the child.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from cryptography.fernet import Fernet
from sqlalchemy import exists, select

from hil.core.limits import Limits
from hil.core.model import CLOSED, Actor, PortState, Role
from hil.core.secret import Secret
from hil.drivers.switch.mock.device import EmulatedSwitch
from hil.drivers.switch.parent import parse, render
from hil.drivers.switch.parent.names import HOLE
from hil.lab.switchd import EmulatedSwitchServer
from hil.services import key, membership, network, nic, node, port, project, switch, user
from hil.services.attach import Change, network_change
from hil.services.context import Context
from hil.services.inside import node_inside
from hil.store import migrate
from hil.store.journal import Source
from hil.store.keys import Keyring
from hil.store.tables import Port
from hil.store.unit import Store
from hil.worker.worker import Worker

T = TypeVar("T")
PROJECT: Final = "child"
TEMPLATE: Final = f"vlan-{HOLE}"
ELSEWHERE: Final = "elsewhere"
"""A network of the project that stands for no VLAN of the child."""
VLANS: Final = range(100, 164)
ELSEWHERE_VLAN: Final = 99
LIMITS: Final = Limits(retry_first=0.05, retry_most=0.5, audit_interval=3600.0)
_TICK: Final = 0.2
_SWITCH: Final = "leaf"
LEAF_PASSWORD: Final = "pw"  # noqa: S105 a switch of the lab, on loopback


class Site:
    """The second HIL, as its own operator has it."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def do(self, work: Callable[[Context], T]) -> T:
        """Change something as the operator."""
        actor, source = Actor("operator", operator=True, via="local"), Source("operator", "local")
        return self.store.change(lambda unit: work(Context.changing(unit, actor, source)))

    def furnish(self, address: str, ports: Iterable[str]) -> str:
        """Register everything; answers an API key of a member of the project."""
        self.do(lambda ctx: _switch(ctx, address, list(ports)))
        return self.do(_people)

    def give(self, ports: Iterable[str]) -> None:
        """Give the project its nodes and networks, once the ports were read back."""
        names = sorted({name.partition("/")[0] for name in ports})
        self.do(lambda ctx: node.nodes_take(ctx, PROJECT, names))
        self.do(_networks)

    async def settled(self) -> None:
        """Wait until every port was read back: each settlement rings the bell."""
        waiting = select(exists().where(Port.wanted > Port.applied))
        loop, rung = asyncio.get_running_loop(), asyncio.Event()

        def hear(word: str) -> None:
            loop.call_soon_threadsafe(rung.set)

        unsubscribe = self.store.bell.subscribe(hear)
        try:
            while self.store.read(lambda session: session.scalar(waiting)):
                await rung.wait()
                rung.clear()
        finally:
            unsubscribe()

    def steps(self, name: str, want: frozenset[parse.Slot]) -> tuple[list[Change], list[Change]]:
        """What leads a NIC to these slots, as two requests."""
        machine, _, card = name.partition("/")
        found = self.do(lambda ctx: node_inside(ctx, machine)).nics[card].networks
        plan = render.plan(name, [parse.Slot(net, where) for where, net, _ in found], want)
        return _asked(plan.first), _asked(plan.then)

    def ask(self, changes: list[Change]) -> None:
        if changes:
            self.do(lambda ctx: network_change(ctx, changes))


def slots(held: PortState | None) -> frozenset[parse.Slot]:
    """The networks of a state; None is the one that the child cannot mean."""
    if held is None:
        return frozenset({parse.Slot(ELSEWHERE, "vlan/native")})
    return render.slots_of(TEMPLATE, held) if held != CLOSED else frozenset()


def _asked(changes: Iterable[render.Change]) -> list[Change]:
    return [
        Change(each["node"], each["nic"], each["network"], each["channel"], each["action"] == "connect")
        for each in changes
    ]


def _switch(ctx: Context, address: str, ports: list[str]) -> None:
    switch.switch_register(ctx, _SWITCH, "emulated", {"address": address, "username": "hil", "password": LEAF_PASSWORD})
    for name in sorted({name.partition("/")[0] for name in ports}):
        node.node_register(ctx, name, {}, {})
    for name in ports:
        machine, _, card = name.partition("/")
        nic.nic_register(ctx, machine, card, "")
        port.port_register(ctx, _SWITCH, name)
        ctx.session.flush()
        port.port_connect_nic(ctx, _SWITCH, name, machine, card)


def _people(ctx: Context) -> str:
    project.project_create(ctx, PROJECT)
    user.user_create(ctx, PROJECT, Secret(Fernet.generate_key().decode()))
    ctx.session.flush()
    membership.member_add(ctx, PROJECT, PROJECT, Role.MEMBER)
    ctx.session.flush()
    _, token = key.key_create(ctx, PROJECT, project=PROJECT, role=Role.MEMBER)
    return token.reveal()


def _networks(ctx: Context) -> None:
    for vlan in VLANS:
        name = TEMPLATE.replace(HOLE, str(vlan))
        network.network_create(ctx, name, owner=PROJECT, access=[], public=False, net_id=str(vlan))
    network.network_create(ctx, ELSEWHERE, owner=PROJECT, access=[], public=False, net_id=str(ELSEWHERE_VLAN))


@asynccontextmanager
async def site_of(leaf: EmulatedSwitch) -> AsyncIterator[tuple[Site, str]]:
    """Run a second HIL over this switch; yields it and the child's API key once all of it is settled."""
    with TemporaryDirectory(prefix="hil-parent-") as directory:
        keys = Keyring([Secret(Fernet.generate_key().decode())])
        store = Store(f"sqlite:///{Path(directory) / 'hil.db'}", keys, limits=LIMITS)
        with closing(store):
            migrate.upgrade(store.engine)
            async with EmulatedSwitchServer(leaf) as server, _working(store):
                site = Site(store)
                token = site.furnish(server.address, leaf.ports())
                await site.settled()
                site.give(leaf.ports())
                yield site, token


@asynccontextmanager
async def _working(store: Store) -> AsyncIterator[None]:
    worker = Worker(store, tick=_TICK)
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await task
