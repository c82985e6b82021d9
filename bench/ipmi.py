"""The IPMI driver against ipmi_sim: latency of one request, and many controllers side by side.

Each request is a process of ipmitool that logs in. The floor of a request is the same ipmitool command without our
session around it; the floor of many is what the processors of this machine need for that many processes.
"""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from bench.report import Row
from hil.core.obms import BootChoice, BootDevice, PowerAction
from hil.drivers.obm.ipmi import commands
from hil.drivers.obm.ipmi.session import IpmiSession, open_session
from hil.drivers.obm.ipmi.spec import SPEC
from tests.drivers_obm.ipmi.simulator import PASSWORD, Simulator, simulator

CONTROLLERS, TURNS, AT_ONCE = 32, 20, 256


def measure() -> Iterator[Row]:
    """Answer the rows of this part."""
    with tempfile.TemporaryDirectory() as directory:
        yield from asyncio.run(_measured(Path(directory)))


async def _measured(directory: Path) -> list[Row]:
    async with AsyncExitStack() as stack:
        sims = []
        for index in range(CONTROLLERS):
            home = directory / str(index)
            home.mkdir()
            sims.append(await stack.enter_async_context(simulator(home)))
        sessions = [await _session(sim) for sim in sims]
        return [*await _latencies(sims[0], sessions[0]), *await _together(sessions)]


async def _session(sim: Simulator) -> IpmiSession:
    session = await open_session(SPEC.validate({**sim.config, "timeout": 60.0}))
    assert isinstance(session, IpmiSession)
    return session


async def _latencies(sim: Simulator, session: IpmiSession) -> list[Row]:
    """One after the other; the floor is ipmitool itself, with the password in a file."""
    secret = sim.dir / "password"
    secret.write_text(PASSWORD)
    words = commands.arguments(sim.config, str(secret), commands.raw(commands.POWER), *commands.READ_PATIENCE)

    async def bare() -> None:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
        )
        await process.wait()

    async def console() -> None:
        await (await session.console()).close()

    floor = await _median(bare)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "power read": session.power,
        "power on": lambda: session.power_set(PowerAction.ON),
        "boot device set (3 commands, 1 read)": lambda: session.boot_set(BootChoice(BootDevice.PXE)),
        "console opened and given back": console,
    }
    rows = [Row("ipmitool alone, power read, median", f"{floor * 1000:.0f} ms", "", "", True)]
    for what, call in calls.items():
        took = await _median(call)
        asked, holds = ("≤ 1.5 ×", took <= 1.5 * floor) if what == "power read" else ("", True)
        rows.append(Row(f"  {what}, median", f"{took * 1000:.0f} ms", f"{took / floor:.2f} × ipmitool", asked, holds))
    return rows


async def _median(call: Callable[[], Awaitable[object]]) -> float:
    times = []
    for _ in range(TURNS):
        begun = time.perf_counter()
        await call()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


async def _together(sessions: list[IpmiSession]) -> list[Row]:
    """All controllers at once, several requests each, side by side; the floor is the processors' time for it."""
    turns = AT_ONCE // len(sessions)

    async def several(session: IpmiSession) -> None:
        for _ in range(turns):
            await session.power()

    before, begun = _processor(), time.perf_counter()
    await asyncio.gather(*(several(session) for session in sessions))
    took, used = time.perf_counter() - begun, _processor() - before
    floor = used / (os.cpu_count() or 1)
    what = f"{AT_ONCE} power reads over {len(sessions)} controllers, side by side"
    return [
        Row(what, f"{took:.2f} s", f"{took / floor:.2f} × processor time", "", True),
        Row(
            "  reads in a second", f"{AT_ONCE / took:.0f}/s", f"{used / AT_ONCE * 1000:.0f} ms processor each", "", True
        ),
    ]


def _processor() -> float:
    """Seconds of processor time of this process and of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
