"""Answers about who hears whom: what they say, and how they are shown."""

from hil.lab.hearing import Heard, Hearing
from hil.lab.view import hearing_lines

HEARD = frozenset(
    {
        Heard("b", "a", "untagged"),
        Heard("b", "a", "tag 100 to untagged"),
        Heard("b", "a", "tag 102"),
        Heard("a", "b", "tag 7 to tag 8"),
        Heard("sw1", "a", "untagged"),
    }
)
FOUND = Hearing(("a", "b", "c"), ("a", "b", "c", "sw1"), HEARD, 27, "real frames")


def test_a_pair_is_heard_if_either_hears_the_other() -> None:
    assert FOUND.pairs == {frozenset("ab"), frozenset(("a", "sw1"))}
    assert FOUND.node_pairs == {frozenset("ab")}


def test_what_crosses_is_found_either_way_and_nothing_else() -> None:
    assert len(FOUND.between(["a"], ["b"])) == len(FOUND.between(["b"], ["a"])) == 4
    assert FOUND.between(["a", "b"], ["c"]) == []
    assert FOUND.between(["c"], ["sw1"]) == []


def test_a_node_is_loud_when_it_is_heard_and_when_it_hears() -> None:
    assert len(FOUND.of("a")) == 5
    assert len(FOUND.of("sw1")) == 1
    assert FOUND.of("c") == []


def test_a_table_names_ways_and_leaves_out_the_native_vlans_own_tag() -> None:
    assert list(FOUND.table()) == [
        ["hears", "a", "b", "c"],
        ["a", "", "7 to 8", "·"],
        ["b", "native+102", "", "·"],
        ["c", "·", "·", ""],
        ["sw1", "native", "·", "·"],
    ]


def test_what_is_too_wide_for_a_table_is_told_in_lines() -> None:
    nodes = tuple(f"n{number:02}" for number in range(20))
    heard = frozenset({Heard("n03", "n07", "untagged"), Heard("n03", "n08", "tag 5"), Heard("n07", "n03", "untagged")})
    lines = list(hearing_lines(Hearing(nodes, nodes, heard, 0, "the devices' state")))
    assert lines[:3] == ["n03 hears n07 (native), n08 (5)", "n07 hears n03 (native)", "18 of 20 hear nobody"]
    assert "computed from the devices' state" in lines[3]


def test_a_switch_that_hears_nothing_has_no_row() -> None:
    silent = Hearing(("a", "b"), ("a", "b", "sw1"), frozenset(), 18, "real frames")
    assert [row[0] for row in silent.table()] == ["hears", "a", "b"]
    assert silent.pairs == set()
