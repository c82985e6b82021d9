"""Errors as obmd's callers see them: RFC 9457 `application/problem+json`, in the shape of HIL's own API.

`type` is stable and for programs; the device's own error types (`/errors/device-unreachable` and so on) tell what is
wrong with a controller. What went wrong inside stays inside.
"""

from __future__ import annotations

import json
import logging

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hil.core.errors import HilError, NotFound, Unauthenticated, Unavailable, ValidationError
from hil.obmd.store import EpochBehind

MEDIA = "application/problem+json"
log = logging.getLogger(__name__)


class MethodNotAllowed(HilError):
    """The path exists, but not with this method."""

    status, type = 405, "method-not-allowed"


class TooLarge(HilError):
    """The request body is larger than obmd reads."""

    status, type = 413, "too-large"


class Internal(HilError):
    """obmd itself failed; its log says how."""

    status, type = 500, "internal"


def respond(error: HilError) -> Response:
    shown = {
        "type": f"/errors/{error.type}",
        "title": error.type.replace("-", " ").capitalize(),
        "status": error.status,
        "detail": error.message,
        "retry": error.retry,
    }
    if isinstance(error, EpochBehind):
        shown["epoch"] = error.epoch
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, Unavailable):
        headers["Retry-After"] = "2"
    return Response(json.dumps(shown).encode(), error.status, headers, MEDIA)


async def of_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, HilError)
    if error.detail:
        log.info("%s: %s (%s)", request.method, error.message, error.detail)
    return respond(error)


async def of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    match error.status_code:
        case 404:
            return respond(NotFound("There is no such path."))
        case 405:
            answer = respond(MethodNotAllowed("This path does not have that method."))
            answer.headers.update(error.headers or {})
            return answer
        case 413:
            return respond(TooLarge("The request body is too large."))
    return respond(ValidationError("The request cannot be read."))


async def of_foreign(request: Request, error: Exception) -> Response:
    """What nobody raised on purpose; its text may hold anything and is only logged by its type and place."""
    log.error("obmd failed in a request", exc_info=error)
    return respond(Internal("obmd failed: its log says how."))
