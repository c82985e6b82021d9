"""A batch as one transaction, and what its results mean: built and judged without a database."""

from typing import Any

import pytest

from hil.core.errors import LeaseLost, Refused
from hil.core.model import CLOSED, PortState
from hil.drivers.switch.ovs import render
from hil.drivers.switch.ovs.transaction import Failed, Part, build, check_fence, lock_of, outcome

BRIDGE: dict[str, Any] = {
    "_uuid": ["uuid", "b"],
    "name": "sw1",
    "external_ids": ["map", [["hil-fence", "6"], ["a", "b"]]],
}
PORT = {"_uuid": ["uuid", "p"], "name": "p1", **render.row(PortState(10))}


def test_guards_come_before_writes_and_the_order_to_apply_comes_last() -> None:
    batch = build("hil_1", BRIDGE, 7, [(PORT, render.row(CLOSED))])
    assert [op["op"] for op in batch.ops] == [
        "assert",
        "wait",
        "wait",
        "update",
        "mutate",
        "commit",
        "mutate",
        "select",
    ]
    assert [part for part, _ in batch.parts[:5]] == [Part.LOCK, Part.MARKS, Part.ROW, Part.PORT, Part.REST]
    assert batch.ops[4]["mutations"][1] == ["external_ids", "insert", ["map", [["hil-fence", "7"]]]]


def test_a_fence_that_is_there_already_is_not_written_again() -> None:
    ops = build("hil_1", BRIDGE, 6, [(PORT, render.row(CLOSED))]).ops
    assert not [op for op in ops if op.get("table") == "Bridge" and op["op"] == "mutate"]


def test_every_row_is_compared_in_every_column_that_decides() -> None:
    compared = build("hil_1", BRIDGE, 6, [(PORT, render.row(CLOSED))]).ops[2]
    assert compared["rows"] == [render.row(PortState(10))]
    assert compared["timeout"] == 0


@pytest.mark.parametrize(
    ("results", "answer"),
    [
        ([{}, {}, {}, {"count": 1}, {}, {"count": 1}, {"rows": [{"next_cfg": 9}]}], 9),
        ([{"error": "not owner"}], Failed(Part.LOCK, "", "not owner")),
        ([{}, {"error": "timed out"}], Failed(Part.MARKS, "", "timed out")),
        ([{}, {}, {"error": "timed out"}], Failed(Part.ROW, "p1", "timed out")),
        (
            [{}, {}, {}, {"error": "constraint violation", "details": "x"}],
            Failed(Part.PORT, "p1", "constraint violation: x"),
        ),
        ([{}, {}, {}, {}, {}, {}, {"rows": []}, {"error": "I/O error"}], Failed(Part.REST, "", "I/O error")),
        ([{}], Failed(Part.REST, "", "the results do not fit the transaction")),
        (
            [{}, {}, {}, {}, {}, {}, {"rows": [{"next_cfg": "9"}]}],
            Failed(Part.REST, "", "the results do not fit the transaction"),
        ),
    ],
)
def test_the_place_of_an_error_tells_whom_it_concerns(results: list[Any], answer: Failed | int) -> None:
    assert outcome(build("hil_1", BRIDGE, 6, [(PORT, render.row(CLOSED))]), results) == answer


def test_an_older_writer_has_lost_its_lease() -> None:
    with pytest.raises(LeaseLost):
        check_fence(BRIDGE, 5)


@pytest.mark.parametrize("ours", [6, 7])
def test_the_same_or_a_newer_writer_may_write(ours: int) -> None:
    check_fence(BRIDGE, ours)
    check_fence(BRIDGE | {"external_ids": ["map", []]}, ours)
    assert ours >= 6


@pytest.mark.parametrize("mark", ["", "six", "-1", "\uff16", "1" * 30])
def test_a_fence_that_cannot_be_read_stops_every_writer(mark: str) -> None:
    with pytest.raises(Refused, match="hil-fence"):
        check_fence(BRIDGE | {"external_ids": ["map", [["hil-fence", mark]]]}, 10**9)


@pytest.mark.parametrize("bridge", ["br0", "br-int", "a b.c", "ü"])
def test_a_lock_is_named_as_the_protocol_wants(bridge: str) -> None:
    assert lock_of(bridge).replace("_", "").isalnum()
    assert lock_of(bridge).isascii()
    assert lock_of(bridge) != lock_of(bridge + "0")
