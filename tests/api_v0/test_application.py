"""The original API inside the whole application, beside the new one."""

from __future__ import annotations

import http.client
import logging

import pytest

from hil.api.app import create_app
from tests.api_v0.obmd import served
from tests.api_v0.story import is_error
from tests.api_v0.world import MOCK, Api, World, basic


@pytest.fixture
def api(small_world: World) -> Api:
    """What `small_world` is behind, with everything around it that a process serves."""
    whole = Api(small_world.api.edge, runner=small_world.api.runner)
    whole.app = create_app(small_world.store, small_world.backend)
    return whole


def test_both_apis_answer_each_in_its_own_words(api: Api) -> None:
    old, new = api.send("GET", "/nowhere"), api.send("GET", "/nowhere", prefix="/v1")
    assert old.short == "404 NotFoundError"
    assert is_error(old)
    assert new.headers["content-type"] == "application/problem+json"


def test_it_is_served_at_the_root_with_the_headers_that_every_answer_has(api: Api) -> None:
    answer = api.send("GET", "/projects", headers=[("X-Request-ID", "mine-1")])
    assert answer.json == ["p", "q"]
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "call", ["GET /node/a%2Fb", "GET /node/a%0Ab", "GET /", "PUT /node/x/", "POST /switch/s/port/a%2Fb/c/revert"]
)
def test_odd_paths_reach_it_and_nobody_else(api: Api, call: str) -> None:
    assert is_error(api.send(*call.split(" ")))


def test_a_failure_is_found_in_the_log_by_the_id_of_its_request(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(api.edge), "read", fail)
    with caplog.at_level(logging.ERROR, "hil"):
        answer = api.send("GET", "/projects", headers=[("X-Request-ID", "mine-2")])
    assert answer.short == "500 InternalError"
    assert "mine-2" in answer.json["msg"]
    assert "mine-2" in caplog.text


def test_its_calls_are_counted_by_template_and_never_by_name(api: Api) -> None:
    api.send("GET", "/node/some-name")
    metrics = api.send("GET", "", prefix="/metrics", user=None).body.decode()
    assert 'route="/v0/node/{node}"' in metrics
    assert "some-name" not in metrics


@pytest.mark.net
def test_over_a_socket_it_is_the_same(api: Api, small_world: World) -> None:
    """What a real server makes of undecoded paths, of bodies without a label and of empty answers."""
    auth = dict([basic("root")])
    small_world.ok("PUT", "/switch/s", {"type": MOCK, "hostname": "h", "username": "", "password": ""})
    with served(api.app) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)

        def ask(method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
            connection.request(method, f"/v0{path}", body, auth)
            answer = connection.getresponse()
            return answer.status, answer.read()

        assert ask("PUT", "/switch/s/port/gi1%2F0/1") == (200, b"")
        assert ask("GET", "/switch/s/port/gi1/0%2F1") == (200, b"{}")
        assert ask("PUT", "/project/a%20b+c") == (200, b"")
        assert ask("GET", "/projects") == (200, b'["a b+c", "p", "q"]')
        assert ask("DELETE", "/project/a%2Fb")[0] == 404
        assert ask("POST", "/project/p/connect_node", '{"node": "nix"}')[0] == 404
        assert ask("POST", "/project/p/connect_node", "{}")[0] == 400
        assert ask("HEAD", "/projects") == (200, b"")
        connection.close()
