"""What the bench of obmd measures: emulated controllers in one process, the real obmd in another, HIL's hand here."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load import request
from bench.rush import Crowd, whole_answer, whole_line
from hil.obmd.store import ObmdStore
from hil.services.capability import Capability, Right, Signer, new_key
from hil.store.keys import Keyring

USER, PASSWORD = "hil", "pw"
EPOCH = 1


class Bmcs:
    """The process of the emulated controllers. `ports` are theirs, on loopback."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.ports: list[int] = json.loads(self._said())

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def tell(self, words: str) -> None:
        """Begin something; `done` waits for its end."""
        assert self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()

    def done(self) -> None:
        assert self._said() == "ok\n"


@contextmanager
def bmcs(count: int, seconds: float) -> Iterator[Bmcs]:
    """Controllers that take `seconds` for each answer."""
    command = [sys.executable, "-m", "bench.controllers", str(count), str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Bmcs(process)
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()


@dataclass(frozen=True, slots=True)
class Obmd:
    """A running obmd whose nodes are called as `node` says, all of them enabled."""

    port: int
    pid: int
    names: Sequence[str]
    signer: Signer

    def token(self, name: str, *rights: Right) -> str:
        """A capability as HIL signs it, for an hour."""
        now = int(time.time())
        return self.signer.issue(
            Capability(
                node=name, project="bench", project_id=1, user="bench", epoch=EPOCH, rights=frozenset(rights),
                issued=now, expires=now + 3600,
            )
        ).reveal()  # fmt: skip

    def power(self, *, fresh: bool = True) -> list[bytes]:
        """A read of each node's power; `fresh` ones reach its controller."""
        query = "?max_age=0" if fresh else "?max_age=3600"
        return [
            request("GET", f"/v1/nodes/{name}/power{query}", f"Bearer {self.token(name, Right.READ)}")
            for name in self.names
        ]


def node(number: int) -> str:
    return f"node{number:05}"


@contextmanager
def obmd(ports: Sequence[int], signer: Signer | None = None, **settings: object) -> Iterator[Obmd]:
    """The real `hil serve obmd` with a node for each controller; `settings` as in [obmd]."""
    signer = signer or Signer(new_key())
    names = [node(number) for number in range(len(ports))]
    with tempfile.TemporaryDirectory() as directory, ExitStack() as held:
        state = Path(directory)
        _fill(state / "obmd", dict(zip(names, ports, strict=True)))
        (state / "obmd.toml").write_text(
            f'[obmd]\nlisten = "127.0.0.1:0"\nhil_public_keys = ["{signer.public}"]\n'
            + "".join(f"{key} = {value}\n" for key, value in settings.items())
        )
        code = "from hil.main import main; main()"
        command = [
            sys.executable,
            "-c",
            code,
            "serve",
            "obmd",
            "--config",
            str(state / "obmd.toml"),
            "--state",
            directory,
        ]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HIL_")}
        log = held.enter_context((state / "log").open("w+"))
        process = subprocess.Popen(command, stderr=log, env=clean)
        try:
            yield Obmd(_port(state / "log", process), process.pid, names, signer)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _fill(directory: Path, ports: dict[str, int]) -> None:
    """Register the nodes before obmd starts, as it would itself."""
    directory.mkdir(mode=0o700)
    store = ObmdStore(f"sqlite:///{directory}/obmd.db", Keyring.made_at(directory / "keys"))
    with closing(store):
        store.prepare()
        for name, port in ports.items():
            config = {"address": f"127.0.0.1:{port}", "username": USER, "password": PASSWORD, "timeout": 10.0}
            store.put(name, "emulated", config)
            store.raise_epoch(name, EPOCH, enabled=True)


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    while process.poll() is None:
        said = log.read_text()
        if (found := re.search(r"obmd: listening on [\d.]+:(\d+)", said)) and "run: ready" in said:
            return int(found[1])
        time.sleep(0.05)
    raise RuntimeError(f"obmd did not start: {log.read_text()}")


def direct(ports: Sequence[int]) -> Crowd:
    """Connections to the controllers themselves, logged in: what they do with nothing in between."""
    crowd = Crowd(ports, whole_line)
    login = {"do": "login", "username": USER, "password": PASSWORD}
    crowd.rush([json.dumps(login).encode() + b"\n"] * len(ports))
    return crowd


def through(site: Obmd) -> Crowd:
    """A connection to obmd for each of its nodes."""
    return Crowd([site.port] * len(site.names), whole_answer)


def processor(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
