"""Start and end the sandbox: network, mount and PID namespaces with one process of ours in them, and ask it things.

Nothing of the host is touched: interfaces, routes and processes are the sandbox's own, files are in one directory.
Nothing is left behind: when the owner ends, by any signal, the pipe to the process inside closes and it ends, and with
the first process of a PID namespace the kernel ends all the others. The directory stays the owner's.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from hil.core.errors import Unavailable
from hil.lab.faults import ask
from hil.lab.ovs.daemons import PATIENCE, SCHEMA, SEARCH

_NAMESPACES: Final = ("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL")
_INIT: Final = ("sh", "-c", '"$@"; exit $?', "init")
"""The sandbox's first process must reap what loses its parent, as a shell that waits does."""
_PROGRAMS: Final = ("unshare", "nsenter", "ip", "ovsdb-tool", "ovsdb-server", "ovs-vswitchd")
_SOCKET_BYTES: Final = 107


@cache
def available() -> str | None:
    """Why this machine cannot run the sandbox; None if it can."""
    if sys.platform != "linux":
        return "Open vSwitch needs Linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    if missing := [program for program in _PROGRAMS if shutil.which(program, path=SEARCH) is None]:
        return f"missing: {', '.join(missing)} (Debian: openvswitch-switch, iproute2, util-linux)"
    if not SCHEMA.exists():
        return f"missing: {SCHEMA} (Debian: openvswitch-common)"
    if not Path("/dev/net/tun").exists():
        return "missing: /dev/net/tun, which a switch in user space needs"
    tried = subprocess.run(
        [*_NAMESPACES, "ip", "link", "set", "lo", "up"],
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return f"no namespaces here: {tried.stderr.strip()}" if tried.returncode else None


class Sandbox:
    """A running sandbox, owned by this process."""

    def __init__(self, directory: Path) -> None:
        """Start it, its files in `directory` (absolute, made if missing). Raises Unavailable."""
        if reason := available():
            raise Unavailable(f"The lab's Open vSwitch cannot run here: {reason}.")
        control = directory / "control.sock"
        if len(os.fsencode(control)) + len("internal") > _SOCKET_BYTES:
            raise Unavailable(f"{directory} is too long a path for sockets: choose a shorter one.")
        directory.mkdir(parents=True, exist_ok=True)
        control.unlink(missing_ok=True)
        self.control = control
        ours = os.readlink("/proc/self/ns/net")
        command = [sys.executable, "-P", "-m", "hil.lab.ovs.inside", str(directory), ours]
        with (directory / "inside.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_NAMESPACES, *_INIT, *command],
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        if not self._ready():
            self.stop()
            raise Unavailable(f"The lab's Open vSwitch did not start: see {directory / 'inside.log'}.")

    def _ready(self) -> bool:
        out = self._process.stdout
        return out is not None and bool(select.select([out], [], [], PATIENCE)[0]) and out.readline() == b"ready\n"

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End everything in the sandbox; a second time is no error."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def request(control: Path, what: str, *, patience: float = 2 * PATIENCE, **details: Any) -> Any:
    """Ask the process inside one thing; any process of this host may. Raises Unavailable and BadArgument."""
    message: Mapping[str, Any] = {"do": what, **details}
    return ask(control, message, patience=patience)


def process_of(control: Path) -> int:
    """Answer the process inside, as this host numbers it."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(control))
        pid: int = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        return pid


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": SEARCH}
