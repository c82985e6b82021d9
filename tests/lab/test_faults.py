"""Faults in words and as JSON, and a control socket that is not there."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.errors import BadArgument, Unavailable
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.lab import faults

WORDS = [
    ("unreachable", Fault(kind=FaultKind.UNREACHABLE)),
    (
        'refuse port=gi1/0/1 words="% No such VLAN" count=2',
        Fault(kind=FaultKind.REFUSE, port="gi1/0/1", words="% No such VLAN", count=2),
    ),
    ("lose-reply op=save", Fault(kind=FaultKind.LOSE_REPLY, op=Op.SAVE)),
    ("slow seconds=2.5 count=forever", Fault(kind=FaultKind.SLOW, seconds=2.5, count=None)),
    ("lose-request op=write after=3", Fault(kind=FaultKind.LOSE_REQUEST, op=Op.WRITE, after=3)),
]


@pytest.mark.parametrize(("text", "fault"), WORDS)
def test_a_fault_is_read_from_words(text: str, fault: Fault) -> None:
    assert faults.parse(text) == fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no fault: use one of unreachable"),
        ("explode", "'explode' is no fault"),
        ("refuse port", "write key=value"),
        ("refuse colour=red", "'colour' is no setting of a fault: use one of port"),
        ("refuse count=often", "count=often cannot be meant"),
        ("refuse op=dance", "op=dance cannot be meant"),
        ("refuse count=0", "No fault can be so"),
        ("slow seconds=-1", "No fault can be so"),
        ('refuse words="open', "cannot be read"),
    ],
)
def test_what_is_no_fault_is_answered_with_what_there_is(text: str, words: str) -> None:
    with pytest.raises(BadArgument, match=words):
        faults.parse(text)


@given(
    st.builds(
        Fault,
        kind=st.sampled_from(FaultKind),
        port=st.none() | st.text(),
        op=st.none() | st.sampled_from(Op),
        words=st.text(),
        seconds=st.floats(0, 100),
        after=st.integers(0, 9),
        count=st.none() | st.integers(1, 9),
    )
)
def test_a_fault_travels_as_json(fault: Fault) -> None:
    assert faults.from_json(json.loads(json.dumps(faults.to_json(fault)))) == fault


@pytest.mark.net
def test_asking_where_no_lab_is_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="is it up"):
        faults.ask(tmp_path / "control", {"do": "names"})
