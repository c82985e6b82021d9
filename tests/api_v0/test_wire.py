"""Requests as bytes: bodies, queries, paths, credentials, and the order in which they are judged."""

import json

import pytest

from hil.api.v0 import wire
from tests.api_v0.story import is_error
from tests.api_v0.world import Answer, World, basic

VAL, AUTH, NF = "400 ValidationError", "401 AuthorizationError", "404 NotFoundError"
METADATA = "/node/n1/metadata/x"
NESTED = b'{"value": ' + b"[" * 100 + b"]" * 100 + b"}"
FAR_TOO_NESTED = b'{"value": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"


def refused(answer: Answer, expected: str) -> None:
    assert answer.short == expected
    assert is_error(answer)


@pytest.mark.parametrize(
    "label", [None, "application/json", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "é"]
)
def test_a_body_is_json_whatever_it_is_labelled(small_world: World, label: str | None) -> None:
    headers = [] if label is None else [("Content-Type", label)]
    body = {"project": "p", "base_img": "x"}
    refused(small_world.api.send("PUT", "/headnode/h", body, headers=headers), "400 BadArgumentError")  # it was read


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b'"s"', b"5", b"null", b"true", b"{", b"a=b", b"\xff", b"\x00", b'{"node": "n1"} x', b"--boundary\r\n",
        b'{"node": "n1", "node": "n1"}', b'{"node": 5}', b'{"node": null}', b'{"node": ["n1"]}', b'{"node": true}',
        b'{"node": "n1", "more": 1}', b'{"node": "n1", "project": "p"}', b"{}", b"", b" ", b'{"Node": "n1"}',
        b'{"node": "\\ud800"}', b'{"node": "a\\u0000"}', b'{"node": NaN}', b'{"node": Infinity}', b'{"node": 1e999}',
        b'{"node": ' + b"1" * 5000 + b"}", NESTED, FAR_TOO_NESTED,
    ],
    ids=lambda body: repr(body[:40]),
)  # fmt: skip
def test_a_body_that_is_not_exactly_what_the_call_takes_is_refused(standing_world: World, body: bytes) -> None:
    refused(standing_world.api.send("POST", "/project/p/connect_node", body), VAL)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_body_may_be_in_any_encoding_of_unicode(standing_world: World, encoding: str) -> None:
    body = json.dumps({"node": "nix"}).encode(encoding)
    refused(standing_world.api.send("POST", "/project/p/connect_node", body), NF)


def test_only_the_longest_body_that_is_read_is_read(standing_world: World) -> None:
    fits = b" " * (wire.LONGEST - 2) + b"{}"
    refused(standing_world.api.send("DELETE", "/project/nowhere", fits), NF)
    refused(standing_world.api.send("DELETE", "/project/nowhere", b" " + fits), "413 ValidationError")


@pytest.mark.parametrize("body", [None, {}, b"", b"{}", b"\n"])
@pytest.mark.parametrize("call", ["DELETE /project/nowhere", "POST /switch/x/port/y/revert", "PUT /network/x/access/y"])
def test_calls_without_fields_take_an_empty_body_or_an_empty_object(
    standing_world: World, call: str, body: bytes
) -> None:
    refused(standing_world.api.send(*call.split(" "), body), NF)


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        ({"obmd": {"uri": "http://x/n", "admin_token": "t"}}, True),
        ({"obmd": {"uri": "http://x/n", "admin_token": "t"}, "metadata": {}}, True),
        ({"obmd": {"uri": "http://x/n", "admin_token": "t", "more": 1}}, False),
        ({"obmd": {"uri": "http://x/n"}}, False),
        ({"obmd": {"uri": "ftp://x/n", "admin_token": "t"}}, False),
        ({"obmd": {"uri": "http:", "admin_token": "t"}}, False),
        ({"obmd": {"uri": "http:///n", "admin_token": "t"}}, False),
        ({"obmd": {"uri": "http://u:p@x/n", "admin_token": "t"}}, False),
        ({"obmd": {"uri": "http://x/n?a=b", "admin_token": "t"}}, False),
        ({"obmd": {"uri": "http://x:99999/n", "admin_token": "t"}}, False),
        ({"obmd": {"uri": "http://[::1/n", "admin_token": "t"}}, False),
        ({"obmd": {"uri": "http://x/a b", "admin_token": "t"}}, False),
        ({"obmd": {"uri": "http://x/n", "admin_token": 5}}, False),
        ({"obmd": [], "metadata": {}}, False),
        ({"obm": {"type": "ipmi"}}, False),
        ({"obmd": {"uri": "http://x/n", "admin_token": "t"}, "metadata": []}, False),
        ({"obmd": {"uri": "http://x/n", "admin_token": "t"}, "metadata": None}, False),
        ({}, False),
    ],
)
def test_the_registration_of_a_node_is_checked_to_the_last_key(
    standing_world: World, body: dict[str, object], whole: bool
) -> None:
    refused(standing_world.api.send("PUT", "/node/n1", body, "eve"), AUTH if whole else VAL)


