"""Walks the OpenAPI document with every kind of caller and prints what each is answered.

`python -m tests.api_v1.walk` renews `golden_walk.txt`, after a change of policy that is meant.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hil.services import network, nic, node, port, project
from hil.services.attach import node_connect_network
from hil.services.context import Context
from hil.store.migrate import upgrade
from hil.store.unit import Store
from tests.api_v1.examples import EXAMPLES, KEY, OPERATION, SSH_ID, SSH_KEY, Example
from tests.api_v1.listening import follow
from tests.api_v1.world import World, change, open_world

GOLDEN = Path(__file__).with_name("golden_walk.txt")
CALLERS = ("nobody", "eve", "rita", "alice", "mara", "bob", "key", "root")
HEAD = """\
# What v1 answers to whom: a line for each request, a column for each caller. Compared by test_walk.py.
# nobody: no credentials; eve: belongs nowhere; rita, alice, mara: reader, member, manager of p; bob: member of q;
# key: a key of alice that may read in p; root: operator.
"""
PORTS = {
    "gi1/0/1": "wired", "gi1/0/2": "idle", "gi1/0/3": "theirs", "gi1/0/4": "broken", "gi1/0/5": "mine",
    "gi1/0/6": "busy",
}  # fmt: skip


def machines(ctx: Context) -> None:
    for name in (*PORTS.values(), "held", "spare"):
        node.node_register(ctx, name, {"old": ""}, {"old": 1})
    for name, machine in PORTS.items():
        nic.nic_register(ctx, machine, "eth0", "")
        port.port_register(ctx, "sw", name)
        ctx.session.flush()
        port.port_connect_nic(ctx, "sw", name, machine, "eth0")
    port.port_register(ctx, "sw", "gi1/0/9")
    project.project_create(ctx, "empty")


def owners(ctx: Context) -> None:
    for owner, machine in (("p", "mine"), ("p", "wired"), ("p", "busy"), ("q", "theirs")):
        node.node_allocate(ctx, owner, machine)
    for machine in ("held", "broken"):
        node.node_quarantine(ctx, machine, "odd")
    network.network_create(ctx, "net", owner="p")
    network.network_create(ctx, "unused", owner="p", access=["q"])
    network.network_create(ctx, "shared", owner="q", access=["p"])
    network.network_create(ctx, "hidden", owner="q")
    network.network_create(ctx, "open", owner=None, public=True)


class Walk:
    """The standing world, and a copy of its database to return to after each change."""

    def __init__(self, world: World, path: Path) -> None:
        self.world = world
        self._path = path
        world.switch()
        world.switch("bare")
        for work in (machines, owners, lambda ctx: node_connect_network(ctx, "wired", "eth0", "net")):
            world.change(work)
            world.settle()
        self.token = world.ok("POST", "/v1/keys", {"project": "p", "role": "reader"}, by="alice")["token"]
        self._known = {
            KEY: world.ok("POST", "/v1/keys", {}, by="alice")["id"],
            SSH_ID: world.ok("POST", "/v1/ssh-keys", {"public_key": SSH_KEY.replace("B of", "C of")}, by="alice")["id"],
            OPERATION: world.ok("POST", "/v1/network-changes", change("busy", "net"), by="alice")["id"],
        }
        world.store.engine.dispose()
        self._kept = path.with_suffix(".kept")
        shutil.copyfile(path, self._kept)

    def path_of(self, example: Example) -> str:
        path = example.path
        for word, value in self._known.items():
            path = path.replace(word, value)
        return path

    def ask(self, example: Example, caller: str) -> int:
        """The status that the caller is answered; whatever it changed is as it was."""
        by = None if caller in ("nobody", "key") else caller
        token = self.token if caller == "key" else ""
        if example.operation == "event_follow" and caller != "nobody":
            return self.world.runner.run(self._follow(by, token))
        answer = self.world(example.method, self.path_of(example), example.body, by=by, token=token)
        if answer.status_code < 300 and example.method != "GET":
            self._restore()
        return answer.status_code

    async def _follow(self, by: str | None, token: str) -> int:
        async with follow(self.world, by=by, token=token) as seen:
            return seen.status or 0

    def _restore(self) -> None:
        self.world.store.engine.dispose()
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(self._kept, self._path)

    def table(self) -> str:
        """Every example asked by every caller."""
        width = max(len(example.title) for example in EXAMPLES)
        lines = [" " * width + "".join(f" {caller:>6}" for caller in CALLERS)]
        for example in EXAMPLES:
            statuses = [self.ask(example, caller) for caller in CALLERS]
            lines.append(f"{example.title:{width}}" + "".join(f" {status:>6}" for status in statuses))
        return HEAD + "\n".join(lines) + "\n"


def main() -> None:
    from tests.support.databases import CHEAP, KEYS

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "hil.db"
        upgrade(f"sqlite:///{path}")
        store = Store(f"sqlite:///{path}", KEYS, passwords=CHEAP)
        world = open_world(store)
        GOLDEN.write_text(Walk(world, path).table())
        world.close()
        store.close()


if __name__ == "__main__":
    main()
