"""The original OBMd's protocol, so that an original HIL, or whatever else spoke to it, can use this obmd unchanged.

Statuses, empty error bodies and the order in which a request is judged are the original's: without the admin's password
a path does not exist (404), a malformed token is refused before the body is looked at and a wrong one after. Tokens
live in memory and end with the node's epoch. The console has one viewer; the next one takes it away. Its `type`s are
those that our drivers name; its `dummy` is registered as its `mock`. Tokens stand in the URL, as they always did: put
nothing between this and HIL that logs URLs.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from hil.core.errors import DeviceError, HilError, NotFound
from hil.core.obms import BootChoice, BootDevice, PowerAction
from hil.drivers.obm_registry import obm_spec_by_v0_type
from hil.obmd.admin import power_word
from hil.obmd.gate import Gate, bearer, raw_body
from hil.obmd.hub import Viewer
from hil.obmd.node import Node, Tenure

_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_TOKEN: Final = re.compile(r"[0-9a-fA-F]{32}")
_ALIAS: Final = {"dummy": "mock"}
_BOOT: Final = {"pxe": BootDevice.PXE, "disk": BootDevice.DISK, "none": BootDevice.NONE}
Work = Callable[[Node], Awaitable[Response | None]]


class _Status(Exception):
    """An answer without a body."""

    def __init__(self, status: int) -> None:
        self.status = status


class Original:
    """The endpoints below `/node`."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self._nodes = gate, gate.nodes

    def routes(self) -> list[Route]:
        calls: list[tuple[str, dict[str, Callable[[Request], Awaitable[Response]]]]] = [
            ("", {"PUT": self._as_admin(self._put), "DELETE": self._as_admin(self._delete)}),
            ("/token", {"POST": self._token, "DELETE": self._as_admin(self._no_token)}),
            ("/power_status", {"GET": self._power_status}),
            ("/power_on", {"POST": self._power(PowerAction.ON)}),
            ("/power_off", {"POST": self._power(PowerAction.OFF)}),
            ("/power_cycle", {"POST": self._power_cycle}),
            ("/boot_device", {"PUT": self._boot_device}),
            ("/console", {"GET": self._console}),
        ]
        return [Route(f"/node/{{node}}{path}", _dispatch(by_method), methods=_METHODS) for path, by_method in calls]

    def _as_admin(self, call: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            if not self._is_admin(request):
                raise _Status(404)
            return await call(request)

        return guarded

    def _is_admin(self, request: Request) -> bool:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        known = self._gate.is_admin(password)
        return scheme.lower() == "basic" and hmac.compare_digest(user.encode(), b"admin") and known

    async def _put(self, request: Request) -> Response:
        """Register a node; whatever is wrong with that is a 500."""
        try:
            match json.loads(await raw_body(request)):
                case {"type": str() as kind, "info": dict() as info}:
                    spec = obm_spec_by_v0_type(_ALIAS.get(kind, kind))
                    config = spec.v0_config(info)
                    await self._nodes.put(request.path_params["node"], spec.name, config, only_new=True)
                    return Response()
        except (HilError, ValueError, RecursionError):
            pass
        return Response(status_code=500)

    async def _delete(self, request: Request) -> Response:
        await self._nodes.delete(request.path_params["node"])
        return Response()

    async def _token(self, request: Request) -> Response:
        """For an admin; HIL, when it is ours, shows the capability with which it began the node's epoch."""
        epoch: int | None = None
        if bearer(request):
            epoch = self._gate.epoch(request).epoch
        elif not self._is_admin(request):
            raise _Status(404)
        return JSONResponse({"token": await self._nodes.foreign_token(request.path_params["node"], epoch)})

    async def _no_token(self, request: Request) -> Response:
        await self._nodes.foreign_end(request.path_params["node"])
        return Response()

    async def _admitted(self, request: Request, read: Callable[[bytes], Any] | None = None) -> tuple[Node, Tenure, Any]:
        """Judge a token call in the original's order; `read` says what the body means, or raises ValueError."""
        token = request.query_params.get("token", "")
        if not _TOKEN.fullmatch(token):
            raise _Status(401)
        node = self._nodes.node(request.path_params["node"])
        meant: Any = None
        if read is not None:
            try:
                meant = read(await raw_body(request))
            except (HilError, ValueError, RecursionError):
                raise _Status(400) from None
        if node.foreign is None or not hmac.compare_digest(node.foreign[0], token.lower()):
            raise _Status(401)
        return node, node.foreign[1], meant

    async def _power_status(self, request: Request) -> Response:
        node, tenure, _ = await self._admitted(request)
        seen = await tenure.term.run(node.power(0.0))
        return JSONResponse({"power_status": power_word(seen.on)})

    def _power(self, action: PowerAction) -> Callable[[Request], Awaitable[Response]]:
        async def call(request: Request) -> Response:
            node, tenure, _ = await self._admitted(request)
            await tenure.term.run(node.power_set(action))
            return Response()

        return call

    async def _power_cycle(self, request: Request) -> Response:
        """Forced is a reset, as it was with ipmitool; neither is a soft shutdown."""
        node, tenure, forced = await self._admitted(request, _forced)
        await tenure.term.run(node.power_set(PowerAction.RESET if forced else PowerAction.CYCLE))
        return Response()

    async def _boot_device(self, request: Request) -> Response:
        """The choice stays for every boot, as it did."""
        node, tenure, device = await self._admitted(request, _bootdev)
        choice = BootChoice(device, persistent=node.capabilities.boot_persistent)
        await tenure.term.run(node.ask(lambda session: session.boot_set(choice)))
        return Response()

    async def _console(self, request: Request) -> Response:
        """A stream that ends when either side ends it, or somebody else opens the console."""
        _, tenure, _ = await self._admitted(request)
        viewer = await tenure.term.run(tenure.hub.attach("original", alone=True, way="original"))
        return StreamingResponse(_stream(tenure, viewer), media_type="application/octet-stream")


async def _stream(tenure: Tenure, viewer: Viewer) -> AsyncIterator[bytes]:
    try:
        while items := await viewer.take():
            for item in items:
                if not tenure.term.alive:
                    return
                if isinstance(item, bytes):
                    yield item
    finally:
        tenure.hub.detach(viewer)


def _dispatch(by_method: dict[str, Callable[[Request], Awaitable[Response]]]) -> Any:
    """An endpoint that answers as the original: errors have a status and nothing else."""

    async def endpoint(request: Request) -> Response:
        call = by_method.get(request.method)
        if call is None:
            return Response(status_code=405, headers={"Allow": ", ".join(by_method)})
        try:
            return await call(request)
        except _Status as error:
            return Response(status_code=error.status)
        except NotFound:
            return Response(status_code=404)
        except DeviceError:
            return Response(status_code=500)
        except HilError as error:
            return Response(status_code=error.status)

    return endpoint


def _forced(data: bytes) -> bool:
    """Raises ValueError for anything but an object whose `force`, if there, is true or false."""
    found = json.loads(data)
    if not isinstance(found, dict) or not isinstance(found.get("force", False), bool):
        raise ValueError("force is true or false")
    return bool(found.get("force", False))


def _bootdev(data: bytes) -> BootDevice:
    """Raises ValueError for what is no boot device of the original's ipmi."""
    found = json.loads(data)
    match found:
        case {"bootdev": str() as name} if name in _BOOT:
            return _BOOT[name]
    raise ValueError("no boot device")
