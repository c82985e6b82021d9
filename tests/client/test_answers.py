"""From answers to shapes and errors."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from hil import client as library
from hil.client import (
    BadRequest,
    Client,
    Conflict,
    Denied,
    HilClientError,
    NotFound,
    Refusal,
    ServerError,
    SettingsError,
    Shape,
    Unauthenticated,
    UnexpectedAnswer,
    Unreachable,
)
from hil.client.connection import path
from hil.client.errors import BY_STATUS, HINTS
from tests.client.script import ENDPOINT, Played, problem, said

NODE = {
    "name": "n1",
    "state": "allocated",
    "project": "blue",
    "labels": {"gpu": "a100"},
    "reason": None,
    "deadline": "2030-01-01T12:00:00.250000Z",
    "metadata": {"disks": ["sda"], "owner": None},
    "nics": [
        {
            "name": "eth0",
            "macaddr": "02:00:00:00:00:01",
            "switch": None,
            "port": None,
            "networks": [{"channel": "vlan/native", "network": "lab", "state": "attached"}],
        }
    ],
}


def test_a_node_is_read_with_everything_in_it() -> None:
    node = Played(said(NODE, etag='W/"7"')).client.nodes.get("n1")
    assert (node.name, node.state, node.project, node.labels) == ("n1", "allocated", "blue", {"gpu": "a100"})
    assert node.deadline == datetime(2030, 1, 1, 12, 0, 0, 250000, UTC)
    assert node.metadata == {"disks": ["sda"], "owner": None}
    assert node.nics[0].networks[0].network == "lab"
    assert node.etag == 'W/"7"'
    assert node.raw == NODE


def test_a_field_from_the_future_is_kept_and_harms_nobody() -> None:
    node = Played(said({**NODE, "rack": {"row": 4}})).client.nodes.get("n1")
    assert node.raw["rack"] == {"row": 4}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": 7}, "Node.name is int, not str"),
        ({"state": None}, "Node.state is NoneType, not str"),
        ({"labels": ["gpu"]}, "Node.labels is list, not dict"),
        ({"labels": {"gpu": True}}, "Node.labels.gpu is bool, not str"),
        ({"nics": {}}, "Node.nics is dict, not list"),
        ({"nics": ["eth0"]}, "Node.nics is not an object"),
        ({"deadline": "tomorrow"}, "Node.deadline is no RFC 3339 time"),
        ({"deadline": "2030-01-01T12:00:00"}, "Node.deadline has no time zone"),
    ],
)
def test_an_answer_of_another_shape_is_told_by_field(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(UnexpectedAnswer) as caught:
        Played(said({**NODE, **changed})).client.nodes.get("n1")
    assert caught.value.message == words


def test_a_missing_field_is_told() -> None:
    with pytest.raises(UnexpectedAnswer, match="Node has no 'state'"):
        Played(said({"name": "n1"})).client.nodes.get("n1")


def test_a_number_is_not_a_boolean_nor_the_other_way_round() -> None:
    for wrong in ({"enabled": 1}, {"nodes": True}):
        with pytest.raises(UnexpectedAnswer):
            Played(said({"name": "blue", **wrong})).client.projects.get("blue")


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "validation", BadRequest),
        (400, "bad-argument", BadRequest),
        (401, "unauthenticated", Unauthenticated),
        (403, "denied", Denied),
        (404, "not-found", NotFound),
        (409, "duplicate", Conflict),
        (409, "pending", Conflict),
        (413, "too-large", BadRequest),
        (422, "idempotency-mismatch", BadRequest),
        (405, "method-not-allowed", Refusal),
        (500, "internal", ServerError),
    ],
)
def test_a_problem_document_becomes_the_error_of_its_status_and_keeps_its_type(
    status: int, kind: str, expected: type[Refusal]
) -> None:
    with pytest.raises(Refusal) as caught:
        Played(problem(status, kind, "The node is busy: wait.", retry=True)).client.nodes.get("n1")
    error = caught.value
    assert type(error) is expected
    assert (error.status, error.type, error.message) == (status, kind, "The node is busy: wait")
    assert error.request_id == "r1"
    assert error.retry


def test_a_type_may_be_a_urn() -> None:
    with pytest.raises(Conflict) as caught:
        Played(problem(409, "x", type="urn:hil:error:duplicate")).client.nodes.get("n1")
    assert caught.value.type == "duplicate"


def test_all_faults_of_a_request_are_told_once() -> None:
    errors = [{"loc": ["body", "name"], "msg": "too long"}, {"loc": ["body", "owner"], "msg": "missing"}]
    answer = problem(400, "validation", "body.name: too long", errors=errors)
    with pytest.raises(BadRequest) as caught:
        Played(answer).client.nodes.get("n1")
    assert caught.value.message == "body.name: too long; body.owner: missing"
    assert len(caught.value.errors) == 2


def test_an_inner_error_names_the_request_for_the_operator() -> None:
    with pytest.raises(ServerError) as caught:
        Played(problem(500, "internal")).client.nodes.get("n1")
    assert caught.value.hint == f"{HINTS['internal']} (r1)"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(200, text="<html>"), "does not answer in JSON"),
        (httpx.Response(404, text="<html>"), "answers 404, and not as HIL does"),
        (httpx.Response(404, json=["x"]), "answers 404, and not as HIL does"),
        (httpx.Response(302, headers={"Location": "https://elsewhere.test/"}), "redirects to 'https://elsewhere"),
        (httpx.Response(200, json=[1]), "Node is not an object"),
    ],
)
def test_what_is_not_hil_is_told_from_hil(answer: httpx.Response, words: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=words):
        Played(answer).client.nodes.get("n1")


def test_a_redirect_is_not_followed_with_the_credentials() -> None:
    played = Played(httpx.Response(307, headers={"Location": "https://elsewhere.test/"}), token="t0k3n")
    with pytest.raises(UnexpectedAnswer):
        played.client.nodes.get("n1")
    assert [request.url.host for request in played.script.requests] == ["hil.test"]


def test_a_name_cannot_leave_its_place_in_the_path() -> None:
    played = Played(said(NODE), said(NODE))
    played.client.nodes.get("a/../b?c#d%2F e")
    played.client.nodes.label("n1", "cpu/model", "x")
    assert played.asked == ["GET /v1/nodes/a%2F..%2Fb%3Fc%23d%252F%20e", "PUT /v1/nodes/n1/labels/cpu%2Fmodel"]


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_what_would_change_the_path_is_no_name(name: str) -> None:
    with pytest.raises(SettingsError, match="is no name"):
        path("nodes", name)


def test_every_mapped_status_and_every_error_is_exported() -> None:
    tree = {HilClientError, *_below(HilClientError)}
    assert set(BY_STATUS.values()) <= tree
    assert {kind.__name__ for kind in tree} <= set(library.__all__)


def test_every_shape_is_exported() -> None:
    assert {kind.__name__ for kind in (Shape, *_below(Shape))} <= set(library.__all__)


def _below(kind: type[Any]) -> set[type[Any]]:
    return {found for child in kind.__subclasses__() for found in (child, *_below(child))}


def test_every_transport_error_of_the_http_library_is_mapped() -> None:
    request = httpx.Request("GET", ENDPOINT)
    for kind in _below(httpx.RequestError):
        played = Played(kind("boom", request=request), forever=True)
        with pytest.raises((Unreachable, UnexpectedAnswer)) as caught:
            played.client.nodes.get("n1")
        assert "boom" in caught.value.message


def test_a_page_is_fetched_when_it_is_needed() -> None:
    pages = [{"items": [{"name": f"n{at}", "state": "free"}], "next": f"c{at}"} for at in range(2)]
    played = Played(*map(said, pages), said({"items": [], "next": None}))
    found = played.client.nodes.list(state="free", selector="gpu", names=["n0", "n1"])
    assert played.asked == []
    assert [next(found).name, next(found).name] == ["n0", "n1"]
    asked = "GET /v1/nodes?limit=500&state=free&selector=gpu&name=n0&name=n1"
    assert played.asked == [asked, f"{asked}&after=c0"]
    assert list(found) == []


def test_pages_that_run_in_a_circle_end() -> None:
    played = Played(said({"items": [], "next": "c"}), forever=True)
    with pytest.raises(UnexpectedAnswer, match="circle"):
        list(played.client.networks.list())


@pytest.mark.parametrize("page", [[], {}, {"items": {}}, {"items": [], "next": 3}])
def test_what_is_no_page_is_told(page: Any) -> None:
    with pytest.raises(UnexpectedAnswer, match="not a page"):
        list(Played(said(page)).client.networks.list())


def test_a_client_closes_its_connections() -> None:
    with Client(ENDPOINT) as client:
        http = client._connection._http
    assert http.is_closed
