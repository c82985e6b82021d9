"""The front of `/redfish`: finds the handler, and gives every answer the form that Redfish wants.

One ASGI object with a table of its own, since here an unknown path, a wrong method and an error are worded otherwise
than in the rest of the API. Whoever has not said who they are learns of nothing but the service root.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from hil.api.redfish import words
from hil.api.redfish.door import Shown, Visit, absent
from hil.api.redfish.words import Refusal
from hil.api.wrap import REQUEST_ID
from hil.core.errors import HilError, RateLimited, Unavailable
from hil.core.policy import Act, Kind

Handler = Callable[[Visit], Awaitable[Shown]]
CHALLENGE: Final = 'Basic realm="HIL", charset="UTF-8"'
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """A path, its methods, and which of them ask nobody who they are. `schema` is named in the Link header."""

    path: str
    methods: dict[str, Handler]
    public: frozenset[str] = frozenset()
    schema: str = ""

    @property
    def shape(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path)))

    @property
    def allow(self) -> str:
        found = {*self.methods, *({"HEAD"} if "GET" in self.methods else ())}
        return ", ".join(sorted(found))


class Front:
    """Everything below `/redfish`."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = places
        self._shapes = [(place.shape, place) for place in places]

    def route(self) -> Route:
        return Route("/redfish{rest:path}", self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        place, names = self._find(scope)
        scope["hil.route"] = place.path if place else "/redfish/other"
        answer = await self._answered(Visit(request, names, scope["hil.route"]), place)
        answer.headers["OData-Version"] = "4.0"
        if place is not None:
            answer.headers["Allow"] = place.allow
        await answer(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[Place | None, dict[str, str]]:
        """Look a path up as it was sent, so that an encoded slash parts nothing."""
        raw = scope.get("raw_path") or scope["path"].encode()
        path = raw.decode("latin-1").partition("?")[0]
        path = path.removesuffix("/") or "/"
        for shape, place in self._shapes:
            if found := shape.fullmatch(path):
                names = {name: unquote(value) for name, value in found.groupdict().items()}
                if all(value.isprintable() for value in names.values()):  # a database chokes on some of the others
                    return place, names
        return None, {}

    async def _answered(self, visit: Visit, place: Place | None) -> Response:
        try:
            return await self._handled(visit, place)
        except Refusal as refusal:
            return _refused(refusal.status, refusal.shown)
        except HilError as error:
            if error.detail:
                level = logging.WARNING if error.status >= 500 else logging.INFO
                log.log(level, "request %s: %s (%s)", visit.request.scope[REQUEST_ID], error.message, error.detail)
            return _failed(error, visit.path)
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("request %s failed", visit.request.scope[REQUEST_ID])
            return _refused(500, words.message("InternalError"))

    async def _handled(self, visit: Visit, place: Place | None) -> Response:
        method = visit.request.method
        verb = "GET" if method == "HEAD" else method
        _judge_headers(visit.request)
        if place is None or verb not in place.methods:
            if place is None or not place.public:
                await visit.read(lambda ctx: ctx.require(Act.LIST, Kind.NODE))
            if place is None:
                raise absent()
            raise Refusal(405, "OperationNotAllowed")
        shown = await place.methods[verb](visit)
        return _rendered(shown, visit.request, place.schema)


def _judge_headers(request: Request) -> None:
    """Refuse what could only be misunderstood. Raises Refusal."""
    version = request.headers.get("odata-version", "4.0")
    if version != "4.0":
        raise Refusal(412, "PreconditionFailed")
    for name in request.query_params:
        if name.startswith("$") and name != "$skiptoken":
            raise Refusal(501, "QueryParameterNotSupported")
        if name in ("only", "excerpt", "includeoriginofcondition"):
            raise Refusal(400, "QueryParameterNotSupported")


def tag_of(body: Any) -> str:
    """The entity tag of a representation."""
    return f'W/"{hashlib.sha256(_json(body)).hexdigest()[:24]}"'


def same(tag: str, given: str) -> bool:
    """Whether an If-Match or If-None-Match names this tag."""
    bare = tag.removeprefix("W/")
    return any(each.strip().removeprefix("W/") in ("*", bare) for each in given.split(","))


def _rendered(shown: Shown, request: Request, schema: str) -> Response:
    if shown.body is None:
        return Response(b"", shown.status, dict(shown.headers))
    if isinstance(shown.body, str):
        return Response(shown.body.encode(), shown.status, dict(shown.headers), "application/xml")
    headers = dict(shown.headers)
    if shown.status == 200 and request.method in ("GET", "HEAD"):
        headers["ETag"] = tag = tag_of(shown.body)
        headers["Link"] = f"</redfish/v1/$metadata{'#' + schema if schema else ''}>; rel=describedby"
        if (given := request.headers.get("if-none-match")) and same(tag, given):
            return Response(b"", 304, headers)
    return Response(_json(shown.body), shown.status, headers, "application/json;charset=utf-8")


def _json(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _failed(error: HilError, path: str) -> Response:
    status, shown = words.of_error(error, path)
    answer = _refused(status, shown)
    if isinstance(error, RateLimited):
        answer.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    elif isinstance(error, Unavailable):
        answer.headers["Retry-After"] = "2"
    return answer


def _refused(status: int, shown: words.Message) -> Response:
    headers = {"WWW-Authenticate": CHALLENGE} if status == 401 else {}
    return Response(_json(words.document(shown)), status, headers, "application/json;charset=utf-8")
