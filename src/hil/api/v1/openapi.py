"""The OpenAPI document: what the framework derives from the handlers, and what it cannot know.

Errors, headers and credentials are the same all over v1, so they are written down once, here, and added to every
operation by what it takes: a path parameter can name what is not there, a body can be malformed, a change can conflict.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from hil import __version__
from hil.api.problem import MEDIA
from hil.api.v1.replies import Problem
from hil.api.v1.replies_obm import PowerResult, PowerSummary

DESCRIPTION: Final = """\
The Hardware Isolation Layer lets people who do not trust each other share the machines of one data centre.

A change of the network is accepted at once and done when the switch has confirmed it: the answer is 202 with an
*operation*, which `?wait=` waits for. Lists come in pages. Errors are RFC 9457 problem documents with a stable `type`.
"""
Spec = dict[str, Any]
_TEXT: Final[Spec] = {"type": "string"}
_HEADERS: Final[dict[str, Spec]] = {
    "X-Request-ID": {"description": "Names this request in HIL's log.", "schema": _TEXT},
    "ETag": {"description": "The version of the object, for If-Match.", "schema": _TEXT},
    "Location": {"description": "Where the object or the operation is.", "schema": _TEXT},
    "Idempotency-Replayed": {"description": "The request had been done before.", "schema": {"const": "true"}},
    "WWW-Authenticate": {"description": "How to log in.", "schema": _TEXT},
    "Retry-After": {"description": "Seconds until another try makes sense.", "schema": {"type": "string"}},
}
_WORDS: Final = {
    400: "Malformed, or a value in it cannot be meant.",
    401: "No credentials, or none that are accepted.",
    403: "The caller may not do this.",
    404: "There is no such object, or none that the caller may know of.",
    409: "The state of the world does not allow it.",
    412: "The object has changed since If-Match was read.",
    413: "The body is too large.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many failed log-ins.",
    502: "The node's controller, or its OBMd, did not do it.",
    503: "A part of HIL does not answer.",
}
_NAMES: Final = {
    400: "Malformed",
    401: "Unauthenticated",
    403: "Denied",
    404: "NotFound",
    409: "Conflict",
    412: "PreconditionFailed",
    413: "TooLarge",
    422: "IdempotencyMismatch",
    429: "RateLimited",
    502: "DeviceFailed",
    503: "Unavailable",
}
_TAGGED: Final = frozenset({"Project", "NodeDetail", "Network", "Switch", "User"})


def attach(app: FastAPI) -> None:
    """Make `app.openapi()` answer the whole document, computed once."""

    def whole() -> Spec:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]  # the framework's documented way to extend the document


def document(app: FastAPI) -> Spec:
    found = get_openapi(
        title="HIL", version=__version__, openapi_version="3.1.0", description=DESCRIPTION, routes=app.routes
    )
    schemas = found["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for model in (Problem, PowerResult, PowerSummary):
        shape = TypeAdapter(model).json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(shape.pop("$defs", {}))
        schemas[model.__name__] = shape
    found["components"]["headers"] = _HEADERS
    found["components"]["securitySchemes"] = {
        "password": {"type": "http", "scheme": "basic"},
        "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
    }
    found["components"]["schemas"] = dict(sorted(schemas.items()))
    found["components"]["responses"] = {_NAMES[status]: _problem(status) for status in _WORDS}
    for path, method, operation in operations(found):
        _complete(path, method, operation)
    return found


def operations(found: Spec) -> Iterator[tuple[str, str, Spec]]:
    """Every operation of a document with its path and method."""
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _complete(path: str, method: str, operation: Spec) -> None:
    responses: dict[str, Spec] = operation["responses"]
    responses.pop("422", None)
    public = path == "/v1"
    operation["security"] = [] if public else [{"password": []}, {"key": []}]
    headers = {parameter["name"] for parameter in operation.get("parameters", ())}
    if "wait" in headers and method == "post":
        responses["200"] = {"description": "It has ended.", "content": responses["202"]["content"]}
    for status, response in list(responses.items()):
        response["headers"] = {
            name: _ref(name) for name in _success_headers(status, response, headers, operation["tags"])
        }
    for code in sorted(_errors(path, method, operation, headers)):
        responses[str(code)] = {"$ref": f"#/components/responses/{_NAMES[code]}"}


def _success_headers(status: str, response: Spec, parameters: set[str], tags: list[str]) -> list[str]:
    found = ["X-Request-ID"]
    content = response.get("content", {}).get("application/json", {}).get("schema", {})
    if str(content.get("$ref", "")).rpartition("/")[2] in _TAGGED:
        found.append("ETag")
    if status in {"201", "202"} and "power" not in tags:
        found.append("Location")
    if "Idempotency-Key" in parameters:
        found.append("Idempotency-Replayed")
    return found


def _errors(path: str, method: str, operation: Spec, parameters: set[str]) -> set[int]:
    if path == "/v1":
        return {400}
    found = {400, 401, 403, 429, 503}
    if set(operation["tags"]) & {"obm", "power"}:
        found |= {409, 502}
    if "{" in path or parameters & {"project", "user"}:
        found.add(404)
    if method != "get":
        found |= {404, 409}
    if "requestBody" in operation:
        found.add(413)
    if "If-Match" in parameters:
        found.add(412)
    if "Idempotency-Key" in parameters:
        found |= {413, 422}
    return found


def _problem(status: int) -> Spec:
    names = ["X-Request-ID"]
    names += ["WWW-Authenticate"] if status == 401 else []
    names += ["Retry-After"] if status in {429, 503} else []
    return {
        "description": _WORDS[status],
        "headers": {name: _ref(name) for name in names},
        "content": {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _ref(header: str) -> Spec:
    return {"$ref": f"#/components/headers/{header}"}
