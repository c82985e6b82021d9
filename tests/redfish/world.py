"""A HIL with machines behind a real obmd, asked through `/redfish`, in this process or by programs beside it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from hil.process.http import HttpPart, listen, written
from tests.api_v1.world import PASSWORD
from tests.obm_side.world import ObmWorld

PEERS = Path(__file__).parents[2] / ".venv-peers/bin"
BOOT_VALUES = "BootSourceOverrideTarget@Redfish.AllowableValues"


class Tenant:
    """Asks `/redfish/v1` as somebody."""

    def __init__(self, world: ObmWorld) -> None:
        self.world = world

    def __call__(
        self, method: str, path: str, body: Any = None, *, by: str | None = "alice", **options: Any
    ) -> httpx.Response:
        """Send a request; `path` is below the root unless it begins with `/redfish`."""
        where = path if path.startswith("/redfish") else f"/redfish/v1{path}"
        answer = self.world.hil(method, where, body, by=by, **options)
        assert answer.headers["odata-version"] == "4.0"
        if answer.status_code >= 400 and method != "HEAD":
            told = answer.json()["error"]
            assert told["code"] == told["@Message.ExtendedInfo"][0]["MessageId"]
        return answer

    def show(self, path: str, by: str = "alice", **options: Any) -> dict[str, Any]:
        answer = self("GET", path, by=by, **options)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def refused(self, method: str, path: str, body: Any = None, **options: Any) -> str:
        """A refusal as `404 ResourceMissingAtURI`."""
        answer = self(method, path, body, **options)
        return f"{answer.status_code} {answer.json()['error']['code'].rpartition('.')[2]}"

    def members(self, path: str, by: str = "alice") -> list[str]:
        return [each["@odata.id"].rpartition("/")[2] for each in self.show(path, by)["Members"]]

    def key(self, by: str, **scope: Any) -> str:
        """A fresh API key of somebody."""
        token: str = self.world.hil.ok("POST", "/v1/keys", scope, by=by)["token"]
        return token


def furnish(made: ObmWorld) -> None:
    """A node of `p` with NICs and labels, one of `q`, and a free one, each with a machine."""
    made.machine("n1", "p", enabled=True)
    made.machine("theirs", "q", enabled=True)
    made.machine("loose")
    for nic, address in (("eth0", "52:54:00:00:00:01"), ("eth1", "")):
        made.hil.ok("POST", "/v1/nodes/n1/nics", {"name": nic, "macaddr": address})
    for key, value in {"processors": "2", "cores": "32", "processor-model": "M-1", "memory-gib": "256"}.items():
        made.hil.ok("PUT", f"/v1/nodes/n1/labels/{key}", {"value": value})


@asynccontextmanager
async def served(world: ObmWorld, certificate: tuple[Path, Path] | None = None) -> AsyncIterator[str]:
    """Serve HIL on loopback, in the loop that runs this; answers its URL."""
    bound = listen("127.0.0.1:0")
    part = HttpPart("hil", world.hil.app, bound, drain=1.0, certificate=certificate)
    running = asyncio.create_task(part.run())
    await part.ready.wait()
    try:
        yield f"{'https' if certificate else 'http'}://{written(bound)}"
    finally:
        part.stop()
        await running


async def run(*command: object, cwd: Path, seconds: float = 120) -> tuple[int, str]:
    """Run a peer's program to its end; answers its exit code and all that it printed."""
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=cwd, env=environment | {"HOME": str(cwd), "PYTHONWARNINGS": "ignore"},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def script(name: str, facts: dict[str, Any], cwd: Path, seconds: float = 120) -> Any:
    """Run a script of this folder with the peers' Python; answers the JSON that is its last line."""
    told = cwd / f"{name}.json"
    told.write_text(json.dumps({"password": PASSWORD} | facts))
    code, said = await run(PEERS / "python", Path(__file__).with_name(name), told, cwd=cwd, seconds=seconds)
    assert code == 0, said[-4000:]
    return json.loads(said.splitlines()[-1])
