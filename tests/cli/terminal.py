"""Running `hil` in a test: in this process, as a person or a script would call it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

import hil.main
from tests.client.server import MAIN, clean


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def run(command: str, environ: Mapping[str, str] | None = None, stdin: str = "") -> Ran:
    """Run a command line (without `hil`), split as a shell would; nothing of the caller's environment counts."""
    chosen: dict[str, str | None] = dict.fromkeys(("HIL_OUTPUT", "HIL_PROFILE", "HIL_TOKEN", "HIL_PROJECT"))
    chosen |= {"HIL_ENDPOINT": None, "HIL_USERNAME": None, "HIL_PASSWORD": None, "HIL_DEBUG": None, "HIL_CA_FILE": None}
    chosen |= {"XDG_CONFIG_HOME": "/nonexistent", "NO_COLOR": "1", **(environ or {})}
    done = CliRunner().invoke(hil.main.app, shlex.split(command), input=stdin, env=chosen, prog_name="hil")
    return Ran(done.exit_code, done.stdout, done.stderr)


class Terminal:
    """A program at a terminal of its own, and somebody who types and reads there."""

    def __init__(self, command: list[str], environ: Mapping[str, str]) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (40, 120))
        self.seen = ""
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=clean(dict(environ)), start_new_session=True
        )
        os.close(slave)

    @classmethod
    def hil(cls, command: str, environ: Mapping[str, str]) -> Terminal:
        """`hil` itself, on a terminal of 120 columns."""
        size = {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
        return cls([sys.executable, "-c", MAIN, *shlex.split(command)], {**environ, **size})

    def type(self, text: str, until: str) -> str:
        """Type, and read until something stands there that was not there before; answers what was read."""
        os.write(self.master, text.encode())
        return self.read(until)

    def read(self, until: str) -> str:
        seen, deadline = "", time.monotonic() + 60
        while until not in seen:
            assert time.monotonic() < deadline, seen
            if select.select([self.master], [], [], 0.1)[0]:
                seen += self._more()
        self.seen += seen
        return seen

    def end(self) -> int:
        """Read to the end; answers the exit code."""
        deadline = time.monotonic() + 60
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.master], [], [], 0.05)[0]:
                self.seen += self._more()
        while select.select([self.master], [], [], 0)[0] and (more := self._more()):
            self.seen += more
        return self.process.returncode

    def interrupt(self) -> int:
        """Send SIGINT, again and again as an impatient person would, until the program ends; answers the exit code.

        Once may be too little: Python's `input` does not see a signal that comes just before it begins to read.
        """
        deadline = time.monotonic() + 60
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.seen
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(3)
        return self.end()

    def _more(self) -> str:
        try:
            return os.read(self.master, 65536).decode(errors="replace").replace("\r", "")
        except OSError:  # nobody holds the other side any more
            return ""

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


__all__ = ["Ran", "Terminal", "clean", "run"]
