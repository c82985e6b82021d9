"""A foreign OBMd, in a thread of its own and reachable over loopback, speaking the protocol of the original.

Machines are imaginary (its drivers `mock` and `dummy`). It can be told to hang, to answer something else, and to run
something of the test's just before or after it does what it was asked. What it was asked is written down.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

ADMIN = "0123456789abcdef0123456789abcdef"
_TOKEN = re.compile(r"[0-9a-f]{32}")
_BOOT = {"mock": {"A", "B"}, "dummy": None}


@dataclass
class Machine:
    kind: str
    token: str | None = None
    power: str = "Mock Status"
    boot: str = ""
    done: list[str] = field(default_factory=list)


def _going() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class Obmd:
    """The service. `before` and `after` are called with the method and path of each admin call on a token."""

    machines: dict[str, Machine] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    goes_on: threading.Event = field(default_factory=_going)
    """Cleared, it makes the service hang."""
    answers: Response | None = None
    before: Callable[[str], None] = lambda what: None
    after: Callable[[str], None] = lambda what: None
    url: str = ""

    def uri(self, machine: str) -> str:
        return f"{self.url}/node/{machine}"

    async def node(self, request: Request) -> Response:
        """PUT and DELETE of a machine."""
        self.asked.append((request.method, request.url.path))
        name = request.path_params["id"]
        if not _admin(request):
            return Response(status_code=404)
        if request.method == "DELETE":
            self.machines.pop(name, None)
            return Response()
        try:
            wanted = json.loads(await request.body())
        except ValueError:
            return Response(status_code=500)
        if name in self.machines or wanted.get("type") not in _BOOT:
            return Response(status_code=500)
        self.machines[name] = Machine(wanted["type"])
        return Response()

    async def token(self, request: Request) -> Response:
        """POST and DELETE of a token: the administrator's."""
        what = f"{request.method} {request.url.path}"
        self.asked.append((request.method, request.url.path))
        await asyncio.to_thread(self.goes_on.wait)
        await asyncio.to_thread(self.before, what)
        if self.answers is not None:
            return self.answers
        machine = self.machines.get(request.path_params["id"])
        if machine is None or not _admin(request):
            return Response(status_code=404)
        machine.token = secrets.token_hex(16) if request.method == "POST" else None
        await asyncio.to_thread(self.after, what)
        return JSONResponse({"token": machine.token}) if machine.token else Response()

    async def operate(self, request: Request) -> Response:
        """The calls that need the token."""
        self.asked.append((request.method, request.url.path))
        token, operation = request.query_params.get("token", ""), request.path_params["operation"]
        if not _TOKEN.fullmatch(token):
            return Response(status_code=401)
        machine = self.machines.get(request.path_params["id"])
        if machine is None:
            return Response(status_code=404)
        if token != machine.token:
            return Response(status_code=401)
        if request.method != {"power_status": "GET", "console": "GET", "boot_device": "PUT"}.get(operation, "POST"):
            return Response(status_code=405)
        return await _done(machine, operation, request)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/node/{id}", self.node, methods=["PUT", "DELETE"]),
                Route("/node/{id}/token", self.token, methods=["POST", "DELETE"]),
                Route("/node/{id}/{operation}", self.operate, methods=["GET", "PUT", "POST", "DELETE"]),
            ]
        )


def _admin(request: Request) -> bool:
    """Compared as hexadecimal digits, of either case."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    return kind == "Basic" and base64.b64decode(value).decode().lower() == f"admin:{ADMIN}"


async def _done(machine: Machine, operation: str, request: Request) -> Response:
    if operation == "power_status":
        return JSONResponse({"power_status": machine.power})
    if operation == "console":
        return StreamingResponse(_output(), media_type="application/octet-stream")
    if operation in ("power_on", "power_off"):
        machine.power = operation.removeprefix("power_")
        return Response()
    try:
        body: Any = json.loads(await request.body())
    except ValueError:
        return Response(status_code=400)
    if operation == "power_cycle" and isinstance(body.get("force", False), bool):
        machine.done.append(f"cycle force={body.get('force', False)}")
        return Response()
    known = _BOOT[machine.kind]
    if operation == "boot_device" and (known is None or body.get("bootdev") in known):
        machine.boot = body["bootdev"]
        return Response()
    return Response(status_code=400)


async def _output() -> AsyncIterator[bytes]:
    for line in (b"Booting\r\n", b"login: "):
        yield line


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an application on a free port of the loopback, in a thread of its own; gives its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@contextmanager
def running() -> Iterator[Obmd]:
    """Serve an OBMd until the end."""
    obmd = Obmd()
    with served(obmd.app()) as obmd.url:
        try:
            yield obmd
        finally:
            obmd.goes_on.set()
