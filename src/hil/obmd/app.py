"""obmd's HTTP application: operators' and HIL's calls, tenants' calls, consoles, and the original protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from hil import __version__
from hil.core.errors import HilError
from hil.core.secret import Secret
from hil.obmd import problem
from hil.obmd.admin import Administration
from hil.obmd.console import Console
from hil.obmd.gate import Gate
from hil.obmd.limits import ObmdLimits
from hil.obmd.machine import Machine
from hil.obmd.metrics import Metrics
from hil.obmd.nodes import Nodes
from hil.obmd.original import Original
from hil.obmd.owner import Clock
from hil.obmd.record_api import RecordingApi, keep_clean
from hil.obmd.recording import Recordings
from hil.obmd.ssh_way import SshWay
from hil.obmd.store import ObmdStore
from hil.obmd.trust import Keys, Trust

NOBODY: Final = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObmdSettings:
    """What obmd must be told: whose capabilities it believes, and the operators' token (empty: none gets in)."""

    public_keys: Sequence[str] = ()
    named_keys: Keys | None = None
    """Answers the public keys of a HIL beside it, as they are now; may block."""
    admin_token: Secret = NOBODY
    limits: ObmdLimits = field(default_factory=ObmdLimits)
    recordings: Recordings | None = None


def create_app(store: ObmdStore, settings: ObmdSettings, clock: Clock | None = None) -> Starlette:
    """Make the application; its life begins and ends with the server's (lifespan). Raises BadArgument."""
    clock = clock or Clock(store.clock)
    nodes = Nodes(store, settings.limits, clock, settings.recordings)
    trust = Trust(settings.public_keys, clock, settings.named_keys)
    gate = Gate(nodes, trust, settings.admin_token)
    metrics = Metrics(nodes, settings.recordings)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        await nodes.start()
        await trust.look()
        beside = {asyncio.ensure_future(trust.follow())}
        if settings.recordings is not None:
            beside.add(asyncio.ensure_future(keep_clean(settings.recordings, clock.sleep)))
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.wait(beside)
            await nodes.close()

    app = Starlette(
        routes=[*_health(store, metrics), *_routes(gate, metrics, settings.recordings)],
        lifespan=life,
        exception_handlers={
            HilError: problem.of_ours,
            HTTPException: problem.of_http,
            Exception: problem.of_foreign,
        },
    )
    app.state.nodes, app.state.gate = nodes, gate
    return app


def _routes(gate: Gate, metrics: Metrics, recordings: Recordings | None) -> list[BaseRoute]:
    return [
        *Administration(gate).routes(),
        *Machine(gate, metrics).routes(),
        *Console(gate).routes(),
        *RecordingApi(gate, recordings).routes(),
        *SshWay(gate).routes(),
        *Original(gate).routes(),
    ]


def _health(store: ObmdStore, metrics: Metrics) -> list[BaseRoute]:
    async def healthz(request: Request) -> Response:
        await asyncio.to_thread(store.ping)
        return JSONResponse({"status": "ok", "version": __version__})

    async def exposition(request: Request) -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz, methods=["GET"]), Route("/metrics", exposition, methods=["GET"])]


def close_consoles(app: Starlette) -> None:
    """Begin to end every term: whoever only waits for output is let go, so that the process can stop."""
    nodes: Nodes = app.state.nodes
    app.state.ending = asyncio.ensure_future(nodes.end_terms())
