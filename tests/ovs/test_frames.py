"""Isolation, asked of real frames: what the driver wrote is what the machines can hear, and no more."""

import asyncio
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortState
from hil.drivers.switch.ovs import parse
from hil.drivers.transport.ovsdb import rows
from hil.lab.fabric import Fabric
from hil.lab.ovs.datacentre import EDGES, DataCentre, Heard, Nic
from tests.ovs.hand import DEFAULT, lead, read, update
from tests.ovs.test_rows import FOREIGN

pytestmark = pytest.mark.ovs
A, B, C = ("node1", "eth0"), ("node3", "eth0"), ("node2", "eth1")
"""Three machines on sw1."""
FAR = ("node2", "eth0")
"""A machine on sw2."""
TAGS = (*EDGES, 10, 20, 30)


def name(nic: Nic) -> str:
    return "/".join(nic)


def got(centre: DataCentre, sender: Nic, receiver: Nic) -> dict[int | None, int | None]:
    """How each frame that got from one NIC to another was sent, and how it arrived."""
    found = centre.probe(TAGS, [name(sender)], [name(receiver)])
    return {heard.sent: heard.got for heard in found}


def test_machines_fresh_from_the_factory_hear_each_other_and_so_does_the_switch(centre: DataCentre) -> None:
    """The control of all silence below: frames do pass, across the link and into the bridges' own ports."""
    heard = centre.probe(TAGS)
    assert {(one.sender, one.receiver) for one in heard} == {
        (name(sender), receiver)
        for sender in centre.wiring
        for receiver in [*map(name, centre.wiring), *centre.switches]
        if name(sender) != receiver
    }


def test_closed_ports_are_silent_whatever_is_sent(centre: DataCentre) -> None:
    lead(centre, {})
    assert centre.probe(TAGS) == []


@pytest.mark.parametrize("frame", ["", ",dl_vlan=10", ",dl_vlan=1", ",dl_vlan=4094", ",dl_vlan=4095"])
def test_the_switch_itself_says_that_a_closed_port_leads_nowhere(centre: DataCentre, frame: str) -> None:
    lead(centre, {B: PortState(10, frozenset({20}))})
    select = {"op": "select", "table": "Interface", "where": [["name", "==", centre.wiring[A][1]]]}
    number = rows(centre.transact(select)[0])[0]["ofport"]
    flow = f"in_port={number},dl_src=02:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x88b5{frame}"
    assert "Datapath actions: drop" in centre.control("ovs-vswitchd", "ofproto/trace", "sw1", flow)


def test_a_closed_port_hears_nothing_of_open_ones(centre: DataCentre) -> None:
    lead(centre, {A: PortState(10), B: PortState(None, frozenset({10, 20}))})
    assert {one.receiver for one in centre.probe(TAGS)} == {name(A), name(B)}


def test_one_native_vlan_on_one_switch(centre: DataCentre) -> None:
    lead(centre, {A: PortState(10), B: PortState(10), C: PortState(20)})
    assert got(centre, A, B) == {None: None, 0: None}
    assert centre.hears([10, 20]) == {frozenset({A, B})}


def test_one_native_vlan_across_the_link(centre: DataCentre) -> None:
    lead(centre, {A: PortState(10), FAR: PortState(10), C: PortState(20)})
    assert got(centre, A, FAR) == got(centre, FAR, A) == {None: None, 0: None}
    assert centre.hears([10, 20]) == {frozenset({A, FAR})}


def test_native_and_tagged_networks_on_one_port(centre: DataCentre) -> None:
    lead(centre, {A: PortState(10, frozenset({20})), B: PortState(20), C: PortState(10), FAR: PortState(30)})
    assert got(centre, A, C) == {None: None, 0: None, 10: None}, "the native VLAN is accepted tagged too"
    assert got(centre, A, B) == {20: None}
    assert got(centre, B, A) == {None: 20, 0: 20}
    assert got(centre, C, A) == {None: None, 0: None}
    assert centre.hears([10, 20, 30]) == {frozenset({A, B}), frozenset({A, C})}


def test_tagged_networks_without_a_native_one(centre: DataCentre) -> None:
    lead(centre, {A: PortState(None, frozenset({10, 20})), FAR: PortState(None, frozenset({20, 30})), C: PortState(10)})
    assert got(centre, A, FAR) == {20: 20}
    assert got(centre, A, C) == {10: None}
    assert got(centre, C, A) == {None: 10, 0: 10}


STATES = st.builds(
    lambda native, tagged: PortState(native, tagged - {native}),
    st.none() | st.sampled_from([10, 20, 30]),
    st.frozensets(st.sampled_from([10, 20, 30]), max_size=2),
)


class Wanted:
    """A switch that carries what it was told, for the fabric's computation."""

    def __init__(self, states: dict[str, PortState]) -> None:
        self.states = states

    def carried(self, port: str) -> tuple[int | None, frozenset[int], bool]:
        state = self.states.get(port, CLOSED)
        return state.native, state.tagged, False


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.fixed_dictionaries({A: STATES, B: STATES, FAR: STATES, ("node3", "eth1"): STATES}))
def test_frames_go_exactly_where_the_fabric_says(centre: DataCentre, states: dict[Nic, PortState]) -> None:
    lead(centre, states)
    by_port = {centre.wiring[nic][1]: state for nic, state in states.items()}
    fabric = Fabric(dict.fromkeys(centre.switches, Wanted(by_port)), centre.wiring)
    heard = centre.probe(TAGS)
    assert {frozenset((one.sender, one.receiver)) for one in heard} == {
        frozenset(map(name, pair)) for pair in fabric.pairs()
    }
    assert all(one.got in (None, 10, 20, 30) for one in heard)


