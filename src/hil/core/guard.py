"""No device inside a transaction: the rule, made to raise.

A unit of work enters `transaction()`; whatever speaks to a device calls `device()` first. A database transaction that
waits for a switch would hold row locks for minutes and, on SQLite, stop the whole service.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_open: ContextVar[bool] = ContextVar("hil_transaction_open", default=False)


class DeviceInTransaction(RuntimeError):
    """A programming error: a device was spoken to while a database transaction was open."""


@contextmanager
def transaction() -> Iterator[None]:
    """Mark this thread or task as holding a transaction."""
    token = _open.set(True)
    try:
        yield
    finally:
        _open.reset(token)


def device() -> None:
    """Raise DeviceInTransaction if a transaction is open here."""
    if _open.get():
        raise DeviceInTransaction("a database transaction is open: commit before speaking to a device")
