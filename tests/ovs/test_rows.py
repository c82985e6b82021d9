"""Rows of the database, as the driver writes and reads them: a table of the odd ones, properties for the rest."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.ovs import parse, render
from tests.ovs.model import carried, taken_in

VLANS = st.integers(1, 4094)
STATES = st.builds(
    lambda native, tagged: PortState(native, tagged - {native}), st.none() | VLANS, st.frozensets(VLANS, max_size=12)
)
EMPTY: Any = ["set", []]
DEFAULT = {"vlan_mode": EMPTY, "tag": EMPTY, "trunks": EMPTY, "cvlans": EMPTY, "protected": False}


def row(**columns: Any) -> dict[str, Any]:
    """A row as the server shows it: a set of one is the bare value."""
    return DEFAULT | columns


@given(STATES)
def test_every_state_reads_back_as_itself(state: PortState) -> None:
    assert parse.port(render.row(state)).state == state


@given(STATES)
def test_a_row_carries_the_vlans_of_its_state_and_no_other(state: PortState) -> None:
    assert carried(render.row(state)) == (state.vlans or {4095})


@given(STATES)
def test_a_row_takes_untagged_frames_only_into_the_native_vlan(state: PortState) -> None:
    assert taken_in(render.row(state)).get(None) == state.native


@given(st.none() | STATES, STATES)
def test_no_write_opens_a_vlan_outside_old_and_new(have: PortState | None, want: PortState) -> None:
    operations = [json.loads(line) for line in render.lines([PortChange("p1", have, want)])]
    assert [have == want] == [not operations]
    for operation in operations:
        assert operation["row"].keys() == set(render.COLUMNS)
        assert carried(operation["row"]) <= (have.vlans if have else frozenset()) | want.vlans | {4095}


def test_a_closed_port_and_the_rest_of_the_bridges_own_port_share_no_vlan() -> None:
    closed, rest = render.row(CLOSED), render.rest()
    assert closed["protected"] is True
    assert not carried(closed) & carried(rest)
    assert not parse.hears_dead(rest)
    assert not parse.hears_dead(closed)


@pytest.mark.parametrize(
    ("columns", "state"),
    [
        pytest.param({"tag": 10}, PortState(10), id="mode not set, tag: access"),
        pytest.param({"tag": 10, "trunks": ["set", [20, 30]]}, PortState(10), id="mode not set, tag: trunks ignored"),
        pytest.param({"trunks": 20}, PortState(None, frozenset({20})), id="mode not set, trunks: a trunk"),
        pytest.param({"vlan_mode": "access", "tag": 10, "trunks": 20}, PortState(10), id="access ignores trunks"),
        pytest.param(
            {"vlan_mode": "trunk", "tag": 10, "trunks": 20}, PortState(None, frozenset({20})), id="trunk ignores tag"
        ),
        pytest.param({"vlan_mode": "native-untagged", "tag": 10, "trunks": 10}, PortState(10), id="native listed too"),
        pytest.param(
            {"vlan_mode": "native-untagged", "tag": 10, "trunks": ["set", [10, 20]]},
            PortState(10, frozenset({20})),
            id="native among the tagged",
        ),
        pytest.param({"vlan_mode": "access", "tag": 10, "cvlans": 7}, PortState(10), id="cvlans belong to tunnels"),
        pytest.param({"vlan_mode": "trunk", "trunks": 4095, "protected": True}, CLOSED, id="closed"),
    ],
)
def test_a_row_written_by_hand_reads_as_it_behaves(columns: dict[str, Any], state: PortState) -> None:
    assert carried(row(**columns)) == (state.vlans or {4095})
    assert parse.port(row(**columns)).state == state


FOREIGN: dict[str, dict[str, Any]] = {
    "as add-port leaves it": {},
    "a trunk of everything": {"vlan_mode": "trunk"},
    "a native VLAN and everything tagged": {"vlan_mode": "native-untagged", "tag": 10},
    "the original driver's revert": {"vlan_mode": "native-untagged"},
    "untagged frames without a VLAN": {"vlan_mode": "access"},
    "tag 0": {"tag": 0},
    "trunk of VLAN 0": {"trunks": ["set", [0, 20]]},
    "access to the dead VLAN": {"tag": 4095},
    "the dead VLAN and another": {"trunks": ["set", [20, 4095]], "protected": True},
    "dead, but not protected": {"vlan_mode": "trunk", "trunks": 4095},
    "open, but protected": {"vlan_mode": "access", "tag": 10, "protected": True},
    "the native VLAN leaves tagged": {"vlan_mode": "native-tagged", "tag": 10, "trunks": 20},
    "QinQ": {"vlan_mode": "dot1q-tunnel", "tag": 10, "cvlans": ["set", [20, 30]]},
    "a mode of the future": {"vlan_mode": "quantum", "tag": 10},
}


@pytest.mark.parametrize("columns", FOREIGN.values(), ids=FOREIGN)
def test_what_hil_cannot_mean_is_not_representable_and_says_why(columns: dict[str, Any]) -> None:
    found = parse.port(row(**columns))
    assert found.state is None
    assert found.reason
    assert "vlan_mode" in found.raw


@pytest.mark.parametrize(
    ("columns", "hears"),
    [
        ({}, True),
        ({"protected": True}, False),
        ({"vlan_mode": "access", "tag": 10}, False),
        ({"vlan_mode": "access", "tag": 4095}, True),
        ({"trunks": ["set", [0, 10]]}, False),
        ({"trunks": ["set", [10, 4095]]}, True),
        ({"vlan_mode": "native-untagged", "tag": 4095, "trunks": 10}, True),
        ({"vlan_mode": "native-untagged", "tag": 10, "trunks": 20}, False),
        ({"vlan_mode": "dot1q-tunnel", "tag": 10}, False),
        ({"vlan_mode": "dot1q-tunnel", "tag": 4095}, True),
        ({"trunks": "?"}, True),
    ],
)
def test_who_could_hear_a_closed_port_is_known(columns: dict[str, Any], hears: bool) -> None:
    assert parse.hears_dead(row(**columns)) is hears


ATOMS = st.none() | st.booleans() | st.integers(-1, 4097) | st.floats() | st.text(max_size=5)
JUNK: Any = st.recursive(
    ATOMS | st.sampled_from(["access", "trunk", "native-untagged", "set", "map", "uuid"]),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(st.just("set"), st.lists(inner, max_size=4)).map(list),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*render.COLUMNS, "name"]), JUNK))
def test_any_row_has_an_answer(columns: dict[str, Any]) -> None:
    found = parse.port(columns)
    assert (found.state is None) is bool(found.reason)
    assert isinstance(parse.hears_dead(columns), bool)
    for value in columns.values():
        assert isinstance(parse.references(value), frozenset)
        assert isinstance(parse.pairs(value), dict)


NUMBERS = st.lists(st.sampled_from([0, 1, 10, 20, 4094, 4095]), max_size=3, unique=True)


@given(
    st.sampled_from([EMPTY, "access", "trunk", "native-untagged"]),
    st.sampled_from([EMPTY, 0, 10, 4095]),
    NUMBERS,
    st.booleans(),
)
def test_a_row_is_representable_exactly_if_hil_could_have_meant_it(
    mode: Any, tag: Any, trunks: list[int], protected: bool
) -> None:
    found = row(vlan_mode=mode, tag=tag, trunks=["set", trunks], protected=protected)
    state = parse.port(found).state
    if state is not None:
        assert carried(found) == (state.vlans or {4095})
        assert taken_in(found).get(None) == state.native
    else:
        assert protected or not carried(found) <= set(range(1, 4095))
