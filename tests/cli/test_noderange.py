"""Noderanges: what they mean, what they refuse, and that folding loses nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.cli.noderange import MOST, BadRange, Labelled, escape, expand, fold, parse

SIGNS = "abn01289 $_.+!*'(),-[]@\\"
NAMES = st.text(SIGNS, min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("node01", "node01"),
        ("a,b, c ", "a b c"),
        ("node[1-3]", "node1 node2 node3"),
        ("node[08-11]", "node08 node09 node10 node11"),
        ("node[8-11]", "node8 node9 node10 node11"),
        ("node[01,05-06,9]", "node01 node05 node06 node9"),
        ("node[7]", "node7"),
        ("r[1-2]n[1-2]x", "r1n1x r1n2x r2n1x r2n2x"),
        ("n[1-2],gate,n[2-3]", "n1 n2 gate n3"),
        ("[1-2]", "1 2"),
        ("n[099-101]", "n099 n100 n101"),
        ("n[ 1 , 2 ]", "n1 n2"),
        ("user@host", "user@host"),
        ("n[1-1]", "n1"),
    ],
)
def test_a_range_means_these_names(text: str, names: str) -> None:
    assert expand(text) == names.split()


@pytest.mark.parametrize(
    ("text", "name"), [(r"a\,b", "a,b"), (r"\@x", "@x"), (r"a\[1\]", "a[1]"), (r"\ a\ ", " a "), ("\\\\", "\\")]
)
def test_a_backslash_takes_a_sign_for_itself(text: str, name: str) -> None:
    assert expand(text) == [name]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("@gpu", [Labelled("gpu")]),
        ("@gpu=a100", [Labelled("gpu=a100")]),
        ("@gpu=a100@rack=r1", [Labelled("gpu=a100,rack=r1")]),
        ("@!ssd,@rack!=r1", [Labelled("!ssd"), Labelled("rack!=r1")]),
        ("n[1-2],@gpu,x", ["n1", "n2", Labelled("gpu"), "x"]),
    ],
)
def test_labels_stay_for_hil_to_resolve(text: str, items: list[str | Labelled]) -> None:
    assert parse(text) == items


def test_labels_cannot_be_expanded_as_text() -> None:
    with pytest.raises(BadRange, match="only HIL can resolve"):
        expand("a,@gpu")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names nothing"),
        (" , ", "names nothing"),
        ("a,,b", "names nothing"),
        ("a,", "names nothing"),
        ("n[1-", "not closed"),
        ("n]1", "do not match at 2"),
        ("n[[1]]", "do not match at 3"),
        ("n[]", "neither a number nor a range"),
        ("n[a]", "neither a number nor a range"),
        ("n[1-2-3]", "neither a number nor a range"),
        ("n[1,]", "neither a number nor a range"),
        ("n[\u0661]", "neither a number nor a range"),
        ("n[3-1]", "runs backwards"),
        ("n[1-010]", "two ways of writing zeros"),
        ("a\\", "ends in a backslash"),
        ("@", "is no label"),
        ("@a@", "is no label"),
        ("@a b", "is no label"),
        ("@a[1]", "is no label"),
    ],
)
def test_what_is_no_range_is_refused_and_named(text: str, words: str) -> None:
    with pytest.raises(BadRange, match=words):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "n[1-10001]",
        "n[1-999999999999999999]",
        "[1-100][1-101]",
        "n[1-10000],x[1-1]",
        f"n[{'9' * 64}-{'9' * 64}],n[1-10000]",
    ],
)
def test_expansion_is_bounded(text: str) -> None:
    with pytest.raises(BadRange, match=f"{MOST} is the most"):
        parse(text)
    assert len(expand(f"n[1-{MOST}]")) == MOST


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("n1 n2 n3", "n[1-3]"),
        ("n8 n9 n10 n11", "n[8-11]"),
        ("n08 n09 n10", "n[08-10]"),
        ("n1 n3 gate", "gate,n[1,3]"),
        ("r1n1 r1n2 r2n1", "r1n[1-2],r2n1"),
        ("n1-ipmi n2-ipmi", "n[1-2]-ipmi"),
        ("n2 n10 n1", "n[1-2,10]"),
        ("n0 n00 n01", "n0,n[00-01]"),
        ("a,b c", r"a\,b,c"),
        ("", ""),
    ],
)
def test_names_are_folded_for_people(names: str, text: str) -> None:
    assert fold(names.split()) == text


@given(st.sets(NAMES, min_size=1, max_size=12))
def test_folding_loses_nothing(names: set[str]) -> None:
    assert sorted(expand(fold(names))) == sorted(names)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 120), st.integers(1, 3)), min_size=1, max_size=40))
def test_folding_numbered_names_loses_nothing_and_is_stable(parts: list[tuple[str, int, int]]) -> None:
    names = {f"{prefix}{number:0{width}}" for prefix, number, width in parts}
    text = fold(names)
    assert set(expand(text)) == names
    assert len(expand(text)) == len(names)
    assert fold(expand(text)) == text


@given(NAMES)
def test_an_escaped_name_means_itself(name: str) -> None:
    assert expand(escape(name)) == [name]


@given(st.text("ab[]-,01@\\ ", max_size=12))
def test_any_text_is_a_range_or_refused(text: str) -> None:
    try:
        items = parse(text)
    except BadRange as error:
        assert str(error)  # noqa: PT017 - it may be raised or not
    else:
        assert items
