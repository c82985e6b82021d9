"""Many requests at once, each on a connection of its own that was opened before: what asks costs next to nothing.

One thread, an epoll, plain sockets: an event loop of Python would take as long as what it measures.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rush:
    """What came of it: seconds for all of them, and the seconds of each."""

    seconds: float
    latencies: Sequence[float]


def whole_line(data: bytes) -> bool:
    return data.endswith(b"\n")


def whole_answer(data: bytes) -> bool:
    """Whether this is all of an HTTP answer that says its length. Raises RuntimeError for one that is not 2xx."""
    head, gap, body = data.partition(b"\r\n\r\n")
    if not gap:
        return False
    if not head.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(data[:400].decode(errors="replace"))
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return len(body) >= int(length[15:])


class Crowd:
    """Open connections to these ports of loopback; `whole` tells when an answer has come."""

    def __init__(self, ports: Sequence[int], whole: Callable[[bytes], bool]) -> None:
        self._whole = whole
        self._poll = select.epoll()
        self._sockets = [socket.create_connection(("127.0.0.1", port), timeout=60) for port in ports]
        self._number = {each.fileno(): number for number, each in enumerate(self._sockets)}
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._poll.register(each, select.EPOLLIN)

    def rush(self, requests: Sequence[bytes], width: int = 0) -> Rush:
        """Send request n on connection n, at most `width` at a time (0: all at once).

        With fewer connections than requests, each goes to the first connection that is free. Raises RuntimeError.
        """
        dedicated = len(self._sockets) >= len(requests)
        free = deque(range(len(requests) if dedicated else len(self._sockets)))
        carries: dict[int, tuple[float, bytes]] = {}
        took: list[float] = []
        sent, start = 0, time.perf_counter()
        while len(took) < len(requests):
            while free and sent < len(requests) and (not width or len(carries) < width):
                number = free.popleft()
                carries[number] = time.perf_counter(), b""
                self._sockets[number].sendall(requests[sent])
                sent += 1
            for number, data in self._heard():
                if not data and number not in carries:  # it was idle for too long for the server
                    self._poll.unregister(self._sockets[number])
                    continue
                if not data:
                    raise RuntimeError("a connection was closed")
                begun, known = carries[number]
                carries[number] = begun, known + data
                if self._whole(known + data):
                    del carries[number]
                    took.append(time.perf_counter() - begun)
                    if not dedicated:
                        free.append(number)
        return Rush(time.perf_counter() - start, sorted(took))

    def _heard(self) -> Iterator[tuple[int, bytes]]:
        """What has come, by connection; empty if it was closed. Raises RuntimeError if nothing comes for long."""
        ready = self._poll.poll(60)
        if not ready:
            raise RuntimeError("no answer within a minute")
        for handle, _ in ready:
            number = self._number[handle]
            yield number, self._sockets[number].recv(65536)

    def close(self) -> None:
        self._poll.close()
        for each in self._sockets:
            each.close()

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
