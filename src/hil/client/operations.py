"""Operations: what became of an accepted change, and waiting for it without asking all the time.

HIL accepts a change at once and makes it true later, when the switch was read back. Until then its operation is
`PENDING`; it ends `DONE` or `ERROR`. Waiting is a long poll: the server holds the answer back until there is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from hil.client.connection import Answer, Connection, path
from hil.client.decode import Shape
from hil.client.errors import OperationFailed, Unavailable, UnexpectedAnswer, Unreachable, WaitTimeout
from hil.client.pages import pages

Progress = Callable[["Operation"], None]
POLL = 25.0
"""Seconds of one long poll; with somebody watching the progress, `GLANCE`."""
GLANCE = 1.0
SILENCE = 120.0
"""Seconds that HIL may be out of reach (while it is restarted) before a wait gives up."""


@dataclass(frozen=True, kw_only=True)
class Action(Shape):
    """One thing that an operation does to one NIC. `switch` and `port` are told to operators only."""

    node: str
    nic: str
    verb: str
    channel: str = ""
    network: str | None = None
    status: str
    reason: str = ""
    switch: str | None = None
    port: str | None = None


@dataclass(frozen=True, kw_only=True)
class Operation(Shape):
    """An accepted change. `reason` says why it waits or failed."""

    id: str
    kind: str
    status: str
    reason: str = ""
    node: str = ""
    actor: str = ""
    created_at: datetime | None = None
    deadline: datetime | None = None
    project: str | None = None
    actions: tuple[Action, ...] = ()
    _from: Connection | None = field(default=None, repr=False, compare=False)

    @property
    def pending(self) -> bool:
        return self.status == "PENDING"

    @property
    def finished(self) -> int:
        """How many of its actions are no longer pending."""
        return sum(action.status != "PENDING" for action in self.actions)

    def refresh(self, wait: float = 0.0) -> Operation:
        """Ask for it again; the server may hold the answer back for `wait` seconds, until it is no longer pending."""
        if self._from is None:
            raise UnexpectedAnswer("this operation came from no client")
        return Operations(self._from).get(self.id, wait=wait)

    def wait(self, timeout: float | None = None, progress: Progress | None = None) -> Operation:
        """Wait until it is done, and answer it as it then is.

        `progress` is called with each answer. Raises OperationFailed if it ends in ERROR, WaitTimeout if it is pending
        after `timeout` seconds (None: never). Short outages of HIL are waited out.
        """
        end = None if timeout is None else time.monotonic() + timeout
        operation = self
        while operation.pending:
            left = SILENCE if end is None else end - time.monotonic()
            if left <= 0:
                raise WaitTimeout(operation)
            operation = operation._again(min(left, POLL if progress is None else GLANCE), min(left, SILENCE))
            if progress is not None:
                progress(operation)
        return operation.check()

    def check(self) -> Operation:
        """Raise OperationFailed if it ended in ERROR."""
        if self.status == "ERROR":
            raise OperationFailed(self)
        return self

    def cancel(self) -> Operation:
        """Withdraw its pending connects. Detaching is never undone. Raises Conflict if nothing can be cancelled."""
        if self._from is None:
            raise UnexpectedAnswer("this operation came from no client")
        return Operations(self._from).cancel(self.id)

    def _again(self, seconds: float, patience: float) -> Operation:
        end = time.monotonic() + patience
        while True:
            try:
                return self.refresh(wait=seconds)
            except (Unreachable, Unavailable):
                if self._from is None or time.monotonic() >= end:
                    raise
                self._from.sleep(1.0)


def operation_of(connection: Connection, answer: Answer) -> Operation:
    """Read an operation from an answer, so that it can be waited for."""
    data = answer.data if isinstance(answer.data, dict) else {}
    return _bound(connection, Operation.of(data, answer.etag))


def _bound(connection: Connection, operation: Operation) -> Operation:
    object.__setattr__(operation, "_from", connection)  # frozen for callers; we made it a moment ago
    return operation


class Operations:
    """`client.operations`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Iterator[Operation]:
        """Those of one's projects (operators: all), newest first."""
        for operation in pages(self._connection, "/operations", Operation):
            yield _bound(self._connection, operation)

    def get(self, id: str, *, wait: float = 0.0) -> Operation:
        """One operation; with `wait`, when it is no longer pending or after so many seconds (60 at most)."""
        params = {"wait": f"{min(wait, 60.0):g}"} if wait else {}
        answer = self._connection.call("GET", path("operations", id), params=params, wait=wait)
        return operation_of(self._connection, answer)

    def cancel(self, id: str) -> Operation:
        """Withdraw the pending connects of one. Raises Conflict if nothing can be cancelled."""
        answer = self._connection.call("POST", path("operations", id) + "/cancel")
        return operation_of(self._connection, answer)
