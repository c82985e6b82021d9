"""What holds for every request: ids, headers, limits, unknown paths, and never a stack trace."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from hil.store.unit import Store
from tests.api_v1.world import World


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-1.2_Z", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("a\x7f", False), ("", False)],
)
def test_a_sane_request_id_of_the_caller_is_kept_and_any_other_replaced(
    small_world: World, given: str, kept: bool
) -> None:
    answer = small_world("GET", "/v1/whoami", headers={"X-Request-ID": given})
    assert (answer.headers["x-request-id"] == given) is kept
    assert len(answer.headers["x-request-id"]) in range(1, 65)


def test_the_request_id_stands_in_the_journal(small_world: World) -> None:
    small_world.ok("POST", "/v1/projects", {"name": "x"}, headers={"X-Request-ID": "find-me"})
    (line,) = small_world.ok("GET", "/v1/journal?action=project_create&name=x")["items"]
    assert (line["request_id"], line["actor"], line["via"], line["remote"]) == ("find-me", "root", "basic", "192.0.2.7")


def test_answers_are_neither_framed_nor_guessed_nor_kept(small_world: World) -> None:
    headers = small_world("GET", "/v1/whoami").headers
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "strict-transport-security" not in headers


@pytest.mark.parametrize("path", ["/", "/v1/", "/v1/nodes/", "/v1/nodes/a/b", "/v2", "/v1//nodes", "/v1/zebras"])
def test_an_unknown_path_is_a_problem_like_any_other(small_world: World, path: str) -> None:
    answer = small_world("GET", path)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["type"]) == (404, "/errors/not-found")


def test_an_unknown_method_names_the_known_ones(small_world: World) -> None:
    for method, path, allowed in (
        ("DELETE", "/v1/networks", "GET, POST"),
        ("POST", "/v1/networks/x", "DELETE, GET, PATCH"),
        ("TRACE", "/v1/switches/x/ports/a/b/c", "DELETE, GET, PATCH"),
        ("PUT", "/healthz", "GET"),
    ):
        answer = small_world(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed), path
        assert answer.json()["type"] == "/errors/method-not-allowed"


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b'"x"', b"null", b'{"name": NaN}', b"\xff\xfe", b"[" * 100_000, b'{"name": "\\ud800"}', b"{}{}"],
    ids=range(10),
)
def test_a_body_that_cannot_be_read_is_malformed(small_world: World, raw: bytes) -> None:
    assert small_world.refused("POST", "/v1/projects", raw=raw) == "400 validation"


def test_a_body_is_json_by_its_content_type(small_world: World) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert small_world.refused("POST", "/v1/projects", raw=b'{"name": "x"}', headers=headers) == "400 validation"


def test_faults_name_their_place_and_never_repeat_a_value(small_world: World) -> None:
    answer = small_world("POST", "/v1/users", {"name": "x", "password": ["open sesame"], "extra": "open sesame"})
    assert {tuple(fault["loc"]) for fault in answer.json()["errors"]} == {("body", "password"), ("body", "extra")}
    assert "open sesame" not in answer.text


def test_an_unknown_query_parameter_is_refused_since_a_filter_mistyped_would_list_everything(
    small_world: World,
) -> None:
    answer = small_world("GET", "/v1/nodes?stat=free")
    assert answer.status_code == 400
    assert "state" in answer.json()["detail"]


def test_a_wrong_name_is_told_what_a_name_may_hold(small_world: World) -> None:
    answer = small_world("POST", "/v1/nodes", {"name": "a/b"})
    assert answer.json()["detail"].startswith("body.name: use ASCII letters, digits, space and ")
    assert answer.json()["errors"] == [{"loc": ["body", "name"], "msg": answer.json()["detail"][len("body.name: ") :]}]


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65536 + 1):
        yield b" " * 65536


@pytest.mark.parametrize("announced", [True, False])
def test_a_large_body_is_refused_before_it_is_read(small_world: World, announced: bool) -> None:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(small_world.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hil.test", trust_env=False) as client:
            content: bytes | AsyncIterator[bytes] = b" " * (2 << 20) if announced else chunks(2 << 20)
            headers = {"Content-Type": "application/json"}
            return await client.post("/v1/projects", content=content, headers=headers)

    answer = small_world.runner.run(send())
    small_world.promise.check(answer)
    assert (answer.status_code, answer.json()["type"]) == (413, "/errors/too-large")


@pytest.mark.parametrize("path", ["/v1/projects", "/v0/projects"])
def test_a_bug_answers_500_with_an_id_and_nothing_else(
    small_world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret internals")

    monkeypatch.setattr(Store, "read", broken)
    with caplog.at_level(logging.ERROR):
        answer = small_world.runner.run(bare(small_world, path))
    assert answer.status_code == 500
    assert "secret internals" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"] in caplog.text
    assert "secret internals" in caplog.text


async def bare(world: World, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(world.app)
    auth = httpx.BasicAuth("root", "correct horse")
    async with httpx.AsyncClient(transport=transport, base_url="http://t", auth=auth, trust_env=False) as client:
        return await client.get(path)


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", " a", "a ", "a\tb", "a\n", "a\x00", "a/b", "x" * 65, "..", "free"),
        *("\uff41", "n\u00f3de", "n\u0430me", "a\u200bb", "\U0001f600"),
    ],
    ids=ascii,
)
def test_names_have_one_rule_wherever_they_come_from(small_world: World, name: str) -> None:
    answer = small_world("POST", "/v1/nodes", {"name": name})
    assert answer.status_code == 400
    assert answer.json()["type"] in ("/errors/validation", "/errors/bad-argument")


def test_what_names_may_hold_survives_paths_headers_and_lists(small_world: World) -> None:
    name = "a $_.+!*'(),-Z"
    made = small_world("POST", "/v1/nodes", {"name": name})
    assert small_world.ok("GET", made.headers["location"])["name"] == name
    assert [item["name"] for item in small_world.ok("GET", "/v1/nodes")["items"]] == [name]


def test_health_needs_no_credentials_and_readiness_asks_the_database(small_world: World) -> None:
    assert small_world("GET", "/healthz", by=None).text == "ok\n"
    assert small_world("GET", "/readyz", by=None).text == "ok\n"
    from sqlalchemy import text

    with small_world.store.engine.begin() as connection:
        connection.execute(text("DELETE FROM journal_head"))
    answer = small_world("GET", "/readyz", by=None)
    assert (answer.status_code, answer.json()["type"]) == (503, "/errors/unavailable")
    assert "journal" not in answer.text
    assert small_world("GET", "/healthz", by=None).status_code == 200


def test_the_page_of_the_api_needs_nothing_from_outside(small_world: World) -> None:
    page = small_world("GET", "/docs", by=None)
    assert "http" not in page.text.replace("http-equiv", "")
    for asset in ("/docs/start.js", "/docs/static/swagger-ui-bundle.js", "/docs/static/swagger-ui.css"):
        assert small_world("GET", asset, by=None).status_code == 200
    assert "'self'" in page.headers["content-security-policy"]
    document = small_world("GET", "/v1/openapi.json", by=None).json()
    assert document["openapi"] == "3.1.0"


def test_the_root_says_what_this_is_to_anybody(small_world: World) -> None:
    found = small_world.ok("GET", "/v1", by=None)
    assert found["name"] == "HIL"
    for link in found["links"].values():
        assert small_world("GET", link, by=None).status_code in (200, 401)
