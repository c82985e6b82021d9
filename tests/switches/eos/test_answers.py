"""What an Arista switch says: answers in the shape of real ones, and anything at all."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.model import CLOSED, Observed, PortState
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.eos import parse

INFO: dict[str, Any] = {
    "mode": "trunk",
    "accessVlanId": 1,
    "trunkingNativeVlanId": 10,
    "trunkAllowedVlans": "10,20-22",
    "staticTrunkGroups": [],
    "dynamicTrunkGroups": [],
    "tpid": "0x8100",
}
TRUNK = [
    "switchport trunk native vlan 10",
    "switchport trunk allowed vlan 10,20-22",
    "switchport mode trunk",
    "spanning-tree portfast",
]


def read(lines: list[str], enabled: bool = True, **info: Any) -> Observed:
    return parse.observed(lines, {"enabled": enabled, "switchportInfo": INFO | info})


@pytest.mark.parametrize(
    ("lines", "info", "state"),
    [
        (TRUNK, {}, PortState(10, frozenset({20, 21, 22}))),
        (TRUNK, {"trunkingNativeVlanId": 4094}, PortState(None, frozenset({10, 20, 21, 22}))),
        ([*TRUNK[1:], "switchport trunk native vlan tag"], {}, PortState(None, frozenset({10, 20, 21, 22}))),
        (TRUNK, {"trunkAllowedVlans": "NONE"}, CLOSED),
        (["switchport access vlan 30"], {"mode": "access", "accessVlanId": 30}, PortState(30)),
        ([], {"mode": "access"}, PortState(1)),
        ([*TRUNK, "shutdown"], {}, CLOSED),
        (["shutdown", "switchport phone vlan 12"], {"mode": "trunk phone"}, CLOSED),
    ],
)
def test_a_port_is_read(lines: list[str], info: dict[str, Any], state: PortState) -> None:
    assert read(lines, **info).state == state


@pytest.mark.parametrize(
    ("lines", "info", "reason"),
    [
        (TRUNK, {"trunkAllowedVlans": "ALL"}, "all VLANs"),
        (TRUNK, {"trunkAllowedVlans": ""}, "empty list"),
        (TRUNK, {"trunkAllowedVlans": "10,x"}, "no VLAN id"),
        (TRUNK, {"trunkAllowedVlans": "10,20,..."}, "no VLAN id"),
        (TRUNK, {"trunkingNativeVlanId": None}, "trunkingNativeVlanId"),
        (TRUNK, {"staticTrunkGroups": ["blue"]}, "VLAN groups"),
        (TRUNK, {"mode": "access"}, "disagree"),
        ([], {"mode": "dot1q-tunnel"}, "mode dot1q-tunnel"),
        ([*TRUNK, "switchport vlan translation 10 20"], {}, "translation"),
        ([*TRUNK, "switchport phone vlan 12"], {}, "phone"),
        ([*TRUNK, "no switchport"], {}, "routed"),
        ([*TRUNK, "switchport trunk allowed vlan add 99"], {}, "add 99"),
    ],
)
def test_what_hil_cannot_mean_is_not_guessed(lines: list[str], info: dict[str, Any], reason: str) -> None:
    found = read(lines, **info)
    assert found.state is None
    assert reason in found.reason
    assert lines[-1] in found.raw if lines else found.raw


def test_a_member_of_a_port_channel_is_one_even_if_it_is_shut() -> None:
    running = {"cmds": {"interface Ethernet3": {"cmds": {"channel-group 7 mode active": None, "shutdown": None}}}}
    view = parse.view(running, {"switchports": {}}, {"sessions": {}})
    assert view.lags == {"Ethernet3": "port channel 7"}
    assert view.ports["Ethernet3"].state is None
    assert "port channel 7" in view.ports["Ethernet3"].reason


def test_only_ports_are_ports() -> None:
    sections = (
        "interface Ethernet1/2",
        "interface Ethernet1.10",
        "interface Management1",
        "interface Vlan10",
        "vlan 5",
    )
    running = {"cmds": {section: {"cmds": {"shutdown": None}} for section in sections}}
    view = parse.view(running, {"switchports": {}}, {"sessions": {"hil-1-ab": {"state": "pending"}}})
    assert set(view.ports) == {"Ethernet1/2"}
    assert view.sessions == {"hil-1-ab": "pending"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
infos = st.fixed_dictionaries({}, optional=dict.fromkeys(INFO, anything))


@settings(max_examples=100)
@given(answers=st.tuples(anything, anything, anything))
def test_an_answer_is_understood_or_declined(answers: tuple[Any, Any, Any]) -> None:
    for reader in (parse.neighbours, parse.macs, parse.about):
        try:
            reader(answers[0])
        except ValueError:
            continue
    try:
        parse.view(*answers)
    except ValueError:
        return


@settings(max_examples=150)
@given(info=infos | anything, lines=st.lists(st.sampled_from(TRUNK) | st.text(max_size=30), max_size=5))
def test_a_port_is_a_state_or_a_reason(info: Any, lines: list[str]) -> None:
    found = parse.observed(lines, {"enabled": True, "switchportInfo": info})
    assert found.state is not None or (found.reason and found.raw)


def test_neighbours_addresses_and_the_switch_itself() -> None:
    far = {"interfaceIdType": "macAddress", "interfaceId": "5254.00ab.cd01"}
    info = {"chassisId": "5254.00ab.cd00", "systemName": "node-1", "neighborInterfaceInfo": far}
    peer = {"chassisId": "001c.7300.0001", "neighborInterfaceInfo": {"interfaceId": '"Ethernet49"'}}
    answer = {"lldpNeighbors": {"Ethernet1": {"lldpNeighborInfo": [info, peer]}, "Management1": {}}}
    assert parse.neighbours(answer) == {
        "Ethernet1": [
            Neighbour("52:54:00:ab:cd:00", "52:54:00:ab:cd:01", "node-1"),
            Neighbour("00:1c:73:00:00:01", "Ethernet49"),
        ]
    }
    entries = [
        {"vlanId": 10, "macAddress": "52:54:00:ab:cd:01", "interface": "Ethernet1", "entryType": "dynamic"},
        {"vlanId": 10, "macAddress": "52:54:00:ab:cd:02", "interface": "Ethernet1", "entryType": "static"},
        {"vlanId": 10, "macAddress": "52:54:00:ab:cd:03", "interface": "Port-Channel1", "entryType": "dynamic"},
    ]
    assert parse.macs({"unicastTable": {"tableEntries": entries}}) == {"Ethernet1": [Mac("52:54:00:ab:cd:01", 10)]}
    version = {"modelName": "DCS-7050", "version": "4.28.3M", "serialNumber": "S1"}
    assert parse.about(version) == About("DCS-7050", "4.28.3M", "S1")