def expected(state: PortState, sender: PortState) -> dict[int | None, int | None]:
    """How frames of a port must arrive at a port in this state."""
    takes: dict[int | None, int | None] = {None: sender.native, 0: sender.native}
    takes |= {vlan: vlan for vlan in sender.tagged}
    leaves: dict[int | None, int | None] = {state.native: None}
    leaves |= {vlan: vlan for vlan in state.tagged}
    return {tag: leaves[vlan] for tag, vlan in takes.items() if vlan is not None and vlan in leaves}


@pytest.mark.parametrize(
    "columns",
    [
        {"tag": 10, "trunks": ["set", [20, 30]]},
        {"trunks": ["set", [20]]},
        {"vlan_mode": "access", "tag": 10, "trunks": ["set", [20]]},
        {"vlan_mode": "trunk", "tag": 10, "trunks": ["set", [20]]},
        {"vlan_mode": "native-untagged", "tag": 10, "trunks": ["set", [10]]},
        {"vlan_mode": "native-untagged", "tag": 10, "trunks": ["set", [0, 20]]},
    ],
    ids=str,
)
def test_a_row_by_hand_reads_as_its_frames_behave(centre: DataCentre, columns: dict[str, Any]) -> None:
    other = PortState(10, frozenset({20, 30}))
    lead(centre, {A: other})
    centre.by_hand("sw1p2", **{**DEFAULT, **columns})
    assert centre.nic_at("sw1", "sw1p2") == C
    state = read(centre, "sw1", "sw1p2")["sw1p2"].state
    assert state is not None
    into, out_of = got(centre, A, C), got(centre, C, A)
    into.pop(10, None)  # the native VLAN, sent with its tag, may be accepted
    if state.native is not None:
        out_of.pop(state.native, None)
    assert into == expected(state, other)
    assert out_of == expected(other, state)


@pytest.mark.parametrize("columns", [row for row in FOREIGN.values() if row.get("vlan_mode") != "quantum"], ids=str)
def test_a_row_that_hil_cannot_mean_is_closed_all_the_same(centre: DataCentre, columns: dict[str, Any]) -> None:
    lead(centre, {A: PortState(10, frozenset({20}))})
    centre.by_hand("sw1p2", **{**DEFAULT, **columns})
    assert parse.port({**DEFAULT, **columns}).state is None
    lead(centre, {A: PortState(10, frozenset({20}))})
    assert centre.probe(TAGS) == []


@pytest.mark.parametrize("port", [4095, "everything"])
def test_a_careless_link_would_join_closed_ports_and_so_the_lab_lists_its_vlans(centre: DataCentre, port: Any) -> None:
    """Why `render` says what it says of links: VLAN 4095 passes one that carries everything, and only there."""
    lead(centre, {})
    links = [("Port", "sw1-sw2"), ("Port", "sw2-sw1")]
    trunks: Any = ["set", [port] if port == 4095 else []]
    centre.transact(*(update(table, link, {"trunks": trunks}) for table, link in links))
    centre.settle()
    heard = centre.probe(TAGS)
    assert {one.sent for one in heard} == {4095}
    on_sw1 = {name(nic) for nic, (switch, _) in centre.wiring.items() if switch == "sw1"}
    assert all((one.sender in on_sw1) is not (one.receiver in on_sw1) for one in heard)


def test_a_flow_under_way_ends_when_its_port_is_closed(centre: DataCentre) -> None:
    lead(centre, {A: PortState(10), B: PortState(10)})

    def flows() -> list[Heard]:
        return centre.probe([None], [name(A)], [name(B)], fresh=False)

    assert flows()
    lead(centre, {B: PortState(10)})

    async def ended() -> None:
        async with asyncio.timeout(10):
            while await asyncio.to_thread(flows):  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.001)

    asyncio.run(ended())
    assert not flows()


def test_nobody_hears_anybody_while_the_switch_is_off_and_everything_is_as_before_when_it_is_on(
    centre: DataCentre,
) -> None:
    lead(centre, {A: PortState(10), FAR: PortState(10)})
    centre.power(False)
    assert centre.hears([10]) == set()
    centre.power(True)
    assert centre.hears([10]) == {frozenset({A, FAR})}
    centre.reboot()
    assert centre.hears([10]) == {frozenset({A, FAR})}


def test_machines_ping_within_a_network_and_not_between_two(centre: DataCentre) -> None:
    lead(centre, {A: PortState(10), FAR: PortState(10), C: PortState(20)})
    assert centre.ping(A, FAR)
    assert not centre.ping(A, C, wait=0.2)


def test_a_capture_holds_the_frames_with_their_tags(centre: DataCentre) -> None:
    lead(centre, {A: PortState(None, frozenset({20})), B: PortState(20)})
    file = centre.directory / "capture.pcap"
    centre.capture(name(A), file)
    with pytest.raises(BadArgument, match="already"):
        centre.capture(name(A), file)
    centre.probe([None], [name(B)], [name(A)])
    assert centre.captured(name(A)) >= 1
    content = file.read_bytes()
    magic, *_, link = struct.unpack_from("=IHHiIII", content)
    assert (magic, link) == (0xA1B2C3D4, 1)
    _, _, length, original = struct.unpack_from("=IIII", content, 24)
    frame = content[40 : 40 + length]
    assert length == original == len(frame)
    assert frame[12:18] == struct.pack("!HHH", 0x8100, 20, 0x88B5)
