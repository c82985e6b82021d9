"""The port engine against the delays of its devices: request to DONE, in-process switches, real time.

The floor is what the devices themselves need, all of them side by side: one log-in and the writes of the longest queue.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy.orm import Session

from bench.report import Row
from hil.core.limits import Limits
from hil.core.model import Actor, OperationStatus
from hil.drivers.switch.mock.device import Delays, EmulatedSwitch, place
from hil.process.run import keep_what_stays
from hil.services import attach, network, nic, node, operation, pool, port, project, switch
from hil.services.context import Context
from hil.store.journal import Source
from hil.store.keys import Keyring
from hil.store.migrate import upgrade
from hil.store.unit import Store
from hil.worker.worker import Worker

T = TypeVar("T")
OPERATOR = Actor("bench", operator=True)
LOGIN, WRITE = 1.0, 0.2
"""The figures of the requirement, in seconds: log-in, and each port written."""
HARDWARE_LOGIN, HARDWARE_WRITE = 3.6, 0.65
"""Published delays of a real switch: a session, a request (Hennessey et al., HIL, ACM SoCC 2016)."""


class Site:
    """A HIL on SQLite with `switches` emulated switches of `ports` wired ports each, all nodes in one project."""

    def __init__(self, store: Store, switches: int, ports: int) -> None:
        self.store = store
        self.names = [f"bench-{index}" for index in range(switches)]
        for name in self.names:
            place(name, EmulatedSwitch(name))
        self.change(lambda ctx: self._build(ctx, ports))
        self.nodes = [f"n{index}" for index in range(switches * ports)]

    def _build(self, ctx: Context, ports: int) -> None:
        pool.pool_set(ctx, frozenset(range(100, 200)))
        project.project_create(ctx, "bench")
        for index, name in enumerate(self.names):
            switch.switch_register(ctx, name, "mock", {"hostname": name, "username": "u", "password": "p"})
            for number in range(ports):
                machine, label = f"n{index * ports + number}", f"gi1/0/{number}"
                node.node_register(ctx, machine, {}, {})
                nic.nic_register(ctx, machine, "eth0", "")
                port.port_register(ctx, name, label)
                port.port_connect_nic(ctx, name, label, machine, "eth0")
        network.network_create(ctx, "net", owner="bench")

    def delays(self, login: float, write: float) -> None:
        """Make every switch slow, after the ports have been closed at full speed."""
        from hil.drivers.switch.mock.device import switch_at

        for name in self.names:
            device = switch_at(name)
            device.delays = Delays(login=login, write=write)
            device.drop_sessions()

    def change(self, work: Callable[[Context], T]) -> T:
        return self.store.change(lambda unit: work(Context.changing(unit, OPERATOR, Source("bench"))))

    def ask(self, changes: list[attach.Change]) -> str:
        return self.change(lambda ctx: attach.network_change(ctx, changes).id)

    def pending(self, identity: str) -> bool:
        return self.store.read(lambda session: operation.operation_pending(session, identity))

    def status(self, identity: str) -> OperationStatus:
        return self.store.read(
            lambda session: operation.operation_show(Context(session, OPERATOR, Source("bench")), identity).status
        )

    async def done(self, identity: str) -> float:
        """Wait as a caller does: by bell, never by polling the device. Answers when it was over."""
        loop, rung = asyncio.get_running_loop(), asyncio.Event()
        off = self.store.bell.subscribe(lambda word: loop.call_soon_threadsafe(rung.set) and None)
        while True:
            rung.clear()
            if not await asyncio.to_thread(self.pending, identity):
                break
            await rung.wait()
        over = time.monotonic()
        off()
        status = await asyncio.to_thread(self.status, identity)
        assert status is OperationStatus.DONE, status
        return over


@contextmanager
def site(switches: int, ports: int) -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/hil.db"
        upgrade(url)
        store = Store(url, Keyring.made_at(Path(directory) / "keys"), limits=Limits(audit_interval=3600.0))
        try:
            yield Site(store, switches, ports)
        finally:
            store.close()


async def _settled(here: Site) -> None:
    def unsettled(session: Session) -> object:
        return port.ports_in_trouble(Context(session, OPERATOR, Source("bench")), limit=1)

    while here.store.read(unsettled):  # noqa: ASYNC110 the worker's progress is in the database
        await asyncio.sleep(0.05)


async def _burst(here: Site) -> float:
    """All ports at once: seconds from the request to DONE."""
    await asyncio.to_thread(_allocate, here)
    here.delays(LOGIN, WRITE)
    began = time.monotonic()
    asked = await asyncio.to_thread(here.ask, [attach.Change(name, "eth0", "net") for name in here.nodes])
    return await here.done(asked) - began


def _allocate(here: Site) -> None:
    here.change(lambda ctx: [node.node_allocate(ctx, "bench", name) for name in here.nodes])


async def _single(here: Site, login: float, write: float) -> tuple[float, float]:
    """One port with a cold session, then the same port again with the session warm (median of five)."""
    await asyncio.to_thread(_allocate, here)
    here.delays(login, write)
    times = []
    for turn in range(6):
        began = time.monotonic()
        asked = await asyncio.to_thread(here.ask, [attach.Change(here.nodes[0], "eth0", "net", connect=turn % 2 == 0)])
        times.append(await here.done(asked) - began)
    return times[0], statistics.median(times[1:])


async def _with_worker(here: Site, work: Callable[[Site], object]) -> object:
    worker = Worker(here.store)
    running = asyncio.create_task(worker.run())
    try:
        await _settled(here)
        keep_what_stays()  # as a server does once it is ready
        return await work(here)  # type: ignore[misc]  # every measurement here is a coroutine function
    finally:
        worker.stop()
        await running


def measure() -> Iterator[Row]:
    """Every figure of the engine."""
    for switches, ports, limit in ((10, 50, 1.15), (100, 50, 1.3)):
        with site(switches, ports) as here:
            seconds = float(asyncio.run(_with_worker(here, _burst)))  # type: ignore[arg-type]  # _burst gives a float
        floor = LOGIN + ports * WRITE
        serial = switches * floor
        what = f"{switches * ports} ports over {switches} switches, request to DONE"
        yield Row(
            what,
            f"{seconds:.2f} s",
            f"{seconds / floor:.3f} × floor ({floor:.0f} s)",
            f"≤ {limit} ×",
            seconds <= limit * floor,
        )
        yield Row("  the same one by one", f"{serial:.0f} s", f"{serial / seconds:.1f} × as long", "", True)
    with site(1, 2) as here:
        cold, _ = asyncio.run(_with_worker(here, lambda s: _single(s, LOGIN, WRITE)))  # type: ignore[misc]  # a pair of floats
    yield Row(
        "1 port, cold session",
        f"{cold:.3f} s",
        f"floor + {cold - LOGIN - WRITE:.3f} s",
        "≤ floor + 0.15 s",
        cold <= LOGIN + WRITE + 0.15,
    )
    with site(1, 2) as here:
        _, warm = asyncio.run(_with_worker(here, lambda s: _single(s, HARDWARE_LOGIN, HARDWARE_WRITE)))  # type: ignore[misc]  # a pair of floats
    yield Row(
        "1 connect, warm session, published hardware delays",
        f"{warm:.3f} s",
        f"{warm / HARDWARE_WRITE:.2f} × one request",
        "< 1.0 s",
        warm < 1.0,
    )
