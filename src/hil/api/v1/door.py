"""One call: from what HTTP carries to one unit of work, and from its outcome to a response.

A handler is handed a `Call` and gives it a function of a Context; both authenticate and run in one hop to a thread.
What the headers ask for (If-Match, Idempotency-Key) is read here, so that no handler can forget it. Answers are
rendered here too, as bytes, since the shapes in `replies` are what is promised and not what does the work.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from hil.api.edge import Caller, Edge
from hil.api.settings import Settings
from hil.api.tail import Ear, Tail
from hil.api.v1 import views
from hil.api.wrap import REQUEST_ID
from hil.auth.credentials import Credentials
from hil.core.errors import ValidationError
from hil.core.model import OperationStatus
from hil.drivers.obmd_link import ObmdLink
from hil.services import event, operation
from hil.services.context import Context
from hil.services.facts import project_names
from hil.services.replay import fingerprint, replay_claim, replay_keep
from hil.store.tables import Operation

_TAG: Final = r'^(\*|(W/)?"[0-9]{1,18}")$'


def noun(tag: str) -> APIRouter:
    """The routes of one noun; an operation is called as the function that handles it."""
    return APIRouter(prefix="/v1", tags=[tag], generate_unique_id_function=lambda route: route.name)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back. `operation` names one that the caller may want to wait for."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    operation: str = ""

    def render(self, extra: Mapping[str, str] | None = None) -> Response:
        raw = b"" if self.body is None else json.dumps(self.body, separators=(",", ":")).encode()
        media = None if self.body is None else "application/json"
        return Response(raw, self.status, {**self.headers, **(extra or {})}, media)


def shown(body: Any, version: int | None = None) -> Answer:
    """200, with the entity tag of what has a version."""
    return Answer(body, 200, _tag(version))


def created(body: Any, *path: str, version: int | None = None) -> Answer:
    """201, and where the new object is."""
    return Answer(body, 201, {"Location": location(*path), **_tag(version)})


def gone() -> Answer:
    """204: it was done and there is nothing to show."""
    return Answer(None, 204)


def location(*path: str) -> str:
    """A path below /v1, each part encoded."""
    return "/v1/" + "/".join(quote(part, safe="") for part in path)


def _tag(version: int | None) -> dict[str, str]:
    return {} if version is None else {"ETag": f'W/"{version}"'}


@dataclass(frozen=True, slots=True)
class Desk:
    """What every call needs of the application."""

    edge: Edge
    tail: Tail
    settings: Settings
    queries: Callable[[str, str], frozenset[str]]
    """The query parameters that a method of a path has."""
    streams: asyncio.Semaphore
    """How many event streams may still be opened."""
    link: ObmdLink
    """To OBMds, to enable and disable."""
    machines: ObmdLink
    """To our obmd, for machines: these take their time."""


class Call:
    """One request. `version` is what If-Match names; None: whatever is there."""

    def __init__(
        self, request: Request, *, match: str | None = None, key: str | None = None, body: bytes = b""
    ) -> None:
        scope = request.scope
        self.desk: Desk = request.app.state.desk
        self.version = None if match is None or match == "*" else int(match.removeprefix("W/").strip('"'))
        self._key = key
        self._print = ""
        if scope["query_string"]:
            self._judge_query(request)
        remote = scope["client"][0] if scope.get("client") else ""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
        what = f"{scope['method']} {scope['route'].path_format}"
        self.caller = Caller(Credentials.of(headers, remote), remote, scope[REQUEST_ID], what)
        if key is not None:
            query = [pair for pair in request.query_params.multi_items() if pair[0] != "wait"]
            parts = (scope["method"].encode(), scope["path"].encode(), repr(query).encode(), repr(match).encode(), body)
            self._print = fingerprint(self.desk.edge.store, parts)

    def _judge_query(self, request: Request) -> None:
        known = self.desk.queries(request.method, request.scope["route"].path_format)
        if unknown := sorted(request.query_params.keys() - known):
            listed = ", ".join(sorted(known)) or "none"
            raise ValidationError(f"There is no query parameter {unknown[0][:64]!a} here; known are: {listed}.")

    def read(self, work: Callable[[Context], Answer]) -> Response:
        """Run `work` in one reading transaction and answer."""
        return self.desk.edge.read(self.caller, work).render()

    def change(self, work: Callable[[Context], Answer]) -> Response:
        """Run `work` in one transaction, commit it and answer."""
        answer, extra = self._changed(work)
        return answer.render(extra)

    def unasked(self, work: Callable[[Context], Answer], *, changes: bool) -> Response:
        """Run `work`, which finds out by itself who calls, in one transaction and answer."""
        return self.desk.edge.unasked(self.caller, work, changes=changes).render()

    async def start(self, work: Callable[[Context], Operation], wait: float) -> Response:
        """Run `work`, which opens an operation; then wait for its end, if asked to. 202 while pending, else 200."""
        answer, extra = await run_in_threadpool(self._changed, partial(_accepted, work))
        if wait and answer.body["status"] == OperationStatus.PENDING:
            body = await self.settled(answer.operation, wait)
            pending = body["status"] == OperationStatus.PENDING
            answer = Answer(body, 202 if pending else 200, answer.headers, answer.operation)
        return answer.render(extra)

    async def settled(self, identity: str, seconds: float) -> dict[str, Any]:
        """Show an operation as soon as it has ended, or as it is after so many seconds. Holds no thread meanwhile."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        with self.desk.tail.listening() as ear:
            while True:
                position, body = await run_in_threadpool(self.desk.edge.read, self.caller, partial(_look, identity))
                if body["status"] != OperationStatus.PENDING or loop.time() >= end or self.desk.tail.closed:
                    return body
                await self._stirred(ear, position, body, min(end, loop.time() + self.desk.settings.look_again))

    async def _stirred(self, ear: Ear, position: int, body: dict[str, Any], end: float) -> None:
        """Return when the journal names the operation or one of its nodes after `position`, or at `end`."""
        names = {body["id"], body["node"], *(action["node"] for action in body["actions"])}
        loop = asyncio.get_running_loop()
        while loop.time() < end and not self.desk.tail.closed:
            await ear.wait(end - loop.time())
            lines = await run_in_threadpool(self.desk.tail.since, position)
            if lines is None or any(line.name in names for line in lines):
                return
            position = lines[-1].seq if lines else position

    def _changed(self, work: Callable[[Context], Answer]) -> tuple[Answer, dict[str, str]]:
        """Answers also the headers that are of this very request: whether its answer was given before."""
        answer, replayed = self.desk.edge.change(self.caller, partial(self._once, work))
        return answer, {"Idempotency-Replayed": "true"} if replayed else {}

    def _once(self, work: Callable[[Context], Answer], ctx: Context) -> tuple[Answer, bool]:
        """Do the work, unless this very request was done before under its key."""
        if self._key is None:
            return work(ctx), False
        kept = replay_claim(ctx, self._key, self._print)
        if kept is not None:
            return Answer(kept["body"], kept["status"], kept["headers"], kept["operation"]), True
        answer = work(ctx)
        kept = {"body": answer.body, "status": answer.status, "operation": answer.operation}
        replay_keep(ctx, self._key, answer.status, {**kept, "headers": dict(answer.headers)})
        return answer, False


