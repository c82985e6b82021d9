"""What a worker process answers over HTTP: that it lives, and what it has measured. No more: it takes no orders."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from hil import telemetry


async def _health(request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _metrics(request: Request) -> Response:
    return Response(generate_latest(telemetry.REGISTRY_USED), media_type=CONTENT_TYPE_LATEST)


def worker_app() -> Starlette:
    return Starlette(routes=[Route("/healthz", _health), Route("/metrics", _metrics)])
