"""A small HIL behind its original API, in this process: requests as raw bytes, users, and a lane driven by hand.

Requests go through ASGI and not through an HTTP library, because a library would tidy paths up before we see them.
Nothing runs beside the test: ports are read back when the test says so.
"""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import select
from starlette.applications import Starlette

from hil.api.edge import Edge
from hil.api.settings import Settings
from hil.api.v0 import routes
from hil.auth.backend import Backend
from hil.auth.database import DatabaseBackend
from hil.core.model import Actor, Role
from hil.core.secret import Secret
from hil.drivers.switch.mock.device import EmulatedSwitch, switch_at
from hil.services import membership, pool, project, user
from hil.services.context import Context
from hil.store.journal import Source
from hil.store.tables import Switch
from hil.store.unit import Store
from hil.worker.lane import Lane
from hil.worker.release import Releases

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """How lanes and releases reach the database."""
    return await asyncio.to_thread(function, *arguments)


MOCK = "http://schema.massopencloud.org/haas/v0/switches/mock"
OPERATOR = Actor("seed", operator=True, via="test")
OBMD = {"uri": "http://obmd.test/node/n1", "admin_token": "0123456789abcdef0123456789abcdef"}
IMPATIENT = Settings(v0_patience=0.0)
Body = Mapping[str, Any] | list[Any] | bytes | None


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def type(self) -> Any:
        """The class name of an error; None for a success."""
        return self.json["type"] if self.status >= 400 else None

    @property
    def short(self) -> str:
        """As the tables of these tests say it: `200`, or `404 NotFoundError`."""
        return str(self.status) if self.type is None else f"{self.status} {self.type}"


@dataclass
class Api:
    """Sends requests, each in a run of one event loop."""

    edge: Edge
    settings: Settings = IMPATIENT
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    def __post_init__(self) -> None:
        self.app = Starlette(routes=routes(self.edge, self.settings))

    def send(self, *arguments: Any, **options: Any) -> Answer:
        return self.runner.run(self.ask(*arguments, **options))

    async def ask(
        self,
        method: str,
        path: str,
        body: Body = None,
        user: str | None = "root",
        headers: Sequence[tuple[str, str]] = (),
        prefix: str = "/v0",
    ) -> Answer:
        """Send a body as it is if it is bytes, else as JSON; without Content-Type, as the original client does."""
        raw_path, _, query = f"{prefix}{path}".partition("?")
        sent = list(headers) + ([] if user is None else [basic(user)])
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in sent],
            "scheme": "http",
            "path": decoded(raw_path),
            "raw_path": raw_path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "server": ("hil.test", 80),
            "client": ("192.0.2.7", 4711),
            "root_path": "",
        }
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return await exchange(self.app, scope, raw)


async def exchange(app: Any, scope: dict[str, Any], raw: bytes) -> Answer:
    sent = [{"type": "http.request", "body": raw, "more_body": False}]
    got: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return sent.pop() if sent else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        got.append(message)

    await app(scope, receive, send)
    headers = {name.decode(): value.decode("latin-1") for name, value in got[0]["headers"]}
    return Answer(got[0]["status"], headers, b"".join(message.get("body", b"") for message in got[1:]))


def decoded(path: str) -> str:
    from urllib.parse import unquote

    return unquote(path)


def basic(name: str, password: str = "secret") -> tuple[str, str]:
    return "Authorization", "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@dataclass
class World:
    """Operator `root`; `alice` in project `p`, `bob` in `q`, `eve` in neither. Pool 100 to 103."""

    store: Store
    backend: Backend
    api: Api

    def seed(self) -> None:
        def work(ctx: Context) -> None:
            pool.pool_set(ctx, frozenset({100, 101, 102, 103}))
            for name in ("root", "alice", "bob", "eve"):
                user.user_create(ctx, name, Secret("secret"), operator=name == "root", allow_weak=True)
            for name, member in (("p", "alice"), ("q", "bob")):
                project.project_create(ctx, name)
                membership.member_add(ctx, name, member, Role.MEMBER)

        self.change(work)

    def change(self, work: Callable[[Context], T]) -> T:
        """Run a service as an operator."""
        return self.store.change(lambda unit: work(Context.changing(unit, OPERATOR, Source("seed"))))

    def machine(self, number: int, project: str = "") -> None:
        """A node `nN` with NIC `eth0` on port gi1/0/N of switch `sw`, read back as closed, in `project` if named."""
        if self.ok("GET", "/switches") == []:
            fields = {"hostname": uuid.uuid4().hex, "username": "", "password": ""}
            self.ok("PUT", "/switch/sw", {"type": MOCK, **fields})
        node, port = f"n{number}", f"/switch/sw/port/gi1/0/{number}"
        self.ok("PUT", f"/node/{node}", {"obmd": {**OBMD, "uri": f"http://obmd.test/node/{node}"}})
        self.ok("PUT", f"/node/{node}/nic/eth0", {"macaddr": f"52:54:00:00:00:{number:02x}"})
        self.ok("PUT", port)
        self.ok("POST", f"{port}/connect_nic", {"node": node, "nic": "eth0"})
        self.settle()
        if project:
            self.ok("POST", f"/project/{project}/connect_node", {"node": node})

    def network(self, name: str, owner: str = "p") -> None:
        self.ok("PUT", f"/network/{name}", {"owner": owner, "access": owner, "net_id": ""})

    def attach(self, node: str, network: str, **channel: str) -> None:
        self.ok("POST", f"/node/{node}/nic/eth0/connect_network", {"network": network, **channel})
        self.settle()

    def ok(self, method: str, path: str, body: Body = None, user: str = "root") -> Any:
        """Send, insist on success, answer the value."""
        answer = self.api.send(method, path, body, user)
        assert answer.status < 300, (method, path, answer)
        return answer.json

    def device(self, switch: str = "sw") -> EmulatedSwitch:
        """The emulated device behind a switch."""
        query = select(Switch.config).where(Switch.name == switch)
        config = self.store.read(lambda session: session.scalar(query))
        assert config is not None
        return switch_at(config["hostname"])

    def settle(self) -> None:
        """Let every lane do all that it has to do now."""
        self.api.runner.run(self.settling())

    async def settling(self) -> None:
        ids = self.store.read(lambda session: list(session.scalars(select(Switch.id))))
        for switch_id in ids:
            lane = Lane(self.store, switch_id, "test", in_thread)
            assert await lane.take()
            while await lane.step():
                pass
            await lane.leave()

    def release(self) -> None:
        """Let the worker bring releases one step further."""
        self.api.runner.run(Releases(self.store, "test", in_thread).advance())


def open_world(store: Store, settings: Settings = IMPATIENT) -> World:
    backend = DatabaseBackend({}, store)
    world = World(store, backend, Api(Edge(store, backend), settings))
    world.seed()
    return world
