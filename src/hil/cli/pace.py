"""The time between pieces of a recording, as it was, faster, or with long silences cut. Pure but for its clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator


def paced(
    heard: Iterable[tuple[float, str]],
    *,
    speed: float = 1.0,
    longest: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[str]:
    """Yield each piece when it is due. `longest`: seconds of silence at most, before `speed` shortens them."""
    begun = clock()
    due, before = 0.0, None
    for at, text in heard:
        silence = 0.0 if before is None else max(0.0, at - before)
        due += min(silence, silence if longest is None else longest) / speed
        before = at
        if (left := begun + due - clock()) > 0:
            sleep(left)
        yield text
