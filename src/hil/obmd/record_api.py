"""Recordings over HTTP: list them, play one with its timing, search them; and the job that deletes what is too old.

Whoever may see the console may see what it said, but only while holding the node (the capability is of the present
epoch), and only what it said to the same project: now, and in every earlier time in which that project held the node.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any, Final

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

log = logging.getLogger(__name__)
END_OF_TIME: Final = 2.0**40
MOST_MATCHES: Final = 1000
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
        """One recording from `from` until before `to` (UTC seconds): asciicast v2, or with `as=bytes` the bytes."""
        since, until = number(request, "from", 0.0, END_OF_TIME), number(request, "to", END_OF_TIME, END_OF_TIME)
        form = request.query_params.get("as", "cast")
        if form not in ("cast", "bytes"):
            raise BadArgument("as is `cast` or `bytes`.")
        mine, term = await self._mine(request)
        wanted = request.path_params["recording"]
        chosen = next((each for each in mine if each.id == wanted), None)
        if chosen is None:
            raise NotFound(f"There is no recording {wanted[:20]!a} of this node that your project may see.")
        heard = _while(term, record_play.played(chosen, since, until))
        if form == "bytes":
            raw = (data for _, data in heard)
            return StreamingResponse(raw, 200, _KEPT_BY_NOBODY, "application/octet-stream")
        return StreamingResponse(record_play.cast(chosen, heard), 200, _KEPT_BY_NOBODY, "application/x-asciicast")

    async def search(self, request: Request) -> Response:
        """Lines that hold `text`, in capitals or not, the newest recording first; at most `limit`."""
        text = request.query_params.get("text", "")
        if not 0 < len(text) <= LONGEST_TEXT:
            raise BadArgument(f"text has 1 to {LONGEST_TEXT} characters.")
        most = int(number(request, "limit", 100, MOST_MATCHES))
        mine, term = await self._mine(request)
        items = await term.run(asyncio.to_thread(_searched, mine[::-1], text, most, term))
        return JSONResponse({"items": items}, headers=_KEPT_BY_NOBODY)

    async def _mine(self, request: Request) -> tuple[list[Recording], Term]:
        name, capability = request.path_params["node"], self._gate.capability(request)
        _, tenure = self._gate.nodes.admit(name, capability, Right.WATCH, Right.CONSOLE)
        if self._recordings is None:
            return [], tenure.term
        looked = asyncio.to_thread(record_play.found, self._recordings, name, capability.project_id)
        return await tenure.term.run(looked), tenure.term


def _searched(recordings: list[Recording], text: str, most: int, term: Term) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for recording in recordings:
        for at, line in record_play.matches(_while(term, record_play.played(recording)), text):
            if len(items) >= most:
                return items
            items.append({"recording": recording.id, "at": at, "line": line})
    return items


def _while(term: Term, heard: Iterator[Heard]) -> Iterator[Heard]:
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
