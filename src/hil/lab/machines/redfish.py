"""The Redfish controller of a machine, as a program of its own: `python -m hil.lab.machines.redfish` in its directory.

A small service over TLS: sessions and HTTP Basic (DSP0266), the system of `redfish_system`, and its serial console over
a WebSocket, for one at a time. A change is refused if the system is not as it was read (ETag). `redfish.json` says who
may log in and where to listen; the port is told on standard output. It ends with whoever started it: see `bmc`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from hil.lab.machines.redfish_system import (
    CERTIFICATE,
    HOST,
    RESETS,
    ROOT,
    SESSIONS,
    Service,
    Wrong,
    collection,
    resources,
)

_CHUNK: Final = 4096

Answer = Callable[[Request], Awaitable[Response]]


class Web:
    """The service as requests see it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._watched = False

    def application(self) -> Starlette:
        system = self._service.system_path
        return Starlette(
            routes=[
                *(
                    self._route(path, _fixed(found), free=path == f"{ROOT}/")
                    for path, found in resources(self._service).items()
                ),
                self._route(SESSIONS, self._sessions),
                self._route(SESSIONS, self._log_in, "POST", free=True),
                self._route(f"{SESSIONS}/{{number}}", self._log_out, "DELETE"),
                self._route(system, self._read),
                self._route(system, self._change, "PATCH"),
                self._route(f"{system}/Actions/ComputerSystem.Reset", self._reset, "POST"),
                WebSocketRoute(f"{system}/SerialConsole", self._console),
            ]
        )

    def _route(self, path: str, answer: Answer, method: str = "GET", *, free: bool = False) -> Route:
        """A path that only who has proved himself may ask, unless it is `free`."""

        async def admitted(request: Request) -> Response:
            try:
                if not free:
                    self._service.admit(request.headers)
                return await answer(request)
            except Wrong as error:
                body = {"error": {"code": "Base.1.18.GeneralError", "message": error.words}}
                return JSONResponse(body, error.status)

        return Route(path, admitted, methods=[method])

    async def _sessions(self, _: Request) -> Response:
        return _shown(collection("Session", [f"{SESSIONS}/{each}" for each in self._service.tokens]))

    async def _log_in(self, request: Request) -> Response:
        number = self._service.log_in(await _body(request))
        where = f"{SESSIONS}/{number}"
        headers = {"Location": where, "X-Auth-Token": self._service.tokens[number]}
        return _shown({"@odata.id": where, "Id": number, "Name": "session"}, 201, headers)

    async def _log_out(self, request: Request) -> Response:
        if self._service.tokens.pop(request.path_params["number"], None) is None:
            raise Wrong(404, "There is no such session.")
        return Response(status_code=204)

    async def _read(self, _: Request) -> Response:
        return _shown(await self._service.system())

    async def _change(self, request: Request) -> Response:
        if request.headers.get("if-match", "*") not in ("*", _etag(await self._service.system())):
            raise Wrong(412, "The system has changed since it was read.")
        await self._service.change(await _body(request))
        return _shown(await self._service.system())

    async def _reset(self, request: Request) -> Response:
        body = await _body(request)
        kind = body.get("ResetType") if isinstance(body, Mapping) else None
        if not isinstance(kind, str) or kind not in RESETS:
            raise Wrong(400, f"ResetType is one of {', '.join(RESETS)}.")
        await self._service.ask("power-set", action=RESETS[kind])
        return Response(status_code=204)

    async def _console(self, line: WebSocket) -> None:
        try:
            self._service.admit(line.headers)
            if self._watched:
                raise Wrong(503, "The console is in use.")
        except Wrong:
            await line.close()  # it was not accepted yet: the answer is 403
            return
        self._watched = True
        try:
            await _carry(line)
        finally:
            self._watched = False


def _fixed(found: Mapping[str, Any]) -> Answer:
    async def answer(_: Request) -> Response:
        return _shown(found)

    return answer


def _shown(found: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(found, status, {"OData-Version": "4.0", "ETag": _etag(found), **(headers or {})})


def _etag(body: Mapping[str, Any]) -> str:
    return f'"{hashlib.sha256(json.dumps(body).encode()).hexdigest()[:16]}"'


async def _body(request: Request) -> Any:
    try:
        return await request.json()
    except ValueError:
        raise Wrong(400, "The request is no JSON.") from None


async def _carry(line: WebSocket) -> None:
    """Carry the bytes of the serial port both ways until either side ends it."""
    reader, writer = await asyncio.open_unix_connection("line")
    await line.accept()

    async def typed() -> None:
        while (message := await line.receive())["type"] == "websocket.receive":
            writer.write(message.get("bytes") or (message.get("text") or "").encode())
            await writer.drain()

    async def heard() -> None:
        while data := await reader.read(_CHUNK):
            await line.send_bytes(data)

    tasks = [asyncio.create_task(typed()), asyncio.create_task(heard())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
        with suppress(RuntimeError, WebSocketDisconnect):  # the other side has ended it
            await line.close()


def main() -> None:
    told = json.loads(Path("redfish.json").read_text())
    service = Service(told["name"], told["username"], told["password"])
    listening = socket.create_server((HOST, told["port"]))
    config = uvicorn.Config(
        Web(service).application(),
        ssl_certfile=CERTIFICATE,
        log_config=None,
        ws="websockets-sansio",
        lifespan="off",
        server_header=False,
    )
    print(listening.getsockname()[1], flush=True)
    asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))


if __name__ == "__main__":
    main()
