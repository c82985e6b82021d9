"""What the static tables of an agent say of each port. Pure, and total: any table has an answer.

Only the *static* tables are configuration; the current ones follow the link (a port that is down drops out) and are
never read. `dot1qVlanForbiddenEgressPorts` concerns dynamic registration and is no part of it. What HIL cannot mean
exactly is *not representable*: a port without ingress filtering takes frames of VLANs that it is not in, a port
whose PVID is a VLAN that leaves tagged has a native VLAN in one direction only, a shut port in VLANs would open on
them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hil.core.model import CLOSED, Observed, PortState
from hil.core.vlans import FIRST, LAST, fold
from hil.core.wiring import Mac, Neighbour, canonical_mac
from hil.drivers.switch.snmp import mib

Index = tuple[int, ...]
Column = Mapping[Index, Any]


class _Foreign(Exception):
    """The port is in a state that HIL cannot mean; the argument says why."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Which interfaces there are: by name their ifIndex, their bridge port if any, what they are a member of."""

    index: Mapping[str, int]
    base: Mapping[str, int]
    member: Mapping[str, str] = field(default_factory=dict)
    twice: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Tables:
    """What is configured: columns by their index. `egress`, `untagged` and `status` are by VLAN."""

    admin: Column
    pvid: Column
    frames: Column
    ingress: Column
    egress: Mapping[int, bytes]
    untagged: Mapping[int, bytes]
    status: Mapping[int, Any]


def numbered(column: Column) -> dict[int, Any]:
    """Answer a column whose index is one number; what has another index is left out."""
    return {index[0]: value for index, value in column.items() if len(index) == 1}


def bitmaps(column: Column) -> dict[int, bytes]:
    """Answer a column of port lists by VLAN."""
    return {vlan: value for vlan, value in numbered(column).items() if isinstance(value, bytes)}


def interfaces(names: Column, types: Column, base: Column, lags: Column) -> Ports:
    """Find the Ethernet interfaces and bridge ports. A LAG names itself; its members are told apart."""
    name_of = {index: text(value) for index, value in numbered(names).items() if isinstance(value, bytes)}
    bridge = {value: port for port, value in numbered(base).items() if isinstance(value, int)}
    ethernet = {index for index, value in numbered(types).items() if value == mib.ETHERNET}
    there = {index: name for index, name in name_of.items() if name and (index in bridge or index in ethernet)}
    twice = frozenset(name for name, times in Counter(there.values()).items() if times > 1)
    member = {
        there[index]: name_of.get(lag, f"aggregator {lag}")
        for index, lag in numbered(lags).items()
        if index in there and isinstance(lag, int) and lag not in (0, index)
    }
    index_of = {name: index for index, name in there.items()}
    return Ports(index_of, {name: bridge[index] for name, index in index_of.items() if index in bridge}, member, twice)


def observed(ports: Ports, tables: Tables, name: str, parked: int | None = None) -> Observed:
    """Answer what a port is configured to be."""
    told = raw(ports, tables, name)
    if reason := unmanaged(ports, name):
        return Observed(None, reason, told)
    try:
        return Observed(_state(ports, tables, name, parked), raw=told)
    except _Foreign as reason:
        return Observed(None, str(reason), told)


def unmanaged(ports: Ports, name: str) -> str:
    """Say why HIL must not write a port at all; an empty text if it may."""
    if name in ports.twice:
        return "several interfaces have this name"
    if name in ports.member:
        return f"member of LAG {ports.member[name]}"
    return "" if name in ports.base else "it is no bridge port: routed, or a member of a LAG"


def memberships(bits: Mapping[int, bytes], base: int) -> frozenset[int]:
    """Answer the VLANs whose list of ports names this one."""
    at, mask = (base - 1) // 8, 0x80 >> (base - 1) % 8
    return frozenset(vlan for vlan, value in bits.items() if at < len(value) and value[at] & mask)


def raw(ports: Ports, tables: Tables, name: str) -> str:
    """Show the objects that decide, for people."""
    base, index = ports.base.get(name, 0), ports.index.get(name, 0)
    told = {
        "ifAdminStatus": tables.admin.get((index,)),
        "dot1qPvid": tables.pvid.get((base,)),
        "dot1qPortAcceptableFrameTypes": tables.frames.get((base,)),
        "dot1qPortIngressFiltering": tables.ingress.get((base,)),
        "egress": fold(memberships(tables.egress, base)) if base else None,
        "untagged": fold(memberships(tables.untagged, base)) if base else None,
    }
    return "; ".join(f"{key}={'' if value is None else value}" for key, value in told.items())[:500]


