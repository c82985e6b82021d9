"""What N-series switches print is read exactly or declined, and any other text is survived."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.model import CLOSED, PortState
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.dnos6 import parse
from tests.switches.desk import Held
from tests.switches.dnos6.test_render import ANYTHING, CONFIGURED, desk
from tests.switches.harness import run

PIECES = st.sampled_from(
    [
        *("Port: Gi1/0/1\n", "VLAN Membership Mode: Trunk Mode\n", "Trunking Mode VLANs Enabled: ", "1-5,\n   7\n"),
        *("Trunking Mode Native VLAN: ", "900\n", "interface Gi1/0/1\n", "shutdown\n", "exit\n", ": ", "9-2", "Po1"),
        *("Gi1/0/1 1 02:00:00:00:00:01 x y\n", "10 0200.0000.0001 Dynamic Gi1/0/1\n", "\n", "unit active\n", "5000"),
    ]
)
TEXT = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=12).map("".join))


@settings(max_examples=100)
@given(running=TEXT, shown=TEXT)
def test_any_text_is_answered_or_declined(running: str, shown: str) -> None:
    for found in parse.ports(running, shown, 900).values():
        assert (found.state is None) == bool(found.reason)
    for reader in (parse.about, parse.neighbours, parse.macs, parse.names):
        reader(shown)


@settings(max_examples=100)
@given(held=CONFIGURED | ANYTHING, old=st.booleans())
def test_what_the_switch_prints_is_what_it_does(held: Held, old: bool) -> None:
    there = desk(old=old)
    there.put("gi1/0/2", held)
    run(there.agrees("gi1/0/2"))


SIX = """
Port: Gi1/0/6
VLAN Membership Mode: {mode} Mode
Member of VLANs : ({native}),3-9,
                           41
Access Mode VLAN: 1 (default)
General Mode PVID: 77
General Mode Ingress Filtering: Enabled
General Mode Acceptable Frame Type: Admit All
General Mode Dynamically Added VLANs:
General Mode Untagged VLANs: 77
General Mode Tagged VLANs: 3,25-26,40-41,50-51,53,
                           200,301-308,331,340,525,540,600,610,700,800,911-912,
                           920
General Mode Forbidden VLANs:
Trunking Mode Native VLAN: {native}
Trunking Mode Native VLAN Tagging: {tagging}
Trunking Mode VLANs Enabled: {allowed}
Private VLAN Host Association: none
Private VLAN Mapping:
Default Priority: 0
Protected: Disabled
"""
WRAPPED = "3,25-26,40-41,50-51,53,\n                           200,301-303,\n                           920"


def read(
    *lines: str, mode: str = "Trunk", native: str = "900", tagging: str = "Disabled", allowed: str = "3-5"
) -> object:
    text = SIX.format(mode=mode, native=native, tagging=tagging, allowed=allowed)
    found = parse.ports("\n".join(["interface Gi1/0/6", *lines, "exit"]), text, 900)["gi1/0/6"]
    return found.reason if found.state is None else found.state


@pytest.mark.parametrize(
    ("fields", "meaning"),
    [
        ({}, PortState(None, frozenset({3, 4, 5}))),
        ({"native": "4"}, PortState(4, frozenset({3, 5}))),
        ({"native": "5 (default)"}, PortState(5, frozenset({3, 4}))),
        ({"allowed": WRAPPED}, PortState(None, frozenset({3, 25, 26, 40, 41, 50, 51, 53, 200, 301, 302, 303, 920}))),
        ({"allowed": "All"}, "trunk of all VLANs"),
        ({"allowed": "1-4093"}, "trunk of all VLANs"),
        ({"allowed": ""}, "open without a VLAN"),
        ({"allowed": "1-899,900-4093"}, "the parked VLAN 900 is allowed"),
        ({"allowed": "some"}, "a VLAN list that is none"),
        ({"native": "77"}, "the native VLAN 77 is neither allowed nor parked"),
        ({"native": "none"}, "a native VLAN that is none"),
        ({"native": "4", "tagging": "Enabled"}, "the native VLAN is tagged"),
        ({"mode": "Access"}, "mode access: HIL's ports are trunks"),
        ({"mode": "General"}, "mode general: HIL's ports are trunks"),
        ({"mode": "Private VLAN Host"}, "mode private vlan host"),
    ],
)
def test_newer_firmware_is_read(fields: dict[str, str], meaning: object) -> None:
    assert read(**fields) == meaning


@pytest.mark.parametrize(
    ("lines", "meaning"),
    [
        (["shutdown"], CLOSED),
        (["no shutdown"], PortState(None, frozenset({3, 4, 5}))),
        (["description 'shutdown'"], PortState(None, frozenset({3, 4, 5}))),
        (["channel-group 7 mode active", "shutdown"], "member of LAG 7"),
        (["routing"], "no plain switch port"),
        (["voice vlan 30"], "a voice VLAN"),
        (["shutdown", "ip address 192.0.2.1 255.255.255.0"], "no plain switch port"),
    ],
)
def test_the_running_configuration_tells_the_rest(lines: list[str], meaning: object) -> None:
    assert read(*lines) == meaning


def test_older_firmware_spells_differently() -> None:
    text = (
        "Port: 1/0/1\nPort: Te1/0/2\nVLAN Membership Mode: Trunk\nAccess Mode VLAN: 1 (default)\n"
        "Trunking Mode Native VLAN: 10\nTrunking Mode Native VLAN tagging: Disable\n"
        "Trunking Mode VLANs Enabled: 10, 12\nProtected Port: False\n"
    )
    assert parse.ports("", text, 900)["te1/0/2"].state == PortState(10, frozenset({12}))
    assert parse.ports("", text.replace("Disable", "Enable"), 900)["te1/0/2"].state is None


def test_it_says_who_it_is_who_is_there_and_whom_it_heard() -> None:
    there = desk()
    mac = "02:00:00:00:0a:01"
    there.device.neighbours["gi1/0/1"] = [Neighbour(mac, mac, "node one"), Neighbour("switch-7", "Gi0/1", "")]
    there.device.macs["gi1/0/2"] = [Mac(mac, 10)]
    assert run(there.session.about()) == About("N3048", "6.5.4.3", "LAB0000N3048")
    assert run(there.session.neighbours()) == there.device.neighbours
    assert run(there.session.macs()) == there.device.macs
