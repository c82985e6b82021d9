"""An obmd on a port of its own, with emulated BMCs, and the hands of an operator, of HIL and of tenants."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from hil.core.secret import Secret
from hil.lab.bmc.machine import Machine
from hil.lab.bmc.server import EmulatedBmcServer
from hil.obmd.app import ObmdSettings, close_consoles, create_app
from hil.obmd.gate import Gate
from hil.obmd.limits import ObmdLimits
from hil.obmd.nodes import Nodes
from hil.obmd.owner import Clock
from hil.obmd.store import ObmdStore
from hil.process.http import HttpPart, listen, written
from hil.services.capability import Capability, Right, Signer, new_key

ADMIN = "0123456789abcdef0123456789abcdef"
SIGNER = Signer(new_key())
EVERYTHING = tuple(right for right in Right if right is not Right.EPOCH)
QUICK = ObmdLimits(per_second=10_000, logins_per_minute=10_000, power_age=0.0)


def token(node: str, epoch: int, *rights: Right, user: str = "ann", signer: Signer = SIGNER, life: int = 60) -> str:
    """A capability, as HIL would sign it."""
    now = int(time.time())
    return signer.issue(
        Capability(
            node=node, project="lab", user=user, epoch=epoch, rights=frozenset(rights or EVERYTHING),
            issued=now, expires=now + life,
        )
    ).reveal()  # fmt: skip


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@dataclass
class Site:
    """A running obmd. `servers` are the BMCs that were added, by node."""

    url: str
    http: httpx.AsyncClient
    nodes: Nodes
    gate: Gate
    servers: dict[str, EmulatedBmcServer] = field(default_factory=dict)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def add(self, name: str, epoch: int = 1, **options: Any) -> Machine:
        """A machine with a BMC, registered and enabled."""
        machine = Machine(name, **options)
        server = await self.stack.enter_async_context(EmulatedBmcServer(machine))
        self.servers[name] = server
        answer = await self.put(name, {"address": server.address, "password": machine.password or "any"})
        assert answer.status_code == 201, answer.text
        if epoch:
            assert (await self.epoch(name, epoch)).status_code == 200
        return machine

    async def put(self, name: str, config: dict[str, Any], driver: str = "emulated") -> httpx.Response:
        return await self.admin("PUT", f"/v1/nodes/{name}", json={"driver": driver, "config": config})

    async def admin(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.http.request(method, path, headers=bearer(ADMIN), **options)

    async def epoch(self, name: str, epoch: int, *, enabled: bool = True) -> httpx.Response:
        body = {"epoch": epoch, "enabled": enabled}
        return await self.call("POST", name, "epoch", epoch, Right.EPOCH, json=body)

    async def call(
        self, method: str, name: str, path: str, epoch: int = 1, *rights: Right, **options: Any
    ) -> httpx.Response:
        """Ask as somebody with a capability."""
        headers = bearer(token(name, epoch, *rights))
        return await self.http.request(method, f"/v1/nodes/{name}/{path}", headers=headers, **options)

    async def original(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask as an original HIL does."""
        return await self.http.request(method, path, auth=("admin", ADMIN), **options)

    def console(self, name: str, epoch: int = 1, *rights: Right, user: str = "ann", **options: Any) -> connect:
        headers = options.pop("headers", None) or bearer(token(name, epoch, *rights, user=user, **options))
        url = f"{self.url.replace('http', 'ws', 1)}/v1/nodes/{name}/console"
        return connect(url, additional_headers=headers, proxy=None)


@asynccontextmanager
async def site(
    store: ObmdStore, limits: ObmdLimits = QUICK, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Site]:
    """Run an obmd for a while."""
    given = {"public_keys": [SIGNER.public], "admin_token": Secret(ADMIN), "limits": limits} | settings
    app = create_app(store, ObmdSettings(**given), clock)
    bound = listen("127.0.0.1:0")
    url = f"http://{written(bound)}"
    part = HttpPart("obmd", app, bound, drain=1.0, websockets=True, let_go=lambda: close_consoles(app))
    running = asyncio.create_task(part.run())
    await part.ready.wait()
    try:
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30, trust_env=False))
            yield Site(url, http, app.state.nodes, app.state.gate, stack=stack)
    finally:
        part.stop()
        await running


async def until(socket: ClientConnection, wanted: bytes | str) -> list[Any]:
    """Receive until bytes hold what is wanted, or an event of that name comes; answers all that came."""
    import json

    found: list[Any] = []
    seen = b""
    while True:
        message = await socket.recv()
        found.append(message if isinstance(message, bytes) else json.loads(message))
        if isinstance(message, bytes):
            seen += message
            if isinstance(wanted, bytes) and wanted in seen:
                return found
        elif isinstance(wanted, str) and found[-1]["event"] == wanted:
            return found


async def true(what: Any) -> None:
    """Wait until something that other tasks do has happened."""
    async with asyncio.timeout(30):
        while not what():  # noqa: ASYNC110 - what is waited for says nothing when it happens
            await asyncio.sleep(0.001)
