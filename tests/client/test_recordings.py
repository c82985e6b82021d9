"""Recordings, asked of obmd: which credential goes where, and what is made of answers that nobody meant."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.client import Client, Retry, UnexpectedAnswer
from hil.client.power import lines

TICKET = {
    "url": "wss://obmd.example.net:5002/v1/nodes/n%201/console",
    "protocol": "hil.console.1",
    "capability": "hilcap1.of.minutes",
    "expires_at": "2030-01-01T00:00:00Z",
}
RECORDING = {"id": "3", "epoch": 3, "begun": 1000.25, "last": 1001.5, "bytes": 10}


class Both:
    """HIL and obmd; `answer` is obmd's."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.url.host == "hil.example.org":
            return httpx.Response(200, json=TICKET)
        if isinstance(self.answer, bytes):
            return httpx.Response(200, content=self.answer)
        return httpx.Response(200, json=self.answer)

    def client(self) -> Client:
        transport = httpx.MockTransport(self)
        return Client("https://hil.example.org", token="hil_my-key", transport=transport, retry=Retry(attempts=1))


def test_obmd_gets_the_capability_and_hil_the_key_and_neither_gets_the_other() -> None:
    both = Both({"items": [RECORDING]})
    with both.client() as client:
        (found,) = client.recordings.list("n 1")
    assert (found.id, found.begun.timestamp(), found.raw["last"]) == ("3", 1000.25, "1970-01-01T00:16:41.500Z")
    sent = [
        (request.url.host, request.url.raw_path.decode(), request.headers["authorization"]) for request in both.asked
    ]
    assert sent == [
        ("hil.example.org", "/v1/nodes/n%201/console", "Bearer hil_my-key"),
        ("obmd.example.net", "/v1/nodes/n%201/recordings", "Bearer hilcap1.of.minutes"),
    ]
    assert json.loads(both.asked[0].content) == {"watch": True}


def test_a_console_without_tls_is_refused_where_hil_has_it() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host in ("hil.example.org", "127.0.0.1"), "obmd hears nothing"
        return httpx.Response(200, json={**TICKET, "url": "ws://obmd.example.net/v1/nodes/n1/console"})

    transport = httpx.MockTransport(answer)
    with Client("https://hil.example.org", transport=transport) as client:
        for call in (client.power.console, client.recordings.list, client.recordings.ssh):
            with pytest.raises(UnexpectedAnswer, match="without TLS"):
                call("n1")
    with Client("http://127.0.0.1:5000", transport=transport) as client:
        assert client.power.console("n1").url.startswith("ws:")


def test_a_password_stays_with_hil_too() -> None:
    both = Both({"items": []})
    transport = httpx.MockTransport(both)
    with Client("https://hil.example.org", username="ann", password="s3cr3t", transport=transport) as client:
        assert client.recordings.list("n 1") == ()
    assert [request.headers["authorization"].split()[0] for request in both.asked] == ["Basic", "Bearer"]


@pytest.mark.parametrize(
    "answer",
    [
        [], {"items": 1}, {"items": [1]}, {"items": [{**RECORDING, "begun": "now"}]},
        {"items": [{**RECORDING, "begun": 1e40}]}, {"items": [{**RECORDING, "id": 3}]},
    ],
    ids=repr,
)  # fmt: skip
def test_a_list_that_nobody_meant_is_said_to_be_one(answer: Any) -> None:
    with Both(answer).client() as client, pytest.raises(UnexpectedAnswer):
        client.recordings.list("n 1")


HEAD = b'{"version": 2}\n'
READS: dict[str, Callable[[Client], object]] = {
    "play": lambda client: [*client.recordings.play("n 1")],
    "lines": lambda client: [*client.recordings.lines("n 1")],
}


@pytest.mark.parametrize(
    ("read", "answer"),
    [
        ("play", b""),
        ("play", b'{"version": 3}\n'),
        ("play", HEAD + b"no json\n"),
        ("lines", b"[]\n"),
        ("lines", b'{"recording": "3", "at": null, "line": "x"}\n'),
        ("lines", b'{"recording": "3", "at": 1, "line": 2}\n'),
    ],
)
def test_a_recording_that_nobody_meant_is_said_to_be_one(read: str, answer: bytes) -> None:
    with Both(answer).client() as client, pytest.raises(UnexpectedAnswer):
        READS[read](client)


def test_what_a_later_version_writes_into_a_recording_is_passed_over() -> None:
    both = Both(HEAD + b'[0.5, "o", "a"]\n[0.6, "i", "b"]\n[0.7, "r", "80x24"]\n[1, "o", "c"]\n[2, "o"')
    with both.client() as client:
        assert [*client.recordings.play("n 1")] == [(0.5, "a"), (1.0, "c")]


@given(st.lists(st.integers() | st.text(max_size=4)), st.data())
def test_lines_are_the_same_wherever_they_are_cut(values: list[Any], data: st.DataObject) -> None:
    text = "".join(json.dumps(value) + "\n" for value in values).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    parts = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert [*lines(parts)] == values
