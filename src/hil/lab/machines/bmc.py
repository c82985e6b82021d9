"""The controllers as processes: started, frozen, killed and started again, and never outliving the lab.

A process of its own makes each fault what it is in a data centre: a controller that stands still (SIGSTOP) keeps its
sessions and says nothing, a dead one (SIGKILL) is gone with all of them, and the machine runs on in both cases.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from hil.core.errors import BadArgument, Unavailable
from hil.lab.machines.redfish_system import HOST
from hil.lab.machines.serial import Serial
from hil.lab.ovs.daemons import PATIENCE, SEARCH

HANG: Final = "hang"
DEAD: Final = "dead"
FAULTS: Final = {
    HANG: "the controller stands still: its sessions stay, and nothing is answered",
    DEAD: "the controller is off, and its sessions are gone; the machine runs on",
}


class Kind(Protocol):
    """A controller's protocol: its files, its command line, and what HIL must be told of it."""

    @property
    def argv(self) -> list[str]: ...

    @property
    def config(self) -> dict[str, Any]: ...

    def wired(self, serial: Serial) -> AbstractAsyncContextManager[None]:
        """Have what it needs for as long as the block lasts."""
        ...

    async def ready(self, process: asyncio.subprocess.Process) -> None:
        """Wait until it answers."""
        ...


class RedfishBmc:
    """The Redfish controller's addresses and files."""

    def __init__(self, name: str, directory: Path, username: str, password: str) -> None:
        self.name, self._dir, self._username, self._password = name, directory, username, password
        self._port, self._pin = 0, ""

    @asynccontextmanager
    async def wired(self, serial: Serial) -> AsyncIterator[None]:
        from hil.lab.devices.web import certificate  # what only looks at machines needs no cryptography

        _, self._pin = certificate(self._dir)
        self._write()
        server = await asyncio.start_unix_server(serial.attach, self._dir / "line")
        try:
            yield
        finally:
            server.close()

    @property
    def argv(self) -> list[str]:
        return [sys.executable, "-P", "-m", "hil.lab.machines.redfish"]

    @property
    def config(self) -> dict[str, Any]:
        login = {"username": self._username, "password": self._password}
        return {"url": f"https://{HOST}:{self._port}", **login, "certificate": self._pin}

    async def ready(self, process: asyncio.subprocess.Process) -> None:
        """It tells its port, and keeps it when it is started again. Raises OSError."""
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise OSError(f"the Redfish controller of {self.name} has ended")
        self._port = int(line)
        self._write()

    def _write(self) -> None:
        login = {"username": self._username, "password": self._password}
        (self._dir / "redfish.json").write_text(json.dumps({"name": self.name, **login, "port": self._port}))


class Bmc:
    """One controller in the rack. Belongs to one event loop, in the main thread: it ends with that one."""

    def __init__(self, name: str, directory: Path, kind: Kind) -> None:
        self.name, self.kind = name, kind
        self._dir = directory
        self._process: asyncio.subprocess.Process | None = None
        self._frozen = False
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def standing(self, serial: Serial) -> AsyncIterator[None]:
        """Be on for as long as the block lasts. Raises Unavailable."""
        async with self.kind.wired(serial):
            try:
                await self._start()
                yield
            finally:
                await self._kill()

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def fault(self) -> str:
        """What is wrong with it; empty if nothing is."""
        if self.pid is None:
            return DEAD
        return HANG if self._frozen else ""

    async def break_(self, fault: str) -> None:
        """Have it in a fault until it is mended. Raises BadArgument."""
        async with self._turn:
            if fault == HANG and self._process is not None and self.pid is not None:
                self._process.send_signal(signal.SIGSTOP)
                self._frozen = True
            elif fault == DEAD:
                await self._kill()
            elif fault not in FAULTS:
                raise BadArgument(f"{fault[:40]!a} is no fault of a controller: use one of {', '.join(FAULTS)}.")
            else:
                raise BadArgument(f"The controller of {self.name} is dead: nothing else can be wrong with it.")

    async def mend(self) -> None:
        """Have it work again; its memory is what is in its files."""
        async with self._turn:
            if self._process is None or self.pid is None:
                await self._start()
            elif self._frozen:
                self._process.send_signal(signal.SIGCONT)
                self._frozen = False

    async def _start(self) -> None:
        tied = [sys.executable, "-P", "-m", "hil.lab.tether", str(os.getpid())]
        with (self._dir / "bmc.log").open("ab") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                *(*tied, *self.kind.argv),
                cwd=self._dir,
                env={**os.environ, "PATH": SEARCH},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        self._frozen = False
        ready, ended = asyncio.create_task(self.kind.ready(process)), asyncio.create_task(process.wait())
        await asyncio.wait((ready, ended), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        for task in (ready, ended):
            task.cancel()
        found = (await asyncio.gather(ready, ended, return_exceptions=True))[0]
        if found is not None:
            await self._kill()
            raise Unavailable(f"The controller of {self.name} did not start: see {self._dir / 'bmc.log'}.")

    async def _kill(self) -> None:
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.communicate()
