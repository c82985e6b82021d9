"""The stream of events: server-sent, resumable, each shown only to whom it may be shown at that moment.

A stream holds no thread and no transaction while it waits. It asks again who its caller is whenever the journal says
that roles, keys or users have changed, and at every heartbeat; it ends when the caller is no one any more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Header
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from hil.api.v1 import views
from hil.api.v1.door import Call, Plain, noun
from hil.api.v1.shapes import Seq
from hil.core.errors import BadArgument, HilError, Unavailable
from hil.core.model import Actor
from hil.core.policy import Act, Kind
from hil.services import event as events
from hil.services.context import Context
from hil.services.event import Line

routes = noun("events")
_PAGE: Final = 500
_CHANGES_RIGHTS: Final = frozenset({Kind.PROJECT, Kind.USER, Kind.KEY})
LastEvent = Annotated[str | None, Header(alias="Last-Event-ID", max_length=20, description="As `after`; it wins.")]
_HEADERS: Final = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
_SHOWN: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@routes.get("/events", response_class=StreamingResponse, responses=_SHOWN)
async def event_follow(call: Plain, after: Seq = None, last: LastEvent = None) -> Response:
    """Follow what happens, as server-sent events: `id` is a number, `event` the action, `data` JSON.

    Without `after` or Last-Event-ID it begins with what happens next.
    """
    begin = await run_in_threadpool(call.desk.edge.read, call.caller, lambda ctx: _begin(ctx, _number(after, last)))
    if call.desk.streams.locked():
        raise Unavailable("Too many event streams are open: try again later.")
    return StreamingResponse(Stream(call, begin).run(), headers=_HEADERS, media_type="text/event-stream")


def _number(after: int | None, last: str | None) -> int | None:
    if not last:
        return after
    if not (last.isascii() and last.isdigit() and len(last) <= 18):
        raise BadArgument("Last-Event-ID is the number of an event.")
    return int(last)


@dataclass(frozen=True, slots=True)
class Begin:
    actor: Actor
    after: int


def _begin(ctx: Context, after: int | None) -> Begin:
    ctx.require(Act.LIST, Kind.JOURNAL)
    return Begin(ctx.actor, events.head(ctx.session) if after is None else after)


class Stream:
    """One event stream: up to which line it is, and as whom it last looked."""

    def __init__(self, call: Call, begin: Begin) -> None:
        self._call = call
        self._desk = call.desk
        self._actor = begin.actor
        self._after = begin.after
        self._stale = False

    async def run(self) -> AsyncIterator[bytes]:
        """What to send, until the caller hangs up, is no one any more, or the process stops."""
        async with self._desk.streams:
            with self._desk.tail.listening() as ear:
                yield f": HIL\nid: {self._after}\n\n".encode()  # whoever is cut off before the first event resumes here
                due = asyncio.get_running_loop().time() + self._desk.settings.heartbeat
                while not self._desk.tail.closed:
                    try:
                        lines, more = await run_in_threadpool(self._next)
                    except HilError:
                        return
                    for line in lines:
                        yield self._render(line)
                    if more:
                        continue
                    now = asyncio.get_running_loop().time()
                    if now >= due:
                        due, self._stale = now + self._desk.settings.heartbeat, True
                        yield b": heartbeat\n\n"
                    await ear.wait(min(due - now, self._desk.settings.look_again))

    def _next(self) -> tuple[list[Line], bool]:
        """The next lines that the caller may see; True if there may be more at once. Raises HilError: it is no one."""
        lines = self._desk.tail.since(self._after)
        if lines is None:
            return self._desk.edge.read(self._call.caller, self._page)
        if self._stale or any(line.kind in _CHANGES_RIGHTS for line in lines):
            self._actor, self._stale = self._desk.edge.backend.authenticate(self._call.caller.credentials), False
        self._after = lines[-1].seq if lines else self._after
        return events.events_visible(self._actor, lines), False

    def _page(self, ctx: Context) -> tuple[list[Line], bool]:
        lines, reached = events.events_after(ctx, self._after, _PAGE)
        more = reached > self._after
        self._actor, self._after = ctx.actor, reached
        return lines, more

    def _render(self, line: Line) -> bytes:
        facts = events.event_facts(self._actor, line)
        inside = self._actor.operator or self._actor.role(line.project_id) is not None
        data = json.dumps(views.event(line, facts, inside=inside), separators=(",", ":"))
        return f"id: {line.seq}\nevent: {line.action}\ndata: {data}\n\n".encode()
