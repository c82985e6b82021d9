"""A load on one HTTP server: keep-alive connections, one request at a time on each, every latency kept.

Plain asyncio streams, because what measures must cost less than what is measured. Loopback only, bounded in time.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it: requests per second and the latencies in seconds, sorted."""

    rate: float
    latencies: Sequence[float]

    def quantile(self, share: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


def basic(user: str, password: str) -> str:
    """The Authorization header of HTTP Basic."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def request(method: str, path: str, authorization: str, body: bytes = b"") -> bytes:
    """One request as bytes."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: {authorization}\r\nContent-Length: {len(body)}\r\n"
    )
    return (head + ("Content-Type: application/json\r\n" if body else "") + "\r\n").encode() + body


async def press(port: int, make: Callable[[int], bytes], *, connections: int = 8, seconds: float = 4.0) -> Load:
    """Send `make(n)` for n = 0, 1, … until the time is over. Raises RuntimeError for an answer that is not 2xx."""
    numbers = itertools.count()
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while (began := time.perf_counter()) < end:
                writer.write(make(next(numbers)))
                await _answer(reader)
                latencies.append(time.perf_counter() - began)
        finally:
            writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return Load(len(latencies) / (time.perf_counter() - began), sorted(latencies))


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    body = await reader.readexactly(length) if length else b""
    if not head.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(f"{head.splitlines()[0].decode()}: {body[:300].decode()}")
    return body
