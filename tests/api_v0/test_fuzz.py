"""Whatever is sent, the answer is one of the contract's: never a failure of ours, never HTML, never a stack trace."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hil.api.settings import Settings
from hil.api.v0 import table
from hil.api.v0.call import Call
from tests.api_v0.story import is_error
from tests.api_v0.world import MOCK, OBMD, World

STATUSES = {200, 202, 307, 400, 401, 404, 405, 409, 413, 429}
KNOWN: dict[str, list[Any]] = {
    "node": ["n1", "n2", "new"], "project": ["p", "q", "new"], "network": ["net", "new"], "switch": ["sw", "new"],
    "port": ["gi1/0/1", "gi1/0/2", "te1/1"], "nic": ["eth0", "new"], "which": ["free"], "user": ["eve", "root", "new"],
    "label": ["x"], "owner": ["p", "admin"], "access": ["p", ""], "net_id": ["", "7"], "channel": ["", "vlan/100"],
    "obmd": [OBMD], "metadata": [{"a": 1}], "macaddr": [""], "type": [MOCK], "hostname": ["h"], "username": [""],
    "password": ["", "x"], "enabled": [True, False], "force": [True], "bootdev": ["A"], "is_admin": [False, True],
    "value": [None, [1]], "base_img": ["x"], "headnode": ["h"], "hnic": ["e"], "status_id": ["x"],
}  # fmt: skip
EXAMPLES = 150

names = st.sampled_from(["n1", "p", "net", "admin", "all", "vlan/native", "gi1/0/1"])
labels = names | st.text(min_size=1, max_size=70)
rarely = st.sampled_from([False] * 11 + [True])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
users = st.sampled_from(["root", "root", "root", "alice", "alice", "bob", "eve", None])
odd_headers = st.lists(
    st.tuples(
        st.sampled_from(["Content-Type", "Authorization", "X-Auth-Token", "Accept", "Content-Length", "Host", "X-Odd"]),
        st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40),
    ),
    max_size=2,
)


@st.composite
def paths(draw: st.DrawFn, call: Call) -> str:
    """A path of this call: known or odd labels, encoded or raw, and now and then something appended."""
    parts = []
    for part in call.template:
        known = KNOWN[part.strip("{*}")] if part.startswith("{") else [part]
        word = draw(labels if part.startswith("{") and draw(rarely) else st.sampled_from(known))
        raw = word.encode("utf-8", "surrogatepass").decode("latin-1").replace("?", "%3F")
        parts.append(raw if draw(rarely) or "*" in part else quote(word, errors="surrogatepass"))
    tail = (
        draw(st.sampled_from(["/", "/x", "?a=b", "?project=p", "?project=%FF", "%00", "%ff"])) if draw(rarely) else ""
    )
    return "/" + "/".join(parts) + tail


@st.composite
def bodies(draw: st.DrawFn, call: Call) -> bytes:
    """Mostly the fields of the call with values that could be meant, sometimes anything."""
    if draw(rarely):
        return draw(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
    more = ("hostname", "username", "password") if call.body.rest else ()
    fields: dict[str, Any] = {
        key: draw(values | labels if draw(rarely) else st.sampled_from(KNOWN[key]))
        for key in (*call.body.fields, *call.body.optional, *more)
    }
    if draw(rarely):
        fields[draw(st.text(max_size=8))] = draw(values)
    return b"" if call.method == "GET" else json.dumps(fields).encode()


@pytest.fixture
def target(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world with something in it, from which no OBMd is reached."""

    async def nowhere(*_: object) -> tuple[int, bytes]:
        raise httpx.ConnectError("there is no network here")

    monkeypatch.setattr("hil.drivers.obmd_link.ObmdLink._exchange", nowhere)
    world.machine(1, "p")
    world.machine(2)
    world.network("net")
    return world


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_no_request_makes_it_fail(target: World, data: st.DataObject) -> None:
    calls = table(target.api.edge, Settings()).calls
    call = data.draw(st.sampled_from(calls), label="call")
    methods = st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "BREW"])
    method = data.draw(methods) if data.draw(rarely) else call.method
    path, body = data.draw(paths(call), label="path"), data.draw(bodies(call), label="body")
    user, headers = data.draw(users, label="user"), data.draw(odd_headers, label="headers") if data.draw(rarely) else ()
    answer = target.api.send(method, path, body, user, headers)
    obm_failed = answer.status == 500 and answer.json["type"] == "OBMError"
    assert answer.status in STATUSES or obm_failed, answer
    assert is_error(answer) if answer.status >= 400 else answer.body.isascii()


@settings(max_examples=EXAMPLES)
@given(raw=st.binary(max_size=60), query=st.binary(max_size=20), method=st.text(min_size=1, max_size=6))
@example(raw=b"%", query=b"%", method="GET")
@example(raw=b"/node/\xed\xa0\x80", query=b"", method="GET")
def test_no_bytes_in_path_or_query_make_it_fail(standing_world: World, raw: bytes, query: bytes, method: str) -> None:
    path = raw.replace(b"?", b"/").decode("latin-1") + "?" + query.decode("latin-1")
    answer = standing_world.api.send(method, f"/{path}")
    assert answer.status in STATUSES
    assert is_error(answer) if answer.status >= 400 else answer.body.isascii()


@settings(max_examples=EXAMPLES)
@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_body_makes_it_fail(standing_world: World, body: bytes) -> None:
    answer = standing_world.api.send("PUT", "/node/x", body, "eve")
    assert answer.short in ("400 ValidationError", "401 AuthorizationError")
    assert is_error(answer)
