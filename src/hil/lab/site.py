"""Where a lab is: one directory that holds everything of it, and the facts that its processes share.

By default that is `$XDG_STATE_HOME/hil-lab`: one lab for each user, found from wherever `hil lab` is called, and a path
short enough for sockets. A lab never makes itself at home in a directory that holds something else, and nothing is ever
removed from one that is not marked as a lab's.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

from hil.cli.session import Fault
from hil.core.errors import HilError, Unavailable
from hil.lab import faults

NIC: Final = "eth0"
"""Every machine has one, so that no command needs to say which."""
SWITCHES: Final = ("sw1", "sw2")
PROJECTS: Final = ("blue", "green")
OPERATOR: Final = "operator"
_MARK: Final = "hil lab"
_PATHS: Final = 90
"""Longest directory in bytes: a socket's whole path must stay under 108 (unix(7))."""

Place = tuple[str, str]
"""A switch and its port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a running lab is made of. `wiring`: the switch and port behind each node."""

    kind: str
    endpoint: str
    vlans: str
    wiring: Mapping[str, Place]
    factory_pairs: int
    """How many pairs of nodes heard each other before HIL had closed their ports."""
    began: float
    obmd: str = ""
    no_guests: str = ""
    """Why machines beside an Open vSwitch are emulated, and no QEMU guests."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        wiring = {node: (switch, port) for node, (switch, port) in told["wiring"].items()}
        return cls(**{**told, "wiring": wiring})


class Site:
    """The directory of one lab."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        inside = self.directory.joinpath
        self.control, self.switches = inside("lab.sock"), inside("switches.sock")
        self.ovs, self.state = inside("ovs"), inside("state")
        self.config, self.profiles, self.notify = inside("hil.toml"), inside("profiles.toml"), inside("notify.sock")
        self.log, self.hil_log = inside("lab.log"), inside("hil.log")
        self.controllers, self.obmd_token = inside("controllers.json"), self.state / "obmd" / "admin-token"
        self._facts, self._lock, self._marker = inside("facts.json"), inside("lock"), inside("mark")

    @classmethod
    def chosen(cls, directory: Path | None, environ: Mapping[str, str] = os.environ) -> Self:
        """The lab that is meant: as given, as HIL_LAB says, or the user's own."""
        if directory is None and (named := environ.get("HIL_LAB")):
            directory = Path(named)
        if directory is None:
            base = environ.get("XDG_STATE_HOME", "")
            state = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
            directory = state / "hil-lab"
        return cls(directory)

    # Its life.

    @property
    def up(self) -> bool:
        """Whether the lab answers. Quick: nothing but its own process is asked."""
        try:
            self.ask("status")
        except HilError:
            return False
        return True

    def prepare(self) -> None:
        """Make the directory, marked as a lab's; what an earlier lab left in it goes. Raises Fault."""
        if len(os.fsencode(self.directory)) > _PATHS:
            raise Fault(f"{self.directory} is too long a path for sockets", "give a shorter one with --directory")
        if self.holder() is not None:
            raise Fault(f"a lab begins or ends in {self.directory}", "wait for it, or end it: `hil lab down`")
        self.remove()
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._marker.write_text(_MARK)
        except OSError as error:
            raise Fault(
                f"{self.directory} cannot be used: {error.strerror}", "give another with --directory"
            ) from error

    def remove(self) -> None:
        """Remove everything, if it is a lab's. Raises Fault if the directory holds something else."""
        if not self.directory.exists():
            return
        if not self._marker.exists() and any(self.directory.iterdir()):
            raise Fault(f"{self.directory} is no lab's and not empty", "give another directory with --directory")
        gone = self.directory.with_name(f"{self.directory.name}.gone.{os.getpid()}")
        self.directory.rename(gone)  # at once for everybody who looks
        shutil.rmtree(gone)

    def hold(self) -> IO[str]:
        """Take the lock that its process holds while it lives. Raises Fault if another has it."""
        handle = self._lock.open("a+")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            raise Fault(f"another lab begins or ends in {self.directory}", "wait for it") from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        return handle

    def holder(self) -> int | None:
        """The process that holds the lock; None if nobody does."""
        with contextlib.suppress(OSError), self._lock.open("r+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return int(handle.read() or 0) or None
        return None

    # Its facts.

    def tell(self, facts: Facts) -> None:
        draft = self._facts.with_suffix(".new")
        draft.write_text(json.dumps(asdict(facts)))
        draft.replace(self._facts)

    @property
    def facts(self) -> Facts:
        """What it is made of. Raises Unavailable if it is not up."""
        try:
            return Facts.of(json.loads(self._facts.read_text()))
        except FileNotFoundError:
            raise Unavailable(f"No lab is up in {self.directory}: `hil lab up` starts one.") from None

    def ask(self, what: str, *, patience: float = 10.0, **details: Any) -> Any:
        """Ask the lab's own process one thing. Raises Unavailable, BadArgument."""
        try:
            return faults.ask(self.control, {"do": what, **details}, patience=patience)
        except Unavailable as error:
            if self.holder() is None:
                raise Unavailable(f"No lab is up in {self.directory}: `hil lab up` starts one.") from error
            raise Unavailable(f"The lab in {self.directory} begins, ends, or does not answer: wait for it.") from error

    def environment(self, profile: str = "") -> dict[str, str]:
        """What points a `hil` at this lab and at nothing else."""
        return {"HIL_PROFILE_FILE": str(self.profiles), "HIL_PROFILE": profile, "HIL_LAB": str(self.directory)}


def clean_environment() -> Iterator[tuple[str, str]]:
    """This process's environment without anything that could point HIL elsewhere."""
    yield from ((name, value) for name, value in os.environ.items() if not name.startswith("HIL_"))


def node_names(count: int) -> list[str]:
    """Name so many nodes.

    >>> node_names(2)
    ['node01', 'node02']
    """
    return [f"node{number:02d}" for number in range(1, count + 1)]
