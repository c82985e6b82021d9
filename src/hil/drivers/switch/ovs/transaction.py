"""One batch as one transaction of the database, and what its results mean. Pure.

The database runs a transaction as a whole or not at all. The guards come first: the lock of this session (which
kills what an earlier session sent and the server has not run yet), the bridge's marks with the newest fence seen,
and each row as it was read. Then the rows, the fence, and the count that asks `ovs-vswitchd` to apply it all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from hil.core.errors import LeaseLost, Refused
from hil.drivers.switch.ovs import parse, render
from hil.drivers.switch.ovs.render import COLUMNS, Row
from hil.drivers.transport.ovsdb import Op, failure, rows, words

DATABASE: Final = "Open_vSwitch"
FENCE: Final = "hil-fence"
"""Key in the bridge's `external_ids`: the newest fence that has written here. It survives reboots, as the rows do."""


class Part(Enum):
    """What an operation is there for; `PORT` writes a port that the batch names."""

    LOCK = auto()
    MARKS = auto()
    ROW = auto()
    PORT = auto()
    REST = auto()


@dataclass(frozen=True, slots=True)
class Batch:
    """Operations, each with its part and the port it is about."""

    ops: tuple[Op, ...]
    parts: tuple[tuple[Part, str], ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing of the transaction was done, because of this part; `words` are the database's own."""

    part: Part
    port: str
    words: str


def lock_of(bridge: str) -> str:
    """Name the lock of a bridge; an OVSDB id has only letters, digits and underscores."""
    return f"hil_{bridge.encode().hex()}"


def fence_of(bridge: Row) -> int | None:
    """Answer the newest fence that has written to a bridge. Raises Refused if the mark cannot be read."""
    text = parse.pairs(bridge.get("external_ids")).get(FENCE)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        name = bridge.get("name")
        raise Refused(
            f"external_ids:{FENCE} of bridge {name} is no number: HIL cannot tell whether a newer worker has written. "
            f"Once it is sure that none has: ovs-vsctl remove bridge {name} external_ids {FENCE}"
        )
    return int(text)


def check_fence(bridge: Row, ours: int) -> None:
    """Raise LeaseLost if a newer writer has been here."""
    newest = fence_of(bridge)
    if newest is not None and newest > ours:
        raise LeaseLost(
            f"A newer worker has written to bridge {bridge.get('name')}.",
            detail=f"its fence is {newest}, ours {ours}; after HIL's database was set back to an older one, remove "
            f"external_ids:{FENCE} from the bridge",
        )


def build(lock: str, bridge: Row, fence: int, writes: Sequence[tuple[Row, Row]]) -> Batch:
    """Make the transaction: `writes` are rows as read, with `_uuid` and `name`, and the columns they must get."""
    parts: list[tuple[Part, str, Op]] = [
        (Part.LOCK, "", {"op": "assert", "lock": lock}),
        (Part.MARKS, "", _unchanged("Bridge", bridge, ["external_ids"])),
    ]
    parts += [(Part.ROW, row["name"], _unchanged("Port", row, COLUMNS)) for row, _ in writes]
    parts += [(Part.PORT, row["name"], render.update(row["name"], columns)) for row, columns in writes]
    if fence_of(bridge) != fence:
        parts.append((Part.REST, "", _marked(bridge, fence)))
    parts += [(Part.REST, "", op) for op in _applying()]
    return Batch(tuple(op for _, _, op in parts), tuple((part, port) for part, port, _ in parts))


def outcome(batch: Batch, results: Sequence[Any]) -> Failed | int:
    """Answer what failed, or the count that `ovs-vswitchd` shows once it has applied the transaction."""
    if (failed := failure(results)) is not None:
        place, error = failed
        part, port = batch.parts[place] if place < len(batch.parts) else (Part.REST, "")
        return Failed(part, port, words(error))
    counts = rows(results[-1]) if len(results) == len(batch.ops) else []
    if len(counts) != 1 or not isinstance(counts[0].get("next_cfg"), int):
        return Failed(Part.REST, "", "the results do not fit the transaction")
    count: int = counts[0]["next_cfg"]
    return count


def waiting(count: int, milliseconds: int) -> Op:
    """Wait inside the server until `ovs-vswitchd` has applied everything up to `count`."""
    return {
        "op": "wait",
        "table": "Open_vSwitch",
        "where": [["cur_cfg", "<", count]],
        "columns": ["cur_cfg"],
        "until": "==",
        "rows": [],
        "timeout": milliseconds,
    }


def by_id(row: Row) -> list[Any]:
    return [["_uuid", "==", row["_uuid"]]]


def _unchanged(table: str, row: Row, columns: Sequence[str]) -> Op:
    """Fail at once unless the row still has these values."""
    return {
        "op": "wait",
        "table": table,
        "where": by_id(row),
        "columns": list(columns),
        "until": "==",
        "rows": [{column: row[column] for column in columns}],
        "timeout": 0,
    }


def _marked(bridge: Row, fence: int) -> Op:
    mark = ["map", [[FENCE, str(fence)]]]
    mutations = [["external_ids", "delete", ["set", [FENCE]]], ["external_ids", "insert", mark]]
    return {"op": "mutate", "table": "Bridge", "where": by_id(bridge), "mutations": mutations}


def _applying() -> list[Op]:
    return [
        {"op": "commit", "durable": True},
        {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]},
        {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]},
    ]


def selected(results: Sequence[Any], place: int) -> list[Mapping[str, Any]]:
    """Answer the rows of the select at `place`."""
    return list(rows(results[place])) if place < len(results) else []