def test_metadata_are_any_json(small_world: World) -> None:
    small_world.ok("PUT", "/node/n1", {"obmd": {"uri": "http://x/n", "admin_token": "t"}})
    values: list[object] = [None, True, 0, -1.5, "", "\0", "\ud800", "é", [], {"a": [1, {}]}, 10**300]
    for number, value in enumerate(values):
        small_world.ok("PUT", f"/node/n1/metadata/{number}", json.dumps({"value": value}).encode())
    shown = small_world.ok("GET", "/node/n1")["metadata"]
    assert [json.loads(shown[str(number)]) for number in range(len(values))] == values


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", AUTH),
        ("?project=p", NF),
        ("?project=p+q", NF),
        ("?project=%C3%A9", NF),
        ("?project=", VAL),
        ("?project=p&project=p", VAL),
        ("?project=p&project=", VAL),
        ("?projekt=p", VAL),
        ("?project", VAL),
        ("?=p", VAL),
        ("?project=%FF", VAL),
        ("?project=%00", VAL),
        ("?project=\xff", VAL),
    ],
)
def test_a_query_has_only_what_is_known_once_and_with_a_value(small_world: World, query: str, expected: str) -> None:
    small_world.ok("PUT", "/network/open", {"owner": "admin", "access": "", "net_id": ""})
    refused(small_world.api.send("GET", f"/network/open/attachments{query}", user="eve"), expected)


def test_plus_and_percent_20_in_a_query_both_mean_a_space(small_world: World) -> None:
    small_world.ok("PUT", "/project/a b")
    small_world.ok("PUT", "/network/open", {"owner": "admin", "access": "", "net_id": ""})
    for text in ("a+b", "a%20b"):
        assert small_world.ok("GET", f"/network/open/attachments?project={text}") == {}


def test_other_methods_than_get_ignore_the_query(standing_world: World) -> None:
    refused(standing_world.api.send("DELETE", "/project/nowhere?x=y&x="), NF)


@pytest.mark.parametrize("path", ["/nodes/free", "/networks", "/projects"])
def test_a_get_has_no_arguments_that_it_does_not_know_and_no_body(standing_world: World, path: str) -> None:
    refused(standing_world.api.send("GET", f"{path}?x=1"), VAL)
    refused(standing_world.api.send("GET", path, {}), VAL)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("GET /project/a%2Fb/nodes", NF),
        ("GET /node/a%2fb", NF),
        ("GET /node/", NF),
        ("GET /node/n1/", NF),
        ("GET /projects/", NF),
        ("GET //projects", NF),
        ("GET /", NF),
        ("GET /nodes", NF),
        ("GET /nodes/", NF),
        ("GET /free_nodes", NF),
        ("GET /node/n1/nic/", NF),
        ("GET /node/%FF", VAL),
        ("GET /node/%00", VAL),
        ("GET /node/%ED%A0%80", VAL),
        ("GET /node/\xff", VAL),
        ("GET /switch/s/port/", NF),
        ("POST /project/p", "405 MethodNotAllowedError"),
        ("PUT /projects", "405 MethodNotAllowedError"),
        ("POST /switch/s/port/x", "405 MethodNotAllowedError"),
        ("POST /switch/s/port/revert", "405 MethodNotAllowedError"),
        ("BREW /projects", "405 MethodNotAllowedError"),
        ("BREW /nowhere", NF),
    ],
)
def test_paths_are_judged_before_anything_else(standing_world: World, call: str, expected: str) -> None:
    method, path = call.split(" ")
    refused(standing_world.api.send(method, path, user=None), expected)


@pytest.mark.parametrize("label", ["%zz", "..", ".", "%2e%2e", "a;b", "'"])
def test_odd_labels_are_labels(standing_world: World, label: str) -> None:
    answer = standing_world.api.send("GET", f"/node/{label}")
    refused(answer, NF)
    assert answer.json["msg"].startswith("There is no node")


def test_nothing_outside_v0_is_ours(standing_world: World) -> None:
    for prefix in ("", "/v1", "/v00", "/V0"):
        assert standing_world.api.send("GET", "/projects", prefix=prefix).body == b"Not Found"


def test_a_percent_encoded_path_is_the_same_path(standing_world: World) -> None:
    assert standing_world.api.send("GET", "/%70rojects", prefix="/%760").json == ["p", "q"]


