"""Bytes in, plain values out: paths, queries and bodies as HIL's original API read them.

A body is JSON whatever its Content-Type says: the original client sends none, and `curl -d` claims a form. Paths are
taken apart before they are decoded, so that `%2F` is part of a label and never ends one. Nothing is guessed: what
cannot be read is a ValidationError.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from starlette.types import Receive, Scope

from hil.api.v0.failures import TooLong
from hil.core.errors import ValidationError

LONGEST: Final = 1 << 20
"""Bytes of the longest body that is read."""
DEEPEST: Final = 64
"""Levels of nesting in a body; deeper JSON is made to break parsers, not to be stored."""


def segments(scope: Scope) -> list[str]:
    """The path below the application's root, cut at its raw slashes and then decoded.

    Bytes that are no UTF-8 stay recognisable as lone surrogates; `shapes.sendable` finds them.
    """
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    found = [unquote_to_bytes(part).decode("utf-8", "surrogateescape") for part in raw.split(b"/")[1:]]
    root = [part for part in scope.get("root_path", "").split("/") if part]
    return found[len(root) :] if root and found[: len(root)] == root else found


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises TooLong, ConnectionError if the caller has gone."""
    parts: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the caller hung up")
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > LONGEST:
            raise TooLong(f"A request body has at most {LONGEST} bytes.")
        if not message.get("more_body", False):
            return b"".join(parts)


def parse_body(raw: bytes) -> dict[str, Any]:
    """A JSON object; an empty body is an empty one."""
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_float)
    except RecursionError:
        raise ValidationError("The request body is nested too deeply.") from None
    except ValueError as error:
        raise ValidationError(f"The request body is not JSON: {str(error)[:200]!a}.") from None
    if not isinstance(value, dict):
        raise ValidationError("The request body must be a JSON object.")
    _check_depth(value)
    return value


def parse_query(raw: bytes, known: Iterable[str]) -> dict[str, str]:
    """The arguments of a GET, each at most once, none empty, none unknown."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise ValidationError("The query string is not URL-encoded UTF-8.") from None
    found: dict[str, str] = {}
    for key, value in pairs:
        if key not in known:
            raise ValidationError(f"There is no argument {key[:64]!a} here.")
        if not value or key in found or "\0" in value:
            raise ValidationError(f"The argument {key} must be given once, with a value.")
        found[key] = value
    return found


def dump(value: Any) -> bytes:
    """JSON in ASCII, as the original wrote it."""
    return json.dumps(value).encode()


def headers_of(scope: Scope) -> Mapping[str, str]:
    """Header fields by lower-case name; of a repeated one the first counts."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reversed(scope["headers"])}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValidationError(f"The request body is nested more than {DEEPEST} levels deep.")
