"""What OS9 switches print is read exactly or declined, and any other text is survived."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.model import CLOSED, PortState
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.os9 import names, parse
from tests.switches.desk import Held
from tests.switches.harness import run
from tests.switches.os9.test_render import ANYTHING, CONFIGURED, P2, desk, falls

PIECES = st.sampled_from(
    [
        *("Name: TenGigabitEthernet 0/1\n", "Vlan membership:\n", "Q       Vlans\n", "U       3\n", "T       1511,"),
        *(
            "1612-1614\n",
            "        7 9\n",
            "X       4\n",
            "Native VlanId:    1512.\n",
            "interface Te 0/1\n",
            " switchport\n",
        ),
        *(
            " portmode hybrid\n",
            " shutdown\n",
            "!\n",
            " Local Interface Te 0/1 has 1 neighbor\n",
            "Name:",
            "T       5-2\n",
        ),
        *(" channel-member Te 0/1-999\n", "Remote Chassis ID Subtype:\n", "Remote Chassis ID: x\n", "T       5000\n"),
    ]
)
TEXT = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=12).map("".join))


@settings(max_examples=100)
@given(running=TEXT, shown=TEXT)
def test_any_text_is_answered_or_declined(running: str, shown: str) -> None:
    for found in parse.found(running, shown, {}).ports.values():
        assert (found.state is None) == bool(found.reason)
    parse.about(shown, running)
    parse.neighbours(shown, {})
    parse.macs(shown, {})


@settings(max_examples=100)
@given(held=CONFIGURED | ANYTHING, disabled=st.booleans())
def test_what_the_switch_prints_is_what_it_does(held: Held, disabled: bool) -> None:
    there = desk(disabled=disabled)
    there.put(P2, held if disabled else falls(held))
    run(there.agrees(P2))


LINES = ("no ip address", "portmode hybrid", "switchport", "no shutdown")


def read(*rows: str, lines: tuple[str, ...] = LINES, after: str = "", **config: object) -> object:
    block = "\n".join(["interface GigabitEthernet 1/3", *(f" {line}" for line in lines), "!", after])
    table = "\n".join(["Q       Vlans", *rows])
    shown = f"Name: GigabitEthernet 1/3\nDescription:\n802.1QTagged: Hybrid\nVlan membership:\n{table}\n\n\n\n"
    found = parse.found(block, shown, config).ports["1/3" if config else "GigabitEthernet1/3"]
    return found.reason if found.state is None else found.state


@pytest.mark.parametrize(
    ("rows", "meaning"),
    [
        (("U       3",), PortState(3)),
        (("T       1511,1612-1614",), PortState(None, frozenset({1511, 1612, 1613, 1614}))),
        (("U       9", "T       1511,1612-1613,", "        7 8"), PortState(9, frozenset({7, 8, 1511, 1612, 1613}))),
        (("T       1511,1612-1613", "        7 8"), PortState(None, frozenset({7, 8, 1511, 1612, 1613}))),
        (("U       9", "T       11", "T       13"), PortState(9, frozenset({11, 13}))),
        (("U       9", "", "Native VlanId:    9."), PortState(9)),
        (("T       11", "", "Native VlanId:    9."), PortState(9, frozenset({11}))),
        (("U       9", "", "Native VlanId:    8."), "its untagged VLAN is not one, or tagged too"),
        (("U       9", "T       9-10"), "its untagged VLAN is not one, or tagged too"),
        ((), "open without a VLAN"),
        (("x       9",), "in VLANs by code x"),
        (("U       9", "V       10"), "in VLANs by code V"),
        (("M       10",), "in VLANs by code M"),
        (("T       10-9",), "a VLAN list that is none"),
        (("T       9999",), "a VLAN list that is none"),
    ],
)
def test_the_codes_of_a_port_are_read(rows: tuple[str, ...], meaning: object) -> None:
    assert read(*rows) == meaning


@pytest.mark.parametrize(
    ("lines", "meaning"),
    [
        ((*LINES[:3], "shutdown"), CLOSED),
        (("no ip address", "shutdown"), CLOSED),
        (("no ip address", "no shutdown"), "no switch port"),
        (("switchport", "no shutdown"), "no hybrid port: HIL's ports are"),
        (("ip address 192.0.2.1/24", "no shutdown"), "no switch port: it has an address"),
        ((*LINES, "port-channel-protocol LACP", " port-channel 7 mode active"), "member of LAG 7"),
    ],
)
def test_the_running_configuration_tells_the_rest(lines: tuple[str, ...], meaning: object) -> None:
    assert read("U       3", lines=lines) == meaning


def test_members_of_static_aggregations_are_named_by_these() -> None:
    after = "interface Port-channel 12\n channel-member GigabitEthernet 1/1-2,3\n no shutdown\n!"
    assert read("U       3", after=after) == "member of LAG 12"
    assert read("U       3", after=after.replace("1/1-2,3", "1/1-2,4")) == PortState(3)


def test_where_a_kind_is_configured_its_ports_are_numbers() -> None:
    assert read("U       3", interface_type="GigabitEthernet") == PortState(3)
    text = "interface GigabitEthernet 1/3\n shutdown\n!\ninterface fortyGigE 0/48\n shutdown\n!\ninterface Vlan 3\n!"
    found = parse.found(text, "", {"interface_type": "fortyGigE"})
    assert set(found.ports) == {"GigabitEthernet1/3", "0/48"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("te0/1", "TenGigabitEthernet0/1"),
        ("fortyGigE 0/48", "fortyGigE0/48"),
        ("po7", "Port-channel7"),
        ("1/0/1", "1/0/1"),
    ],
)
def test_names_have_one_form(text: str, name: str) -> None:
    assert names.port_name(text) == name == names.port_name(name)


def test_lists_of_ports_are_expanded_within_their_slot() -> None:
    assert list(names.expanded({}, "GigabitEthernet 1/1-3,7,2/4")) == [
        f"GigabitEthernet{number}" for number in ("1/1", "1/2", "1/3", "1/7", "2/4")
    ]
    assert list(names.expanded({}, "Vlan 1-3")) == []


def test_it_says_who_it_is_who_is_there_and_whom_it_heard() -> None:
    there = desk()
    mac = "02:00:00:00:0a:01"
    there.device.neighbours[P2] = [Neighbour(mac, mac, "node one"), Neighbour("switch-7", "TenGig 0/47", "")]
    there.device.macs[P2] = [Mac(mac, 10)]
    assert run(there.session.about()) == About("S4048-ON", "9.11(2.0)", "LAB4048")
    assert run(there.session.neighbours()) == there.device.neighbours
    assert run(there.session.macs()) == there.device.macs
