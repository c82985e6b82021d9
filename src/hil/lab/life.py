"""Beginning and ending a lab from another process: `up` waits until it is whole, `down` until nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from hil.cli.session import Fault
from hil.core.errors import HilError
from hil.lab.server import last_line
from hil.lab.site import Site, clean_environment

PATIENCE: Final = 60.0
_GLANCE: Final = 0.02
MOST_NODES: Final = 64


def choose_kind(wish: str | None) -> tuple[str, str]:
    """Which kind of data plane to have, and why not the other. Raises Fault if a wished one cannot be."""
    from hil.lab.ovs.sandbox import available

    if wish == "plain":
        return "plain", ""
    reason = available()
    if reason is None:
        return "ovs", ""
    if wish == "ovs":
        raise Fault(f"Open vSwitch cannot run here: {reason}", "`hil lab up --plain` needs nothing of the machine")
    return "plain", reason


def begin(
    site: Site, kind: str, nodes: int, vlans: str, heard: Callable[[str], None], *, tethered: bool = False
) -> subprocess.Popen[str]:
    """Start a lab and wait until it is whole; `heard` gets its words on the way. Raises Fault.

    Tethered, it ends when the process that was answered loses its standard input: with the caller, however that ends.
    """
    site.prepare()
    words = [sys.executable, "-P", "-m", "hil.lab.supervisor", str(site.directory), kind, str(nodes), vlans]
    with site.log.open("ab") as log:
        process = subprocess.Popen(
            [*words, *(["tethered"] if tethered else [])],
            cwd="/",
            env=dict(clean_environment()),
            stdin=subprocess.PIPE if tethered else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        _await_ready(site, process, heard)
    except BaseException:
        process.terminate()
        raise
    return process


def _await_ready(site: Site, process: subprocess.Popen[str], heard: Callable[[str], None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        word, _, rest = line.strip().partition(" ")
        if word == "ready":
            return
        if word == "failed":
            raise Fault(f"the lab did not start: {rest}", f"its logs are in {site.directory}")
        heard(line.strip())
    raise Fault("the lab did not start", last_line(site.log))


def end(site: Site) -> bool:
    """Take a lab down and wait until nothing of it is left; False if there was none. Raises Fault."""
    holder = site.holder()
    if holder is None:
        existed = site.directory.exists() and any(site.directory.iterdir())
        site.remove()
        return existed
    with suppress(HilError):
        site.ask("down")
    if not _ended(holder, PATIENCE):
        if site.holder() == holder:  # it holds the lock still, so the number is still its own
            os.kill(holder, signal.SIGKILL)
        if not _ended(holder, PATIENCE):
            raise Fault(f"process {holder} does not end", "end it by hand and try again")
    site.remove()
    return True


def _ended(pid: int, patience: float) -> bool:
    limit = time.monotonic() + patience
    while alive(pid):
        if time.monotonic() > limit:
            return False
        time.sleep(_GLANCE)
    return True


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    if Path("/proc/self/stat").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
