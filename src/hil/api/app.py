"""The application: both APIs, health and metrics behind one ASGI object.

It wires and decides nothing. A process gives it a store and a backend and serves it; `close_streams` lets everybody go
who waits, so that a graceful stop need not wait for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from hil import __version__
from hil.api import health, problem, v0
from hil.api.edge import Edge
from hil.api.metrics import Metrics
from hil.api.redfish.places import FRONT
from hil.api.settings import Settings
from hil.api.tail import Tail
from hil.api.v1 import (
    event,
    member,
    network,
    node,
    obm,
    openapi,
    operation,
    overview,
    power,
    project,
    switch,
    user,
    who,
)  # fmt: skip
from hil.api.v1.door import Desk
from hil.api.v1.shapes import HINTS
from hil.api.wrap import REQUEST_ID, Wrap
from hil.auth.backend import Backend
from hil.core.errors import HilError
from hil.drivers.obmd_link import ObmdLink
from hil.store.unit import Store

log = logging.getLogger(__name__)
# The most asked for come first: a framework looks through its routes in order.
_ROUTES = (
    node.routes, operation.routes, network.routes, power.routes, obm.routes, project.routes, switch.routes, who.routes,
    overview.routes,
)  # fmt: skip
_OF_USERS = (member.routes, user.routes)


def create_app(store: Store, backend: Backend, settings: Settings | None = None) -> FastAPI:
    """Make the application. It opens nothing and starts nothing."""
    chosen = settings or Settings()
    edge = Edge(store, backend)
    metrics = Metrics(store, chosen.metrics_age)
    app = FastAPI(
        title="HIL", version=__version__, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False,
        servers=[{"url": chosen.public_url}] if chosen.public_url else None,
    )  # fmt: skip
    app.router.routes.extend(v0.routes(edge, chosen))
    for routes in (*_ROUTES, *(_OF_USERS if backend.has_users else ()), event.routes):
        app.router.routes.extend(routes.routes)  # they hold no state: what they need hangs on the application
    app.router.routes.append(FRONT.route())
    health.attach(app, edge, metrics)
    openapi.attach(app)
    app.state.desk = Desk(
        edge, Tail(store), chosen, _queries(app), asyncio.Semaphore(chosen.most_streams),
        ObmdLink(chosen.obmd_timeout, chosen.obmd_ca_file), ObmdLink(chosen.machine_timeout, chosen.obmd_ca_file),
    )  # fmt: skip
    _handle_errors(app, backend)
    app.add_middleware(Wrap, max_body=chosen.max_body, observe=metrics.observe)
    return app


def close_streams(app: FastAPI) -> None:
    """End every event stream and long poll: the process is about to stop."""
    desk: Desk = app.state.desk
    desk.tail.close()


def _queries(app: FastAPI) -> Callable[[str, str], frozenset[str]]:
    """Which query parameters a method of a path has, as its OpenAPI document says."""
    known: dict[tuple[str, str], frozenset[str]] = {}

    def find(method: str, path: str) -> frozenset[str]:
        if not known:
            for where, verb, described in openapi.operations(app.openapi()):
                named = (each["name"] for each in described.get("parameters", ()) if each["in"] == "query")
                known[verb.upper(), where] = frozenset(named)
        return known.get((method, path), frozenset())

    return find


def _handle_errors(app: FastAPI, backend: Backend) -> None:
    async def refused(request: Request, error: HilError) -> Response:
        if error.detail:
            level = logging.WARNING if error.status >= 500 else logging.INFO
            log.log(level, "request %s: %s (%s)", request.scope[REQUEST_ID], error.message, error.detail)
        return problem.respond(error, request.scope[REQUEST_ID], backend.challenge)

    async def malformed(request: Request, error: RequestValidationError) -> Response:
        found, faults = problem.malformed(error, HINTS)
        return problem.respond(found, request.scope[REQUEST_ID], faults=faults)

    async def framework(request: Request, error: HTTPException) -> Response:
        answer = problem.respond(problem.of_http(error), request.scope[REQUEST_ID])
        if error.status_code == 405:
            answer.headers["Allow"] = ", ".join(_methods(app, request))
        return answer

    app.add_exception_handler(HilError, refused)  # type: ignore[arg-type]  # a handler gets what it was registered for
    app.add_exception_handler(RequestValidationError, malformed)  # type: ignore[arg-type]  # as above
    app.add_exception_handler(HTTPException, framework)  # type: ignore[arg-type]  # as above


def _methods(app: FastAPI, request: Request) -> list[str]:
    """The methods that the path has."""
    found: set[str] = set()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in app.routes):
            found.add(method)
    return sorted(found)
