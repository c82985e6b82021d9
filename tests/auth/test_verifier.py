"""The memory of verified credentials."""

import threading
from concurrent.futures import Future

import pytest

from hil.auth import verifier as module
from hil.auth.verifier import Verifier
from hil.core.errors import Unauthenticated


def test_what_was_right_is_remembered_and_nothing_else() -> None:
    verifier = Verifier(10)
    digest = verifier.digest(1, "ann", "hash", "password")
    assert not verifier.remembers(digest)
    verifier.remember(digest)
    assert verifier.remembers(verifier.digest(1, "ann", "hash", "password"))
    others = [(2, "ann", "hash", "password"), (1, "bob", "hash", "password")]
    others += [(1, "ann", "hash2", "password"), (1, "ann", "hash", "Password"), (1, "ann", "", "hash\0password")]
    assert [other for other in others if verifier.remembers(verifier.digest(*other))] == []


def test_two_processes_name_the_same_credentials_differently() -> None:
    assert Verifier(1).digest(1, "a", "h", "p") != Verifier(1).digest(1, "a", "h", "p")


def test_the_memory_is_bounded_and_keeps_what_is_used() -> None:
    verifier = Verifier(2)
    first, second, third = (verifier.digest(n, "", "", "") for n in range(3))
    verifier.remember(first)
    verifier.remember(second)
    assert verifier.remembers(first)
    verifier.remember(third)
    assert [verifier.remembers(digest) for digest in (first, second, third)] == [True, False, True]


@pytest.mark.parametrize("error", [None, Unauthenticated("no")])
def test_the_same_credentials_at_once_are_verified_once(
    error: Unauthenticated | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, finish = threading.Event(), threading.Event()

    class Watched(Future[None]):
        def result(self, timeout: float | None = None) -> None:
            waiting.set()
            return super().result(timeout)

    monkeypatch.setattr(module, "Future", Watched)
    verifier, calls, outcomes = Verifier(10), [], []
    started = threading.Event()

    def work() -> None:
        calls.append(1)
        started.set()
        assert finish.wait(30)
        if error is not None:
            raise error

    def login() -> None:
        try:
            outcomes.append(verifier.once(b"digest", work))
        except Unauthenticated as refusal:
            outcomes.append(refusal)

    threads = [threading.Thread(target=login) for _ in range(2)]
    threads[0].start()
    assert started.wait(30)
    threads[1].start()
    assert waiting.wait(30)
    finish.set()
    for thread in threads:
        thread.join(30)
    assert len(calls) == 1
    assert outcomes == [error, error]


def test_later_ones_are_verified_again() -> None:
    verifier, calls = Verifier(10), []
    for _ in range(2):
        verifier.once(b"digest", lambda: calls.append(1))
    assert len(calls) == 2
