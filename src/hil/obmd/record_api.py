"""Recordings over HTTP: list them, play one with its timing, search them; and the job that deletes what is too old.

Whoever may see the console may see what it said, but only while holding the node (the capability is of the present
epoch), and only what it said to the same project: now, and in every earlier time in which that project held the node.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from hil.core.errors import BadArgument, NotFound
from hil.obmd import record_play
from hil.obmd.gate import Gate, number
from hil.obmd.record_play import Heard, Recording
from hil.obmd.recording import Recordings
from hil.obmd.term import Term
from hil.services.capability import Right

T = TypeVar("T")
log = logging.getLogger(__name__)
END_OF_TIME: Final = 2.0**40
MOST_MATCHES: Final = 1000
MOST_LINES: Final = 10_000
MOST_CONTEXT: Final = 20
NEWEST: Final = "newest"
"""Names the last recording, whatever its id is."""
LONGEST_TEXT: Final = 200
OFTEN, SELDOM = 60.0, 3600.0
_KEPT_BY_NOBODY: Final = {"Cache-Control": "no-store"}


class RecordingApi:
    """The endpoints below `/v1/nodes/{node}/recordings`; without recordings they show that there are none."""

    def __init__(self, gate: Gate, recordings: Recordings | None) -> None:
        self._gate, self._recordings = gate, recordings

    def routes(self) -> list[Route]:
        base = "/v1/nodes/{node}/recordings"
        return [
            Route(base, self.listed, methods=["GET"]),
            Route(f"{base}/search", self.search, methods=["GET"]),
            Route(f"{base}/{{recording}}", self.play, methods=["GET"]),
        ]

    async def listed(self, request: Request) -> Response:
        """Every recording that the caller's project may see, oldest first; times are UTC seconds."""
        mine, _ = await self._mine(request)
        items = [
            {"id": each.id, "epoch": each.epoch, "begun": each.begun, "last": each.last, "bytes": each.size}
            for each in mine
        ]
        return JSONResponse({"items": items}, headers=_KEPT_BY_NOBODY)

    async def play(self, request: Request) -> Response:
        """One recording from `from` until before `to` (UTC seconds), or the `newest`: asciicast v2.

        With `as=bytes` the bytes; with `as=lines` JSON lines of what a person read, the last `last` of them.
        """
        since, until = _span(request)
        form, last = request.query_params.get("as", "cast"), int(number(request, "last", MOST_LINES, MOST_LINES))
        if form not in ("cast", "bytes", "lines"):
            raise BadArgument("as is `cast`, `bytes` or `lines`.")
        mine, term = await self._mine(request)
        chosen = _chosen(mine, request.path_params["recording"])
        heard = _while(term, record_play.played(chosen, since, until))
        if form == "bytes":
            raw = (data for _, data in heard)
            return StreamingResponse(raw, 200, _KEPT_BY_NOBODY, "application/octet-stream")
        if form == "lines":
            read = _while(term, _last(chosen, heard, last))
            return StreamingResponse(read, 200, _KEPT_BY_NOBODY, "application/x-ndjson")
        return StreamingResponse(record_play.cast(chosen, heard), 200, _KEPT_BY_NOBODY, "application/x-asciicast")

    async def search(self, request: Request) -> Response:
        """Lines that hold `text`, in capitals or not, the newest recording first; at most `limit`.

        `context` lines around each; `recording`, `from` and `to` say where to look.
        """
        text, only = request.query_params.get("text", ""), request.query_params.get("recording", "")
        if not 0 < len(text) <= LONGEST_TEXT:
            raise BadArgument(f"text has 1 to {LONGEST_TEXT} characters.")
        most = int(number(request, "limit", 100, MOST_MATCHES))
        context = int(number(request, "context", 0, MOST_CONTEXT))
        since, until = _span(request)
        mine, term = await self._mine(request)
        chosen = [_chosen(mine, only)] if only else mine[::-1]
        found = _found(chosen, text, context, term, since, until)
        items = await term.run(asyncio.to_thread(lambda: [*itertools.islice(found, most)]))
        return JSONResponse({"items": items}, headers=_KEPT_BY_NOBODY)

    async def _mine(self, request: Request) -> tuple[list[Recording], Term]:
        name, capability = request.path_params["node"], self._gate.capability(request)
        _, tenure = self._gate.nodes.admit(name, capability, Right.WATCH, Right.CONSOLE)
        if self._recordings is None:
            return [], tenure.term
        looked = asyncio.to_thread(record_play.found, self._recordings, name, capability.project_id)
        return await tenure.term.run(looked), tenure.term


def _span(request: Request) -> tuple[float, float]:
    return number(request, "from", 0.0, END_OF_TIME), number(request, "to", END_OF_TIME, END_OF_TIME)


def _chosen(mine: list[Recording], wanted: str) -> Recording:
    """The recording of this id. Raises NotFound, which says the same of one that is another project's."""
    if wanted == NEWEST and mine:
        return mine[-1]
    for each in mine:
        if each.id == wanted:
            return each
    raise NotFound(f"There is no recording {wanted[:20]!a} of this node that your project may see.")


def _found(
    recordings: list[Recording], text: str, context: int, term: Term, since: float, until: float
) -> Iterator[dict[str, Any]]:
    for recording in recordings:
        heard = _while(term, record_play.played(recording, since, until))
        for match in record_play.matches(heard, text, context):
            yield {"recording": recording.id, **asdict(match)}


def _last(recording: Recording, heard: Iterable[Heard], most: int) -> Iterator[bytes]:
    for at, line in deque(record_play.lines(heard), most):
        yield json.dumps({"recording": recording.id, "at": at, "line": line}).encode() + b"\n"


def _while(term: Term, heard: Iterator[T]) -> Iterator[T]:
    """Go on only while the caller holds the node."""
    for each in heard:
        if not term.alive:
            return
        yield each


async def keep_clean(recordings: Recordings, sleep: Any) -> None:
    """Delete what is too old, now and from time to time."""
    while True:
        try:
            await asyncio.to_thread(recordings.clean)
        except OSError as error:
            log.warning("Old recordings cannot be deleted: %s", error.strerror)
        await sleep(min(max(recordings.limits.age / 10, OFTEN), SELDOM))
