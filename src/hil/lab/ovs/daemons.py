"""The two programs of an Open vSwitch, in the foreground and with every path in one directory.

`ovsdb-server` listens on two sockets: `db.sock` is for HIL and can be taken away, `internal.sock` is for
`ovs-vswitchd` and the lab's own hand. Beside them it obeys the database (managers, TLS files), as distributions start
it. Nothing here asks whether it is in a sandbox: see `inside`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hil.drivers.transport.ovsdb import connect_unix

SCHEMA: Final = Path("/usr/share/openvswitch/vswitch.ovsschema")
SEARCH: Final = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
"""The daemons are in directories that an unprivileged PATH may leave out."""
PATIENCE: Final = 20.0
"""Seconds that a program may take to start or end on a busy machine."""


class Daemons:
    """The programs of one directory. Belongs to one event loop."""

    def __init__(self, directory: Path) -> None:
        self._dir = directory
        self._env = {**os.environ, "PATH": SEARCH}
        self._env |= dict.fromkeys(("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"), str(directory))
        self._running: dict[str, asyncio.subprocess.Process] = {}

    @property
    def internal(self) -> Path:
        return self._dir / "internal.sock"

    def runs(self, name: str) -> bool:
        program = self._running.get(name)
        return program is not None and program.returncode is None

    async def start_database(self) -> None:
        file = self._dir / "conf.db"
        if not file.exists():
            await self._run("ovsdb-tool", "create", str(file), str(SCHEMA))
        tls = (f"--{option}=db:Open_vSwitch,SSL,{column}" for option, column in _TLS_COLUMNS.items())
        await self._start(
            "ovsdb-server",
            *(str(file), f"--remote=punix:{self.internal}", f"--remote={self._public}"),
            *("--remote=db:Open_vSwitch,Open_vSwitch,manager_options", *tls),
        )
        await self._until(self.internal.exists, "ovsdb-server")

    async def start_switch(self) -> None:
        """Start `ovs-vswitchd`; whether it has applied the database's contents is the caller's question."""
        await self._start("ovs-vswitchd", f"unix:{self.internal}", "--disable-system")

    async def stop(self, name: str) -> None:
        """End a program at once, as a power cut does."""
        if (program := self._running.pop(name, None)) is not None and program.returncode is None:
            program.kill()
            await asyncio.wait_for(program.wait(), PATIENCE)

    def freeze(self, name: str, frozen: bool) -> None:
        """Have a program stand still, or go on."""
        self._running[name].send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    async def open(self, public: bool) -> None:
        """Listen on `db.sock`, or close it together with every session on it."""
        if (self._dir / "db.sock").exists() is not public:
            await self.control("ovsdb-server", f"ovsdb-server/{'add' if public else 'remove'}-remote", self._public)

    async def control(self, name: str, command: str, *words: str) -> str:
        """Say something to a running program, as `ovs-appctl` does. Raises DeviceError with its words."""
        program = await connect_unix(str(self._dir / f"{name}.ctl"), PATIENCE)
        try:
            return str(await program.call(command, list(words)))
        finally:
            await program.close()

    async def _run(self, *argv: str) -> str:
        program = await asyncio.create_subprocess_exec(
            *argv,
            env=self._env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await asyncio.wait_for(program.communicate(), PATIENCE)
        text = told.decode(errors="replace")
        if program.returncode:
            raise OSError(f"{' '.join(argv[:1])}: {text.strip()}")
        return text

    @property
    def _public(self) -> str:
        return f"punix:{self._dir / 'db.sock'}"

    async def _start(self, name: str, *argv: str) -> None:
        if self.runs(name):
            return
        for stale in (f"{name}.ctl", f"{name}.pid"):
            (self._dir / stale).unlink(missing_ok=True)
        common = (f"--unixctl={self._dir / name}.ctl", f"--pidfile={self._dir / name}.pid", "-vconsole:off")
        with (self._dir / f"{name}.log").open("ab") as log:
            self._running[name] = await asyncio.create_subprocess_exec(
                *(name, *argv, *common, f"--log-file={self._dir / name}.log"),
                env=self._env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        await self._until((self._dir / f"{name}.ctl").exists, name)

    async def _until(self, condition: Callable[[], bool], name: str) -> None:
        end = asyncio.get_running_loop().time() + PATIENCE
        while not condition():
            if not self.runs(name) or asyncio.get_running_loop().time() > end:
                raise OSError(f"{name} did not start: see {self._dir / name}.log")
            await asyncio.sleep(0.002)


_TLS_COLUMNS: Final = {"private-key": "private_key", "certificate": "certificate", "ca-cert": "ca_cert"}
