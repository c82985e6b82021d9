"""How often one may guess: token buckets over failed log-ins, and a bound on hashes computed at once.

Everything lives in this process and is bounded; several API processes each allow the same, and a restart forgets. A
failure costs a token of the pair (user, remote) and one of the remote. A success gives back what it took and nothing
more, so a right password never resets what wrong ones cost. There is no limit per user over all remotes: it would let
anybody lock anybody out.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from hil.core.errors import RateLimited, Unauthenticated

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` tries at once, then one every `pause` seconds."""

    burst: int
    pause: float


class Buckets:
    """One token bucket per key; a key that is not in the table has a full one. The oldest give way when it is full."""

    def __init__(self, rate: Rate, *, most: int = 10_000, clock: Clock = time.monotonic) -> None:
        self._rate, self._most, self._clock = rate, most, clock
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, key: Hashable) -> float:
        """Seconds until a try is allowed; 0.0 if one is allowed now."""
        if not self._levels:
            return 0.0
        with self._lock:
            return self._missing(self._level(key))

    def take(self, key: Hashable) -> float:
        """Take a token; answers 0.0, or the seconds to wait if there was none to take."""
        with self._lock:
            level = self._level(key)
            missing = self._missing(level)
            if not missing:
                self._set(key, level - 1.0)
            return missing

    def give_back(self, key: Hashable) -> None:
        with self._lock:
            self._set(key, self._level(key) + 1.0)

    def _level(self, key: Hashable) -> float:
        level, at = self._levels.get(key, (float(self._rate.burst), 0.0))
        return min(self._rate.burst, level + (self._clock() - at) / self._rate.pause)

    def _missing(self, level: float) -> float:
        return 0.0 if level >= 1.0 else (1.0 - level) * self._rate.pause

    def _set(self, key: Hashable, level: float) -> None:
        if level >= self._rate.burst:
            self._levels.pop(key, None)
            return
        self._levels[key] = (level, self._clock())
        self._levels.move_to_end(key)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)


class Throttle:
    """Both limits together. Names are those that were given, whether there is such a user or not."""

    def __init__(self, per_user: Rate, per_remote: Rate, *, clock: Clock = time.monotonic) -> None:
        self._pairs = Buckets(per_user, clock=clock)
        self._remotes = Buckets(per_remote, clock=clock)

    def check(self, name: str, remote: str) -> None:
        """Raise RateLimited if this pair has no try left. Asked before anything else, so that nothing can be learnt."""
        _refuse(self._pairs.wait((name, source(remote))))

    @contextmanager
    def attempt(self, name: str, remote: str) -> Iterator[None]:
        """Pay for one guess before it is judged; unless the block raises Unauthenticated, the payment is given back.

        The pair pays even if the remote is the one that has run out: else a remote could go on guessing and
        recognise the right password, which may be in the cache, by its success.
        """
        place = source(remote)
        _refuse(self._pairs.take((name, place)))
        _refuse(self._remotes.take(place))
        wrong = False
        try:
            yield
        except Unauthenticated:
            wrong = True
            raise
        finally:
            if not wrong:
                self._pairs.give_back((name, place))
                self._remotes.give_back(place)


class Gate:
    """At most `slots` hashes at once; `queue` more callers wait up to `patience` seconds, the rest are sent away."""

    def __init__(self, slots: int, queue: int, *, patience: float = 10.0) -> None:
        self._free = threading.BoundedSemaphore(slots)
        self._queue, self._patience = slots + queue, patience
        self._inside = 0
        self._lock = threading.Lock()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one slot. Raises RateLimited if none can be had."""
        with self._lock:
            if self._inside >= self._queue:
                _refuse(1.0, "log-ins at once")
            self._inside += 1
        try:
            if not self._free.acquire(timeout=self._patience):
                _refuse(1.0, "log-ins at once")
            try:
                yield
            finally:
                self._free.release()
        finally:
            with self._lock:
                self._inside -= 1


def _refuse(wait: float, what: str = "failed log-ins") -> None:
    if wait > 0.0:
        seconds = math.ceil(wait)
        raise RateLimited(f"Too many {what}: try again in {seconds} s.", retry_after=float(seconds))


@lru_cache(maxsize=4096)
def source(remote: str) -> str:
    """What counts as one remote: an IPv4 address, or the /64 that one IPv6 host usually has for itself."""
    try:
        parsed = ipaddress.ip_address(remote)
    except ValueError:
        return remote
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed.packed[:8] + bytes(8), 64)))
