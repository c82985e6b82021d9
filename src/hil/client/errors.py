"""Everything that a client can raise, as one tree.

A `Refusal` is an answer of HIL, made from its problem document (RFC 9457); its class follows the HTTP status, and
`type` tells the cases of one class apart (`duplicate`, `pending`, …). The others mean that no such answer was had.
`message` says what happened, `hint` what to do next. No error holds a credential.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hil.client.operations import Operation

HINTS = {
    "unauthenticated": "check HIL_TOKEN, or HIL_USERNAME and HIL_PASSWORD, or log in again",
    "denied": "ask a manager of the project, or an operator",
    "not-found": "names are case-sensitive, and what you may not see looks the same",
    "pending": "wait for the pending operations and try again",
    "precondition-failed": "somebody changed it meanwhile: read it again",
    "exhausted": "ask for less, or wait until something is released",
    "quota-exceeded": "release something, or ask an operator for a larger quota",
    "rate-limited": "too many failed attempts: wait before the next one",
    "unavailable": "a part of HIL does not answer: try again later",
    "internal": "tell an operator the request id",
}
"""What to do about an error of a type, where the server's own words do not say it."""


class HilClientError(Exception):
    """The root; never raised itself."""

    hint = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.hint


class SettingsError(HilClientError):
    """The endpoint, a credential, a profile or a file named in them cannot be used. Nothing was sent."""


class Unreachable(HilClientError):
    """No answer, after as many tries as were safe. `sent`: the last try may have arrived."""

    hint = "is the address right, and is HIL running?"

    def __init__(self, message: str, *, hint: str = "", sent: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.sent = sent


class UnexpectedAnswer(HilClientError):
    """Something answered, but not as HIL does."""

    hint = "is the endpoint HIL's?"


class OperationFailed(HilClientError):
    """An operation ended in ERROR; `operation` says what became of each of its actions."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(f"operation {operation.id} ended in ERROR: {operation.reason or 'no reason given'}")
        self.operation = operation


class WaitTimeout(HilClientError):
    """An operation was still pending when the caller's patience ended. It goes on."""

    hint = "it goes on: wait again, or cancel it"

    def __init__(self, operation: Operation) -> None:
        waits = f" ({operation.reason})" if operation.reason else ""
        super().__init__(f"operation {operation.id} is still pending{waits}")
        self.operation = operation


class PowerTimeout(HilClientError):
    """A machine was not on, or off, when the caller's patience ended."""

    hint = "look at its console, or at its event log"


class ConsoleClosed(HilClientError):
    """A console has ended; the message says why. `type` is HIL's word for it, empty if the connection was lost."""

    def __init__(self, message: str, *, type: str = "") -> None:
        super().__init__(message, hint="open it again" if not type else "")
        self.type = type


class Refusal(HilClientError):
    """HIL answered, and the answer is no.

    `status` is the HTTP status, `type` HIL's stable word for the case, `retry` whether trying again can help,
    `errors` the faults of a malformed request, `retry_after` the seconds to wait where HIL says so.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: str = "",
        request_id: str = "",
        retry: bool = False,
        errors: tuple[Mapping[str, Any], ...] = (),
        retry_after: float | None = None,
    ) -> None:
        hint = HINTS.get(type, "")
        super().__init__(message, hint=f"{hint} ({request_id})" if type == "internal" and request_id else hint)
        self.status = status
        self.type = type
        self.request_id = request_id
        self.retry = retry
        self.errors = errors
        self.retry_after = retry_after


class BadRequest(Refusal):
    """The request, or a value in it, cannot be meant (400, 413, 422)."""


class Unauthenticated(Refusal):
    """No credentials, or none that HIL accepts (401)."""


class Denied(Refusal):
    """The caller may know of the object, but may not do this to it (403)."""


class NotFound(Refusal):
    """No such object, or none that the caller may know of (404)."""


class Conflict(Refusal):
    """The state of the world does not allow it now (409); `type` says in which way."""


class PreconditionFailed(Refusal):
    """The object has another version than the one in `if_match` (412)."""


class RateLimited(Refusal):
    """Too many failures from here (429); `retry_after` is in seconds."""


class Unavailable(Refusal):
    """A part of HIL does not answer (502, 503, 504)."""


class ServerError(Refusal):
    """A fault of HIL's own (any other 5xx)."""


BY_STATUS: dict[int, type[Refusal]] = {
    400: BadRequest,
    401: Unauthenticated,
    403: Denied,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    413: BadRequest,
    422: BadRequest,
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def refusal(status: int, problem: Mapping[str, Any], request_id: str, retry_after: float | None) -> Refusal:
    """Make the error for a problem document. Its `type` may be a path or a URN; the last word counts."""
    kind = str(problem.get("type", "")).replace(":", "/").rsplit("/", 1)[-1]
    errors = tuple(entry for entry in problem.get("errors") or () if isinstance(entry, Mapping))
    said = str(problem.get("detail") or problem.get("title") or f"HTTP {status}").rstrip(".")
    faults = [fault for fault in map(_fault, errors) if fault not in said]
    return BY_STATUS.get(status, ServerError if status >= 500 else Refusal)(
        "; ".join([said, *faults]),
        status=status,
        type="" if kind in ("blank", "about") else kind,
        request_id=request_id,
        retry=problem.get("retry") is True,
        errors=errors,
        retry_after=retry_after,
    )


def _fault(entry: Mapping[str, Any]) -> str:
    place = entry.get("loc", "")
    words = place if isinstance(place, str) else ".".join(str(part) for part in place)
    return f"{words}: {entry.get('msg', '')}"
