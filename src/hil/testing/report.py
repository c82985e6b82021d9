"""How every conformance check works: promises are tried one by one, and the first that is broken ends it.

A promise is a function whose docstring says what is promised. It returns if it was kept, raises NotTried if what it
needs was not given, and whatever else it raises has broken it. What was not tried is never called kept.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

C = TypeVar("C")
T = TypeVar("T")
Promises = Sequence[Callable[[C], Awaitable[None]]]


class Broken(AssertionError):
    """A promise was not kept; the message says how."""


class NotTried(Exception):
    """A promise could not be tried with what the caller gave."""


class ConformanceError(AssertionError):
    """A driver breaks a promise: `promise` is its name, the message holds what was promised and what was seen."""

    def __init__(self, promise: str, promised: str, seen: str) -> None:
        super().__init__(f"{promise}: {promised}\nBut: {seen}")
        self.promise, self.promised, self.seen = promise, promised, seen


@dataclass(slots=True)
class Report:
    """The promises that were kept, and why the others were not tried."""

    kept: list[str] = field(default_factory=list)
    not_tried: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join(
            [f"kept       {name}" for name in self.kept]
            + [f"not tried  {name}: {reason}" for name, reason in self.not_tried.items()]
        )


def broken(words: str) -> NoReturn:
    raise Broken(words)


def given(found: T | None, reason: str) -> T:
    """What a promise needs. Raises NotTried."""
    if found is None:
        raise NotTried(reason)
    return found


def known(promises: Promises[C], only: Collection[str] | None) -> None:
    """Raise ValueError if `only` names what is no promise."""
    if unknown := set(only or ()) - {promise.__name__ for promise in promises}:
        raise ValueError(f"there is no promise {', '.join(sorted(unknown))}")


async def try_all(promises: Promises[C], case: C, only: Collection[str] | None, seconds: float | None = None) -> Report:
    """Try these promises (or `only` some), each for so many seconds at the most. Raises ConformanceError."""
    report = Report()
    for promise in promises:
        name = promise.__name__
        if only is not None and name not in only:
            continue
        try:
            async with asyncio.timeout(seconds):
                await promise(case)
        except NotTried as reason:
            report.not_tried[name] = str(reason)
        except Exception as error:
            seen = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            raise ConformanceError(name, inspect.getdoc(promise) or "", seen) from error
        else:
            report.kept.append(name)
    return report
