"""What a screen shows and what a list of VLANs holds: pure functions, on any text."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.model import CLOSED, PortChange, PortState
from hil.core.vlans import fold
from hil.drivers.switch.cli.dialect import ANY_PROMPT, prompt_of
from hil.drivers.switch.cli.lists import listed, pieces, unwrapped
from hil.drivers.switch.cli.screen import shown
from hil.drivers.switch.cli.steps import Step, flat, new_vlans

VLANS = st.sets(st.integers(1, 4094), max_size=300)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"a\r\nb\r\n", "a\nb\n"),
        (b"\x1b[K\r\nconsole#", "\nconsole#"),
        (b"abc\b\bX", "aXc"),
        (b"More: <space>\r             \rnext", "next"),
        (b"[##  ] 50%\r[####] 100%\r\nCopy complete.", "[####] 100%\nCopy complete."),
        (b"\x07Bad VLAN list\r\r\n", "Bad VLAN list\n"),
        (b"\xff\xfe", "��"),
    ],
)
def test_a_screen_shows_what_is_left(raw: bytes, text: str) -> None:
    assert shown(raw) == text


@given(st.binary(max_size=400))
def test_a_screen_shows_something_of_any_bytes(raw: bytes) -> None:
    assert not set(shown(raw)) & {"\r", "\b", "\x07", "\0"}


@given(VLANS, st.integers(9, 220))
def test_a_list_is_cut_into_pieces_that_fit_and_lose_nothing(vlans: set[int], longest: int) -> None:
    parts = list(pieces(vlans, longest))
    assert all(len(part) <= longest for part in parts)
    assert frozenset().union(*map(listed, parts)) == vlans


@given(VLANS, st.integers(20, 80))
def test_a_wrapped_list_is_joined_again(vlans: set[int], width: int) -> None:
    rows = [*pieces(vlans, width)] or ["NONE"]
    text = "Trunking VLANs Enabled: " + ",\n     ".join(rows) + "\nPruning VLANs Enabled: 2-1001"
    first, second = unwrapped(text)
    assert first.partition(": ")[2] == (fold(vlans) or "NONE")
    assert second == "Pruning VLANs Enabled: 2-1001"


@pytest.mark.parametrize(
    ("text", "vlans"),
    [("10, 2000", {10, 2000}), (" 23 - 25", {23, 24, 25}), ("1,\n 5", {1, 5}), ("", set()), ("7 9", {7, 9})],
)
def test_a_list_may_have_blanks(text: str, vlans: set[int]) -> None:
    assert listed(text) == vlans


@pytest.mark.parametrize("text", ["ALL", "5-", "9-7", "0", "4095", "1-4096", "a,b", "1;2"])
def test_what_is_no_list_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        listed(text)


@given(st.text(max_size=60))
def test_any_text_is_a_list_or_none(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert all(1 <= vlan <= 4094 for vlan in listed(text))
    assert isinstance(unwrapped(text), list)


@pytest.mark.parametrize("prompt", ["sw1#", "sw1>", "sw1(config)#", "sw1(config-if-gi-1/1)#"])
def test_prompts_are_known_with_and_without_the_name(prompt: str) -> None:
    found = ANY_PROMPT.fullmatch(prompt)
    assert found is not None
    assert found["host"] == "sw1"
    assert prompt_of("sw1").fullmatch(prompt)


@pytest.mark.parametrize("line", ["sw2#", "sw1", "sw1# show", "sw1(config)", "xsw1#", "sw1>#"])
def test_other_lines_are_no_prompts_of_this_device(line: str) -> None:
    assert not prompt_of("sw1").fullmatch(line)


def test_a_name_with_signs_of_patterns_is_only_a_name() -> None:
    assert not prompt_of("s.1").fullmatch("sx1#")
    assert re.compile(prompt_of("a+b")).fullmatch("a+b#")


def test_vlans_are_made_once_for_all_who_need_them_and_not_where_they_are_carried() -> None:
    batch = [
        PortChange("a", CLOSED, PortState(10, frozenset({20}))),
        PortChange("b", PortState(10), PortState(20)),
        PortChange("c", None, PortState(None, frozenset({30, 31}))),
        PortChange("d", PortState(40), CLOSED),
    ]
    assert list(new_vlans(batch, 200)) == [(("a",), "10"), (("a", "b"), "20"), (("c",), "30-31")]
    assert flat([Step(("a",), ("one", "two")), Step(("b",), ("three",))]) == ["one", "two", "three"]
