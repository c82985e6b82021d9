"""What a port's row in the database makes its data plane do. Pure, and total: any row has an answer.

A row is read as `ovs-vswitchd` obeys it, not as somebody may have meant it: a mode that is not set follows from
`tag`, `access` ignores `trunks`, `trunk` ignores `tag`, a native VLAN ousts VLAN 0, and a trunk that lists nothing
carries everything (each seen with `ofproto/trace`, Open vSwitch 3.1.0). What HIL cannot mean exactly is *not
representable*. A bond is one port with one row, and reads like any other; QinQ (`dot1q-tunnel` with its `cvlans`) and
a native VLAN that leaves tagged do not.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from hil.core.model import CLOSED, Observed, PortState
from hil.core.vlans import FIRST, LAST, fold
from hil.drivers.switch.ovs.render import COLUMNS, DEAD, UNTAGGED

_RAW_CHARS: Final = 500


class _Foreign(Exception):
    """The row is a state that HIL cannot mean; the argument says why."""


def port(row: Mapping[str, Any]) -> Observed:
    """Answer what a row of Port means."""
    try:
        return Observed(_state(row), raw=raw(row))
    except _Foreign as reason:
        return Observed(None, str(reason), raw(row))


def hears_dead(row: Mapping[str, Any]) -> bool:
    """Whether a closed port of the same bridge could reach this one. An unreadable row might."""
    try:
        mode, tag, trunks, protected = _columns(row)
    except _Foreign:
        return True
    listed = not trunks or DEAD in trunks
    return not protected and (tag == DEAD if mode in ("access", "dot1q-tunnel") else listed or tag == DEAD)


def raw(row: Mapping[str, Any]) -> str:
    """Show the columns that decide, for people; long lists of VLANs are folded and cut."""
    return "; ".join(f"{column}={_plain(row.get(column))}" for column in COLUMNS if column in row)[:_RAW_CHARS]


def atoms(value: Any) -> list[Any]:
    """Answer the elements of a column: a set, or the bare atom that stands for one (RFC 7047, section 5.1)."""
    match value:
        case ["set", list() as elements]:
            return elements
        case _:
            return [value]


def references(value: Any) -> frozenset[str]:
    """Answer the row ids in a column of references."""
    found = set()
    for atom in atoms(value):
        match atom:
            case ["uuid", str() as uuid]:
                found.add(uuid)
    return frozenset(found)


def pairs(value: Any) -> dict[str, str]:
    """Answer a column that maps text to text; what is no such map is empty."""
    match value:
        case ["map", list() as entries]:
            whole = [entry for entry in entries if isinstance(entry, list) and len(entry) == 2]
            return {key: word for key, word in whole if isinstance(key, str) and isinstance(word, str)}
        case _:
            return {}


def _columns(row: Mapping[str, Any]) -> tuple[str, int | None, frozenset[int], bool]:
    """Answer the effective mode, the tag, the trunks and whether the port is protected."""
    tags, trunks, modes = (atoms(row.get(column)) for column in ("tag", "trunks", "vlan_mode"))
    protected = row.get("protected")
    for number in (*tags, *trunks):
        if type(number) is not int or not UNTAGGED <= number <= DEAD:
            raise _Foreign("a VLAN column holds what is no VLAN")
    if len(tags) > 1 or len(modes) > 1 or not isinstance(protected, bool):
        raise _Foreign("a column holds what it cannot")
    tag = tags[0] if tags else None
    mode = modes[0] if modes else ("trunk" if tag is None else "access")
    if not isinstance(mode, str):
        raise _Foreign("a column holds what it cannot")
    return mode, tag, frozenset(trunks), protected


def _state(row: Mapping[str, Any]) -> PortState:
    mode, tag, trunks, protected = _columns(row)
    native: int | None = None
    tagged: frozenset[int] = frozenset()
    match mode:
        case "access":
            native = _native(tag)
        case "trunk":
            tagged = _listed(trunks)
        case "native-untagged":
            native = _native(tag)
            tagged = _listed(trunks) - {native, UNTAGGED}
        case "native-tagged":
            raise _Foreign("its native VLAN leaves tagged")
        case "dot1q-tunnel":
            raise _Foreign("a QinQ tunnel")
        case _:
            raise _Foreign("an unknown VLAN mode")
    if native is None and tagged == {DEAD}:
        if not protected:
            raise _Foreign(f"it carries only VLAN {DEAD}, but is not protected from other ports that do")
        return CLOSED
    carried = tagged if native is None else tagged | {native}
    if wrong := [vlan for vlan in carried if not FIRST <= vlan <= LAST]:
        raise _Foreign(f"it carries VLAN {fold(wrong)}, which is reserved")
    if protected:
        raise _Foreign("it is protected: members of its networks may not hear it")
    return PortState(native, tagged)


def _native(tag: int | None) -> int:
    if tag is None:
        raise _Foreign("it carries untagged frames, but has no VLAN for them")
    return tag


def _listed(trunks: Collection[int]) -> frozenset[int]:
    if not trunks:
        raise _Foreign("a trunk of every VLAN")
    return frozenset(trunks)


def _plain(value: Any) -> str:
    elements = atoms(value)
    if elements and all(type(element) is int for element in elements):
        return fold(elements)
    return json.dumps(elements[0] if len(elements) == 1 else elements, default=repr)[:_RAW_CHARS]
