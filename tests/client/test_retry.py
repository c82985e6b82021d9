"""What is tried again, and what is not."""

from collections.abc import Callable

import httpx
import pytest

from hil.client import Client, NotFound, PreconditionFailed, RateLimited, Retry, Unavailable, Unreachable
from tests.client.script import Played, Step, done, operation, problem, said

REFUSED = httpx.ConnectError("connection refused")
LOST = httpx.ReadError("connection reset")
LATE = httpx.ReadTimeout("timed out")
BUSY = problem(503, "unavailable", retry_after=2)
PROJECT = {"name": "blue"}
NETWORK = {"name": "lab", "owner": "blue"}

Verb = Callable[[Client], object]
GET: Verb = lambda client: client.projects.get("blue")  # noqa: E731 - a table reads better with names
PUT: Verb = lambda client: client.networks.grant("lab", "red")  # noqa: E731 - as above
DELETE: Verb = lambda client: client.projects.delete("blue")  # noqa: E731 - as above
POST: Verb = lambda client: client.projects.create("blue")  # noqa: E731 - as above
PATCH: Verb = lambda client: client.projects.change("blue", {"enabled": False})  # noqa: E731 - as above
PASSWORD: Verb = lambda client: client.users.set_password("ann", "new", old_password="old")  # noqa: E731 - as above
CONDITIONAL: Verb = lambda client: client.projects.delete("blue", if_match='W/"3"')  # noqa: E731 - as above


@pytest.mark.parametrize("verb", [GET, PUT, DELETE, POST], ids=["get", "put", "delete", "post"])
@pytest.mark.parametrize("trouble", [REFUSED, LOST, LATE, BUSY], ids=["refused", "lost", "late", "busy"])
def test_what_cannot_be_done_twice_is_tried_again(verb: Verb, trouble: Step) -> None:
    played = Played(trouble, trouble, said(PROJECT))
    verb(played.client)
    assert len(played.asked) == 3
    assert len(set(played.asked)) == 1
    assert len(played.slept) == 2


@pytest.mark.parametrize("verb", [PATCH, PASSWORD, CONDITIONAL], ids=["patch", "password", "if-match"])
@pytest.mark.parametrize("trouble", [LOST, LATE, BUSY], ids=["lost", "late", "busy"])
def test_what_could_be_done_twice_is_not_repeated_once_it_may_have_arrived(verb: Verb, trouble: Step) -> None:
    played = Played(trouble, said(PROJECT))
    with pytest.raises((Unreachable, Unavailable)):
        verb(played.client)
    assert len(played.asked) == 1


@pytest.mark.parametrize("verb", [PATCH, PASSWORD, CONDITIONAL], ids=["patch", "password", "if-match"])
def test_what_was_certainly_not_sent_is_tried_again_whatever_it_is(verb: Verb) -> None:
    played = Played(REFUSED, httpx.ConnectTimeout("slow"), said(PROJECT))
    verb(played.client)
    assert len(played.asked) == 3


def test_every_post_carries_a_key_that_its_repetitions_share() -> None:
    played = Played(LOST, said(NETWORK), said(NETWORK))
    played.client.networks.create("lab", "blue")
    played.client.networks.create("lab", "blue")
    first, again, other = (request.headers["idempotency-key"] for request in played.script.requests)
    assert first == again != other
    assert 1 <= len(first) <= 128


def test_a_request_id_is_shared_by_the_repetitions_of_a_request() -> None:
    played = Played(LOST, said(PROJECT), said(PROJECT))
    GET(played.client)
    GET(played.client)
    first, again, other = (request.headers["x-request-id"] for request in played.script.requests)
    assert first == again != other


def test_the_body_is_sent_again_unchanged() -> None:
    played = Played(LOST, said(operation(), status=202))
    played.client.networks.connect("n1", "eth0", "lab")
    first, second = (request.content for request in played.script.requests)
    assert first == second
    assert b'"n1"' in first


def test_pauses_grow_and_follow_what_the_server_asks_for() -> None:
    played = Played(REFUSED, REFUSED, problem(503, "unavailable", retry_after=7), said(PROJECT))
    GET(played.client)
    first, second, third = played.slept
    assert 0.1 <= first <= 0.2 <= second <= 0.4
    assert third == 7.0


def test_a_date_is_understood_as_a_time_to_come_again() -> None:
    played = Played(problem(503, "unavailable", retry_after="Fri, 21 Nov 2014 00:00:00 GMT"), said(PROJECT))
    GET(played.client)
    assert played.slept == [0.0]


def test_a_longer_pause_than_anybody_wants_to_wait_is_passed_on() -> None:
    played = Played(problem(503, "unavailable", retry_after=3600))
    with pytest.raises(Unavailable) as caught:
        GET(played.client)
    assert caught.value.retry_after == 3600
    assert played.slept == []


def test_trying_ends() -> None:
    played = Played(REFUSED, forever=True, retry=Retry(attempts=3))
    with pytest.raises(Unreachable, match=r"cannot reach http://hil.test"):
        GET(played.client)
    assert len(played.asked) == 3
    assert len(played.slept) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422, 429, 500])
def test_an_answer_is_never_asked_for_again(status: int) -> None:
    played = Played(problem(status, "x", retry_after=1))
    with pytest.raises(Exception, match="No"):
        GET(played.client)
    assert len(played.asked) == 1


def test_too_many_failures_say_when_to_come_again() -> None:
    played = Played(problem(429, "rate-limited", retry_after=12))
    with pytest.raises(RateLimited) as caught:
        GET(played.client)
    assert caught.value.retry_after == 12.0


def test_a_deletion_whose_reply_was_lost_is_done_when_the_object_is_gone() -> None:
    played = Played(LOST, problem(404, "not-found"))
    played.client.projects.delete("blue")
    assert len(played.asked) == 2


def test_a_deletion_of_what_never_was_is_an_error() -> None:
    for steps in ([problem(404, "not-found")], [REFUSED, problem(404, "not-found")]):
        with pytest.raises(NotFound):
            Played(*steps).client.projects.delete("blue")


def test_a_precondition_is_sent_and_its_failure_told() -> None:
    played = Played(problem(412, "precondition-failed"))
    with pytest.raises(PreconditionFailed):
        CONDITIONAL(played.client)
    assert played.script.requests[0].headers["if-match"] == 'W/"3"'


def test_a_proxy_that_reaches_nobody_counts_as_unavailable() -> None:
    played = Played(httpx.Response(502, text="<html>Bad Gateway</html>"), done())
    played.client.projects.delete("blue")
    assert len(played.asked) == 2
