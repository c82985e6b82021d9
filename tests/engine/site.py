"""Two projects, two switches of two ports, a node behind each; lanes that are stepped by hand on a clock of ours."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from hil.core.errors import LeaseLost
from hil.core.model import Actor, OperationStatus
from hil.core.policy import Act
from hil.drivers.switch.mock.device import EmulatedSwitch, place
from hil.lab.fabric import Fabric
from hil.services import attach, network, nic, node, operation, pool, port, project, switch
from hil.services.context import Context
from hil.store.journal import Source, verify
from hil.store.tables import Port
from hil.store.unit import Store
from hil.worker.lane import Lane
from hil.worker.release import Releases

T = TypeVar("T")
OPERATOR = Actor("operator", operator=True)


async def inline(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a store function where the worker would use a thread."""
    return function(*arguments)


class Site:
    """`n0` and `n1` are behind switch `s0`, `n2` and `n3` behind `s1`; every port is closed and read back."""

    def __init__(self, store: Store, key: str) -> None:
        self.store = store
        self.now = 1_800_000_000.0
        store.clock = lambda: self.now
        store.now = lambda _session: self.now  # type: ignore[method-assign]  # PostgreSQL's clock cannot be moved
        self.hosts = [f"{key}-{index}" for index in range(2)]
        self.switches = [EmulatedSwitch(host) for host in self.hosts]
        for host, device in zip(self.hosts, self.switches, strict=True):
            place(host, device)
        self.do(self._build)
        self.fabric = Fabric(
            dict(zip(["s0", "s1"], self.switches, strict=True)),
            {f"n{index}": (f"s{index // 2}", f"gi1/0/{index}") for index in range(4)},
        )
        self.lanes = [self.lane(index) for index in range(2)]
        self.work()

    def _build(self, ctx: Context) -> None:
        pool.pool_set(ctx, frozenset({100, 101, 102}))
        for name in ("red", "blue"):
            project.project_create(ctx, name)
            network.network_create(ctx, f"{name}-net", owner=name)
        for index, host in enumerate(self.hosts):
            switch.switch_register(ctx, f"s{index}", "mock", {"hostname": host, "username": "u", "password": "p"})
        for index in range(4):
            node.node_register(ctx, f"n{index}", {}, {})
            nic.nic_register(ctx, f"n{index}", "e0", f"02:00:00:00:00:0{index}")
            port.port_register(ctx, f"s{index // 2}", f"gi1/0/{index}")
            port.port_connect_nic(ctx, f"s{index // 2}", f"gi1/0/{index}", f"n{index}", "e0")

    def real_time(self) -> None:
        """Give the store its own clocks back."""
        self.store.clock = time.time
        del self.store.now  # type: ignore[method-assign]  # what __init__ put over the method

    def close(self) -> None:
        for host in self.hosts:
            place(host, None)

    def do(self, work: Callable[[Context], T]) -> T:
        return self.store.change(lambda unit: work(Context.changing(unit, OPERATOR, Source("test"))))

    def see(self, work: Callable[[Context], T]) -> T:
        return self.store.read(lambda session: work(Context(session, OPERATOR, Source("test"))))

    def lane(self, index: int, owner: str = "w1") -> Lane:
        """A lane of switch `s<index>` for a worker."""
        identity = self.see(lambda ctx: ctx.switch(f"s{index}", Act.READ).id)
        return Lane(self.store, identity, owner, inline)

    def work(self) -> None:
        """Let both lanes and the releases run until nothing more happens."""
        asyncio.run(self._work())

    async def _work(self) -> None:
        for lane in self.lanes:
            try:
                await self._drain(lane)
            except LeaseLost:  # the clock was moved past the lease, as if the worker had been frozen
                lane.hold = None
                await self._drain(lane)
        await Releases(self.store, "w1", inline).advance()

    @staticmethod
    async def _drain(lane: Lane) -> None:
        if await lane.take():
            while await lane.step():
                pass

    def audit(self) -> int:
        """Audit both switches; answers how many ports had drifted."""

        async def both() -> int:
            return sum([await lane.audit() for lane in self.lanes if await lane.take()])

        return asyncio.run(both())

    def allocate(self, owner: str, *names: str) -> None:
        self.do(lambda ctx: [node.node_allocate(ctx, owner, name) for name in names])

    def connect(self, name: str, net: str, on: str = "") -> str:
        return self.do(lambda ctx: attach.node_connect_network(ctx, name, "e0", net, on).id)

    def detach(self, name: str, net: str) -> str:
        return self.do(lambda ctx: attach.node_detach_network(ctx, name, "e0", net).id)

    def status(self, identity: str) -> OperationStatus:
        return self.see(lambda ctx: operation.operation_show(ctx, identity).status)

    def reason(self, identity: str) -> str:
        return self.see(lambda ctx: operation.operation_show(ctx, identity).reason)

    def port(self, name: str) -> Port:
        """The port behind a node."""
        index = int(name[1:])
        return self.see(lambda ctx: ctx.port(f"s{index // 2}", f"gi1/0/{index}", Act.READ))

    def journal_holds(self) -> bool:
        return not self.store.read(lambda session: verify(session, self.store.keys.sealing)).fault
