"""HTTP servers of a process: a socket of our own, uvicorn on it, signals left alone.

Proxy headers are believed only from addresses that the configuration names, and none by default.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from hil.config.model import host_port
from hil.core.errors import BadArgument
from hil.process.drain import Draining

log = logging.getLogger(__name__)
BACKLOG = 1024


def listen(address: str) -> socket.socket:
    """Bind `host:port` and listen; port 0 takes a free one. Raises BadArgument."""
    host, port = host_port(address)
    try:
        family, kind, proto, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, proto)
    except OSError as error:
        raise BadArgument(f"[server] listen: {address} cannot be found: {error.strerror}.") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(where)
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise BadArgument(f"HIL cannot listen on {address}: {error.strerror}. Choose another with --listen.") from error
    return bound


def written(bound: socket.socket) -> str:
    """The address of a socket as people write it."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Uvicorn(uvicorn.Server):
    """Uvicorn without its own signal handlers; it says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpPart:
    """A server that runs as a part of this process. `let_go` is called once it stops, for those who only wait."""

    def __init__(
        self,
        name: str,
        app: Any,
        bound: socket.socket,
        *,
        drain: float,
        proxies: Sequence[str] = (),
        let_go: Callable[[], None] = lambda: None,
        websockets: bool = False,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        """`certificate` is a chain and its key, in PEM: then it speaks TLS."""
        self.name = name
        self._let_go = let_go
        self._bound = bound
        self._app = Draining(app)
        self._server = _Uvicorn(
            uvicorn.Config(
                self._app,
                loop="none",
                http="httptools",
                ws="websockets-sansio" if websockets else "none",
                ws_max_size=2**20,
                ws_per_message_deflate=False,
                ssl_certfile=certificate and certificate[0],
                ssl_keyfile=certificate and str(certificate[1]),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(proxies),
                forwarded_allow_ips=list(proxies),
                timeout_graceful_shutdown=math.ceil(drain),
            )
        )

    @property
    def ready(self) -> asyncio.Event:
        return self._server.up

    async def run(self) -> None:
        """Serve until `stop`, then let requests under way finish."""
        log.info("%s: listening on %s", self.name, written(self._bound))
        await self._server.serve([self._bound])
        if not self._server.started:
            raise RuntimeError(f"the {self.name} did not start")

    def stop(self) -> None:
        """Take no new request; a second call cuts those under way."""
        if self._server.should_exit:
            for task in tuple(self._server.server_state.tasks):
                task.cancel()
        self._server.should_exit = True
        self._let_go()
        self._app.stop()