def operation_shown(ctx: Context, seen: operation.OperationView) -> dict[str, Any]:
    """An operation as its caller may see it."""
    return views.operation(seen, project_names(ctx.session, [seen.project_id]), operator=ctx.actor.operator)


def _accepted(work: Callable[[Context], Operation], ctx: Context) -> Answer:
    row = work(ctx)
    body = operation_shown(ctx, operation.operations_view(ctx.session, [row])[0])
    pending = body["status"] == OperationStatus.PENDING
    return Answer(body, 202 if pending else 200, {"Location": location("operations", row.id)}, row.id)


def _look(identity: str, ctx: Context) -> tuple[int, dict[str, Any]]:
    """The end of the journal and, after it, the operation: what comes later stands in later lines."""
    position = event.head(ctx.session)
    return position, operation_shown(ctx, operation.operation_show(ctx, identity))


IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", pattern=_TAG, description="Act only if the object still has this entity tag, or *."),
]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=128, pattern="^[ -~]*$",
        description="Chosen by the caller: the same request with the same key is done once and answered again.",
    ),
]  # fmt: skip


async def _plain(request: Request) -> Call:
    return Call(request)


async def _conditional(request: Request, match: IfMatch = None) -> Call:
    return Call(request, match=match)


async def _posted(request: Request, key: Key = None) -> Call:
    return Call(request, key=key, body=b"" if key is None else await request.body())


async def _acted(request: Request, match: IfMatch = None, key: Key = None) -> Call:
    return Call(request, match=match, key=key, body=b"" if key is None else await request.body())


Plain = Annotated[Call, Depends(_plain)]
"""A call without headers of its own."""
Conditional = Annotated[Call, Depends(_conditional)]
"""A call that If-Match may guard."""
Posted = Annotated[Call, Depends(_posted)]
"""A call that an Idempotency-Key makes safe to repeat."""
Acted = Annotated[Call, Depends(_acted)]
"""A call with both."""
