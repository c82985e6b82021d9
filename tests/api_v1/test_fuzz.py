"""Requests that nobody would think of, made from the OpenAPI document: no 5xx, and answers that are as promised.

Both what the document allows and what it forbids is sent, by an operator and by a member, to a furnished world that
keeps whatever the requests made of it.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hil.api.app import close_streams
from hil.store.unit import Store
from tests.api_v1.walk import Walk
from tests.api_v1.world import PASSWORD, World, document, open_world

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
NOTHING_TO_NEGATE = {"root_show", "whoami_show", "plan_show", "trouble_show", "driver_list", "pool_show"}
"""These take nothing that could be wrong."""
EXAMPLES = 400 if os.environ.get("HIL_SOAK") else 10
SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = {result.ok().definition.raw["operationId"]: result.ok() for result in SCHEMA.get_all_operations()}


KNOWN = {
    "project": ["p", "q", "empty"], "owner": ["p", "q"], "node": ["mine", "idle", "wired", "theirs", "held", "busy"],
    "nodes": ["idle", "spare"], "nic": ["eth0"], "network": ["net", "shared", "hidden", "open"], "switch": ["sw"],
    "port": ["gi1/0/1", "gi1/0/4", "gi1/0/9"], "user": ["eve", "bob"], "driver": ["mock", "ovs"],
}  # fmt: skip
"""What the standing world has, by the name under which requests speak of it."""


def grounded(value: Any, draw: Any) -> Any:
    """Put names of things that exist in place of some that do not: random ones would be 404 for ever."""
    if isinstance(value, list):
        return [grounded(part, draw) for part in value]
    if not isinstance(value, dict):
        return value
    return {key: draw(st.sampled_from(KNOWN[key])) if _is_name(key, inner) else grounded(inner, draw)
            for key, inner in value.items()}  # fmt: skip


def _is_name(key: Any, value: Any) -> bool:
    return key in KNOWN and isinstance(value, str)


@dataclass
class Fuzzed:
    """A furnished world in which nobody waits: streams and long polls end at once."""

    world: World
    runner: asyncio.Runner

    def send(self, case: Any, by: str) -> Response:
        """Send what schemathesis made, byte for byte, past any HTTP library that would tidy it up."""
        prepared = requests.Request(**case.as_transport_kwargs(base_url="http://hil.test")).prepare()
        parts = urlsplit(str(prepared.url))
        basic = base64.b64encode(f"{by}:{PASSWORD}".encode())
        headers = [(name.lower().encode(), _raw(value)) for name, value in prepared.headers.items()]
        headers = [pair for pair in headers if pair[0] != b"authorization"] + [(b"authorization", b"Basic " + basic)]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": prepared.method,
            "headers": headers, "scheme": "http", "path": unquote(parts.path), "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(), "server": ("hil.test", 80), "client": ("192.0.2.7", 4711),
            "root_path": "",
        }  # fmt: skip
        start, content = self.runner.run(self._exchange(scope, _raw(prepared.body or b"")))
        fields = {name.decode(): [value.decode()] for name, value in start["headers"]}
        return Response(start["status"], fields, content, prepared, elapsed=0.0, verify=False)

    async def _exchange(self, scope: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """The message that began the answer, and its whole body."""
        sent = [{"type": "http.request", "body": body, "more_body": False}]
        got: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return sent.pop() if sent else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            got.append(message)

        await self.world.app(scope, receive, send)
        return got[0], b"".join(message.get("body", b"") for message in got[1:])


def _raw(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1", "replace")


@pytest.fixture(scope="module")
def fuzzed(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    from tests.support.databases import CHEAP, KEYS  # the plugin must be loaded as one before anything imports it

    path = tmp_path_factory.mktemp("fuzz") / "hil.db"
    path.write_bytes(sqlite_template.read_bytes())
    store = Store(f"sqlite:///{path}", KEYS, passwords=CHEAP)
    world = open_world(store)
    Walk(world, path)
    close_streams(world.app)
    yield Fuzzed(world, world.runner)
    world.close()
    store.close()


@pytest.mark.soak
@pytest.mark.parametrize(("name", "mode"), [
    *((name, GenerationMode.POSITIVE) for name in sorted(OPERATIONS)),
    *((name, GenerationMode.NEGATIVE) for name in sorted(OPERATIONS) if name not in NOTHING_TO_NEGATE),
])  # fmt: skip
def test_whatever_is_sent_is_answered_as_promised(fuzzed: Fuzzed, name: str, mode: GenerationMode) -> None:
    cases = OPERATIONS[name].as_strategy(generation_mode=mode)

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data(), by=st.sampled_from(["root", "alice"]), real=st.booleans())
    def send(data: st.DataObject, by: str, real: bool) -> None:
        case = data.draw(cases)
        if real:
            case.path_parameters = grounded(dict(case.path_parameters or {}), data.draw)
            case.body = grounded(case.body, data.draw)
        case.validate_response(fuzzed.send(case, by), checks=CHECKS)

    send()


def test_the_fuzz_would_notice(fuzzed: Fuzzed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that shows something else than promised, and a handler that fails, are both found."""
    case = OPERATIONS["pool_show"].Case()
    case.validate_response(fuzzed.send(case, "root"), checks=CHECKS)
    for broken in (lambda _: {"pool": 7}, lambda _: 1 / 0):
        monkeypatch.setattr("hil.services.pool.pool_show", broken)
        with pytest.raises(FailureGroup):
            case.validate_response(fuzzed.send(case, "root"), checks=CHECKS)
