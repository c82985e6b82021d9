"""Verify a password without paying for the hash on each request, and without telling more than right or wrong.

Verified credentials are remembered in a bounded table, under an HMAC with a key of this process over user id, name,
stored hash and password: neither a password nor anything that could be compared outside the process is kept, and as
the stored hash is read afresh for each request, an entry dies with the hash it was made for.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future


class Verifier:
    """Remember what was right; compute the rest, the same credentials once at a time."""

    def __init__(self, size: int) -> None:
        self._key = secrets.token_bytes(32)
        self._size = size
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._running: dict[bytes, Future[None]] = {}
        self._lock = threading.Lock()

    def digest(self, user_id: int, name: str, stored: str, password: str) -> bytes:
        """Name these credentials. `name` and `stored` hold no NUL, so no two credentials share a name."""
        text = f"{user_id}\0{name}\0{stored}\0{password}"
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256")

    def remembers(self, digest: bytes) -> bool:
        with self._lock:
            if digest not in self._right:
                return False
            self._right.move_to_end(digest)
            return True

    def remember(self, digest: bytes) -> None:
        with self._lock:
            self._right[digest] = None
            if len(self._right) > self._size:
                self._right.popitem(last=False)

    def once(self, digest: bytes, work: Callable[[], None]) -> None:
        """Run `work`, or wait for the same work that runs already; either way its exception is ours."""
        mine: Future[None] = Future()
        with self._lock:
            running = self._running.setdefault(digest, mine)
        if running is not mine:
            running.result()
            return
        try:
            work()
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(None)
        finally:
            with self._lock:
                del self._running[digest]