def test_a_plus_in_a_path_is_a_plus_and_percent_20_a_space(small_world: World) -> None:
    small_world.ok("PUT", "/project/a+b%20c")
    assert "a+b c" in small_world.ok("GET", "/projects")


def test_a_port_may_hold_slashes_raw_or_encoded_and_suffixes_count_on_post_only(small_world: World) -> None:
    type_uri = "http://schema.massopencloud.org/haas/v0/switches/ovs"
    small_world.ok("PUT", "/switch/s", {"type": type_uri, "ovs_bridge": "br0"})
    small_world.ok("PUT", "/switch/s/port/a/b%2Fc")
    small_world.ok("PUT", "/switch/s/port/a/connect_nic")
    assert small_world.ok("GET", "/switch/s/port/a%2fb/c") == {}
    assert small_world.ok("GET", "/switch/s/port/a/connect_nic") == {}
    assert small_world.ok("GET", "/switch/s")["ports"] == [{"label": "a/b/c"}, {"label": "a/connect_nic"}]
    refused(small_world.api.send("GET", "/switch/s/port/a/b/c/"), NF)
    refused(small_world.api.send("POST", "/switch/s/port/a/b/c/revert"), NF)  # there, but wired to nothing
    refused(small_world.api.send("POST", "/switch/s/port/a/b/c/connect_nic"), VAL)
    small_world.ok("DELETE", "/switch/s/port/a/connect_nic")


def test_a_wrong_method_says_which_are_right(standing_world: World) -> None:
    answer = standing_world.api.send("POST", "/project/p")
    assert answer.headers["allow"] == "DELETE, OPTIONS, PUT"
    assert standing_world.api.send("PUT", "/projects").headers["allow"] == "GET, HEAD, OPTIONS"


def test_options_needs_nobody_and_head_is_a_get(standing_world: World) -> None:
    answer = standing_world.api.send("OPTIONS", "/projects", user=None)
    assert (answer.status, answer.headers["allow"]) == (200, "GET, HEAD, OPTIONS")
    refused(standing_world.api.send("OPTIONS", "/nowhere", user=None), NF)
    assert standing_world.api.send("HEAD", "/projects").status == 200
    refused(standing_world.api.send("HEAD", "/projects", user=None), AUTH)


def test_arguments_are_judged_before_the_caller(standing_world: World) -> None:
    refused(standing_world.api.send("POST", "/project/p/connect_node", {}, None), VAL)
    refused(standing_world.api.send("POST", "/project/p/connect_node", {"node": "n"}, None), AUTH)


@pytest.mark.parametrize(
    "header",
    [
        basic("root", "wrong"),
        basic("nobody", "wrong"),
        basic(""),
        ("Authorization", "Basic"),
        ("Authorization", "Basic !!!"),
        ("Authorization", "Basic cm9vdA=="),
        ("Authorization", "Digest root"),
        ("Authorization", "\xff"),
        ("Authorization", ""),
        ("X-Auth-Token", "abc"),
    ],
    ids=lambda header: header[1],
)
def test_credentials_that_are_none_are_told_nothing(standing_world: World, header: tuple[str, str]) -> None:
    answer = standing_world.api.send("GET", "/projects", user=None, headers=[header])
    refused(answer, AUTH)
    assert "www-authenticate" not in answer.headers


def test_an_unknown_user_reads_the_same_as_a_wrong_password(standing_world: World) -> None:
    ask = standing_world.api.send
    wrong, unknown = (ask("GET", "/projects", user=None, headers=[basic(name, "no")]) for name in ("root", "nobody"))
    assert wrong == unknown


def test_too_many_guesses_are_told_to_wait(small_world: World) -> None:
    answers = [small_world.api.send("GET", "/projects", user=None, headers=[basic("eve", "no")]) for _ in range(12)]
    refused(answers[0], AUTH)
    refused(answers[-1], "429 RateLimitedError")
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert small_world.ok("GET", "/projects") == ["p", "q"]


def test_json_goes_out_in_ascii(small_world: World) -> None:
    small_world.ok("PUT", "/node/n1", {"obmd": {"uri": "http://x/n", "admin_token": "t"}, "metadata": {"k": "é"}})
    assert small_world.api.send("GET", "/node/n1").body.isascii()
    missing = small_world.api.send("GET", "/node/%C3%A9")
    assert missing.body.isascii()
    assert missing.json["msg"] == "There is no node 'é'."


def test_a_proxy_may_put_the_whole_api_under_a_path(standing_world: World) -> None:
    scope = {"type": "http", "path": "/hil/v0/node/n1", "raw_path": b"/hil/v0/node/n%2F1", "root_path": "/hil"}
    assert wire.segments(scope) == ["v0", "node", "n/1"]
