"""What PowerConnect switches print is read exactly or declined, and any other text is survived."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.model import CLOSED, PortState
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.powerconnect import parse
from hil.drivers.switch.powerconnect.session import DIALECT
from tests.switches.desk import Held
from tests.switches.harness import run
from tests.switches.powerconnect.test_render import ANYTHING, CONFIGURED, desk

PIECES = st.sampled_from(
    [
        *("Name: gi1/0/1\n", "Administrative Mode: trunk\n", "Trunking VLANs Enabled: ", "1 - 5,\n   7\n", "none"),
        *("Trunking Native Mode VLAN: ", "9 (Inactive)\n", "interface range gi1/0/1-9\n", "shutdown\n", "exit\n"),
        *("--------- ----- ---- ---\n", "gi1/0/1 a b c\n", " 10 02:00:00:00:00:01 gi1/0/1 dynamic\n", "5000", "gi0/1-"),
    ]
)
TEXT = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=12).map("".join))


@settings(max_examples=100)
@given(running=TEXT, shown=TEXT)
def test_any_text_is_answered_or_declined(running: str, shown: str) -> None:
    for found in parse.ports(running, shown).values():
        assert (found.state is None) == bool(found.reason)
    parse.about(shown, running, shown)
    for reader in (parse.neighbours, parse.macs, parse.names):
        reader(shown)


@settings(max_examples=100)
@given(held=CONFIGURED | ANYTHING, terse=st.booleans())
def test_what_the_switch_prints_is_what_it_does(held: Held, terse: bool) -> None:
    there = desk(terse=terse)
    there.put("gi1/0/2", held)
    run(there.agrees("gi1/0/2"))


SHOWN = """Name: gi1/0/6
Switchport: enable
Administrative Mode: {mode}
Operational Mode: down
Access Mode VLAN: 1
Trunking Native Mode VLAN: {native}
Trunking VLANs Enabled: {allowed}
General PVID: 1
General VLANs Enabled: none
Classification rules:

Classification type Group ID VLAN ID
------------------- -------- -------
"""


def read(*running: str, mode: str = "trunk", native: str = "none", allowed: str = "3 - 5") -> object:
    text = SHOWN.format(mode=mode, native=native, allowed=allowed)
    found = parse.ports("\n".join(running), text)["gi1/0/6"]
    return found.reason if found.state is None else found.state


@pytest.mark.parametrize(
    ("fields", "meaning"),
    [
        ({}, PortState(None, frozenset({3, 4, 5}))),
        ({"native": "3 (Inactive)"}, PortState(3, frozenset({4, 5}))),
        ({"native": "3", "allowed": "3\n 10, 2000 (Inactive)"}, PortState(3, frozenset({10, 2000}))),
        ({"allowed": " 23 - 25\n     10, 2000"}, PortState(None, frozenset({10, 23, 24, 25, 2000}))),
        ({"allowed": "none"}, "open without a VLAN"),
        ({"allowed": "all"}, "trunk of all VLANs"),
        ({"allowed": "3 -"}, "a VLAN list that is none"),
        ({"native": "7"}, "the native VLAN 7 is not allowed"),
        ({"native": "some"}, "a native VLAN that is none"),
        ({"mode": "access"}, "mode access: HIL's ports are trunks"),
        ({"mode": "general"}, "mode general: HIL's ports are trunks"),
        ({"mode": "private-vlan host"}, "mode private-vlan host"),
    ],
)
def test_the_fields_of_a_port_are_read(fields: dict[str, str], meaning: object) -> None:
    assert read(**fields) == meaning


@pytest.mark.parametrize(
    ("lines", "meaning"),
    [
        (["interface gi1/0/6", " shutdown", "!"], CLOSED),
        (["interface gigabitethernet1/0/6", " shutdown", "exit"], CLOSED),
        (["interface range gi1/0/1-4,gi1/0/5-8", " shutdown", "!"], CLOSED),
        (["interface range gi1/0/1-5", "shutdown", "!"], PortState(None, frozenset({3, 4, 5}))),
        (["interface gi1/0/5", " shutdown", "interface gi1/0/6"], PortState(None, frozenset({3, 4, 5}))),
        (["interface gi1/0/6", " channel-group 2 mode auto", " shutdown"], "member of LAG 2"),
    ],
)
def test_the_running_configuration_tells_the_rest(lines: list[str], meaning: object) -> None:
    assert read(*lines) == meaning


def test_lines_of_the_journal_are_no_refusals_and_words_of_refusal_are() -> None:
    for line in ("%COPY-I-FILECPY: Files Copy", "%COPY-N-TRAP: done", "Copy succeeded"):
        assert not DIALECT.refused.search(line)
    for line in ("% Incomplete command", "% Unrecognized command", "VLAN was not created by user."):
        assert DIALECT.refused.search(line)
    assert DIALECT.refused.search("Port is not in Layer-2 mode")


def test_neighbours_are_read_by_the_width_of_their_columns() -> None:
    table = (
        "  Port        Device ID        Port ID     System Name    TTL \n"
        "--------- ----------------- ------------- -------------- -----\n"
        "gi1/0/47  02:00:00:00:00:d8  Ten 1/0/24   core switch     105 \n"
        "                                          goes on             \n"
    )
    assert parse.neighbours(table) == {"gi1/0/47": [Neighbour("02:00:00:00:00:d8", "Ten 1/0/24", "core switch")]}


def test_the_serial_number_of_a_stack_is_that_of_its_first_unit() -> None:
    table = (
        "Unit  Service tag  Serial number\n----  -----------  -------------\n 1    TAG1         SN1\n 2    TAG2  SN2\n"
    )
    assert parse.about("", "1  4.1.0.15  1.0.0.25", table) == About("", "4.1.0.15", "SN1")


def test_it_says_who_it_is_who_is_there_and_whom_it_heard() -> None:
    there = desk()
    mac = "02:00:00:00:0a:01"
    there.device.neighbours["gi1/0/1"] = [Neighbour(mac, mac, "node one"), Neighbour("switch-7", "Gi0/1", "")]
    there.device.macs["gi1/0/2"] = [Mac(mac, 10)]
    assert run(there.session.about()) == About("PowerConnect 5548", "4.1.0.15", "LAB0005548")
    assert run(there.session.neighbours()) == there.device.neighbours
    assert run(there.session.macs()) == there.device.macs
