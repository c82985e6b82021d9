"""A HIL and an obmd as real processes, which can be killed: all in one on SQLite, three of them on PostgreSQL."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Final
from unittest.mock import patch

from hil.core.model import Actor, Role
from hil.core.secret import Secret
from hil.services import membership, node, obm, project, user
from hil.services.context import Context
from hil.services.obm_key import obm_public_keys
from hil.store.journal import Source
from hil.store.keys import Keyring
from hil.store.unit import Store
from tests.obm_side.watch import PEOPLE
from tests.process.serving import Hil, command
from tests.structure.source import TOP
from tests.support.databases import CHEAP

PASSWORD: Final = "Tenants-Geheimnis-0815"
BMC_PASSWORD: Final = "Bmc-Geheimnis-4711"
ADMIN: Final = "fedcba9876543210fedcba9876543210"
SEED: Final = Actor("seed", operator=True, via="test")


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


class Site:
    """An installation in a directory, with an operator and two tenants. `said` is the log of those who were killed."""

    def __init__(self, url: str, directory: Path, *, fault: str = "") -> None:
        """`fault`: what is gone from the processes, as `tests/obm_side/mutations.py` names it."""
        directory.mkdir()
        self.url, self.directory, self._fault = url, directory, fault
        self.split = url.startswith("postgresql")
        self.roles = ("api", "worker", "obmd") if self.split else ("all",)
        self.api, self.obmd = free_address(), free_address()
        self.store = Store(url, Keyring.made_at(directory / "keys"), passwords=CHEAP)
        self._write()
        self.store.change(lambda unit: self._build(Context.changing(unit, SEED, Source("test"))))
        self.running: dict[str, Hil] = {}
        self.said: list[str] = []

    def _write(self) -> None:
        keys = self.store.change(obm_public_keys)
        text = f"""
[server]
listen = "{self.api}"
drain = 1
[database]
url = "{self.url}"
[secrets]
key_file = "{self.directory}/keys"
[worker]
tick = 0.1
[release]
power_off = {"true" if self.split else "false"}
[v0]
obmd_timeout = 1
[obmd]
listen = "{self.obmd}"
admin_token = "{ADMIN}"
hil_public_keys = ["{keys[0]}"]
deadline = 3
per_second = 1000
logins_per_minute = 6000
power_age = 0
drain = 1
[log]
level = "debug"
"""
        path = self.directory / "hil.toml"
        path.write_text(text)
        path.chmod(0o600)

    @staticmethod
    def _build(ctx: Context) -> None:
        user.user_create(ctx, "root", Secret(PASSWORD), operator=True)
        for name, home in PEOPLE.items():
            user.user_create(ctx, name, Secret(PASSWORD), operator=False)
            project.project_create(ctx, home)
            membership.member_add(ctx, home, name, Role.MEMBER)

    def start(self, role: str) -> None:
        """Start a process and wait until it is ready."""
        words = [] if role == "all" else [role]
        state = [] if role in ("api", "worker") else ["--state", str(self.directory / "state")]
        config = ["--config", str(self.directory / "hil.toml")]
        with patch("tests.process.serving.command", self._command):
            process = Hil(self.directory, *words, *config, *state, variables={"HIL_LISTEN": self.api})
        self.running[role] = process
        process.ready()

    def _command(self, *arguments: str) -> list[str]:
        if not self._fault:
            return command(*arguments)
        load = f"import sys; sys.path.insert(0, {str(TOP)!r}); from tests.process.faulty import main; "
        return [sys.executable, "-c", f"{load}main({self._fault!r})", *arguments]

    def kill(self, role: str) -> None:
        """SIGKILL: nothing of it is finished."""
        process = self.running.pop(role)
        process.kill()
        self.said += process.said

    def close(self) -> None:
        for role in [*self.running]:
            self.kill(role)
        self.store.close()

    def know(self, name: str) -> None:
        """Let HIL know a node and its obmd."""

        def work(ctx: Context) -> None:
            obm.node_obmd_set(ctx, node.node_register(ctx, name, {}, {}), f"http://{self.obmd}", None)

        self.store.change(lambda unit: work(Context.changing(unit, SEED, Source("test"))))
