"""Recordings of consoles: what a machine said while a project held it, with the time, in files that are bounded.

Files and not the database: a console prints whenever it likes, a line that is appended costs one system call, and the
oldest file is dropped whole. They are not encrypted, and belong to obmd's user alone. A recording is what was heard in
one epoch of one node; it is cut into segments, and each line is a whole JSON value, so that a process that dies leaves
at most one torn line, at the end of a segment that nobody appends to again. (A host that dies may lose what it had not
written out: nothing waits for the disk.) Each segment names the project by the number that HIL never gives twice, so
that a project made later under an old name sees nothing of that name's past.

It records nothing that belongs to nobody: until somebody has shown a capability of a project, what is heard is
dropped. The bound is for each node and project, so that no project pushes another's recording out. A full disk ends
recordings, never consoles.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

log = logging.getLogger(__name__)
PARTS: Final = 8
"""A recording that is full loses an eighth; a segment begins anew after an eighth of the longest age too."""
MOST_SEGMENTS: Final = 256
"""Of one node and project: epochs are begun by tenants, and each has a segment of its own."""
SMALLEST: Final = 64 * 2**10
"""Bytes: a smaller bound would hold nothing but headers."""
_NAME: Final = re.compile(r"([0-9]{10,20})\.([0-9]{1,20})\.([0-9]{1,20})\.jsonl", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLimits:
    """`size` is in bytes on the disk, for one node and project; `age` in seconds; either 0: nothing is recorded.

    `always`: consoles are kept open for the recording, also while nobody looks.
    """

    size: int = 0
    age: float = 0.0
    always: bool = False

    @property
    def on(self) -> bool:
        return self.size > 0 and self.age > 0


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file; later ones of a node have higher numbers. `project` is HIL's number of the project."""

    number: int
    epoch: int
    project: int
    path: Path

    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def header(self) -> dict[str, Any]:
        """What the first line says; empty if it was never written whole."""
        try:
            with self.path.open("rb") as file:
                found = json.loads(file.readline())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


class Recordings:
    """All recordings of one obmd, below `directory`; `now` gives UTC seconds."""

    def __init__(self, directory: Path, limits: RecordLimits, now: Callable[[], float]) -> None:
        self.directory, self.limits, self.now = directory, limits, now
        self.open = self.written = self.failures = self.held = 0
        """For the metrics: segments that are being written, bytes written, writes that failed, and bytes on the disk
        when what is old was last deleted."""

    def segments(self, node: str) -> list[Segment]:
        """Every segment of a node, whoever had it, in the order of their begin."""
        shelf = self._shelf(node)
        if not shelf.is_dir():
            return []
        found = ((_NAME.fullmatch(path.name), path) for path in shelf.iterdir())
        return sorted(Segment(int(m[1]), int(m[2]), int(m[3]), path) for m, path in found if m)

    def begin(self, node: str, epoch: int, project: tuple[int, str], now: float) -> tuple[int, int]:
        """Begin a segment, and make room for it; answers its file descriptor and its size. Raises OSError."""
        shelf = self._shelf(node)
        shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = self.segments(node)
        self._make_room([segment for segment in there if segment.project == project[0]])
        number = there[-1].number + 1 if there else 1
        header = {"recording": 1, "node": node, "epoch": epoch, "project": project[1], "begun": round(now, 6)}
        name = shelf / f"{number:010}.{epoch}.{project[0]}.jsonl"
        handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            size = append(handle, as_line(header))
        except OSError:
            os.close(handle)
            raise
        self.open += 1
        return handle, size

    def _make_room(self, there: list[Segment]) -> None:
        """Drop the oldest until one more full segment fits."""
        sizes = [segment.size() for segment in there]
        held, count = sum(sizes), len(there)
        for segment, size in zip(there, sizes, strict=True):
            if held + self.limits.size // PARTS <= self.limits.size and count < MOST_SEGMENTS:
                return
            segment.path.unlink(missing_ok=True)
            held, count = held - size, count - 1

    def holder(self, node: str, epoch: int) -> tuple[int, str] | None:
        """Whose the recording of this epoch is, as far as the files tell."""
        for segment in reversed(self.segments(node)):
            if segment.epoch == epoch and isinstance(name := segment.header().get("project"), str):
                return segment.project, name
        return None

    def clean(self) -> int:
        """Delete what is too old, or everything if nothing is to be recorded; answers how many segments."""
        oldest = self.now() - self.limits.age if self.limits.on else float("inf")
        gone = held = 0
        for path in self.directory.glob("*/*.jsonl"):
            with suppress(FileNotFoundError):
                found = path.stat()
                if _NAME.fullmatch(path.name) and found.st_mtime < oldest:
                    path.unlink()
                    gone += 1
                else:
                    held += found.st_size
        self.held = held
        return gone

    def _shelf(self, node: str) -> Path:
        return self.directory / hashlib.sha256(node.encode()).hexdigest()[:32]


class Recorder:
    """Records one node in one epoch: `hear` is a tap of its hub."""

    def __init__(self, recordings: Recordings, node: str, epoch: int) -> None:
        self._recordings, self._node, self._epoch = recordings, node, epoch
        self._project: tuple[int, str] | None = None
        self._handle: int | None = None
        self._size, self._begun = 0, 0.0
        self._failed = False

    @property
    def project(self) -> int | None:
        """HIL's number of the project that is being recorded."""
        return None if self._project is None else self._project[0]

    def claim(self, number: int, name: str) -> None:
        """Record for this project from now on; number 0 is nobody."""
        if number and number != self.project:
            self._end()
            self._project = (number, name)

    def hear(self, now: float, data: bytes) -> None:
        """Append what the console said at `now`."""
        limits = self._recordings.limits
        if self._project is None or not limits.on:
            return
        step = max(1, limits.size // PARTS // 16)  # a byte is six characters in JSON at most
        try:
            for at in range(0, len(data), step):
                self._append(self._project, now, [round(now, 6), "o", data[at : at + step].decode("latin-1")])
            self._failed = False
        except OSError as error:
            self._end()
            self._recordings.failures += 1
            if not self._failed:
                log.warning("A console is not being recorded: %s", error.strerror)
            self._failed = True

    def _append(self, project: tuple[int, str], now: float, line: list[Any]) -> None:
        limits, text = self._recordings.limits, as_line(line)
        full = self._size + len(text) > limits.size // PARTS
        if self._handle is None or full or not self._begun <= now < self._begun + limits.age / PARTS:
            self._end()
            self._handle, self._size = self._recordings.begin(self._node, self._epoch, project, now)
            self._begun = now
        written = append(self._handle, text)
        self._size += written
        self._recordings.written += written

    def _end(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            self._recordings.open -= 1
            os.close(handle)

    async def close(self) -> None:
        """Hear no more."""
        self._project = None
        self._end()


def as_line(found: Any) -> bytes:
    return json.dumps(found).encode() + b"\n"


def append(handle: int, line: bytes) -> int:
    """Write one line whole; answers its bytes. Raises OSError."""
    if os.write(handle, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return len(line)
