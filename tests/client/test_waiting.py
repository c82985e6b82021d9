"""Waiting for operations."""

from typing import Any

import httpx
import pytest

from hil.client import Operation, OperationFailed, Unreachable, WaitTimeout, operations
from tests.client.script import Played, operation, problem, said

CONNECT = {"node": "n1", "nic": "eth0", "verb": "connect", "channel": "vlan/native", "network": "lab"}


class Clock:
    """A clock that the script moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def later(self, seconds: float, data: Any) -> Any:
        """Answer with data, after so many seconds."""

        def step(_request: httpx.Request) -> httpx.Response:
            self.now += seconds
            return said(data) if isinstance(data, dict) else data

        return step


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(operations, "time", made)
    return made


def begun(played: Played) -> Operation:
    return played.client.networks.connect("n1", "eth0", "lab")


def test_waiting_is_a_long_poll_that_ends_with_the_operation() -> None:
    played = Played(said(operation(), 202), said(operation()), said(operation("DONE")))
    assert begun(played).wait().status == "DONE"
    assert played.asked == ["POST /v1/network-changes", *["GET /v1/operations/op1?wait=25"] * 2]
    limits = [request.extensions["timeout"]["read"] for request in played.script.requests]
    assert limits == [30, 55, 55]


def test_what_is_done_already_is_not_asked_for() -> None:
    played = Played(said(operation("DONE"), 200))
    assert begun(played).wait().status == "DONE"
    assert len(played.asked) == 1


def test_an_operation_that_fails_raises_what_became_of_it() -> None:
    failed = operation("ERROR", reason="the switch said no", actions=[{**CONNECT, "status": "ERROR", "reason": "no"}])
    with pytest.raises(OperationFailed, match="op1 ended in ERROR: the switch said no") as caught:
        begun(Played(said(operation(), 202), said(failed))).wait()
    assert caught.value.operation.actions[0].reason == "no"


def test_patience_ends_and_the_operation_does_not(clock: Clock) -> None:
    played = Played(
        said(operation(), 202), clock.later(25, operation()), clock.later(5, operation(reason="sw1 is away"))
    )
    with pytest.raises(WaitTimeout, match=r"op1 is still pending \(sw1 is away\)") as caught:
        begun(played).wait(timeout=30)
    assert played.asked[1:] == ["GET /v1/operations/op1?wait=25", "GET /v1/operations/op1?wait=5"]
    assert caught.value.operation.pending


def test_progress_is_told_at_each_answer() -> None:
    actions = [{**CONNECT, "status": "PENDING"}, {**CONNECT, "status": "DONE"}]
    half = operation(actions=actions)
    full = operation("DONE", actions=[{**entry, "status": "DONE"} for entry in actions])
    played = Played(said(operation(), 202), said(half), said(full))
    seen: list[tuple[int, str]] = []
    begun(played).wait(progress=lambda now: seen.append((now.finished, now.status)))
    assert seen == [(1, "PENDING"), (2, "DONE")]
    assert played.asked[1] == "GET /v1/operations/op1?wait=1"


def test_a_short_outage_is_waited_out(clock: Clock) -> None:
    refused = httpx.ConnectError("refused")
    busy = problem(503, "unavailable")
    played = Played(said(operation(), 202), *[refused] * 5, clock.later(60, busy), *[busy] * 4, said(operation("DONE")))
    assert begun(played).wait().status == "DONE"


def test_an_outage_without_end_is_told(clock: Clock) -> None:
    def refused(_request: httpx.Request) -> httpx.Response:
        clock.now += 10
        raise httpx.ConnectError("refused")

    with pytest.raises(Unreachable):
        begun(Played(said(operation(), 202), refused, forever=True)).wait()
    assert clock.now >= 1000 + operations.SILENCE


def test_an_outage_is_not_waited_out_longer_than_was_asked_for(clock: Clock) -> None:
    def refused(_request: httpx.Request) -> httpx.Response:
        clock.now += 10
        raise httpx.ConnectError("refused")

    with pytest.raises(Unreachable):
        begun(Played(said(operation(), 202), refused, forever=True)).wait(timeout=15)
    assert clock.now <= 1000 + 15 + 40


def test_operations_are_listed_shown_and_cancelled() -> None:
    page = {"items": [operation(), operation("DONE", "op2")], "next": None}
    cancelled = operation("ERROR", reason="Cancelled by alice.")
    played = Played(said(page), said(operation()), said(cancelled))
    first, second = played.client.operations.list()
    assert (first.pending, second.pending) == (True, False)
    assert first.refresh().pending
    assert first.cancel().reason == "Cancelled by alice."
    assert played.asked == ["GET /v1/operations?limit=500", "GET /v1/operations/op1", "POST /v1/operations/op1/cancel"]
