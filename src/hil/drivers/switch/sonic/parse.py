"""What ConfigDB says of each port. Pure, and total: any document has an answer.

    PORT|Ethernet4 {admin_status, mode}   VLAN|Vlan10 {vlanid}   VLAN_MEMBER|Vlan10|Ethernet4 {tagging_mode}

SONiC has no native VLAN that nobody asked for: without an untagged membership untagged frames are dropped. A port is
shut unless it says otherwise, and routed unless its mode does (in images that know modes). Addresses, sub-interfaces,
port channels, mirrors and memberships that contradict the mode are *not representable*.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from hil.core.model import CLOSED, Observed, PortState
from hil.core.vlans import FIRST, LAST
from hil.core.wiring import About, Mac, Neighbour, canonical_mac

LAG: Final = "member of LAG"
PORT: Final = re.compile(r"Ethernet[0-9]{1,4}")
ADDRESSES: Final = ("INTERFACE", "VLAN_SUB_INTERFACE")
"""Tables that make a port, or a part of it, a routed one; their keys begin with its name."""
_VLAN: Final = re.compile(r"Vlan([1-9][0-9]{0,3})")
_RAW: Final = 500

Database = Mapping[str, Mapping[str, Any]]


class _Foreign(Exception):
    """The port is in a state that HIL cannot mean; the argument says why."""


def database(text: str) -> dict[str, dict[str, Any]]:
    """Read what `sonic-cfggen -d --print-data` prints. Raises ValueError."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("the document is nested without end") from None
    if not isinstance(found, dict):
        raise ValueError("the document is no object")
    return {name: table for name, table in found.items() if isinstance(table, dict)}


def ports(db: Database) -> list[str]:
    return [name for name in db.get("PORT", {}) if PORT.fullmatch(name)]


def members(db: Database, port: str) -> dict[str, Any]:
    """The rows of VLAN_MEMBER that are about a port, by key."""
    return {key: row for key, row in db.get("VLAN_MEMBER", {}).items() if key.partition("|")[2] == port}


def addresses(db: Database, port: str) -> list[tuple[str, str]]:
    """Rows that route a port or a sub-interface of it: table and key."""
    return [
        (table, key)
        for table in ADDRESSES
        for key in db.get(table, {})
        if key.partition("|")[0].partition(".")[0] == port
    ]


def lag_of(db: Database, port: str) -> str:
    """The port channel that has taken a port; an empty text if none has."""
    found = [key.partition("|")[0] for key in db.get("PORTCHANNEL_MEMBER", {}) if key.partition("|")[2] == port]
    return found[0] if found else ""


def observed(db: Database, port: str, *, modes: bool) -> Observed:
    """Answer what a port is configured to be; `modes` tells whether the image knows the mode of a port."""
    raw = shown(db, port)
    try:
        return Observed(_state(db, port, modes), raw=raw)
    except _Foreign as reason:
        return Observed(None, str(reason), raw)


def shown(db: Database, port: str) -> str:
    """The rows that decide, in one line."""
    entry = db.get("PORT", {}).get(port)
    kept = {key: entry[key] for key in ("admin_status", "mode") if key in entry} if isinstance(entry, dict) else entry
    rows: dict[str, Any] = {f"PORT|{port}": kept}
    rows |= {f"VLAN_MEMBER|{key}": row for key, row in members(db, port).items()}
    rows |= {f"{table}|{key}": {} for table, key in addresses(db, port)}
    return json.dumps(rows)[:_RAW]


def _state(db: Database, port: str, modes: bool) -> PortState:
    if lag := lag_of(db, port):
        raise _Foreign(f"{LAG} {lag}")
    entry = db.get("PORT", {}).get(port)
    if not isinstance(entry, dict):
        raise _Foreign("its row is none")
    if routed := addresses(db, port):
        raise _Foreign(f"it is routed: {routed[0][0]}|{routed[0][1][:80]}")
    mirrors = db.get("MIRROR_SESSION", {}).values()
    if any(isinstance(mirror, dict) and mirror.get("dst_port") == port for mirror in mirrors):
        raise _Foreign("it gets a mirror's copies of other ports' frames")
    state = _memberships(db, port)
    shut = entry.get("admin_status", "down")
    if shut == "down":
        if state.enabled:
            raise _Foreign(f"it is shut, but would carry ({state})")
        return CLOSED
    if shut != "up":
        raise _Foreign("its admin_status is unknown")
    if not state.enabled:
        raise _Foreign("it is up, but in no VLAN")
    if modes:
        _agrees(entry.get("mode", "routed"), state)
    return state


