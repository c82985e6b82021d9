"""Faults of an emulated BMC, as data: what goes wrong, where, how often. Nothing here is random.

A fault is armed, waits for `after` chances that fit it, strikes `count` times (None: until cleared) and is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from hil.core.errors import BadArgument

_FOREVER: Final = "forever"


class BmcFaultKind(StrEnum):
    """What can go wrong with a controller or the way to it."""

    UNREACHABLE = "unreachable"
    """Nothing gets through: log-ins fail, and an open session dies at its next request."""
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 the name of a fault
    """The log-in is refused, whatever the password."""
    SLOW = "slow"
    """The request takes `seconds` longer."""
    HANG = "hang"
    """The request is never answered."""
    REFUSE = "refuse"
    """The request is answered with `words`."""
    BUSY = "busy"
    """The request is turned away because somebody else is there."""
    DROP = "drop"
    """The session dies before the request is done."""
    LOSE_REPLY = "lose-reply"
    """The session dies after the request was done, before its answer."""
    LIE = "lie"
    """A change is answered as done and not done; a power state is answered as its opposite."""
    CUT = "cut"
    """A console dies at the next byte that it carries."""


class BmcOp(StrEnum):
    """What a session can ask for: `read` and `write` of anything, or the console."""

    LOGIN = "login"
    READ = "read"
    WRITE = "write"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class BmcFault:
    """One fault. `op` narrows it (None: any); the rest is explained with its kind."""

    kind: BmcFaultKind
    op: BmcOp | None = None
    words: str = "Command not supported in present state"
    seconds: float = 0.0
    after: int = 0
    count: int | None = 1

    def __post_init__(self) -> None:
        if self.after < 0 or self.seconds < 0 or (self.count is not None and self.count < 1):
            raise ValueError("after and seconds are not negative, count is at least 1")


def fault_in(kind: str, settings: Mapping[str, str]) -> BmcFault:
    """Read a fault as it is typed: op, words, seconds, after, count. Raises BadArgument that says what there is.

    >>> fault_in("slow", {"seconds": "2", "count": "forever"}).count is None
    True
    """
    if kind not in list(BmcFaultKind):
        raise BadArgument(f"{kind[:40]!a} is no fault of a controller: use one of {', '.join(BmcFaultKind)}.")
    found: dict[str, Any] = {"kind": BmcFaultKind(kind)}
    for key, value in settings.items():
        if key not in _READERS:
            raise BadArgument(f"{key[:40]!a} is no setting of a fault: use one of {', '.join(_READERS)}.")
        try:
            found[key] = _READERS[key](value)
        except ValueError as error:
            raise BadArgument(f"{key}={value[:40]} cannot be meant.") from error
    try:
        return BmcFault(**found)
    except ValueError as error:
        raise BadArgument(f"No fault can be so: {error}.") from error


def fault_words(fault: BmcFault) -> str:
    """Write a fault as it is typed; what is as usual is left out."""
    usual = BmcFault(kind=fault.kind)
    words = [str(fault.kind)]
    for key in _READERS:
        value = getattr(fault, key)
        if value != getattr(usual, key):
            words.append(f"{key}={_FOREVER if value is None else value}")
    return " ".join(words)


_READERS: Final[Mapping[str, Any]] = {
    "op": BmcOp,
    "words": str,
    "seconds": float,
    "after": int,
    "count": lambda value: None if value == _FOREVER else int(value),
}


class BmcFaults:
    """The faults armed on one controller, oldest first."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def __iter__(self) -> Iterator[BmcFault]:
        return iter([armed.fault for armed in self._armed])

    def add(self, fault: BmcFault) -> None:
        self._armed.append(_Armed(fault, fault.after, fault.count))

    def clear(self, kind: BmcFaultKind | None = None) -> None:
        """Forget every fault, or those of one kind."""
        self._armed = [armed for armed in self._armed if kind is not None and armed.fault.kind is not kind]

    def strike(self, kind: BmcFaultKind, op: BmcOp) -> BmcFault | None:
        """Answer the fault of this kind that strikes now, and count it; None if all goes well."""
        for armed in self._armed:
            if armed.fault.kind is not kind or armed.fault.op not in (None, op):
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

    fault: BmcFault
    wait: int
    left: int | None
