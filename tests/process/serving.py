"""A real `hil serve` process: its log is read as it comes, its address is found there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx

PATIENCE = 60.0
ANN = ("ann", "correct horse")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("HIL_")}


def command(*arguments: str, program: str = "hil.main") -> list[str]:
    return [sys.executable, "-c", f"from {program} import main; main()", *arguments]


def run(
    directory: Path, *arguments: str, program: str = "hil.main", text: str = "", **variables: str
) -> tuple[int, str]:
    """Run a command to its end; answers its status and all that it said."""
    done = subprocess.run(
        command(*arguments, program=program),
        check=False,
        cwd=directory,
        env={**CLEAN, "HIL_CONFIG": "", **variables},
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout


class Hil:
    """One process. `said` is everything that it has logged so far."""

    def __init__(
        self, directory: Path, *arguments: str, text: str = "", variables: dict[str, str] | None = None
    ) -> None:
        self._process = subprocess.Popen(
            command("serve", *arguments),
            cwd=directory,
            env={**CLEAN, "HIL_LISTEN": "127.0.0.1:0", **(variables or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._news = threading.Condition()
        self._silent = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                self.said.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._silent = True
            self._news.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until a line of the log matches; answers the match. Fails if the process ends without one."""
        shape = re.compile(pattern)

        def found() -> re.Match[str] | None:
            return next(filter(None, map(shape.search, self.said)), None)

        with self._news:
            self._news.wait_for(lambda: found() or self._silent, PATIENCE)
            match = found()
        assert match, "\n".join(self.said)
        return match

    def ready(self) -> Hil:
        self.wait_for(r"hil\.process\.run: ready")
        return self

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def address(self) -> str:
        return self.wait_for(r"API: listening on ([\w.:\[\]]+)")[1]

    def get(self, path: str, auth: tuple[str, str] | None = ANN, **options: object) -> httpx.Response:
        return self.call("GET", path, auth=auth, **options)

    def call(self, method: str, path: str, auth: tuple[str, str] | None = ANN, **options: object) -> httpx.Response:
        return httpx.request(method, self.url + path, auth=auth, timeout=PATIENCE, **options)  # type: ignore[arg-type]  # httpx's own options

    def command_line(self) -> str:
        """What everybody on the machine can read of the process."""
        return Path(f"/proc/{self._process.pid}/cmdline").read_text()

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        """Wait for the end; answers the exit status."""
        status = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def stop(self) -> int:
        self.signal()
        return self.end()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self._process.stderr is not None
        self._process.stderr.close()
