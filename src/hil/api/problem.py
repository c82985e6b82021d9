"""Errors as the callers of v1 see them: RFC 9457 `application/problem+json`, for every path but those of v0.

Programs compare `type`, people read `detail`. What went wrong inside stays inside: of an error that nobody raised on
purpose the caller learns its request id, by which the operator finds it in the log.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hil.core.errors import Duplicate, HilError, NotFound, RateLimited, Unauthenticated, Unavailable, ValidationError

MEDIA = "application/problem+json"
Fault = dict[str, Any]


class MethodNotAllowed(HilError):
    """The path exists, but not with this method; the Allow header names those that it has."""

    status, type = 405, "method-not-allowed"


class TooLarge(HilError):
    """The request body is larger than HIL reads."""

    status, type = 413, "too-large"


class Internal(HilError):
    """HIL itself failed; give the request id to an operator, who finds it in the log."""

    status, type = 500, "internal"


def body(error: HilError, request_id: str, faults: Sequence[Fault] = ()) -> bytes:
    """The document itself. `faults` name the parts of a request that cannot be read."""
    shown: dict[str, Any] = {
        "type": f"/errors/{error.type}",
        "title": error.type.replace("-", " ").capitalize(),
        "status": error.status,
        "detail": error.message,
        "instance": request_id,
        "retry": error.retry,
    }
    if faults:
        shown["errors"] = list(faults)
    return json.dumps(shown).encode()


def respond(error: HilError, request_id: str, challenge: str = "", faults: Sequence[Fault] = ()) -> Response:
    """Answer an error; a 401 says how to log in, one that passes with time says when to come again."""
    headers: dict[str, str] = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = f"{challenge}, Bearer" if challenge else "Bearer"
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    elif isinstance(error, Unavailable):
        headers["Retry-After"] = "2"
    return Response(body(error, request_id, faults), error.status, headers, MEDIA)


def malformed(error: RequestValidationError, hints: Mapping[str, str]) -> tuple[ValidationError, list[Fault]]:
    """Turn what pydantic found into our error and its list of faults; `hints` put a pattern into words.

    The values themselves are left out: any may be a password.
    """
    found = error.errors()[:20]
    faults = [{"loc": [str(part) for part in fault["loc"]][:8], "msg": _told(fault, hints)} for fault in found]
    first = faults[0]
    return ValidationError(f"{'.'.join(first['loc'])}: {first['msg']}"), faults


def _told(fault: Mapping[str, Any], hints: Mapping[str, str]) -> str:
    pattern = fault.get("ctx", {}).get("pattern", "")
    return hints.get(pattern) or str(fault["msg"]).removeprefix("Value error, ")[:300]


def of_http(error: HTTPException) -> HilError:
    """Turn what the framework raises itself into one of ours."""
    match error.status_code:
        case 404:
            return NotFound("There is no such path.")
        case 405:
            return MethodNotAllowed("This path does not have that method.")
        case 413:
            return TooLarge("The request body is too large.")
        case 400:
            return ValidationError("The request body cannot be read as JSON.")
        case _:
            return Internal("HIL could not answer this request.", detail=str(error.detail))


def documented() -> list[type[HilError]]:
    """Every class of error that an answer of v1 can name, in the order of the tree."""
    found: list[type[HilError]] = []

    def walk(kind: type[HilError]) -> None:
        for child in kind.__subclasses__():
            if child.__module__ in (Duplicate.__module__, __name__):
                found.append(child)
                walk(child)

    walk(HilError)
    return found
