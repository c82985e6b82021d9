"""Out-of-band management at size: the real obmd before 1,000 emulated controllers that are a process of their own.

obmd asks all controllers side by side, so the floor of a power read of all is what they take for one answer; with fewer
callers, for as many answers as each caller waits for in turn. Beside the floor stands what the same controllers take in
the same run when they are asked with nothing in between. All at once, obmd is bound by its processor, whose time for
all of them is told too. Every figure is of many short turns, as in `bench.api`.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Iterator

from bench.api import _memory, _turns
from bench.load import Load, request
from bench.obm_console import consoles
from bench.obm_hil import through_hil
from bench.obm_site import Bmcs, Obmd, bmcs, direct, obmd, processor, through
from bench.report import Row
from bench.rush import Crowd
from hil.process.obmd import more_files
from hil.services.capability import Right

COUNT, ANSWER = 1_000, 0.1
"""Controllers, and the seconds that each takes for an answer."""
CALLERS = 64
HANGING = COUNT // 10
DEADLINE = 1.0
"""Seconds that obmd gives a request where controllers hang; then it lets the session go and logs in anew."""
READERS, TURN, ROUNDS = 16, 2.0, 8


def _reads(bmc: Bmcs, site: Obmd) -> Iterator[Row]:
    """Power of all: at once, and by a number of callers."""
    with direct(bmc.ports) as devices:
        cold, floor = _asked(site), 2 * ANSWER
        said = f"{cold / floor:.1f} × floor ({floor:.1f} s)"
        yield Row(f"power of {COUNT:,} controllers at once, first log-ins", f"{cold:.2f} s", said, "", True)
        for width in (0, CALLERS):
            yield from _width(bmc, site, devices, width)
        kept = statistics.median(_asked(site, fresh=False) for _ in range(ROUNDS))
        yield Row("  at once, answered from memory (power_age)", f"{kept:.2f} s", f"{COUNT / kept:.0f}/s", "", True)


def _width(bmc: Bmcs, site: Obmd, devices: Crowd, width: int) -> Iterator[Row]:
    """Reads by so many callers (0: all at once), in turns with the controllers themselves asked in the same way."""
    ask = [b'{"do":"power"}\n'] * len(bmc.ports)
    used, times, bare = processor(site.pid), [], []
    for _ in range(ROUNDS):
        bare.append(devices.rush(ask, width).seconds)
        times.append(_asked(site, width))
    cost = (processor(site.pid) - used) / ROUNDS / COUNT
    took, floor = statistics.median(times), math.ceil(COUNT / (width or COUNT)) * ANSWER
    ratio = statistics.median(seen / alone for seen, alone in zip(times, bare, strict=True))
    what = f"power of {COUNT:,} controllers, {f'{width} callers' if width else 'all at once'}"
    said = f"{ratio:.2f} × they alone ({statistics.median(bare):.2f} s), {took / floor:.2f} × floor ({floor:.1f} s)"
    yield Row(what, f"{took:.2f} s", said, "≤ 1.3 × they alone" if width else "", not width or ratio <= 1.3)
    yield Row("  processor time of obmd for each", f"{cost * 1000:.2f} ms", f"{cost * COUNT:.2f} s for all", "", True)


def _asked(site: Obmd, width: int = 0, *, fresh: bool = True) -> float:
    """Seconds for a read of every node, on connections that were opened before."""
    reads = site.power(fresh=fresh)
    with through(site) as callers:
        return callers.rush(reads, width).seconds


def _hanging() -> Iterator[Row]:
    """Reads of healthy nodes, each of which reaches its controller, beside a tenth that is asked as often."""
    settings = {"deadline": DEADLINE, "logins_per_minute": 6000}
    for answer in (ANSWER, 0.0):
        with bmcs(COUNT, answer) as bad, bmcs(COUNT, answer) as good:
            bad.tell(f"hang {HANGING}")
            bad.done()
            with obmd(bad.ports, **settings) as hanging, obmd(good.ports, **settings) as healthy:
                ill, well = _turns(lambda: _mixed(hanging), lambda: _mixed(healthy), turns=7)
        ratio = statistics.median(a.quantile(0.99) / b.quantile(0.99) for a, b in zip(ill, well, strict=True))
        high, low = (statistics.median(load.quantile(0.99) for load in loads) * 1000 for loads in (ill, well))
        what = f"p99 of a power read, {HANGING} of {COUNT:,} controllers hang (others answer in {answer * 1000:.0f} ms)"
        if (
            not answer
        ):  # nobody has such controllers: obmd's processor is the limit, and logging in anew takes part of it
            what = "  the same where the others answer at once"
        limit = "≤ 1.2 ×" if answer else ""
        yield Row(what, f"{high:.1f} ms", f"{ratio:.2f} × with none ({low:.1f} ms)", limit, not limit or ratio <= 1.2)


def _mixed(site: Obmd) -> Load:
    """What healthy nodes' readers saw, while the first tenth of all is asked once a second whatever comes of it."""
    return asyncio.run(_beside(site))


async def _beside(site: Obmd) -> Load:
    end = time.perf_counter() + TURN
    tokens = {name: f"Bearer {site.token(name, Right.READ)}" for name in site.names}
    asks = {name: request("GET", f"/v1/nodes/{name}/power?max_age=0", tokens[name]) for name in site.names}
    latencies: list[float] = []

    async def once(name: str, *, counts: bool) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        try:
            number = site.names.index(name)
            while (begun := time.perf_counter()) < end:
                writer.write(asks[name])
                status = await _status(reader)
                if counts:
                    assert status == 200, status
                    latencies.append(time.perf_counter() - begun)
                    number += READERS
                    name = site.names[HANGING + (number - HANGING) % (COUNT - HANGING)]
                await asyncio.sleep(0.02 if counts else max(0.0, begun + 1.0 - time.perf_counter()))
        finally:
            writer.close()

    ill = [asyncio.create_task(once(name, counts=False)) for name in site.names[:HANGING]]
    well = [asyncio.create_task(once(site.names[HANGING + number], counts=True)) for number in range(READERS)]
    begun = time.perf_counter()
    await asyncio.gather(*well)
    took = time.perf_counter() - begun
    await asyncio.gather(*ill)
    return Load(len(latencies) / took, sorted(latencies))


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length[15:]))
    return int(head.split(b" ", 2)[1])


def measure() -> Iterator[Row]:
    """Every figure of out-of-band management."""
    more_files()
    with bmcs(COUNT, ANSWER) as bmc:
        with obmd(bmc.ports) as site:
            yield from _reads(bmc, site)
            yield Row("memory of obmd", f"{_memory(site.pid):.0f} MiB", f"{COUNT:,} warm sessions", "", True)
        yield from through_hil(bmc, ANSWER)
    yield from _hanging()
    with bmcs(COUNT, 0.0) as bmc, obmd(bmc.ports) as site:
        yield from consoles(bmc, site)
