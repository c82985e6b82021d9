"""Our errors in the words of HIL's original API: a status and the name of the class that its clients know.

The original said 401 both for "who are you" and for "you may not", and knew no 403. It answered 500 when its OBMd
failed; so do we, but always with a JSON body that names the cause. What nobody raised on purpose says nothing but that
it happened.
"""

from __future__ import annotations

from typing import Final

from hil.core import errors
from hil.core.errors import HilError


class TooLong(errors.ValidationError):
    """The request body is longer than is read."""


class NoSuchCall(errors.NotFound):
    """There is no such path."""


class MethodNotAllowed(HilError):
    """The path exists, the method does not."""

    def __init__(self, allowed: str) -> None:
        super().__init__(f"This path knows {allowed}.")
        self.allowed = allowed


class IllegalState(errors.IllegalState):
    """An IllegalState where the original knew that word, too; elsewhere it said BlockedError."""


class Settling(errors.Pending):
    """A port was wired a moment ago and is being closed and read back: wait a little, then try again.

    The original never touched a port that it was only told of, so its clients do not expect to wait.
    """


NAMES: Final[dict[type[HilError], tuple[int, str]]] = {
    HilError: (500, "InternalError"),
    errors.ValidationError: (400, "ValidationError"),
    TooLong: (413, "ValidationError"),
    errors.BadArgument: (400, "BadArgumentError"),
    errors.Unauthenticated: (401, "AuthorizationError"),
    errors.Denied: (401, "AuthorizationError"),
    errors.NotFound: (404, "NotFoundError"),
    MethodNotAllowed: (405, "MethodNotAllowedError"),
    errors.Conflict: (409, "BlockedError"),
    errors.Duplicate: (409, "DuplicateError"),
    errors.ProjectMismatch: (409, "ProjectMismatchError"),
    IllegalState: (409, "IllegalStateError"),
    errors.Exhausted: (409, "AllocationError"),
    errors.PreconditionFailed: (409, "BlockedError"),
    errors.IdempotencyMismatch: (409, "BlockedError"),
    errors.RateLimited: (429, "RateLimitedError"),
    errors.Unavailable: (503, "UnavailableError"),
    errors.DeviceError: (500, "OBMError"),
}
"""A class without a line of its own goes by the nearest above it."""


def named(error: HilError) -> tuple[int, str]:
    """Status and class name for an error."""
    return next(NAMES[kind] for kind in type(error).__mro__ if kind in NAMES)
