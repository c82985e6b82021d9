"""Guessing is slow: buckets, both limits together, and the bound on hashes at once. No real time passes here."""

import threading

import pytest

from hil.auth.throttle import Buckets, Gate, Rate, Throttle, source
from hil.core.errors import RateLimited, Unauthenticated


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_bucket_holds_its_burst_and_fills_one_by_one(clock: Clock) -> None:
    buckets = Buckets(Rate(3, 6.0), clock=clock)
    assert [buckets.take("a") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert buckets.take("a") == buckets.wait("a") == 6.0
    clock.now += 4.0
    assert buckets.wait("a") == pytest.approx(2.0)
    clock.now += 2.0
    assert buckets.take("a") == 0.0
    assert buckets.take("a") > 0.0


def test_a_bucket_never_holds_more_than_its_burst(clock: Clock) -> None:
    buckets = Buckets(Rate(2, 1.0), clock=clock)
    buckets.take("a")
    clock.now += 1e9
    buckets.give_back("a")
    assert [buckets.take("a") > 0.0 for _ in range(3)] == [False, False, True]


def test_waiting_costs_nothing(clock: Clock) -> None:
    buckets = Buckets(Rate(1, 1.0), clock=clock)
    assert [buckets.wait("a") for _ in range(5)] == [0.0] * 5
    assert buckets.take("a") == 0.0


def test_keys_do_not_share_a_bucket(clock: Clock) -> None:
    buckets = Buckets(Rate(1, 1.0), clock=clock)
    buckets.take("a")
    assert buckets.wait("a") > 0.0
    assert buckets.wait("b") == 0.0


def test_the_table_is_bounded_and_forgets_the_oldest(clock: Clock) -> None:
    buckets = Buckets(Rate(1, 1e6), most=3, clock=clock)
    for key in range(4):
        buckets.take(key)
    assert [buckets.wait(key) > 0.0 for key in range(4)] == [False, True, True, True]


def guess(throttle: Throttle, name: str, remote: str, *, right: bool = False) -> str:
    try:
        with throttle.attempt(name, remote):
            if not right:
                raise Unauthenticated("no")
    except Unauthenticated:
        return "wrong"
    except RateLimited as limited:
        return "limited" if limited.retry_after >= 1.0 else "limited for no time"
    return "right"


def test_failures_of_one_user_from_one_remote_are_limited_and_of_others_are_not(clock: Clock) -> None:
    throttle = Throttle(Rate(2, 6.0), Rate(100, 1.0), clock=clock)
    assert [guess(throttle, "ann", "192.0.2.1") for _ in range(3)] == ["wrong", "wrong", "limited"]
    assert guess(throttle, "bob", "192.0.2.1") == "wrong"
    assert guess(throttle, "ann", "192.0.2.2") == "wrong"
    with pytest.raises(RateLimited):
        throttle.check("ann", "192.0.2.1")
    throttle.check("bob", "192.0.2.1")


def test_a_remote_that_tries_many_users_is_limited(clock: Clock) -> None:
    throttle = Throttle(Rate(10, 6.0), Rate(3, 1.0), clock=clock)
    assert [guess(throttle, f"user{n}", "192.0.2.1") for n in range(4)] == ["wrong"] * 3 + ["limited"]
    assert guess(throttle, "user9", "192.0.2.2") == "wrong"
    clock.now += 1.0
    assert guess(throttle, "user9", "192.0.2.1") == "wrong"


def test_a_success_costs_nothing_and_resets_nothing(clock: Clock) -> None:
    throttle = Throttle(Rate(3, 6.0), Rate(100, 1.0), clock=clock)
    assert [guess(throttle, "ann", "r") for _ in range(2)] == ["wrong", "wrong"]
    assert [guess(throttle, "ann", "r", right=True) for _ in range(20)] == ["right"] * 20
    assert [guess(throttle, "ann", "r") for _ in range(2)] == ["wrong", "limited"]


def test_a_guess_that_was_not_judged_costs_nothing(clock: Clock) -> None:
    throttle = Throttle(Rate(1, 6.0), Rate(1, 1.0), clock=clock)
    for _ in range(3):
        with pytest.raises(RateLimited, match="busy"), throttle.attempt("ann", "r"):
            raise RateLimited("busy", retry_after=1.0)
    assert guess(throttle, "ann", "r") == "wrong"


def test_a_remote_that_ran_out_still_pays_for_the_user_it_tries(clock: Clock) -> None:
    throttle = Throttle(Rate(2, 1e6), Rate(1, 1e6), clock=clock)
    assert guess(throttle, "bob", "r") == "wrong"
    assert [guess(throttle, "ann", "r", right=True) for _ in range(2)] == ["limited", "limited"]
    with pytest.raises(RateLimited):
        throttle.check("ann", "r")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("unix", "unix", True),
        ("", "unix", False),
    ],
)
def test_what_counts_as_one_remote(one: str, other: str, same: bool) -> None:
    assert (source(one) == source(other)) is same


def test_a_full_gate_sends_away_at_once() -> None:
    gate = Gate(1, 0)
    with gate.slot(), pytest.raises(RateLimited), gate.slot():
        pytest.fail("two in one slot")
    with gate.slot():
        pass


def test_who_waits_at_the_gate_gets_the_slot_that_comes_free() -> None:
    gate, inside, leave = Gate(1, 1), threading.Event(), threading.Event()
    order: list[str] = []

    def first() -> None:
        with gate.slot():
            inside.set()
            assert leave.wait(30)
            order.append("first")

    def second() -> None:
        with gate.slot():
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(30)
    threads[1].start()
    leave.set()
    for thread in threads:
        thread.join(30)
    assert order == ["first", "second"]


def test_patience_at_the_gate_ends() -> None:
    gate = Gate(1, 1, patience=0.0)
    with gate.slot(), pytest.raises(RateLimited), gate.slot():
        pytest.fail("two in one slot")
    with gate.slot():
        pass
