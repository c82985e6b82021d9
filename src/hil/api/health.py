"""Whether the process lives and can serve, what it measures, and the page that shows the OpenAPI document.

These need no credentials and say nothing of anybody's objects; the page's script comes from an installed package, so
a browser without the Internet shows it too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import fastapi_offline
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

from hil.api.edge import Edge
from hil.api.metrics import Metrics
from hil.auth.credentials import Credentials
from hil.core.errors import Denied, Unavailable
from hil.store import migrate
from hil.store.unit import Store

_STATIC: Final = Path(fastapi_offline.__file__).parent / "static"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>HIL API</title>
<link rel="stylesheet" href="docs/static/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="page"></div>
<script src="docs/static/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START: Final = """\
SwaggerUIBundle({
  url: "v1/openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null, displayOperationId: true,
  docExpansion: "none", tryItOutEnabled: true, presets: [SwaggerUIBundle.presets.apis],
});
"""


def attach(app: FastAPI, edge: Edge, metrics: Metrics) -> None:
    """Add these paths to the application."""
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}

    async def alive(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(request: Request) -> Response:
        await run_in_threadpool(_judge, edge.store)
        return PlainTextResponse("ok\n")

    async def measured(request: Request) -> Response:
        text = await run_in_threadpool(_exposition, edge, metrics, request)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def document(request: Request) -> Response:
        return JSONResponse(app.openapi())

    async def page(request: Request) -> Response:
        return HTMLResponse(_PAGE, headers=headers)

    async def start(request: Request) -> Response:
        return Response(_START, media_type="text/javascript", headers=headers)

    app.add_route("/healthz", alive)
    app.add_route("/readyz", ready)
    app.add_route("/metrics", measured)
    app.add_route("/v1/openapi.json", document)
    app.add_route("/docs", page)
    app.add_route("/docs/start.js", start)
    app.mount("/docs/static", StaticFiles(directory=_STATIC), name="static")


def _judge(store: Store) -> None:
    """Raise Unavailable unless the database answers and its schema is the one that this version needs."""
    faults = migrate.check(store.engine, store.keys)
    if faults:
        raise Unavailable("HIL is not ready: its database needs an operator.", detail="; ".join(faults))


def _exposition(edge: Edge, metrics: Metrics, request: Request) -> bytes:
    """Names of switches are shown to operators; whoever sends credentials must be one."""
    if "authorization" not in request.headers and "x-auth-token" not in request.headers:
        return metrics.exposition(detailed=False)
    remote = request.client.host if request.client else ""
    actor = edge.backend.authenticate(Credentials.of(dict(request.headers), remote))
    if not actor.operator:
        raise Denied("Only an operator may read the metrics of single switches.")
    return metrics.exposition(detailed=True)
