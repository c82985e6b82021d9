"""HIL in the lab: `hil serve`, as anybody would start it, watched and started again whenever it dies.

Its configuration is one file in the lab's directory, with times far shorter than a data centre's, so that a person can
watch what otherwise takes minutes. It sees no setting of the person who started the lab.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from hil.cli.session import Fault
from hil.lab.site import OPERATOR, Site, clean_environment

PATIENCE: Final = 60.0
"""Seconds that a start may take on a busy machine."""
_PAUSE: Final = 0.3
_LONGEST_PAUSE: Final = 5.0
_DRAIN: Final = 15.0
_TRIES: Final = 5
_TAKEN: Final = os.strerror(errno.EADDRINUSE)
TIMES: Final = {
    "tick": 0.5,
    "lease": 6.0,
    "lease_margin": 1.0,
    "connect_deadline": 120.0,
    "audit_interval": 2.0,
    "retry_first": 0.2,
    "retry_most": 1.0,
}
"""Settings of the worker, in seconds."""
OBMD: Final = {
    "deadline": 15.0,
    "logins_per_minute": 600,
    "warm": 10.0,
    "power_age": 0.5,
    "login_pause_first": 2.0,
    "login_pause_most": 4.0,
}
"""How obmd treats controllers, in seconds but for the log-ins: the lab's lock no account."""


def command(*words: str) -> list[str]:
    """How this installation's `hil` is called."""
    return [sys.executable, "-P", "-m", "hil.main", *words]


def free_address() -> str:
    """A loopback address that nobody listens on now."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{tried.getsockname()[1]}"


def configure(site: Site, address: str, obmd: str, vlans: str) -> None:
    """Write the configuration. It holds no secret."""
    times = "".join(f"{name} = {seconds}\n" for name, seconds in TIMES.items())
    server, pool = f"listen = {json.dumps(address)}\ndrain = 1.0\n", f"pool = {json.dumps(vlans)}\n"
    controllers = "".join(f"{name} = {number}\n" for name, number in OBMD.items())
    out_of_band = f"listen = {json.dumps(obmd)}\ndrain = 1.0\n{controllers}"
    release = "power_off = true\n"
    site.config.write_text(
        f"[server]\n{server}\n[obmd]\n{out_of_band}\n[vlan]\n{pool}\n[worker]\n{times}\n[release]\n{release}"
    )


class HilServer:
    """One `hil serve`. Belongs to one event loop."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._process: asyncio.subprocess.Process | None = None
        self._wanted = asyncio.Event()
        self._ready = asyncio.Event()
        self.starts = 0
        self.obmd = ""
        """The address of the obmd inside it."""

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def serving(self) -> bool:
        return self.pid is not None and self._ready.is_set()

    async def begin(self, password: str, vlans: str) -> str:
        """Start it for the first time, with the first operator; answers its address. Raises Fault that says why not.

        Between finding a free port and listening on it somebody else may take it: then another one is tried.
        """
        for _ in range(_TRIES):
            address, self.obmd = free_address(), free_address()
            configure(self._site, address, self.obmd, vlans)
            await self._start(password.encode() + b"\n")
            ready, ended = asyncio.create_task(self._ready.wait()), asyncio.create_task(self._wait())
            await asyncio.wait((ready, ended), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            for task in (ready, ended):
                task.cancel()
            if self.serving:
                self._wanted.set()
                return address
            if _TAKEN not in self._last_words():
                break
        raise Fault("HIL did not start", self._last_words())

    async def keep(self) -> None:
        """Start it again whenever it dies, as long as it is wanted."""
        pause = _PAUSE
        while True:
            began = asyncio.get_running_loop().time()
            await self._wait()
            self._ready.clear()
            lived = asyncio.get_running_loop().time() - began
            pause = _PAUSE if lived > _LONGEST_PAUSE else min(2 * pause, _LONGEST_PAUSE)
            await asyncio.sleep(pause)
            await self._wanted.wait()
            await self._start(b"")

    def crash(self, *, hold: bool) -> int | None:
        """Kill it with SIGKILL; `hold`: it stays dead until `recover`. Answers which process it was."""
        if hold:
            self._wanted.clear()
        pid = self.pid
        if self._process is not None and pid is not None:
            self._process.kill()
        return pid

    def recover(self) -> None:
        self._wanted.set()

    async def end(self) -> None:
        """Stop it as an operator would, and harder if that takes too long."""
        if self._process is None or self.pid is None:
            return
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _DRAIN)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def notified(self, words: bytes) -> None:
        """What it tells whoever started it (sd_notify(3))."""
        if b"READY=1" in words.split(b"\n"):
            self._ready.set()

    async def _start(self, words: bytes) -> None:
        options = ["--config", str(self._site.config), "--state", str(self._site.state)]
        serve = command("serve", *options, *(["--first-operator", OPERATOR] if words else []))
        with self._site.hil_log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "hil.lab.tether", str(os.getpid()), *serve),
                env={**dict(clean_environment()), "NOTIFY_SOCKET": str(self._site.notify)},
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        self.starts += 1
        if self._process.stdin is not None:
            with suppress(ConnectionError):
                self._process.stdin.write(words)
                await self._process.stdin.drain()
            self._process.stdin.close()

    async def _wait(self) -> None:
        if self._process is not None:
            await self._process.wait()

    def _last_words(self) -> str:
        return last_line(self._site.hil_log)


def last_line(log: Path) -> str:
    """The last line of a log, which most often says why a program ended."""
    with suppress(OSError):
        for line in reversed(log.read_text(errors="replace").splitlines()):
            if line.strip():
                return f"{line.strip()[:300]} (more in {log})"
    return f"see {log}"
