"""Cutting a stream into JSON objects, and finding errors among results."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hil.drivers.transport.ovsdb import Framer, failure, rows, words

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
OBJECTS = st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=4)


@example([{"a": "\\"}], True, [8], "")  # cut after both bytes of an escape: nothing of it is still to come
@example([{"a": "\\"}], True, [7], "")  # cut between them
@given(OBJECTS, st.booleans(), st.lists(st.integers(0, 400)), st.sampled_from(["", " ", "\n"]))
def test_objects_arrive_whole_wherever_the_stream_is_cut(
    objects: list[dict[str, Any]], ascii_only: bool, cuts: list[int], between: str
) -> None:
    stream = between.join(json.dumps(one, ensure_ascii=ascii_only) for one in objects).encode()
    framer, found, start = Framer(), [], 0
    for end in [*sorted(min(cut, len(stream)) for cut in cuts), len(stream)]:
        found += list(framer.feed(stream[start:end]))
        start = end
    assert found == objects


@pytest.mark.parametrize("stream", [b"[1]", b"}", b"]", b'{"a": }', b'{"a": "\xff"}', b"[" * 5000 + b"]" * 5000])
def test_what_is_no_stream_of_objects_is_a_value_error(stream: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(Framer().feed(stream))


def test_a_message_without_end_is_given_up() -> None:
    framer = Framer(longest=1000)
    assert list(framer.feed(b'{"a": "' + b"x" * 900)) == []
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        list(framer.feed(b"x" * 200))


def test_the_error_of_a_failed_transaction_is_found_among_its_results() -> None:
    error = {"error": "timed out", "details": '"where" clause test failed'}
    assert failure([{"count": 1}, error, None]) == (1, error)
    assert failure([{"count": 1}, {"rows": []}, {}]) is None
    assert failure([]) is None
    assert words(error) == 'timed out: "where" clause test failed'
    assert words("a\x1b[31mb\n") == "a [31mb"


@given(JSON)
def test_rows_of_anything_are_rows(found: Any) -> None:
    assert all(isinstance(row, dict) for row in rows(found))
