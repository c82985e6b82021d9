"""Consoles through obmd: how much, how late, and how dear an idle one is, against a plain socket to the controller."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack

from websockets.asyncio.client import ClientConnection, connect

from bench.api import _memory
from bench.obm_site import PASSWORD, USER, Bmcs, Obmd
from bench.report import Row
from hil.services.capability import Right

SIZE = 16 * 2**20
"""Bytes that a machine prints in one turn, as fast as it can."""
TURNS, ECHOES, IDLE = 7, 200, 500


def consoles(bmc: Bmcs, site: Obmd) -> Iterator[Row]:
    """Every figure of consoles; controllers that answer at once."""
    yield from asyncio.run(_measured(bmc, site))


async def _measured(bmc: Bmcs, site: Obmd) -> list[Row]:
    return [*await _throughput(bmc, site), *await _latency(bmc, site), *await _memory_each(site)]


def _viewer(site: Obmd, name: str) -> connect:
    url = f"ws://127.0.0.1:{site.port}/v1/nodes/{name}/console"
    header = {"Authorization": f"Bearer {site.token(name, Right.CONSOLE)}"}
    return connect(url, additional_headers=header, proxy=None, compression=None, max_size=None)


async def _plain(bmc: Bmcs) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The console of the first controller, as obmd itself opens it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bmc.ports[0], limit=2**20)
    for asked in ({"do": "login", "username": USER, "password": PASSWORD}, {"do": "console"}):
        writer.write(json.dumps(asked).encode() + b"\n")
        assert json.loads(await reader.readline()) == {"ok": None}
    return reader, writer


async def _throughput(bmc: Bmcs, site: Obmd) -> list[Row]:
    """MiB a second that a viewer gets of a machine that never stops, and the share that it is told to have lost."""
    pairs = [(*await _seen(bmc, site, again=turn > 0), await _read(bmc)) for turn in range(TURNS)]
    rate, lost = statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)
    ratio = statistics.median(seen / plain for seen, _, plain in pairs)
    plain = statistics.median(pair[2] for pair in pairs)
    what = "console, output to one viewer"
    return [
        Row(what, f"{rate:.0f} MiB/s", f"{ratio:.2f} × a plain socket ({plain:.0f} MiB/s)", "", True),
        Row("  of what a machine prints as fast as it can", f"{1 - lost:.0%} seen", "the rest told as a gap", "", True),
    ]


async def _seen(bmc: Bmcs, site: Obmd, *, again: bool) -> tuple[float, float]:
    async with _viewer(site, site.names[0]) as socket:
        await _event(socket, "hello")
        if again:
            await socket.recv()  # what it said before, in one piece
        got = lost = 0
        begun = time.perf_counter()
        bmc.tell(f"say {SIZE}")
        while got + lost < SIZE:
            said = await socket.recv()
            if isinstance(said, bytes):
                got += len(said)
            else:
                lost += json.loads(said).get("bytes", 0)
        took = time.perf_counter() - begun
        await asyncio.to_thread(bmc.done)
    return got / 2**20 / took, lost / SIZE


async def _read(bmc: Bmcs) -> float:
    reader, writer = await _plain(bmc)
    got, begun = 0, time.perf_counter()
    bmc.tell(f"say {SIZE}")
    while got < SIZE:
        got += len(await reader.read(2**16))
    took = time.perf_counter() - begun
    await asyncio.to_thread(bmc.done)
    writer.close()
    return SIZE / 2**20 / took


async def _latency(bmc: Bmcs, site: Obmd) -> list[Row]:
    """From a key to its echo, through obmd and without it, in turns."""
    through, bare = [], []
    reader, writer = await _plain(bmc)
    async with _viewer(site, site.names[1]) as socket:
        await _event(socket, "hello")
        await socket.send(b"x")
        await _event(socket, "writer")
        await socket.recv()
        for _ in range(ECHOES):
            begun = time.perf_counter()
            await socket.send(b"x")
            while not isinstance(await socket.recv(), bytes):
                pass
            middle = time.perf_counter()
            writer.write(b"x")
            await reader.read(1)
            through.append(middle - begun)
            bare.append(time.perf_counter() - middle)
    writer.close()
    rows = []
    for words, share in (("median", 0.5), ("p99", 0.99)):
        seen, plain = _quantile(through, share), _quantile(bare, share)
        added = f"{(seen - plain) * 1000:.2f} ms more than a plain socket ({plain * 1000:.2f} ms)"
        rows.append(Row(f"console, echo of a key, {words}", f"{seen * 1000:.2f} ms", added, "", True))
    return rows


def _quantile(times: Sequence[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


async def _memory_each(site: Obmd) -> list[Row]:
    """Resident memory for each of many open consoles on which nothing happens."""
    async with AsyncExitStack() as stack:
        for name in site.names[2 : IDLE // 10 + 2]:  # what is loaded for the first ones is not theirs
            await _event(await stack.enter_async_context(_viewer(site, name)), "hello")
        before = _memory(site.pid)
        for name in site.names[IDLE : 2 * IDLE]:
            await _event(await stack.enter_async_context(_viewer(site, name)), "hello")
        grown = _memory(site.pid) - before
    each = f"{grown * 1024 / IDLE:.0f} KiB"
    return [Row("memory of an idle console with its viewer", each, f"{IDLE} of them: {grown:.1f} MiB", "", True)]


async def _event(socket: ClientConnection, name: str) -> None:
    while True:
        said = await socket.recv()
        if isinstance(said, str) and json.loads(said)["event"] == name:
            return
