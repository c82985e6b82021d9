"""A small HIL behind its API in this process: people, projects, machines, and a worker that moves when it is told to.

Each answer is held against the OpenAPI document (`promise`). Nothing runs beside a test.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import httpx
from cryptography.fernet import Fernet
from fastapi import FastAPI
from sqlalchemy import select

from hil.api.app import create_app
from hil.api.settings import Settings
from hil.auth.backend import Backend
from hil.auth.database import DatabaseBackend
from hil.core.model import Actor, Role
from hil.core.secret import Secret
from hil.drivers.switch.mock.device import EmulatedSwitch, switch_at
from hil.services import membership, pool, project, user
from hil.services.context import Context
from hil.store.journal import Source
from hil.store.keys import Keyring
from hil.store.tables import Switch
from hil.store.unit import Store
from hil.worker.lane import Lane
from hil.worker.release import Releases
from tests.api_v1.promise import Promise
from tests.support.asked import asked

T = TypeVar("T")
SEED = Actor("seed", operator=True, via="test")
PASSWORD = "correct horse"
QUICK = Settings(look_again=0.05, heartbeat=0.2, metrics_age=0.0)
PEOPLE = {
    "alice": ("p", Role.MEMBER),
    "rita": ("p", Role.READER),
    "mara": ("p", Role.MANAGER),
    "bob": ("q", Role.MEMBER),
}
"""Beside them there are the operator `root` and `eve`, who belongs nowhere."""


@dataclass
class World:
    """`p` and `q` are projects; VLANs 100 to 119 are the pool."""

    store: Store
    backend: Backend
    app: FastAPI
    promise: Promise
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.runner.run(self.ask(method, path, body, **options))

    async def ask(
        self, method: str, path: str, body: Any = None, *, by: str | None = "root", token: str = "",
        headers: Mapping[str, str] | None = None, raw: bytes | None = None,
    ) -> httpx.Response:  # fmt: skip
        """Send one request as somebody (None: as nobody), or with a key."""
        transport = httpx.ASGITransport(self.app, client=("192.0.2.7", 4711))
        auth = httpx.BasicAuth(by, PASSWORD) if by is not None and not token else None
        sent = dict(headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
        async with httpx.AsyncClient(
            transport=transport, base_url="http://hil.test", auth=auth, trust_env=False
        ) as client:
            answer = await client.request(method, path, json=body, content=raw, headers=sent)
        self.promise.check(answer)
        return answer

    def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Send, insist on success, answer the body."""
        answer = self(method, path, body, **options)
        assert answer.status_code < 300, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def refused(self, method: str, path: str, body: Any = None, **options: Any) -> str:
        """Send, insist on a refusal; answers it as `409 blocked`."""
        answer = self(method, path, body, **options)
        assert answer.status_code >= 400, (method, path, answer.status_code, answer.text)
        shown = answer.json()
        assert shown["status"] == answer.status_code
        assert shown["instance"] == answer.headers["x-request-id"]
        return f"{answer.status_code} {shown['type'].removeprefix('/errors/')}"

    def change(self, work: Callable[[Context], T]) -> T:
        """Run a service as an operator, past the API."""
        return self.store.change(lambda unit: work(Context.changing(unit, SEED, Source("seed"))))

    def seed(self) -> None:
        def work(ctx: Context) -> None:
            pool.pool_set(ctx, frozenset(range(100, 120)))
            for name in ("root", "eve", *PEOPLE):
                user.user_create(ctx, name, Secret(PASSWORD), operator=name == "root")
            for name in ("p", "q"):
                project.project_create(ctx, name)
            for name, (home, role) in PEOPLE.items():
                membership.member_add(ctx, home, name, role)

        self.change(work)

    def switch(self, name: str = "sw") -> None:
        config = {"hostname": uuid.uuid4().hex, "username": "", "password": "hidden"}
        self.ok("POST", "/v1/switches", {"name": name, "driver": "mock", "config": config})

    def machine(self, name: str, port: str, owner: str = "", switch: str = "sw") -> None:
        """A node with NIC `eth0` on a port that was read back as closed, in project `owner` if named."""
        self.ok("POST", "/v1/nodes", {"name": name})
        self.ok("POST", f"/v1/nodes/{name}/nics", {"name": "eth0", "macaddr": "52:54:00:12:34:56"})
        self.ok("POST", f"/v1/switches/{switch}/ports", {"name": port})
        self.ok("PATCH", f"/v1/switches/{switch}/ports/{port}", {"nic": {"node": name, "nic": "eth0"}})
        self.settle()
        if owner:
            self.ok("POST", f"/v1/projects/{owner}/allocations", {"nodes": [name]})

    def network(self, name: str, owner: str | None = "p", **more: Any) -> None:
        self.ok("POST", "/v1/networks", {"name": name, "owner": owner, **more})

    def device(self, switch: str = "sw") -> EmulatedSwitch:
        """The emulated device behind a switch."""
        query = select(Switch.config).where(Switch.name == switch)
        config = self.store.read(lambda session: session.scalar(query))
        assert config is not None
        return switch_at(config["hostname"])

    def settle(self) -> None:
        """Let every lane do all that it has to do now."""
        self.runner.run(self.settling())

    async def settling(self) -> None:
        for switch_id in self.store.read(lambda session: list(session.scalars(select(Switch.id)))):
            lane = Lane(self.store, switch_id, "test", asyncio.to_thread)
            assert await lane.take()
            while await lane.step():
                pass
            await lane.leave()

    def release(self) -> None:
        """Let the worker bring releases one step further."""
        self.runner.run(Releases(self.store, "test", asyncio.to_thread).advance())

    def queries(self) -> AbstractContextManager[list[str]]:
        """Collects what is asked of the database meanwhile."""
        return asked(self.store)

    def close(self) -> None:
        self.backend.close()
        self.runner.close()


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document, which is made once: it depends on no world."""
    store = Store("sqlite://", Keyring([Secret(Fernet.generate_key().decode())]))
    backend = DatabaseBackend({}, store)
    made = create_app(store, backend).openapi()
    backend.close()
    store.close()
    return made


def open_world(store: Store, settings: Settings = QUICK) -> World:
    backend = DatabaseBackend({"user_burst": 1000, "remote_burst": 1000}, store)
    app = create_app(store, backend, settings)
    app.openapi_schema = document()
    world = World(store, backend, app, Promise(document()))
    world.seed()
    return world


def change(node: str, network: str, action: str = "connect", nic: str = "eth0", **more: str) -> dict[str, Any]:
    """The body of a request that changes one NIC."""
    return {"changes": [{"action": action, "node": node, "nic": nic, "network": network, **more}]}
