"""From any state to any state in one patch; databases of real shape; what HIL cannot mean is declined."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortChange, PortState
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.mock.device import Foreign
from hil.drivers.switch.sonic import parse
from hil.drivers.switch.sonic.render import patch, pointer
from hil.drivers.switch.sonic.session import words
from hil.drivers.switch.sonic.spec import SPEC
from hil.drivers.transport.ssh import Done
from hil.lab.devices import emulator
from hil.lab.devices.model import Device, Mode, PortConfig
from hil.lab.devices.sonic.database import Invalid, patched, printed
from hil.lab.devices.sonic.rule import SonicRule
from tests.switches.harness import Watched, port_states

STATES = port_states()
ANYTHING = st.one_of(STATES, st.just(Foreign("routed", "routed")))
A, B, C = "Ethernet0", "Ethernet4", "Ethernet8"
PORTS = st.builds(
    PortConfig,
    mode=st.sampled_from([Mode.ACCESS, Mode.TRUNK, Mode.ROUTED]),
    access=st.none(),
    native=st.sampled_from([None, 10, 11]),
    allowed=st.frozensets(st.sampled_from([12, 13])),
    shut=st.booleans(),
    lag=st.sampled_from(["", "", "", "PortChannel3"]),
    lines=st.sampled_from([frozenset(), frozenset(), frozenset({"ip 10.0.0.1/31"})]),
)


def lab(*ports: str) -> Device:
    return emulator("sonic").device("lab", ports or (A, B, C))


@settings(max_examples=100)
@given(old=st.tuples(ANYTHING, ANYTHING), new=st.tuples(STATES, STATES))
def test_no_operation_opens_what_was_not_asked_for(old: tuple[object, ...], new: tuple[PortState, ...]) -> None:
    """Each operation of the patch, applied to the memberships alone, stays within old ∪ new; so does the whole."""
    device = lab()
    for port, held in zip((A, B), old, strict=True):
        device.set_by_hand(port, held)
    wants = dict(zip((A, B), new, strict=True))
    watched, beside = Watched(device, wants), device.config.ports[C]
    ops = patch(wants, printed(device.config), modes=True)
    for op in ops:
        if op["path"].startswith("/VLAN_MEMBER/") and op["op"] == "add":
            name, _, port = op["path"].removeprefix("/VLAN_MEMBER/").partition("|")
            assert int(name[4:]) in wants[port].vlans
    device.config = patched(device.config, ops)
    watched.check()
    watched.reached()
    db = printed(device.config)
    assert {port: parse.observed(db, port, modes=True).state for port in wants} == wants
    assert patch(wants, db, modes=True) == []
    assert device.config.ports[C] == beside


@given(old=STATES, new=STATES)
def test_what_is_taken_away_comes_before_what_is_given(old: PortState, new: PortState) -> None:
    device = lab(A)
    device.set_by_hand(A, old)
    members = [
        op["op"] for op in patch({A: new}, printed(device.config), modes=True) if op["path"].startswith("/VLAN_MEMBER")
    ]
    assert members == sorted(members, key=["remove", "add"].index)


@settings(max_examples=150)
@given(entry=PORTS)
def test_what_is_read_is_what_the_device_does(entry: PortConfig) -> None:
    device = lab(A)
    device.config.vlans |= {10, 11, 12, 13}
    device.config.ports[A] = entry
    found = parse.observed(printed(device.config), A, modes=True)
    held = device.running(A)
    assert found.raw
    if isinstance(held, PortState):
        assert found.state == held
        carried = SonicRule().carried(device.config, A)
        assert (carried.native, carried.tagged) == (held.native, held.tagged)
    else:
        assert found.state is None
        assert found.reason


JSON = st.recursive(st.none() | st.integers(-1, 5000) | st.text(max_size=6), lambda inner: st.lists(inner, max_size=2))
KEYS = st.sampled_from(
    [A, "Vlan10", f"Vlan10|{A}", f"Vlan0|{A}", f"PortChannel1|{A}", f"{A}|10.0.0.1/31", f"{A}.5", "x"]
)
ROWS = st.one_of(
    JSON,
    st.dictionaries(
        st.sampled_from(["vlanid", "tagging_mode", "admin_status", "mode", "dst_port"]),
        st.sampled_from(["10", "up", "down", "tagged", "untagged", "access", "trunk", "odd", A]),
    ),
)
TABLES = st.sampled_from(
    ["PORT", "VLAN", "VLAN_MEMBER", "PORTCHANNEL_MEMBER", "INTERFACE", "VLAN_SUB_INTERFACE", "MIRROR_SESSION"]
)


@settings(max_examples=200)
@given(db=st.dictionaries(TABLES, st.one_of(JSON, st.dictionaries(KEYS, ROWS, max_size=5))), modes=st.booleans())
def test_any_database_is_judged(db: dict[str, Any], modes: bool) -> None:
    found = parse.database(json.dumps(db))
    for port in {*parse.ports(found), A}:
        seen = parse.observed(found, port, modes=modes)
        assert seen.raw
        assert seen.state is not None or seen.reason


@given(st.text(max_size=80))
def test_any_text_is_judged(text: str) -> None:
    for read in (parse.neighbours, parse.macs, parse.about):
        read(text)
    try:
        parse.database(text)
    except ValueError:
        return


def real(**changes: Any) -> dict[str, Any]:
    """A database as a switch in the field has it, with one port of each kind."""
    return {
        "PORT": {
            "Ethernet0": {"alias": "etp1", "lanes": "1,2,3,4", "mtu": "9100", "mode": "routed", "admin_status": "up"},
            "Ethernet4": {"alias": "etp2", "mode": "trunk", "admin_status": "up"},
            "Ethernet8": {"alias": "etp3", "mode": "access", "admin_status": "up"},
            "Ethernet12": {"alias": "etp4", "mode": "trunk", "admin_status": "down"},
            "Ethernet16": {"alias": "etp5", "mode": "routed"},
            "Ethernet20": {"alias": "etp6", "mode": "access", "admin_status": "up"},
            "Ethernet24": {"alias": "etp7", "admin_status": "up"},
            "Ethernet28": {"alias": "etp8", "mode": "trunk", "admin_status": "up"},
        },
        "VLAN": {"Vlan10": {"vlanid": "10", "dhcp_servers": ["192.0.2.1"]}, "Vlan20": {"vlanid": "20"}},
        "VLAN_MEMBER": {
            "Vlan10|Ethernet4": {"tagging_mode": "untagged"},
            "Vlan20|Ethernet4": {"tagging_mode": "tagged"},
            "Vlan10|Ethernet8": {"tagging_mode": "untagged"},
            "Vlan10|Ethernet12": {"tagging_mode": "tagged"},
            "Vlan20|Ethernet20": {"tagging_mode": "tagged"},
            "Vlan20|Ethernet24": {"tagging_mode": "tagged"},
            "Vlan10|PortChannel1": {"tagging_mode": "tagged"},
        },
        "PORTCHANNEL_MEMBER": {"PortChannel1|Ethernet28": {}},
        "INTERFACE": {"Ethernet0": {}, "Ethernet0|10.0.0.0/31": {}},
        **changes,
    }


def test_a_database_of_the_field_is_read() -> None:
    found = {port: parse.observed(real(), port, modes=True) for port in parse.ports(real())}
    assert found["Ethernet4"].state == PortState(10, frozenset({20}))
    assert found["Ethernet8"].state == PortState(10)
    assert found["Ethernet16"].state == CLOSED  # a port is shut unless it says otherwise
    assert found["Ethernet0"].reason == "it is routed: INTERFACE|Ethernet0"
    assert found["Ethernet12"].reason.startswith("it is shut, but would carry")
    assert found["Ethernet20"].reason == "its mode is access, but it is in tagged VLANs"
    assert found["Ethernet24"].reason == "its mode is routed, but it is in VLANs"
    assert found["Ethernet28"].reason == "member of LAG PortChannel1"
    assert '"admin_status": "up"' in found["Ethernet4"].raw


def test_an_image_that_knows_no_modes_is_told_none() -> None:
    assert parse.observed(real(), "Ethernet24", modes=False).state == PortState(None, frozenset({20}))
    ops = patch({"Ethernet24": PortState(10)}, real(), modes=False)
    assert not [op for op in ops if op["path"].endswith("/mode")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"VLAN": {"Vlan20": {"vlanid": "20"}}}, "it is in Vlan10, which is no VLAN of this switch"),
        ({"VLAN": {"Vlan10": {"vlanid": "11"}, "Vlan20": {"vlanid": "20"}}}, "it is in Vlan10, which is no VLAN"),
        ({"VLAN_MEMBER": {"Vlan10|Ethernet4": {"tagging_mode": "priority_tagged"}}}, "neither tagged nor untagged"),
        (
            {"VLAN_MEMBER": {f"Vlan{vlan}|Ethernet4": {"tagging_mode": "untagged"} for vlan in (10, 20)}},
            "untagged in several VLANs",
        ),
        ({"VLAN_SUB_INTERFACE": {"Ethernet4.7": {"admin_status": "up"}}}, "routed: VLAN_SUB_INTERFACE|Ethernet4.7"),
        ({"MIRROR_SESSION": {"spy": {"dst_port": "Ethernet4"}}}, "mirror's copies"),
    ],
)
def test_what_hil_cannot_mean_is_declined(changes: dict[str, Any], reason: str) -> None:
    found = parse.observed(real(**changes), "Ethernet4", modes=True)
    assert found.state is None
    assert reason in found.reason


def test_the_last_row_takes_its_table_along_and_the_first_brings_it() -> None:
    """SONiC refuses a patch that leaves a table empty."""
    device = lab(A)
    opening = patch({A: PortState(10)}, printed(device.config), modes=True)
    assert {"op": "add", "path": "/VLAN_MEMBER", "value": {f"Vlan10|{A}": {"tagging_mode": "untagged"}}} in opening
    assert {"op": "add", "path": "/VLAN", "value": {"Vlan10": {"vlanid": "10"}}} in opening
    device.config = patched(device.config, opening)
    assert {"op": "remove", "path": "/VLAN_MEMBER"} in patch({A: CLOSED}, printed(device.config), modes=True)
    with pytest.raises(Invalid, match="empty tables"):
        patched(device.config, [{"op": "remove", "path": f"/VLAN_MEMBER/Vlan10|{A}"}])


def test_rows_that_are_there_are_neither_added_nor_removed_again() -> None:
    """`config vlan member add` fails on a member, `del` on none: a patch must know what there is."""
    db = real()
    ops = patch({"Ethernet4": PortState(None, frozenset({20}))}, db, modes=True)
    assert ops == [{"op": "remove", "path": "/VLAN_MEMBER/Vlan10|Ethernet4"}]
    ops = patch({"Ethernet4": PortState(20, frozenset({10}))}, db, modes=True)
    assert [op["op"] for op in ops] == ["remove", "remove", "add", "add"]


def test_a_routed_port_loses_its_addresses_before_its_interface() -> None:
    ops = patch({"Ethernet0": PortState(10)}, real(INTERFACE={"x": {}, **real()["INTERFACE"]}), modes=True)
    removed = [op["path"] for op in ops if op["op"] == "remove"]
    assert removed == ["/INTERFACE/Ethernet0|10.0.0.0~131", "/INTERFACE/Ethernet0"]


def test_pointers_are_escaped() -> None:
    assert pointer("A~B", "c/d") == "/A~0B/c~1d"


def test_vlan_1_is_refused_before_anything_is_sent() -> None:
    for vlan in (1, 4095):
        with pytest.raises(BadArgument):
            SPEC.render({}, [PortChange(A, CLOSED, PortState(vlan))])


def test_names_are_canonical() -> None:
    assert SPEC.port_name("ethernet048") == "Ethernet48"
    for wrong in ("etp1", "Ethernet", "PortChannel1", "Ethernet1/1"):
        with pytest.raises(BadArgument):
            SPEC.port_name(wrong)


def test_shut_first_and_up_last() -> None:
    device = lab(A, B)
    device.set_by_hand(A, PortState(10))
    device.set_by_hand(B, CLOSED)
    ops = patch({B: PortState(10), A: CLOSED}, printed(device.config), modes=True)
    assert ops[0] == {"op": "add", "path": f"/PORT/{A}/admin_status", "value": "down"}
    assert ops[-1] == {"op": "add", "path": f"/PORT/{B}/admin_status", "value": "up"}


def test_the_words_of_a_refusal_are_the_line_that_is_one() -> None:
    usage = b'Usage: config apply-patch [OPTIONS]\nTry "-h" for help.\n\nError: Data Loading Failed: no.\n'
    assert words(Done(b"Patch Applier: starting.\n", usage, 2)) == "Error: Data Loading Failed: no"
    assert words(Done(b"", b"sudo: a password is required\n", 1)) == "sudo: a password is required"
    assert words(Done(b"", b"", 3)) == "exit status 3"


def test_what_else_a_switch_tells() -> None:
    table = (
        "Capability codes: (R) Router, (B) Bridge, (O) Other\n"
        "LocalPort    RemoteDevice    RemotePortID       Capability    RemotePortDescr\n"
        "-----------  --------------  -----------------  ------------  -----------------\n"
        "Ethernet4    node-17         00:1B:21:00:00:02  O             eno1\n"
        "Ethernet8                    Eth3\n"
        "eth0         mgmt            7                  B\n"
        "--------------------------------------------------\n"
        "Total entries displayed:  3\n"
    )
    assert parse.neighbours(table) == {
        "Ethernet4": [Neighbour("", "00:1b:21:00:00:02", "node-17")],
        "Ethernet8": [Neighbour("", "Eth3", "")],
    }
    table = (
        "  No.    Vlan  MacAddress         Port       Type\n"
        "-----  ------  -----------------  ---------  -------\n"
        "    1      10  00:1B:21:00:00:09  Ethernet4  Dynamic\n"
        "    2      10  00:1B:21:00:00:0A  Ethernet8  Static\n"
        "Total number of entries 2\n"
    )
    assert parse.macs(table) == {"Ethernet4": [Mac("00:1b:21:00:00:09", 10)]}
    version = "\nSONiC Software Version: SONiC.202311.1\nHwSKU: X-48\nSerial Number: N/A\nModel Number: N/A\n"
    assert parse.about(version) == About("X-48", "SONiC.202311.1", "")


def test_a_port_that_follows_a_lag_is_not_read_as_its_own() -> None:
    device = lab(A)
    device.config.ports[A] = replace(device.config.ports[A], lag="PortChannel9")
    assert parse.lag_of(printed(device.config), A) == "PortChannel9"
    assert parse.lag_of(printed(device.config), B) == ""
