"""HIL, obmd, SSH and recordings together: an API key opens a console, and the release of the node ends all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import httpx
import pytest

from hil.core.secret import Secret
from hil.obmd.app import ObmdSettings, close_consoles, create_app
from hil.obmd.recording import Recordings, RecordLimits
from hil.obmd.ssh import Hil, SshPart, host_key
from hil.obmd.store import ObmdStore
from hil.process.http import HttpPart, listen, written
from hil.services.obm_key import obm_public_keys
from hil.store.unit import Store
from hil.worker.release import Releases
from tests.obm_side.world import ADMIN, QUICK, Obmd, ObmWorld, open_obm_world

pytestmark = pytest.mark.net


@dataclass
class Served(Obmd):
    ssh: int


@asynccontextmanager
async def served(world: ObmWorld, keys: list[str], state: Path) -> AsyncIterator[Served]:
    """HIL's API, an obmd that records, and its SSH, each on a port."""
    recordings = Recordings(state / "recordings", RecordLimits(size=2**20, age=3600.0), world.store.clock)
    settings = ObmdSettings(public_keys=keys, admin_token=Secret(ADMIN), limits=QUICK, recordings=recordings)
    app = create_app(world.store, settings)
    obmd, api, ssh = (listen("127.0.0.1:0") for _ in range(3))
    parts = [
        HttpPart("obmd", app, obmd, drain=1.0, websockets=True, let_go=lambda: close_consoles(app)),
        HttpPart("API", world.hil.app, api, drain=1.0),
        SshPart(app.state.gate, Hil(f"http://{written(api)}"), ssh, host_key(state)),
    ]
    url = f"http://{written(obmd)}"
    running = [asyncio.create_task(part.run()) for part in parts]
    for part in parts:
        await part.ready.wait()
    try:
        async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
            yield Served(url, client, ssh.getsockname()[1])
    finally:
        for part in parts:
            part.stop()
        await asyncio.gather(*running)


@pytest.fixture
def whole(sqlite_url: str, open_store: Any, obmd_store: ObmdStore, tmp_path: Path) -> Iterator[ObmWorld]:
    def start(world: ObmWorld) -> None:
        keys = world.hil.store.change(obm_public_keys)
        world.stack = AsyncExitStack()
        world.site = world.run(world.stack.enter_async_context(served(world, keys, tmp_path)))

    store: Store = open_store(sqlite_url)
    made = open_obm_world(store, obmd_store, start)
    yield made
    made.close()


def connected(world: ObmWorld, password: str) -> Any:
    assert isinstance(world.obmd, Served)
    return asyncssh.connect(
        "127.0.0.1", world.obmd.ssh, username="n1", password=password, known_hosts=None, config=None,
        client_keys=None, agent_path=None, gss_host=None,
    )  # fmt: skip


def key(world: ObmWorld, by: str = "alice", **limits: Any) -> str:
    return str(world.hil.ok("POST", "/v1/keys", {"project": "p", **limits}, by=by)["token"])


def recorded(world: ObmWorld, by: str) -> list[bytes]:
    """What the recordings hold that this person may see, one by one."""
    ticket = world.hil.ok("POST", "/v1/nodes/n1/console", {"watch": True}, by=by)
    headers = {"Authorization": f"Bearer {ticket['capability']}"}

    async def look() -> list[bytes]:
        at = "/v1/nodes/n1/recordings"
        items = (await world.obmd.http.get(at, headers=headers)).json()["items"]
        urls = [f"{at}/{item['id']}?as=bytes" for item in items]
        return [(await world.obmd.http.get(url, headers=headers)).content for url in urls]

    found: list[bytes] = world.run(look())
    return found


async def shown(process: asyncssh.SSHClientProcess[bytes], text: bytes) -> None:
    seen = b""
    while text not in seen:
        more = await process.stdout.read(4096)
        assert more
        seen += more


async def session(world: ObmWorld, password: str, text: bytes) -> None:
    """Look at the console until it has said this."""
    async with connected(world, password) as connection, connection.create_process(encoding=None) as process:
        await process.stderr.read(1)
        world.machines["n1"].print(text)
        await shown(process, text)


def test_no_byte_from_after_the_release_comes_over_ssh(whole: ObmWorld) -> None:
    machine = whole.machine("n1", "p", enabled=True)
    password = key(whole)

    async def work() -> tuple[bytes, int | None]:
        async with connected(whole, password) as connection, connection.create_process(encoding=None) as process:
            await process.stderr.read(1)
            machine.print(b"before the release")
            await shown(process, b"before the release")
            assert (await whole.hil.ask("POST", "/v1/nodes/n1/release", by="alice")).status_code == 202
            await Releases(whole.hil.store, "test", asyncio.to_thread).advance()
            assert whole.row("n1").state == "free"
            machine.print(b"the next one's secret")
            done = await process.wait()
            assert isinstance(done.stdout, bytes)
            return done.stdout, done.exit_status

    assert whole.run(work()) == (b"", 1)
    with pytest.raises(asyncssh.PermissionDenied):
        whole.run(session(whole, password, b"x"))


def test_a_key_does_what_it_may_and_no_more(whole: ObmWorld) -> None:
    whole.machine("n1", "p", enabled=True)
    for refused in (key(whole, role="reader"), key(whole, by="rita"), "no-key"):
        with pytest.raises(asyncssh.PermissionDenied):
            whole.run(session(whole, refused, b"x"))
    assert not whole.servers["n1"].consoles
    whole.run(session(whole, key(whole), b"mine"))


def test_each_project_sees_its_own_recordings_whatever_it_is_called(whole: ObmWorld) -> None:
    whole.machine("n1", "p", enabled=True)
    whole.run(session(whole, key(whole), b"of p"))
    assert recorded(whole, "alice") == [b"of p"]
    hand_over(whole, "q")
    whole.run(session(whole, key(whole, by="bob", project="q"), b"of q"))
    assert recorded(whole, "bob") == [b"of q"]
    hand_over(whole, "p")
    assert recorded(whole, "alice") == [b"of p"]
    release(whole)
    whole.hil.ok("DELETE", "/v1/projects/p")
    whole.hil.ok("POST", "/v1/projects", {"name": "p"})
    allocate(whole, "p")
    assert recorded(whole, "root") == []


def release(world: ObmWorld) -> None:
    world.hil.ok("POST", "/v1/nodes/n1/release")
    world.work()


def allocate(world: ObmWorld, project: str) -> None:
    world.hil.ok("POST", f"/v1/projects/{project}/allocations", {"nodes": ["n1"]})
    world.enable("n1")


def hand_over(world: ObmWorld, project: str) -> None:
    release(world)
    allocate(world, project)
