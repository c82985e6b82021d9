"""Stories: lines of requests with what must come back, told in order to one world.

A line is who, what, body, answer. An answer is `OK` (200, empty body), `QUEUED` (202 and a status id), an error such as
`409 BlockedError`, or the JSON value of a 200, compared whole: the original's clients compare whole objects, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tests.api_v0.world import Answer, Body, World

OK, QUEUED = "ok", "queued"
Line = tuple[str | None, str, Body, Any]
_ERROR = re.compile(r"[45]\d\d [A-Za-z]+Error")
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def tell(world: World, story: Sequence[Line]) -> None:
    for who, what, body, expected in story:
        method, _, path = what.partition(" ")
        check(world.api.send(method, path, body, who), expected, f"{who}: {what} {body!r}")


def check(answer: Answer, expected: Any, what: str) -> None:
    if expected == OK:
        assert (answer.status, answer.body) == (200, b""), what
    elif expected == QUEUED:
        assert answer.status == 202, (what, answer)
        assert is_queued(answer), what
    elif isinstance(expected, str) and _ERROR.fullmatch(expected):
        assert answer.short == expected, (what, answer)
        assert is_error(answer), what
    else:
        assert (answer.status, answer.json) == (200, expected), what


def is_queued(answer: Answer) -> bool:
    return set(answer.json) == {"status_id"} and _UUID4.fullmatch(answer.json["status_id"]) is not None


def is_error(answer: Answer) -> bool:
    """Both keys and no other, as text, whatever went wrong."""
    shape = {"type": str, "msg": str}
    return (
        answer.headers["content-type"] == "application/json"
        and {key: type(value) for key, value in answer.json.items()} == shape
        and "Traceback" not in answer.json["msg"]
    )
