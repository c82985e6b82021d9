"""Reads recordings: which there are, what was said when, and where a text was said. Pure reading; it deletes nothing.

A segment that has been dropped meanwhile, and a line that was torn by a crash, are passed over. What is older than the
recordings may be is not shown, even while its segment is still there.
"""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from hil.obmd.recording import Recordings, Segment

Heard = tuple[float, bytes]
LONGEST_LINE: Final = 4096
"""Characters: a longer line of output is searched in pieces."""
_CONTROL: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # ECMA-48: control sequences
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # xterm: titles and such
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # ECMA-48: strings for devices
    r"|\x9b[0-?]*[ -/]*[@-~]"  # a control sequence that begins with one character
    r"|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


@dataclass(frozen=True, slots=True)
class Recording:
    """What was heard in one epoch for one project. `last` is the time of the last output; UTC seconds."""

    epoch: int
    project: int
    name: str
    begun: float
    last: float
    size: int
    segments: tuple[Segment, ...]

    @property
    def id(self) -> str:
        return str(self.epoch)


def found(recordings: Recordings, node: str, project: int) -> list[Recording]:
    """Every recording of a node that belongs to the project of this number, oldest first; none for number 0."""
    mine = sorted(
        (segment for segment in recordings.segments(node) if project and segment.project == project),
        key=lambda segment: (segment.epoch, segment.number),
    )
    grouped = itertools.groupby(mine, lambda segment: segment.epoch)
    made = (_recording(recordings, node, epoch, tuple(group)) for epoch, group in grouped)
    return [recording for recording in made if recording is not None]


def _recording(recordings: Recordings, node: str, epoch: int, segments: tuple[Segment, ...]) -> Recording | None:
    oldest = recordings.now() - recordings.limits.age
    headers = [(segment, segment.header()) for segment in segments]
    whole = [(segment, header) for segment, header in headers if header.get("node") == node]
    kept = tuple(segment for segment, _ in whole)
    last = max((at for segment in kept[-1:] for at, _ in _lines(segment)), default=0.0)
    if not recordings.limits.on or not whole or last < oldest:
        return None
    first = whole[0][1]
    begun = max(float(first["begun"]), oldest)
    size = sum(segment.size() for segment in kept)
    return Recording(epoch, kept[0].project, str(first["project"]), begun, last, size, kept)


def played(recording: Recording, since: float = 0.0, until: float = float("inf")) -> Iterator[Heard]:
    """What was heard from `since` until before `until`, and never what is too old."""
    since = max(since, recording.begun)
    for segment in recording.segments:
        for at, data in _lines(segment):
            if since <= at < until:
                yield at, data


def _lines(segment: Segment) -> Iterator[Heard]:
    try:
        with segment.path.open("rb") as file:
            for line in file:
                if (heard := _line(line)) is not None:
                    yield heard
    except FileNotFoundError:
        return


def _line(line: bytes) -> Heard | None:
    try:
        match json.loads(line):
            case [int() | float() as at, "o", str() as text]:
                return float(at), text.encode("latin-1")
    except ValueError:
        pass
    return None


def cast(recording: Recording, heard: Iterable[Heard]) -> Iterator[bytes]:
    """The recording as lines of asciicast v2, which players know; times are seconds since its begin.

    Characters that are cut by the bound between two pieces of output are put together again.
    """
    title = {"version": 2, "width": 80, "height": 24, "timestamp": int(recording.begun)}
    yield json.dumps(title).encode() + b"\n"
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for at, data in heard:
        if text := decoder.decode(data):
            yield json.dumps([round(at - recording.begun, 6), "o", text]).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Match:
    """A line that holds what was looked for, the time at which it began, and the lines around it."""

    at: float
    line: str
    before: tuple[str, ...] = ()
    after: list[str] = field(default_factory=list)


def lines(heard: Iterable[Heard]) -> Iterator[tuple[float, str]]:
    """Lines of output without anything that a terminal would obey, with the time at which each began."""
    for at, line in _printed(heard):
        yield at, _CONTROL.sub("", line)


def matches(heard: Iterable[Heard], text: str, context: int = 0) -> Iterator[Match]:
    """Lines of output that hold a text, in capitals or not, each with so many lines before and after it."""
    wanted = text.casefold()
    before: deque[str] = deque(maxlen=context)
    open: deque[Match] = deque()
    for at, line in lines(heard):
        for match in open:
            match.after.append(line)
        if wanted in line.casefold():
            open.append(Match(at, line, tuple(before)))
        while open and len(open[0].after) >= context:
            yield open.popleft()
        before.append(line)
    yield from open


def _printed(heard: Iterable[Heard]) -> Iterator[tuple[float, str]]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    line, begun = "", 0.0
    for at, data in heard:
        *whole, rest = decoder.decode(data).split("\n")
        for end in whole:
            yield (begun if line else at), line + end
            line = ""
        begun = begun if line else at
        line += rest
        if len(line) > LONGEST_LINE:
            yield begun, line
            line = ""
    if line:
        yield begun, line
