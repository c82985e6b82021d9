"""A HIL and an obmd that knows its key, in one event loop; the worker moves when it is told to.

Nothing is stubbed between them: every word crosses loopback. Who did what to a machine is asked of the machine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import select, update

from hil.api.settings import Settings
from hil.core.secret import Secret
from hil.lab.bmc.machine import Machine
from hil.lab.bmc.server import EmulatedBmcServer
from hil.obmd.app import ObmdSettings, close_consoles, create_app
from hil.obmd.limits import ObmdLimits
from hil.obmd.store import ObmdStore
from hil.process.http import HttpPart, listen, written
from hil.services.capability import Capability, Signer
from hil.services.obm_key import obm_public_keys, obm_signer
from hil.store.tables import Chore, Journal, Node
from hil.store.unit import Store
from tests.api_v1.world import PASSWORD, World, open_world

ADMIN = "0123456789abcdef0123456789abcdef"
QUICK = ObmdLimits(per_second=10_000, logins_per_minute=10_000, power_age=0.0)


@dataclass
class Obmd:
    """One running obmd. `url` stays the same over its restarts."""

    url: str
    http: httpx.AsyncClient


@asynccontextmanager
async def obmd_at(
    store: ObmdStore, keys: Sequence[str], address: str, limits: ObmdLimits = QUICK
) -> AsyncIterator[Obmd]:
    app = create_app(store, ObmdSettings(public_keys=keys, admin_token=Secret(ADMIN), limits=limits))
    bound = listen(address)
    url = f"http://{written(bound)}"
    part = HttpPart("obmd", app, bound, drain=1.0, websockets=True, let_go=lambda: close_consoles(app))
    running = asyncio.create_task(part.run())
    await part.ready.wait()
    try:
        async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
            yield Obmd(url, client)
    finally:
        part.stop()
        await running


@dataclass
class ObmWorld:
    """`hil` is the API and its people, `obmd` the running obmd (None while it is down), `machines` by node."""

    hil: World
    store: ObmdStore
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    bmcs: AsyncExitStack = field(default_factory=AsyncExitStack)
    machines: dict[str, Machine] = field(default_factory=dict)
    servers: dict[str, EmulatedBmcServer] = field(default_factory=dict)
    site: Obmd | None = None
    address: str = "127.0.0.1:0"
    limits: ObmdLimits = QUICK

    def run(self, work: Any) -> Any:
        return self.hil.runner.run(work)

    @property
    def obmd(self) -> Obmd:
        assert self.site is not None, "the obmd is down"
        return self.site

    def start(self) -> None:
        """Start obmd, or start it again, with HIL's present public keys."""
        keys = self.hil.store.change(obm_public_keys)
        self.stack = AsyncExitStack()
        self.site = self.run(self.stack.enter_async_context(obmd_at(self.store, keys, self.address, self.limits)))
        self.address = self.obmd.url.removeprefix("http://")

    def stop(self) -> None:
        self.site = None
        self.run(self.stack.aclose())

    def machine(self, name: str, owner: str = "", *, enabled: bool = False) -> Machine:
        """A node with a machine behind obmd, settled; of a project, if one is named."""
        self.bare_machine(name)
        self.hil.ok("POST", "/v1/nodes", {"name": name})
        self.hil.ok("PUT", f"/v1/nodes/{name}/obm", {"uri": self.obmd.url})
        self.work()
        if owner:
            self.hil.ok("POST", f"/v1/projects/{owner}/allocations", {"nodes": [name]})
        if enabled:
            self.enable(name)
        return self.machines[name]

    def bare_machine(self, name: str) -> Machine:
        """A machine that obmd knows and HIL does not."""
        machine = self.machines[name] = Machine(name)
        server = self.servers[name] = self.run(self.bmcs.enter_async_context(EmulatedBmcServer(machine)))
        config = {"address": server.address, "password": "pw"}
        body, admin = {"driver": "emulated", "config": config}, {"Authorization": f"Bearer {ADMIN}"}
        answer = self.run(self.obmd.http.put(f"/v1/nodes/{name}", json=body, headers=admin))
        assert answer.status_code == 201, answer.text
        return machine

    def crash(self, method: str, path: str, by: str) -> None:
        """Send what makes the API fail half-way."""
        transport = httpx.ASGITransport(self.hil.app)
        auth = httpx.BasicAuth(by, PASSWORD)

        async def ask() -> int:
            async with httpx.AsyncClient(transport=transport, base_url="http://hil.test", auth=auth) as client:
                return (await client.request(method, path)).status_code

        assert self.run(ask()) == 500

    def enable(self, name: str, by: str = "root") -> None:
        self.hil.ok("POST", f"/v1/nodes/{name}/obm/enable", by=by)

    def power(self, name: str, action: str, by: str) -> str:
        """Ask for power as somebody; answers `202` or the refusal."""
        answer = self.hil("POST", f"/v1/nodes/{name}/power", {"action": action}, by=by)
        kind = answer.json().get("type", "").removeprefix("/errors/")
        return f"{answer.status_code} {kind}".strip()

    def work(self) -> None:
        """One round of the worker's release step."""
        self.hil.release()

    def row(self, name: str) -> Node:
        query = select(Node).where(Node.name == name)
        return self.hil.store.read(lambda session: session.scalars(query).one())

    def lines(self, name: str) -> list[tuple[str, str, str, Any]]:
        """The journal of a node: action, actor, outcome, facts."""
        query = select(Journal).where(Journal.name == name).order_by(Journal.seq)
        rows = self.hil.store.read(lambda session: list(session.scalars(query)))
        return [(row.action, row.actor, row.outcome, row.after) for row in rows]

    def run_out_of_time(self) -> None:
        """Let the ticket of a dead process run out."""
        gone = update(Chore).values(expires_at=0.0)
        self.hil.store.change(lambda unit: unit.session.execute(gone))

    def forge(self, name: str, signer: Signer | None = None, **changes: Any) -> dict[str, str]:
        """A capability for a node as HIL would sign it, with changes; as a header."""
        node, now = self.row(name), int(time.time())
        known = signer or self.hil.store.read(lambda session: obm_signer(session, self.hil.store.keys))
        made = {"node": name, "project": "p", "user": "alice", "epoch": node.obm_epoch, "issued": now}
        token = known.issue(Capability(**{**made, "expires": now + 60, **changes}))
        return {"Authorization": f"Bearer {token.reveal()}"}

    def close(self) -> None:
        if self.site is not None:
            self.stop()
        self.run(self.bmcs.aclose())
        self.hil.close()


def open_obm_world(store: Store, obmd_store: ObmdStore, start: Callable[[ObmWorld], None] = ObmWorld.start) -> ObmWorld:
    made = ObmWorld(open_world(store, Settings(look_again=0.05, obmd_timeout=5.0, machine_timeout=10.0)), obmd_store)
    start(made)
    return made