def _memberships(db: Database, port: str) -> PortState:
    native: set[int] = set()
    tagged: set[int] = set()
    for key, row in members(db, port).items():
        vlan = vlan_of(db, key.partition("|")[0])
        match row.get("tagging_mode") if isinstance(row, dict) else None:
            case "untagged":
                native.add(vlan)
            case "tagged":
                tagged.add(vlan)
            case _:
                raise _Foreign(f"its membership in VLAN {vlan} is neither tagged nor untagged")
    if len(native) > 1 or native & tagged:
        raise _Foreign("it is untagged in several VLANs, or tagged and untagged in one")
    return PortState(next(iter(native), None), frozenset(tagged))


def vlan_of(db: Database, name: str) -> int:
    found = _VLAN.fullmatch(name)
    row = db.get("VLAN", {}).get(name)
    vlan = int(found[1]) if found else 0
    if not FIRST <= vlan <= LAST or not isinstance(row, dict) or row.get("vlanid") not in (str(vlan), vlan):
        raise _Foreign(f"it is in {name[:40]}, which is no VLAN of this switch")
    return vlan


def _agrees(mode: object, state: PortState) -> None:
    if mode not in ("access", "trunk"):
        raise _Foreign(f"its mode is {str(mode)[:40]}, but it is in VLANs")
    if mode == "access" and state.tagged:
        raise _Foreign("its mode is access, but it is in tagged VLANs")


# -- what else a switch tells -------------------------------------------------------------------------------------


def columns(text: str) -> list[dict[str, str]]:
    """Read a table of the `show` commands: headings, a line of dashes that tells the widths, rows."""
    lines = text.splitlines()
    for at, line in enumerate(lines):
        spans = [found.span() for found in re.finditer(r"-+", line)]
        if at and len(spans) > 1 and set(line.strip()) <= {"-", " "}:
            names = [lines[at - 1][start:end].strip() for start, end in spans]
            ends = [start for start, _ in spans[1:]] + [None]
            rows = []
            for row in lines[at + 1 :]:
                if not row.strip() or set(row.strip()) == {"-"} or row.startswith("Total"):
                    break
                cells = [row[start:end].strip() for (start, _), end in zip(spans, ends, strict=True)]
                rows.append(dict(zip(names, cells, strict=True)))
            return rows
    return []


def neighbours(text: str) -> dict[str, list[Neighbour]]:
    """Read `show lldp table`, which tells no chassis id."""
    found: dict[str, list[Neighbour]] = {}
    for row in columns(text):
        port, remote = row.get("LocalPort", ""), row.get("RemotePortID", "")
        if PORT.fullmatch(port):
            told = Neighbour("", canonical_mac(remote) or remote, row.get("RemoteDevice", ""))
            found.setdefault(port, []).append(told)
    return found


def macs(text: str) -> dict[str, list[Mac]]:
    """Read `show mac`; only dynamic entries count."""
    found: dict[str, list[Mac]] = {}
    for row in columns(text):
        port, address, vlan = row.get("Port", ""), canonical_mac(row.get("MacAddress", "")), row.get("Vlan", "")
        if PORT.fullmatch(port) and address and row.get("Type", "").lower() == "dynamic":
            known = int(vlan) if vlan.isascii() and vlan.isdigit() and len(vlan) <= 4 else None
            found.setdefault(port, []).append(Mac(address, known))
    return found


def about(text: str) -> About:
    """Read `show version`."""
    told: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            told.setdefault(key.strip().lower(), value.strip())
    model = told.get("model number", "")
    model = told.get("hwsku", "") if model in ("", "N/A") else model
    return About(model, told.get("sonic software version", ""), told.get("serial number", "").replace("N/A", ""))
