"""Following events: the wire, and what happens when it breaks."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.client import Denied, UnexpectedAnswer, Unreachable
from hil.client.events import lines, messages
from tests.client.script import Played, problem

FACTS = '{"at": "2030-01-01T00:00:00Z", "kind": "node", "name": "n1", "action": "node_allocate", "project": "blue"}'


def wire(*numbers: int, end: str = "") -> str:
    return ": hello\n\n" + "".join(f"id: {n}\nevent: node_allocate\ndata: {FACTS}\n\n" for n in numbers) + end


class Broken(httpx.SyncByteStream):
    """A body that ends in the middle."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __iter__(self) -> Iterator[bytes]:
        yield self.text.encode()
        raise httpx.ReadError("connection reset")


def streamed(text: str) -> httpx.Response:
    return httpx.Response(200, text=text, headers={"Content-Type": "text/event-stream"})


def test_events_are_read_as_they_come() -> None:
    first = next(Played(streamed(wire(7))).client.events.follow())
    assert (first.seq, first.action, first.kind, first.name, first.project) == (
        7,
        "node_allocate",
        "node",
        "n1",
        "blue",
    )
    assert first.at is not None
    assert first.at.year == 2030
    assert first.raw["seq"] == 7


def test_a_lost_connection_goes_on_behind_the_last_event() -> None:
    played = Played(
        httpx.Response(200, stream=Broken(wire(7, 8, end="id: 9\nevent: node_al"))),
        httpx.ConnectError("refused"),
        problem(503, "unavailable"),
        streamed(wire(8, 9)),
        streamed(wire(10)),
    )
    assert [event.seq for event in islice(played.client.events.follow(6), 4)] == [7, 8, 9, 10]
    seen = [request.headers.get("last-event-id") for request in played.script.requests]
    assert seen == ["6", "8", "8", "8", "9"]
    assert len(played.slept) == 4


def test_from_now_on_names_no_event() -> None:
    played = Played(streamed(wire(7)))
    next(played.client.events.follow())
    assert "last-event-id" not in played.script.requests[0].headers
    assert played.script.requests[0].headers["accept"] == "text/event-stream"


def test_who_is_cut_off_before_the_first_event_goes_on_where_the_stream_began() -> None:
    played = Played(streamed(": HIL\nid: 41\n\n"), streamed(wire(42)))
    assert next(played.client.events.follow()).seq == 42
    assert played.script.requests[1].headers["last-event-id"] == "41"


def test_what_cannot_get_better_ends_the_stream_at_once() -> None:
    played = Played(streamed(wire(7)), problem(403, "denied"))
    events = played.client.events.follow()
    next(events)
    with pytest.raises(Denied):
        next(events)


def test_an_outage_without_end_is_told() -> None:
    played = Played(httpx.ConnectError("refused"), forever=True)
    with pytest.raises(Unreachable):
        next(played.client.events.follow(patience=-1))


@pytest.mark.parametrize("text", ["id: 1\ndata: {\n\n", "id: x\ndata: {}\n\n", "id: 1\ndata: []\n\n"])
def test_an_event_that_cannot_be_read_is_told(text: str) -> None:
    with pytest.raises(UnexpectedAnswer, match="cannot be read"):
        next(Played(streamed(text)).client.events.follow())


@given(st.lists(st.text(alphabet="ab\u2028\x0b\x85 é", max_size=5)), st.data())
def test_lines_end_where_the_standard_says_however_they_are_cut(wanted: list[str], data: Any) -> None:
    ends = data.draw(st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=len(wanted), max_size=len(wanted)))
    # An empty line behind a lone \r would turn with its \n into one end of line.
    ends = ["\n" if end == "\r" else end for end in ends]
    whole = "".join(line + end for line, end in zip(wanted, ends, strict=True)).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    chunks = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert list(lines(chunks)) == wanted


def test_a_lone_return_ends_a_line() -> None:
    assert list(lines([b"a\rb\r\rc\r\n"])) == ["a", "b", "", "c"]


def test_a_line_without_end_is_not_kept_for_ever() -> None:
    with pytest.raises(UnexpectedAnswer, match="does not end"):
        list(lines(b"x" * 100_000 for _ in range(100)))


def test_messages_are_gathered_as_the_standard_says() -> None:
    text = "\ufeffdata: one\ndata:two\ndata\nignored: x\n: comment\nid: 4\n\ndata: {}\nevent: e\n\n"
    text += "id: 5\n\nid: a\0b\ndata: x\n\n"
    found = [(m.id, m.event, m.data) for m in messages(text.split("\n"))]
    assert found == [("4", "", ["one", "two", ""]), ("4", "e", ["{}"]), ("5", "", []), ("5", "", ["x"])]
