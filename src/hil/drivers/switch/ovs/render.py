"""What a port's row in the database must hold, for every state that HIL can mean. Pure.

It never writes a row that forwards what was not asked: `trunks` is never empty but under `access`, and every
column that has a say in VLANs is written, so that nothing of an older configuration shines through.

Open vSwitch has no column that shuts a port. A closed port carries only VLAN 4095, which no frame may use (IEEE
802.1Q-2018, table 9-2) and no HIL port ever carries; but Open vSwitch does forward it, so it takes two things
more: `protected`, which keeps closed ports of one bridge from each other, and a rest for the bridge's own port,
which otherwise carries every VLAN: it is left with VLAN 0, that is frames without a tag, on which no HIL port is.
Links to other switches are the operator's: unless they list their VLANs (`trunks` without 4095), they carry VLAN
4095 as well, from one switch's closed ports to another's.

A native VLAN that leaves untagged is also accepted tagged (`native-untagged`), as most switches do; without
tagged networks the mode is `access`, which drops every tag but 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from hil.core.model import PortChange, PortState
from hil.drivers.switch.order import differing

DEAD: Final = 4095
"""The VLAN of closed ports."""
UNTAGGED: Final = 0
"""The VLAN in which Open vSwitch keeps frames that have no tag and met no native VLAN."""
COLUMNS: Final = ("vlan_mode", "tag", "trunks", "cvlans", "protected")
"""The columns of Port that decide about VLANs: each is written, compared and set anew, every time."""
EMPTY: Final = ["set", []]

Row = dict[str, Any]


def row(state: PortState) -> Row:
    """Answer the columns of a port in this state."""
    if not state.enabled:
        return _row("trunk", None, [DEAD], protected=True)
    if state.native is None:
        return _row("trunk", None, state.tagged)
    if state.tagged:
        return _row("native-untagged", state.native, state.tagged)
    return _row("access", state.native, ())


def rest() -> Row:
    """Answer the columns of the bridge's own port, once it must be kept away from closed ports."""
    return _row("trunk", None, [UNTAGGED])


def _row(mode: str, tag: int | None, trunks: Iterable[int], protected: bool = False) -> Row:
    return {
        "vlan_mode": mode,
        "tag": EMPTY if tag is None else tag,
        "trunks": ["set", sorted(trunks)],
        "cvlans": EMPTY,
        "protected": protected,
    }


def update(port: str, columns: Row) -> Row:
    """Answer the operation that writes a port's row."""
    return {"op": "update", "table": "Port", "where": [["name", "==", port]], "row": columns}


def lines(batch: Iterable[PortChange]) -> list[str]:
    """Write the operations of a batch as text, one JSON object a line; what is already so yields nothing."""
    return [json.dumps(update(change.port, row(change.want))) for change in differing(batch)]
