"""The door of the original API: from an ASGI request to a call of the table, and from its answer to a response.

Checks come in the original's order: path and method, then arguments, then who is calling, then the call's own. Every
answer that is not a success has a JSON body with `type` and `msg`; no answer ever says more of an unexpected exception
than that it happened, under which request id.
"""

from __future__ import annotations

import logging
import uuid
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from hil.api.edge import Caller
from hil.api.v0 import wire
from hil.api.v0.call import Call, Reply, Table
from hil.api.v0.desk import Desk
from hil.api.v0.failures import MethodNotAllowed, named
from hil.api.v0.shapes import sendable
from hil.auth.credentials import Credentials
from hil.core.errors import HilError, RateLimited, ValidationError
from hil.services.context import Context

ROOT = "v0"
log = logging.getLogger(__name__)


class Original(BaseRoute):
    """Everything under `/v0`, as one route: paths are matched undecoded, which no route of a framework does."""

    def __init__(self, desk: Desk, table: Table) -> None:
        self.desk = desk
        self.table = table

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or wire.segments(scope)[:1] != [ROOT]:
            return Match.NONE, {}
        return Match.FULL, {"endpoint": self}

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(scope, receive)
        except ConnectionError:
            return
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        identity = _request_id(scope)
        try:
            call, labels = self.table.find(scope["method"], wire.segments(scope)[1:])
            scope["hil.route"] = f"/{ROOT}/{call.path}"
            return _response(await self._carry_out(call, dict(labels), scope, receive, identity))
        except MethodNotAllowed as error:
            if scope["method"] == "OPTIONS":
                return Response(status_code=200, headers={"allow": error.allowed})
            return _failure(error, {"allow": error.allowed})
        except RateLimited as error:
            return _failure(error, {"retry-after": str(max(1, round(error.retry_after)))})
        except HilError as error:
            return _failure(error)
        except ConnectionError:
            raise
        except Exception:
            log.exception("request %s failed", identity)
            return _failure(HilError(f"HIL failed. Its log says why, at request {identity}."))

    async def _carry_out(
        self, call: Call, labels: dict[str, str], scope: Scope, receive: Receive, identity: str
    ) -> Any:
        arguments = {**_checked_labels(labels), **await _arguments(call, scope, receive)}
        headers = wire.headers_of(scope)
        remote = scope["client"][0] if scope.get("client") else ""
        what = f"{scope['method']} {scope['hil.route']}"
        caller = Caller(Credentials.of(headers, remote), remote, identity, what)
        if call.flow:
            return await call.work(self.desk, caller, **arguments)
        run = self.desk.change if call.writes else self.desk.read
        return await run(caller, partial(_work, call, arguments))


def _work(call: Call, arguments: dict[str, Any], ctx: Context) -> Any:
    return call.work(ctx, **arguments)


def _checked_labels(labels: dict[str, str]) -> dict[str, str]:
    for name, label in labels.items():
        if "\0" in label or not sendable(label):
            raise ValidationError(f"The {name} in the path is no text.")
    return labels


async def _arguments(call: Call, scope: Scope, receive: Receive) -> dict[str, Any]:
    """Fields of the body or, for GET, of the query string."""
    raw = await wire.read_body(receive)
    if call.method == "GET":
        if raw and scope["method"] == "GET":
            raise ValidationError("A GET has no body: its arguments stand in the query string.")
        return dict(wire.parse_query(scope.get("query_string", b""), call.query))
    fields = wire.parse_body(raw)
    call.body(fields, "The request body")
    if not call.body.rest:
        return fields
    known = {key: value for key, value in fields.items() if key in call.body.fields}
    return {**known, "fields": {key: value for key, value in fields.items() if key not in known}}


def _request_id(scope: Scope) -> str:
    """The one that the application gave the request, if it did."""
    return str(scope.get("hil.request_id") or uuid.uuid4().hex)


def _response(answer: Any) -> Response:
    if answer is None:
        return Response(status_code=200)
    if not isinstance(answer, Reply):
        return Response(wire.dump(answer), media_type="application/json")
    if answer.location:
        return Response(status_code=answer.status, headers={"location": answer.location, "cache-control": "no-store"})
    return Response(wire.dump(answer.value), answer.status, media_type="application/json")


def _failure(error: HilError, headers: dict[str, str] | None = None) -> Response:
    status, name = named(error)
    if error.detail:
        log.info("%s: %s (%s)", name, error.message, error.detail)
    body = wire.dump({"type": name, "msg": error.message})
    return Response(body, status, headers=headers, media_type="application/json")
