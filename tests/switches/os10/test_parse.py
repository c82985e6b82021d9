"""What OS10 switches print is read exactly or declined, and any other text is survived."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.model import CLOSED, PortState
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.os10 import parse
from tests.switches.desk import Held
from tests.switches.harness import run
from tests.switches.os10.test_render import ANYTHING, CONFIGURED, P2, desk

PIECES = st.sampled_from(
    [
        *("interface ethernet1/1/1\n", " no shutdown\n", " switchport mode trunk\n", " switchport access vlan "),
        *(
            "10\n",
            " switchport trunk allowed vlan ",
            "1-5,\n   7\n",
            "9-2\n",
            " channel-group \n",
            " shutdown\n",
            "!\n",
        ),
        *("Loc PortID  Rem Host Name  Rem Port Id  Rem Chassis Id\n", "ethernet1/1/1  a  b  c\n", "5000\n"),
    ]
)
TEXT = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=12).map("".join))


@settings(max_examples=100)
@given(text=TEXT)
def test_any_text_is_answered_or_declined(text: str) -> None:
    for found in parse.ports(text, 4000).values():
        assert (found.state is None) == bool(found.reason)
    parse.about(text, text)
    parse.neighbours(text)
    parse.macs(text)


@settings(max_examples=100)
@given(held=CONFIGURED | ANYTHING)
def test_what_the_switch_prints_is_what_it_does(held: Held) -> None:
    there = desk()
    there.put(P2, held)
    run(there.agrees(P2))


TRUNK = ("no shutdown", "switchport mode trunk", "switchport access vlan 10", "switchport trunk allowed vlan 20,30-32")


@pytest.mark.parametrize(
    ("lines", "meaning"),
    [
        (TRUNK, PortState(10, frozenset({20, 30, 31, 32}))),
        (TRUNK[:3], PortState(10)),
        (("no shutdown", "switchport access vlan 1"), PortState(1)),
        (("switchport access vlan 7",), PortState(7)),
        (("shutdown", *TRUNK[1:]), CLOSED),
        ((*TRUNK, "switchport trunk allowed vlan 40"), PortState(10, frozenset({20, 30, 31, 32, 40}))),
        ((*TRUNK[:2], TRUNK[3]), "no untagged VLAN is shown"),
        ((*TRUNK[:3], "switchport trunk allowed vlan 10,20"), "its untagged VLAN is tagged too"),
        ((*TRUNK[:3], "switchport trunk allowed vlan 1-4093"), "trunk of all VLANs"),
        ((*TRUNK[:3], "switchport trunk allowed vlan 4000"), "open in the parked VLAN 4000"),
        (("no shutdown", "switchport access vlan 4000"), "open in the parked VLAN 4000"),
        ((*TRUNK[:3], "switchport trunk allowed vlan some"), "a VLAN list that is none"),
        (("no shutdown", "no switchport"), "no switch port"),
        (("shutdown", "no switchport"), "no switch port"),
        (("no shutdown", "switchport mode private-vlan promiscuous"), "mode private-vlan promiscuous"),
        (("no shutdown", "switchport voice vlan 30"), "a voice VLAN or stacked VLANs"),
        (("no shutdown", "channel-group 12 mode active", "no switchport"), "member of LAG 12"),
    ],
)
def test_a_port_is_read_from_its_lines(lines: tuple[str, ...], meaning: object) -> None:
    text = "\n".join(["!", "interface ethernet1/1/7:2", *(f" {line}" for line in lines), " !", " vrrp-group 4", "!"])
    found = parse.ports(text, 4000)["ethernet1/1/7:2"]
    assert (found.reason if found.state is None else found.state) == meaning
    assert found.state is not None or "ethernet1/1/7:2" in found.raw


def test_only_ports_and_aggregations_are_ports() -> None:
    text = (
        "interface breakout 1/1/1 map 40g-1x\ninterface vlan100\n no shutdown\n!\ninterface mgmt1/1/1\n!\n"
        "interface port-channel12\n no shutdown\n switchport access vlan 5\n vlt-port-channel 13\n!\n"
        "interface ethernet1/1/54\n shutdown\nroute-map test permit 1\n match ip address x\n"
    )
    found = {name: seen.state for name, seen in parse.ports(text, 4000).items()}
    assert found == {"port-channel12": PortState(5), "ethernet1/1/54": CLOSED}


def test_it_says_who_it_is_who_is_there_and_whom_it_heard() -> None:
    there = desk()
    mac = "02:00:00:00:0a:01"
    there.device.neighbours[P2] = [Neighbour(mac, mac, "node one"), Neighbour("switch-7", "fortyGigE 0/56", "")]
    there.device.macs[P2] = [Mac(mac, 10)]
    assert run(there.session.about()) == About("S4148F-ON", "10.5.2.3", "LABTAG7")
    assert run(there.session.neighbours()) == there.device.neighbours
    assert run(there.session.macs()) == there.device.macs
