"""Running `hil` and looking after processes in tests of the lab: as another person at another terminal would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from hil.lab.site import Site

T = TypeVar("T")
PATIENCE = 60.0
KINDS = [pytest.param("plain", marks=pytest.mark.net), pytest.param("ovs", marks=pytest.mark.ovs)]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def clean() -> dict[str, str]:
    """This process's environment without anything that HIL reads."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HIL_")}


def run(
    *argv: str,
    environ: Mapping[str, str] | None = None,
    stdin: str = "",
    cwd: Path | None = None,
    patience: float = 3 * PATIENCE,
) -> Ran:
    done = subprocess.run(
        argv,
        env={**clean(), **(environ or {})},
        input=stdin,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=patience,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def hil(site: Site, *words: str, person: str = "operator", stdin: str = "", **environ: str) -> Ran:
    """Run `hil …` on a lab, as one of its people."""
    where = {**site.environment(person), **environ}
    return run(sys.executable, "-m", "hil.main", *words, environ=where, stdin=stdin)


def done(ran: Ran) -> Ran:
    """The same, once it is seen to have succeeded."""
    assert ran.code == 0, ran
    return ran


def until(found: Callable[[], T]) -> T:
    """Look again and again until there is something to find."""
    end = time.monotonic() + PATIENCE
    while not (value := found()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return value


def programs(directory: Path) -> dict[int, str]:
    """Every process whose command line or working directory names a directory."""
    found: dict[int, str] = {}
    name = os.fsencode(directory)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if name in words:
            found[int(entry.name)] = words.replace(b"\0", b" ").decode(errors="replace")
    return found


def traces() -> tuple[set[str], list[str], list[str]]:
    """What a lab could leave on a host beside processes and files: interfaces, routes, mounts."""
    routes = Path("/proc/net/route").read_text().splitlines()
    return set(os.listdir("/sys/class/net")), routes, Path("/proc/self/mounts").read_text().splitlines()
