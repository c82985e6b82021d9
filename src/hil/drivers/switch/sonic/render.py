"""A batch as one JSON patch of ConfigDB (RFC 6902). Pure.

SONiC sorts the steps of a patch by itself, checks the result against its YANG models and refuses a table that is left
empty: the last row goes with its table, the first one brings it. Rows are written from narrow to wide all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hil.core.model import PortChange, PortState
from hil.drivers.switch.order import differing
from hil.drivers.switch.sonic.parse import Database, addresses, members

Op = dict[str, Any]


class Rows:
    """ConfigDB while a patch is written: each change of a row answers its operation."""

    def __init__(self, db: Database) -> None:
        self._db = {table: dict(rows) for table, rows in db.items()}

    def has(self, table: str, key: str) -> bool:
        return key in self._db.get(table, {})

    def remove(self, table: str, key: str) -> Op:
        rows = self._db[table]
        del rows[key]
        if rows:
            return {"op": "remove", "path": pointer(table, key)}
        del self._db[table]
        return {"op": "remove", "path": pointer(table)}

    def add(self, table: str, key: str, row: Mapping[str, str]) -> Op:
        if table not in self._db:
            self._db[table] = {key: row}
            return {"op": "add", "path": pointer(table), "value": {key: dict(row)}}
        self._db[table][key] = row
        return {"op": "add", "path": pointer(table, key), "value": dict(row)}


def pointer(*parts: str) -> str:
    """Write a JSON pointer (RFC 6901).

    >>> pointer("INTERFACE", "Ethernet0|10.0.0.0/31")
    '/INTERFACE/Ethernet0|10.0.0.0~131'
    """
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def patch(wants: Mapping[str, PortState], db: Database, *, modes: bool) -> list[Op]:
    """Answer the operations that make these ports what they must become; `db` is the database as it is.

    Closed ports first; every port loses what it must lose before any gets something new.
    """
    rows = Rows(db)
    ops = [op for port, want in wants.items() if not want.enabled for op in _field(db, port, "admin_status", "down")]
    ops += [op for port, want in wants.items() for op in _narrowed(rows, db, port, want)]
    if modes:
        ops += [op for port, want in wants.items() for op in _field(db, port, "mode", mode_of(want))]
    new = sorted({vlan for want in wants.values() for vlan in want.vlans})
    ops += [
        rows.add("VLAN", f"Vlan{vlan}", {"vlanid": str(vlan)}) for vlan in new if not rows.has("VLAN", f"Vlan{vlan}")
    ]
    for port, want in wants.items():
        for key, row in wanted(port, want).items():
            if not rows.has("VLAN_MEMBER", key):
                ops.append(rows.add("VLAN_MEMBER", key, row))
    return ops + [op for port, want in wants.items() if want.enabled for op in _field(db, port, "admin_status", "up")]


def _narrowed(rows: Rows, db: Database, port: str, want: PortState) -> list[Op]:
    """Take away every membership and address that is not exactly wanted."""
    keep = wanted(port, want)
    gone = [("VLAN_MEMBER", key) for key, row in members(db, port).items() if row != keep.get(key)]
    # An address goes before the row of its interface, which it hangs on.
    routed = sorted(addresses(db, port), key=lambda place: -len(place[1]))
    return [rows.remove(table, key) for table, key in [*gone, *routed]]


def wanted(port: str, want: PortState) -> dict[str, dict[str, str]]:
    """The rows of VLAN_MEMBER that a port must have."""
    rows = {f"Vlan{vlan}|{port}": {"tagging_mode": "tagged"} for vlan in sorted(want.tagged)}
    if want.native is not None:
        rows[f"Vlan{want.native}|{port}"] = {"tagging_mode": "untagged"}
    return rows


def mode_of(want: PortState) -> str:
    if not want.enabled:
        return "routed"
    return "trunk" if want.tagged else "access"


def _field(db: Database, port: str, field: str, value: str) -> list[Op]:
    row = db.get("PORT", {}).get(port)
    if isinstance(row, dict) and row.get(field) == value:
        return []
    return [{"op": "add", "path": pointer("PORT", port, field), "value": value}]


def lines(batch: Iterable[PortChange], *, modes: bool) -> list[str]:
    """Write the patch of a batch for people, one operation a line; each port is as the batch says it was."""
    todo = differing(batch)
    db: dict[str, dict[str, Any]] = {"PORT": {}, "VLAN": {}, "VLAN_MEMBER": {"Vlan0|none": {}}}
    for change in todo:
        have = change.have or PortState()
        status = {} if change.have is None else {"admin_status": "up" if have.enabled else "down"}
        db["PORT"][change.port] = status | ({"mode": mode_of(have)} if change.have is not None else {})
        db["VLAN_MEMBER"] |= wanted(change.port, have)
        db["VLAN"] |= {f"Vlan{vlan}": {"vlanid": str(vlan)} for vlan in have.vlans}
    first = [f"remove every other membership and address of {change.port}" for change in todo if change.have is None]
    return first + [json.dumps(op) for op in patch({change.port: change.want for change in todo}, db, modes=modes)]
