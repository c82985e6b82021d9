"""The API on PostgreSQL: two API processes, one worker, a database of the planned size.

Every figure is a ratio of two loads of the same run. They are taken in many short turns, and a ratio is the median of
the turns' ratios: the speed of a shared machine may change twofold within seconds, and disturbs so both loads alike.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.filled import ATTACHED, FREE_SHARE, PASSWORD, fill
from bench.load import Load, basic, press, request
from bench.report import Row
from hil.store.keys import Keyring
from hil.store.unit import Store
from tests.support.databases import Cluster

LARGE, SMALL = 10_000, 1_000
TURNS, SECONDS = 25, 0.4
OPERATOR, TENANT = basic("op", PASSWORD), basic("tenant", PASSWORD)
_RANDOM = random.Random(7)


@contextmanager
def served(url: str, keys: Path, backend: str, processes: int = 2) -> Iterator[tuple[int, list[int]]]:
    """API processes on one loopback socket; answers the port and the process ids."""
    bound = socket.create_server(("127.0.0.1", 0), backlog=1024)
    command = [sys.executable, "-m", "bench.server", url, str(keys), backend, str(bound.fileno())]
    started = [subprocess.Popen(command, pass_fds=[bound.fileno()]) for _ in range(processes)]
    port = bound.getsockname()[1]
    try:
        _await(port)
        yield port, [process.pid for process in started]
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            process.wait(30)
        bound.close()


def _await(port: int) -> None:
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the API did not start")


@contextmanager
def database(cluster: Cluster, keys: Path, nodes: int) -> Iterator[str]:
    """A filled database; answers its URL."""
    name = cluster.create()
    url = cluster.url(name)
    store = Store(url.replace("postgresql+psycopg", "postgresql"), Keyring.made_at(keys))
    try:
        fill(store, nodes)
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
        yield url
    finally:
        store.close()
        cluster.drop(name)


def _node(nodes: int, authorization: str) -> Callable[[int], bytes]:
    return lambda _: request("GET", f"/v1/nodes/node{_RANDOM.randrange(nodes):05}", authorization)


def _turns(*loads: Callable[[], Load], turns: int = TURNS) -> list[list[Load]]:
    """Take the loads in turns, after one round to warm up; every other round backwards."""
    for load in loads:
        load()
    found: list[list[Load]] = [[] for _ in loads]
    for turn in range(turns):
        for place in range(len(loads))[:: 1 if turn % 2 else -1]:
            found[place].append(loads[place]())
    return found


def _rate(loads: list[Load]) -> float:
    return statistics.median(load.rate for load in loads)


def _relative(loads: list[Load], others: list[Load]) -> float:
    """The rate of these against that of the others in the same turn."""
    return statistics.median(load.rate / other.rate for load, other in zip(loads, others, strict=True))


def _p99(loads: list[Load]) -> float:
    return statistics.median(load.quantile(0.99) for load in loads)


def _pressed(port: int, make: Callable[[int], bytes], connections: int = 8) -> Callable[[], Load]:
    return lambda: asyncio.run(press(port, make, connections=connections, seconds=SECONDS))


def _memory(pid: int) -> float:
    """Resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _reads(url: str, keys: Path) -> Iterator[Row]:
    with served(url, keys, "database") as (port, pids), served(url, keys, "null") as (open_port, _):
        empty, node, null = _turns(
            _pressed(port, lambda _: request("GET", "/bench/empty", OPERATOR)),
            _pressed(port, _node(LARGE, OPERATOR)),
            _pressed(open_port, _node(LARGE, OPERATOR)),
        )
        page, net = _turns(
            _pressed(port, lambda _: request("GET", "/v1/nodes?limit=1000", OPERATOR), 2),
            _pressed(port, lambda _: request("GET", "/v1/networks/net/attachments?limit=1000", OPERATOR), 2),
            turns=5,
        )
        cost = 1 - _relative(node, null)
        yield Row("GET node, null authentication", f"{_rate(null):.0f}/s", "", "", True)
        yield Row(
            "GET node, database authentication", f"{_rate(node):.0f}/s", f"costs {cost:.1%}", "≤ 10 %", cost <= 0.10
        )
        share = _relative(node, empty)
        yield Row(
            "  against an empty authenticated endpoint",
            f"{_rate(empty):.0f}/s",
            f"{share:.2f} × its rate",
            "≥ 0.5 ×",
            share >= 0.5,
        )
        yield Row("a page of 1,000 nodes", f"{1000 / _rate(page):.0f} ms", f"{_rate(page):.1f}/s", "", True)
        yield Row(
            f"a network with {ATTACHED} attachments", f"{1000 / _rate(net):.0f} ms", f"{_rate(net):.1f}/s", "", True
        )
        yield Row(
            "memory of an API process",
            f"{max(map(_memory, pids)):.0f} MiB",
            f"{LARGE:,} nodes, {2 * LARGE:,} ports",
            "",
            True,
        )


def _growth(large: str, small: str, keys: Path) -> Iterator[Row]:
    with served(large, keys, "database") as (port, _), served(small, keys, "database") as (other, _):
        big, little = _turns(_pressed(port, _node(LARGE, TENANT), 4), _pressed(other, _node(SMALL, TENANT), 4))
        ratio = statistics.median(a.quantile(0.99) / b.quantile(0.99) for a, b in zip(big, little, strict=True))
        yield Row(
            f"p99 of a node read at {LARGE:,} nodes",
            f"{_p99(big) * 1000:.1f} ms",
            f"{ratio:.2f} × that at {SMALL:,} ({_p99(little) * 1000:.1f} ms)",
            "≤ 1.5 ×",
            ratio <= 1.5,
        )


def _pairs(url: str, keys: Path) -> Iterator[Row]:
    """Allocate and release (the original API's, which needs no device) as fast as four callers can."""
    free = [f"node{n:05}" for n in range(0, LARGE, FREE_SHARE)]

    def make(number: int) -> bytes:
        name = free[number // 2 % len(free)]
        verb = "connect_node" if number % 2 == 0 else "detach_node"
        return request("POST", f"/v0/project/bench/{verb}", OPERATOR, json.dumps({"node": name}).encode())

    with served(url, keys, "database") as (port, _):
        load = asyncio.run(press(port, make, connections=1, seconds=5))
        yield Row("allocate + release, pairs", f"{load.rate / 2:.0f}/s", "one caller", "", True)


def _worker(url: str, keys: Path) -> Iterator[Row]:
    code = (
        "import asyncio, sys; from pathlib import Path; from hil.store.keys import Keyring; "
        "from hil.store.unit import Store; from hil.worker.worker import Worker; "
        "asyncio.run(Worker(Store(sys.argv[1], Keyring.from_file(Path(sys.argv[2])))).run())"
    )
    process = subprocess.Popen([sys.executable, "-c", code, url, str(keys)])
    try:
        time.sleep(8)
        yield Row(
            "memory of a worker process", f"{_memory(process.pid):.0f} MiB", f"{2 * LARGE // 100} switches", "", True
        )
    finally:
        process.kill()
        process.wait()


def measure() -> Iterator[Row]:
    """Every figure of the API."""
    cluster = Cluster()
    try:
        with tempfile.TemporaryDirectory() as directory:
            keys = Path(directory) / "keys"
            with database(cluster, keys, LARGE) as large, database(cluster, keys, SMALL) as small:
                yield from _reads(large, keys)
                yield from _growth(large, small, keys)
                yield from _pairs(large, keys)
                yield from _worker(large, keys)
    finally:
        cluster.stop()
