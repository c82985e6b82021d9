"""Tables of agents: any is judged, ports are found by bridge port and never by ifIndex, current lists are no matter."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.model import CLOSED, PortState
from hil.core.wiring import Mac, Neighbour
from hil.drivers.switch.snmp import mib, parse
from hil.drivers.switch.snmp.parse import Ports, Tables

VALUES = st.one_of(st.none(), st.integers(-3, 4097), st.binary(max_size=9))
COLUMNS = st.dictionaries(st.lists(st.integers(0, 5), min_size=1, max_size=2).map(tuple), VALUES, max_size=6)


@settings(max_examples=150)
@given(data=st.data())
def test_any_tables_are_judged(data: st.DataObject) -> None:
    names, types, base, lags, admin, pvid, frames, ingress, egress, untagged, status = (
        data.draw(COLUMNS) for _ in range(11)
    )
    ports = parse.interfaces(names, types, base, lags)
    tables = Tables(
        admin, pvid, frames, ingress, parse.bitmaps(egress), parse.bitmaps(untagged), parse.numbered(status)
    )
    for name in ports.index:
        found = parse.observed(ports, tables, name)
        assert found.raw
        assert found.state is not None or found.reason
    parse.neighbours(ports, (names, types), (base, names, lags, names, names))
    parse.macs(ports, base, lags, types)


def real() -> tuple[Ports, Tables]:
    """A walk as a real agent answers it: ifIndex 10001 and up, bridge ports from 1, a LAG 5001 with two members."""
    names = {(10000 + n,): f"gi1/0/{n}".encode() for n in range(1, 9)} | {(5001,): b"Po1", (1,): b"vlan 1"}
    types = dict.fromkeys(((10000 + n,) for n in range(1, 9)), mib.ETHERNET) | {(5001,): 161, (1,): 53}
    base = {(n,): 10000 + n for n in range(1, 7)} | {(9,): 5001}
    lags = {(10006,): 5001, (10007,): 5001, (10001,): 0}
    ports = parse.interfaces(names, types, base, lags)
    egress = {1: bytes.fromhex("1080"), 10: bytes.fromhex("e0"), 20: bytes.fromhex("6000"), 30: bytes.fromhex("0800")}
    untagged = {1: bytes.fromhex("1080"), 10: bytes.fromhex("c0"), 20: b"\x00", 30: b""}
    tables = Tables(
        admin={(10000 + n,): mib.DOWN if n == 6 else mib.UP for n in range(1, 9)},
        pvid={(1,): 10, (2,): 10, (3,): 1, (4,): 1, (5,): 30, (6,): 1},
        frames={(n,): 2 if n == 3 else 1 for n in range(1, 7)},
        ingress=dict.fromkeys(((n,) for n in range(1, 7)), mib.TRUE),
        egress=egress,
        untagged=untagged,
        status={1: 1, 10: 1, 20: 1, 30: 1},
    )
    return ports, tables


def test_a_walk_of_a_switch() -> None:
    ports, tables = real()
    found = {name: parse.observed(ports, tables, name) for name in ports.index}
    assert found["gi1/0/1"].state == PortState(10)
    assert found["gi1/0/2"].state == PortState(10, frozenset({20}))
    assert found["gi1/0/3"].state == PortState(None, frozenset({10, 20}))
    assert found["gi1/0/4"].state == PortState(1)
    assert found["gi1/0/5"].reason == "it takes untagged frames into VLAN 30, but sends none untagged"
    assert found["gi1/0/6"].reason == found["gi1/0/7"].reason == "member of LAG Po1"
    assert found["gi1/0/8"].reason == "it is no bridge port: routed, or a member of a LAG"
    assert "vlan 1" not in found
    assert "egress=10,20" in found["gi1/0/2"].raw


def test_a_shut_port_is_closed_only_if_it_would_carry_nothing() -> None:
    ports, tables = real()
    admin = dict.fromkeys(tables.admin, mib.DOWN)
    down = Tables(admin, tables.pvid, tables.frames, tables.ingress, tables.egress, tables.untagged, tables.status)
    assert parse.observed(ports, down, "gi1/0/1").reason == "it is shut, but would carry VLAN 10"
    nowhere = Tables(admin, tables.pvid, tables.frames, tables.ingress, {}, {}, {})
    assert parse.observed(ports, nowhere, "gi1/0/1").state == CLOSED
    resting = Tables(admin, tables.pvid, tables.frames, tables.ingress, {99: b"\x80"}, {99: b"\x80"}, {99: 1})
    assert parse.observed(ports, resting, "gi1/0/1", parked=99).state == CLOSED
    assert parse.observed(ports, resting, "gi1/0/1").state is None


def test_two_interfaces_of_one_name_are_neither() -> None:
    ports = parse.interfaces({(1,): b"p", (2,): b"p"}, {(1,): 6, (2,): 6}, {(1,): 1, (2,): 2}, {})
    assert parse.unmanaged(ports, "p") == "several interfaces have this name"


def test_learned_addresses_are_told_with_the_vlan_of_their_database() -> None:
    ports, _ = real()
    learned, own = (7, 0, 0x1B, 0x21, 0, 0, 1), (7, 0, 0x1B, 0x21, 0, 0, 2)
    fdb, status = {learned: 2, own: 2}, {learned: mib.LEARNED, own: 4}
    assert parse.macs(ports, fdb, status, {(0, 20): 7}) == {"gi1/0/2": [Mac("00:1b:21:00:00:01", 20)]}
    assert parse.macs(ports, fdb, status, {(0, 20): 7, (0, 30): 7}) == {"gi1/0/2": [Mac("00:1b:21:00:00:01", None)]}
    assert parse.macs(ports, fdb, status, {}) == {"gi1/0/2": [Mac("00:1b:21:00:00:01", 7)]}


def test_neighbours_are_found_by_the_local_ports_name_or_number() -> None:
    ports, _ = real()
    index, other = (0, 3, 1), (0, 2, 4)
    remote = (
        {index: 4, other: 7},
        {index: bytes.fromhex("001b21000001"), other: b"rack7"},
        {index: 3, other: 5},
        {index: bytes.fromhex("001b21000002"), other: b"eth0"},
        {index: b"node-17"},
    )
    assert parse.neighbours(ports, ({(3,): 5}, {(3,): b"gi1/0/1"}), remote) == {
        "gi1/0/1": [Neighbour("00:1b:21:00:00:01", "00:1b:21:00:00:02", "node-17")],
        "gi1/0/2": [Neighbour("rack7", "eth0")],
    }
