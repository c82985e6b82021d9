"""Faults of an emulated switch, as data: what goes wrong, where, how often.

A fault is armed, waits for `after` chances that fit it, strikes `count` times (None: until cleared) and is
gone. Nothing here is random: whoever wants chance draws it outside and stays able to replay it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What can go wrong with a switch or the way to it."""

    UNREACHABLE = "unreachable"
    """Nothing gets through: log-ins fail, and an open session dies at its next request."""
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 the name of a fault
    """The log-in is refused, whatever the password."""
    SLOW = "slow"
    """Every operation takes `seconds` longer."""
    BUSY = "busy"
    """Another session holds the configuration: a write or save is turned away, nothing is changed."""
    REFUSE = "refuse"
    """A write of the port is answered with `words`."""
    LIE = "lie"
    """A write of the port is answered as done and not done."""
    LOSE_REQUEST = "lose-request"
    """The session dies before the operation is done."""
    LOSE_REPLY = "lose-reply"
    """The session dies after the operation was done, before its answer."""
    HALF = "half"
    """The session dies inside the write of a port: it was narrowed, and not yet widened."""
    FAIL_SAVE = "fail-save"
    """Saving is refused with `words`."""


class Op(StrEnum):
    """What a session can ask for."""

    LOGIN = "login"
    READ = "read"
    WRITE = "write"
    SAVE = "save"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. `port` and `op` narrow it (None: any); the rest is explained with its kind."""

    kind: FaultKind
    port: str | None = None
    op: Op | None = None
    words: str = "% Operation not permitted"
    seconds: float = 0.0
    after: int = 0
    count: int | None = 1

    def __post_init__(self) -> None:
        if self.after < 0 or self.seconds < 0 or (self.count is not None and self.count < 1):
            raise ValueError("after and seconds are not negative, count is at least 1")

    def fits(self, op: Op, port: str | None) -> bool:
        return self.op in (None, op) and self.port in (None, port)


class Faults:
    """The faults armed on one switch, oldest first."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def __bool__(self) -> bool:
        return bool(self._armed)

    def __iter__(self) -> Iterator[Fault]:
        return iter([armed.fault for armed in self._armed])

    def add(self, fault: Fault) -> None:
        self._armed.append(_Armed(fault, fault.after, fault.count))

    def clear(self, kind: FaultKind | None = None) -> None:
        """Forget every fault, or those of one kind."""
        self._armed = [armed for armed in self._armed if kind is not None and armed.fault.kind is not kind]

    def strike(self, kind: FaultKind, op: Op, port: str | None = None) -> Fault | None:
        """Answer the fault of this kind that strikes now, and count it; None if all goes well."""
        for armed in self._armed:
            if armed.fault.kind is not kind or not armed.fault.fits(op, port):
                continue
            if armed.wait:
                armed.wait -= 1
                continue
            if armed.left is not None:
                armed.left -= 1
                if not armed.left:
                    self._armed.remove(armed)
            return armed.fault
        return None


@dataclass(slots=True, eq=False)
class _Armed:
    """A fault and what is left of it; two equal faults stay two."""

    fault: Fault
    wait: int
    left: int | None