def _state(ports: Ports, tables: Tables, name: str, parked: int | None) -> PortState:
    base = ports.base[name]
    egress = memberships(tables.egress, base)
    untagged = memberships(tables.untagged, base) & egress
    admin = tables.admin.get((ports.index[name],))
    if admin == mib.DOWN:
        if left := egress - {parked}:
            raise _Foreign(f"it is shut, but would carry VLAN {fold(left)}")
        return CLOSED
    if admin != mib.UP:
        raise _Foreign("the agent does not say whether it is up")
    if not egress:
        raise _Foreign("it is up, but in no VLAN")
    if wrong := [vlan for vlan in egress if not FIRST <= vlan <= LAST]:
        raise _Foreign(f"it is in VLAN {fold(wrong)}, which is reserved")
    if asleep := [vlan for vlan in egress if tables.status.get(vlan) != mib.ACTIVE]:
        raise _Foreign(f"it is in VLAN {fold(asleep)}, which is not active")
    if tables.ingress.get((base,)) != mib.TRUE:
        raise _Foreign("it takes frames of VLANs that it is not in: ingress filtering is off")
    native = _native(tables.frames.get((base,)), tables.pvid.get((base,)), egress, untagged)
    return PortState(native, egress - {native} if native is not None else egress)


def _native(frames: object, pvid: object, egress: frozenset[int], untagged: frozenset[int]) -> int | None:
    match frames:
        case mib.ADMIT_TAGGED if not untagged:
            return None
        case mib.ADMIT_TAGGED:
            raise _Foreign(f"it sends VLAN {fold(untagged)} untagged, but takes only tagged frames")
        case mib.ADMIT_UNTAGGED if egress != untagged:
            raise _Foreign("it sends tagged frames, but takes only untagged ones")
        case mib.ADMIT_ALL | mib.ADMIT_UNTAGGED:
            if isinstance(pvid, int) and untagged == {pvid}:
                return pvid
            raise _Foreign(f"it takes untagged frames into VLAN {pvid}, but sends {fold(untagged) or 'none'} untagged")
        case _:
            raise _Foreign("the agent does not say which frames it takes")


def text(value: Any) -> str:
    """Put octets into one line of text, bounded and printable."""
    if not isinstance(value, bytes):
        return ""
    return "".join(sign if sign.isprintable() else " " for sign in value.decode("utf-8", "replace"))[:300].strip()


def macs(ports: Ports, fdb: Column, status: Column, vlan_fdb: Column) -> dict[str, list[Mac]]:
    """Answer the learned addresses of the filtering databases; a database that several VLANs share names none."""
    names = {base: name for name, base in ports.base.items()}
    vlans: dict[int, list[int]] = {}
    for index, database in vlan_fdb.items():
        if len(index) == 2 and isinstance(database, int):
            vlans.setdefault(database, []).append(index[1])
    found: dict[str, list[Mac]] = {}
    for index, base in sorted(fdb.items()):
        if len(index) != 7 or base not in names or status.get(index) != mib.LEARNED or max(index[1:]) > 255:
            continue
        # Without the table of databases, agents number them as the VLANs (RFC 4363, dot1qFdbId's usual value).
        candidates = vlans.get(index[0], [] if vlans else [index[0]])
        address = ":".join(f"{octet:02x}" for octet in index[1:])
        found.setdefault(names[base], []).append(Mac(address, candidates[0] if len(candidates) == 1 else None))
    return found


def neighbours(ports: Ports, local: tuple[Column, Column], remote: tuple[Column, ...]) -> dict[str, list[Neighbour]]:
    """Answer LLDP's remote systems; a local port is named by its id, or is numbered as the bridge port."""
    subtypes, ids = (numbered(column) for column in local)
    by_base = {base: name for name, base in ports.base.items()}
    chassis_kind, chassis, port_kind, port, system = remote
    found: dict[str, list[Neighbour]] = {}
    for index in sorted(chassis):
        if len(index) != 3:
            continue
        name = _local(ports, by_base, index[1], subtypes, ids)
        if name is None:
            continue
        told = Neighbour(
            _identity(chassis[index], chassis_kind.get(index) == mib.MAC_ADDRESS_CHASSIS),
            _identity(port.get(index), port_kind.get(index) == mib.MAC_ADDRESS_PORT),
            text(system.get(index)),
        )
        found.setdefault(name, []).append(told)
    return found


def _local(ports: Ports, by_base: Mapping[int, str], number: int, subtypes: Any, ids: Any) -> str | None:
    said = text(ids.get(number))
    if said in ports.index:
        return said
    return by_base.get(number)


def _identity(value: Any, is_mac: bool) -> str:
    if is_mac and isinstance(value, bytes) and len(value) == 6:
        return ":".join(f"{octet:02x}" for octet in value)
    said = text(value)
    return canonical_mac(said) or said
