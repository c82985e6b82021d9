"""A change of 48 ports on each platform, in its real protocol, against what the emulated device itself takes.

The floor is what the device itself takes: the delay of the log-in, of every request or command and of the save, and its
own work between a request and its answer (which counts where the device is another HIL). What is above it is HIL's and
the protocol's. Beside it, the same ports one by one, a session each.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from bench.report import Row
from hil.core.devices import SwitchSession, Writer
from hil.core.model import CLOSED, PortState
from hil.drivers.registry import open_session_function, switch_spec
from hil.drivers.switch.mock.device import Delays
from hil.lab.devices import EMULATORS, Served, emulator
from hil.lab.devices.model import Device
from hil.store.claims import Claimed
from hil.worker.drive import drive

PORTS = 48
ALONE = 3
"""Ports that are really changed one by one; the rest is reckoned from them."""
LIMIT = 1.2
DELAYS = Delays(login=1.0, read=0.2, write=0.05, save=1.0)
WRITER = Writer(1, lambda: None)
WANT = PortState(100, frozenset({101, 102}))


class Clock:
    """Counts what a device sleeps, and sleeps it; counts what it does at each step, and how long it works."""

    def __init__(self) -> None:
        self.own = 0.0
        self.steps: Counter[str] = Counter()
        self._began = 0.0

    async def __call__(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.own += seconds  # not reached by a timer that is stopped, as that of a commit which is confirmed

    def step(self, name: str) -> None:
        self.steps[name] += 1
        if name.endswith(".before"):
            self._began = time.perf_counter() - self.own
        else:  # what it slept between the two is counted already
            self.own = max(self.own, time.perf_counter() - self._began)


class Bench:
    """One served device, and the driver that speaks to it."""

    def __init__(self, driver: str, served: Served, clock: Clock, ports: Sequence[str]) -> None:
        self.spec = switch_spec(driver)
        self.config = self.spec.validate(dict(served.config))
        self.device: Device = served.device
        self.clock, self.ports = clock, ports
        self.device.on_step = clock.step

    async def change(self, ports: Sequence[str], want: PortState) -> tuple[float, float]:
        """Do what a lane does for these ports, in a session of its own: seconds that it took, and the device's own."""
        began, own = time.perf_counter(), self.clock.own
        session: SwitchSession = await open_session_function(self.spec)(self.config)
        try:
            batch = [Claimed(number, port, 1, want, False) for number, port in enumerate(ports)]
            outcomes = await drive(session, batch, WRITER)
            taken, own = time.perf_counter() - began, self.clock.own - own
        finally:
            await session.close()
        assert all(outcome.done for outcome in outcomes), next(found for found in outcomes if not found.done)
        return taken, own

    def counted(self, step: str) -> int:
        return self.clock.steps[f"{step}.before"]


def names(driver: str) -> tuple[str, ...]:
    """48 ports, numbered after the pattern of the platform's own names."""
    return tuple(re.sub(r"\d+$", str(number), emulator(driver).ports[0]) for number in range(1, PORTS + 1))


async def _measured(driver: str) -> tuple[Bench, float, float, float]:
    """Answer the bench, and the seconds of the batch, of its floor, and of the ports one by one."""
    clock, ports = Clock(), names(driver)
    found = emulator(driver)
    device = found.device("bench", ports, sleep=clock)
    async with found.serve(device) as served:
        here = Bench(driver, served, clock, ports)
        await here.change(ports, CLOSED)
        device.delays = DELAYS
        clock.steps.clear()
        batch, floor = await here.change(ports, WANT)
        steps = Counter(clock.steps)
        alone = [await here.change([port], CLOSED) for port in ports[:ALONE]]
        clock.steps = steps
        return here, batch, floor, sum(taken for taken, _ in alone) / ALONE * PORTS


def measure() -> Iterator[Row]:
    """Every platform that the lab can serve."""
    for driver in EMULATORS:
        here, batch, floor, alone = asyncio.run(_measured(driver))
        counts = (
            f"{here.counted('login')} session, {here.counted('read')} reads, {here.counted('write')} writes,"
            f" {here.counted('save')} saves"
        )
        yield Row(
            f"{driver}: {PORTS} ports, {counts}",
            f"{batch:.2f} s",
            f"{batch / floor:.2f} × floor ({floor:.1f} s)",
            f"≤ {LIMIT} ×",
            batch <= LIMIT * floor,
        )
        yield Row("  the same one by one", f"{alone:.0f} s", f"{alone / batch:.1f} × as long", "", True)
