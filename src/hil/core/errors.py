"""Every way in which HIL says no, as one tree.

A class carries its HTTP status, a stable `type` for programs and whether trying again can help. `message` is for the
caller and says what to do next; `detail` is for the operator's log and never leaves the process. Nothing else may be
raised on purpose: foreign exceptions are mapped once, where they enter (`hil.drivers.transport`, `hil.store`).
"""

from __future__ import annotations


class HilError(Exception):
    """The root; never raised itself."""

    status: int = 500
    type: str = "internal"
    retry: bool = False

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class ValidationError(HilError):
    """The request is malformed: unknown field, wrong type, not JSON."""

    status, type = 400, "validation"


class BadArgument(HilError):
    """The request is well formed, but a value in it cannot be meant."""

    status, type = 400, "bad-argument"


class Unauthenticated(HilError):
    """No credentials, or none that HIL accepts. Says no more than that."""

    status, type = 401, "unauthenticated"


class Denied(HilError):
    """The caller may know of the object, but may not do this to it."""

    status, type = 403, "denied"


class NotFound(HilError):
    """No such object, or none that the caller may know of: the two read the same."""

    status, type = 404, "not-found"


class Conflict(HilError):
    """The request is fine and the state of the world is not; a later try may pass."""

    status, type = 409, "conflict"


class Duplicate(Conflict):
    """The name, address or wiring is taken."""

    type = "duplicate"


class Blocked(Conflict):
    """Something still uses, holds or protects the object."""

    type = "blocked"


class Pending(Blocked):
    """Network actions on the object have not finished; wait for them."""

    type = "pending"


class ProjectMismatch(Conflict):
    """The project has no access to the network, or the node belongs to no project."""

    type = "project-mismatch"


class IllegalState(Conflict):
    """The object's life does not allow this now."""

    type = "illegal-state"


class QuotaExceeded(Conflict):
    """The project would hold more than its quota."""

    type = "quota-exceeded"


class Exhausted(Conflict):
    """Nothing is left to hand out: no free node matches, no VLAN id is free."""

    type, retry = "exhausted", True


class PreconditionFailed(HilError):
    """If-Match names a version that is not the present one: read again, then decide again."""

    status, type = 412, "precondition-failed"


class IdempotencyMismatch(HilError):
    """The Idempotency-Key was used before, for another request."""

    status, type = 422, "idempotency-mismatch"


class RateLimited(HilError):
    """Too many failures from this source; `retry_after` is in seconds."""

    status, type, retry = 429, "rate-limited", True

    def __init__(self, message: str, *, retry_after: float, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.retry_after = retry_after


class Unavailable(HilError):
    """A part of HIL (its database, a signer) does not answer."""

    status, type, retry = 503, "unavailable", True


class DeviceError(HilError):
    """A switch or BMC did not do what it was asked. Never an answer to a request: workers settle it."""

    status, type = 502, "device"


class Unreachable(DeviceError):
    """No session could be had; nothing was sent. Try again later."""

    type, retry = "device-unreachable", True


class LoginRefused(DeviceError):
    """The device answered and refused the credentials. Try again slowly: never lock an account out."""

    type, retry = "device-login-refused", True


class IdentityChanged(DeviceError):
    """The device proves another identity (host key, certificate) than the one registered."""

    type = "device-identity-changed"


class DeviceBusy(DeviceError):
    """Another session holds the device's configuration. Nothing was changed; try again."""

    type, retry = "device-busy", True


class Refused(DeviceError):
    """The device understood and said no; the message holds its own words."""

    type = "device-refused"


class LostReply(DeviceError):
    """The session died after something was sent: the state is unknown until read again."""

    type, retry = "device-lost-reply", True


class LeaseLost(DeviceError):
    """This worker no longer owns the lane: it must write nothing more."""

    type = "lease-lost"
