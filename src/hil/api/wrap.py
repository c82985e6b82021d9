"""What surrounds every request of either API: an id, a clock, a limit on its size, headers, and no stack trace ever.

One plain ASGI layer, since each layer is paid on each request. It judges nothing and knows no path but the prefix of
v0, which reads its bodies and words its errors itself.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hil.api import problem
from hil.core.errors import HilError

REQUEST_ID: Final = "hil.request_id"
_SANE: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SAFE: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
_STORE: Final = (b"cache-control", b"no-store")
_POLICY: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_SECURE: Final = (b"strict-transport-security", b"max-age=31536000")
Observe = Callable[[str, str, int, float], None]
log = logging.getLogger(__name__)


class Wrap:
    """The layer. `observe` is told method, route, status and seconds of each request that is over."""

    def __init__(self, app: ASGIApp, max_body: int, observe: Observe) -> None:
        self._app = app
        self._max_body = max_body
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[REQUEST_ID] = _request_id(scope)
        exchange = Exchange(scope, receive, send, self._max_body)
        began = time.perf_counter()
        try:
            await exchange.run(self._app)
        finally:
            self._observe(scope["method"], _route(scope), exchange.status, time.perf_counter() - began)


class Exchange:
    """One request and its answer. `status` is 0 until the answer has begun."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, max_body: int) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._left = max_body
        self._over = False
        self.status = 0

    async def run(self, app: ASGIApp) -> None:
        v0 = self._scope["path"].startswith("/v0/")
        if not v0 and self._announced() > self._left:
            await self._refuse()
            return
        try:
            await app(self._scope, self._receive if v0 else self._counted, self._headed)
        except Exception:
            if self._over:
                return
            log.exception("request %s failed", self._scope[REQUEST_ID])
            if self.status:  # the answer has begun: cutting it short is all that is left
                raise
            await self._answer(problem.Internal("HIL failed to answer this request."), v0=v0)

    def _announced(self) -> int:
        length = next((value for name, value in self._scope["headers"] if name == b"content-length"), b"0")
        return int(length) if length.isdigit() and len(length) < 19 else 0

    async def _counted(self) -> Message:
        """Pass the body on as far as it may go; beyond that, answer and tell the app that its caller has gone."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0 and not self._over:
                await self._refuse()
                return {"type": "http.disconnect"}
        return message

    async def _refuse(self) -> None:
        await self._answer(problem.TooLarge("The request body is too large: HIL reads at most 1 MiB."))
        self._over = True

    async def _answer(self, error: HilError, *, v0: bool = False) -> None:
        raw = problem.body(error, self._scope[REQUEST_ID])
        media = problem.MEDIA
        if v0:
            raw, media = b'{"type": "InternalError", "msg": "HIL failed to answer this request."}', "application/json"
        headers = [(b"content-type", media.encode()), (b"content-length", str(len(raw)).encode())]
        await self._headed({"type": "http.response.start", "status": error.status, "headers": headers})
        await self._headed({"type": "http.response.body", "body": raw})

    async def _headed(self, message: Message) -> None:
        """Send, with the headers that every answer has; nothing more once the request was refused."""
        if self._over:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._extra(message.get("headers", ()))]
        await self._send(message)

    def _extra(self, present: Any) -> list[tuple[bytes, bytes]]:
        names = {name.lower() for name, _ in present}
        extra = [(b"x-request-id", self._scope[REQUEST_ID].encode()), *_SAFE]
        extra += [header for header in (_STORE, _POLICY) if header[0] not in names]
        if self._scope.get("scheme") == "https":
            extra.append(_SECURE)
        return extra


def _request_id(scope: Scope) -> str:
    """The caller's own id if it is harmless, else a fresh one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if _SANE.fullmatch(given) else uuid.uuid4().hex


def _route(scope: Scope) -> str:
    """The template of the path, never the path: a caller must not be able to make series of metrics."""
    found = scope.get("hil.route") or getattr(scope.get("route"), "path_format", None)
    return str(found) if found else "other"
