"""The order of a batch, and the VLANs that may be in it."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.mock.spec import CAPABILITIES
from hil.drivers.switch.order import Step, check_vlans, differing, foreign_vlans, step


def state(native: int | None = None, *tagged: int) -> PortState:
    return PortState(native, frozenset(tagged))


STEPS = [
    (state(1), CLOSED, Step.CLOSE),
    (None, CLOSED, Step.CLOSE),
    (None, state(1), Step.NARROW),
    (state(1, 2, 3), state(1, 2), Step.NARROW),
    (state(1, 2), state(None, 2), Step.NARROW),
    (state(1), state(2), Step.CHANGE),
    (state(1), state(None, 1), Step.CHANGE),
    (state(1, 2), state(1, 3), Step.CHANGE),
    (state(1), state(1, 2), Step.WIDEN),
    (CLOSED, state(1), Step.OPEN),
]


@pytest.mark.parametrize(("have", "want", "expected"), STEPS, ids=str)
def test_a_change_is_judged_by_the_vlans_of_its_port(have: PortState | None, want: PortState, expected: Step) -> None:
    assert step(PortChange("a", have, want)) is expected


STATES = st.builds(state, st.none() | st.integers(1, 4), st.integers(5, 8)) | st.just(CLOSED)
CHANGES = st.builds(PortChange, st.sampled_from("abcdef"), st.none() | STATES, STATES)


@given(st.lists(CHANGES))
def test_what_closes_comes_before_what_opens_and_nothing_is_written_twice(batch: list[PortChange]) -> None:
    ordered = differing(batch)
    assert [step(change) for change in ordered] == sorted(step(change) for change in ordered)
    assert all(change.have != change.want for change in ordered)
    assert sorted(map(repr, ordered)) == sorted(repr(change) for change in batch if change.have != change.want)


def test_vlans_outside_the_range_reserved_or_parked_are_named() -> None:
    narrow = dataclasses.replace(CAPABILITIES, vlans=(2, 100), reserved=frozenset({50}))
    change = PortChange("gi1/0/1", CLOSED, state(1, 2, 50, 60, 100, 101))
    assert foreign_vlans(narrow, {60}, change) == {1, 50, 60, 101}
    with pytest.raises(BadArgument, match=r"Port gi1/0/1: .* VLAN 1,50,60,101"):
        check_vlans(narrow, {60}, [change])
    check_vlans(narrow, {60}, [PortChange("a", state(1, 50), state(2, 100))])
