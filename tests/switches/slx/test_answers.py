"""What a VDX or SLX switch says: XML in the shape of real answers, and anything at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.model import CLOSED, Observed, PortState
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.slx import parse

SPACES = 'xmlns="urn:brocade.com:mgmt:brocade-interface" xmlns:y="http://brocade.com/ns/rest"'
MODE = "<mode><vlan-mode>trunk-no-default-native</vlan-mode></mode>"
NATIVE = (
    "<native-vlan-untagged-config><native-vlan-id-untagged>10</native-vlan-id-untagged></native-vlan-untagged-config>"
)


def read(inner: str) -> Observed:
    start = f'<Ethernet {SPACES} y:self="/rest/config/running/interface/Ethernet/%220/1%22">\r\n'
    return parse.port(f"{start}<name>0/1</name>{inner}</Ethernet>".encode())[0]


def allowed(inner: str) -> str:
    return f"<allowed y:self='x'><vlan>{inner}</vlan></allowed>"


def trunk(inner: str, mode: str = MODE) -> str:
    return f"<switchport>{mode}<trunk>{inner}</trunk></switchport>"


@pytest.mark.parametrize(
    ("inner", "state"),
    [
        (trunk(allowed("<add>1,20-22</add>") + NATIVE), PortState(10, frozenset({1, 20, 21, 22}))),
        (trunk(allowed("<add>10,20</add>") + NATIVE), PortState(10, frozenset({20}))),
        (trunk(allowed("<add> 20, 30 </add>")), PortState(None, frozenset({20, 30}))),
        (trunk("<allowed></allowed>" + NATIVE), PortState(10)),
        (trunk(allowed("<none>true</none>")), CLOSED),
        (f"<switchport>{MODE}</switchport>", CLOSED),
        (trunk(allowed("<all>true</all>")) + "<shutdown>true</shutdown>", CLOSED),
        ("<shutdown/>", CLOSED),
        (
            trunk(allowed("<add>20</add>") + "<tag></tag>") + "<shutdown>false</shutdown>",
            PortState(None, frozenset({20})),
        ),
    ],
)
def test_a_port_is_read(inner: str, state: PortState) -> None:
    assert read(inner).state == state


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        ("", "no switch port"),
        ("<switchport></switchport>", "(none)"),
        (trunk(allowed("<add>20</add>"), "<mode><vlan-mode>trunk</vlan-mode></mode>"), "in mode trunk"),
        (
            "<switchport><mode><vlan-mode>access</vlan-mode></mode><access><vlan>1</vlan></access></switchport>",
            "access",
        ),
        (trunk(allowed("<all>true</all>")), "a list with all"),
        (trunk(allowed("<except>5</except>")), "a list with except"),
        (trunk("<allowed><rspan-vlan><add>5</add></rspan-vlan></allowed>"), "rspan-vlan"),
        (trunk(allowed("<add>20</add>") + "<native-vlan>7</native-vlan>"), "native-vlan"),
        (trunk(allowed("<add>5000</add>")), "no VLAN id"),
        (trunk(allowed("<add>x</add>")), "no VLAN id"),
    ],
)
def test_what_hil_cannot_mean_is_not_guessed(inner: str, reason: str) -> None:
    found = read(inner)
    assert found.state is None
    assert reason in found.reason
    assert "0/1" in found.raw


def test_a_member_of_a_port_channel_is_one_even_if_it_is_shut() -> None:
    group = "<channel-group><port-int>30</port-int></channel-group>"
    found, lag = parse.port(f"<Ethernet {SPACES}><name>0/1</name>{group}<shutdown/></Ethernet>".encode())
    assert (found.state, lag) == (None, "port channel 30")


@pytest.mark.parametrize(
    "text", [b"", b"<", b"<a>", b"plain", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"\xff\xfe"]
)
def test_what_is_no_xml_is_declined(text: bytes) -> None:
    for reader in (parse.names, parse.port, parse.about, parse.job):
        with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
            reader(text)
    assert "HTTP 500" in parse.words(text, 500)


tags = st.sampled_from(
    ["name", "switchport", "mode", "vlan-mode", "trunk", "allowed", "vlan", "add", "none", "all", "shutdown"]
) | st.sampled_from(
    ["access", "tag", "channel-group", "port-int", "native-vlan-untagged-config", "native-vlan-id-untagged"]
)
texts = st.sampled_from(["", "10", "10,20-22", "22-20", "true", "trunk-no-default-native", "4095", " "])
elements = st.recursive(
    st.builds("<{0}>{1}</{0}>".format, tags, texts),
    lambda inner: st.builds(lambda tag, parts: f"<{tag}>{''.join(parts)}</{tag}>", tags, st.lists(inner, max_size=3)),
    max_leaves=12,
)


@settings(max_examples=200)
@given(inner=st.lists(elements, max_size=4).map("".join), raw=st.binary(max_size=40))
def test_any_answer_is_a_state_a_reason_or_declined(inner: str, raw: bytes) -> None:
    found = read(inner)
    assert found.state is not None or (found.reason and found.raw)
    for reader in (parse.names, parse.port, parse.about, parse.job):
        try:
            reader(raw)
        except ValueError:
            continue


def test_neighbours_addresses_names_and_the_switch_itself() -> None:
    entry = (
        "<lldp-neighbor-detail><local-interface-name>{} 101/0/1</local-interface-name>"
        "<local-interface-ifindex>77</local-interface-ifindex><remote-interface-name>{}</remote-interface-name>"
        "<remote-chassis-id>5254.00ab.cd00</remote-chassis-id><remote-system-name>node-1</remote-system-name>"
        "</lldp-neighbor-detail>"
    )
    entries = entry.format("Te", "5254.00ab.cd01") + entry.format("Fo", "e1")
    text = f'<output xmlns="urn:x">{entries}<has-more>true</has-more></output>'
    near, more = parse.neighbours(text.encode(), "TenGigabitEthernet")
    assert near == {"101/0/1": [Neighbour("52:54:00:ab:cd:00", "52:54:00:ab:cd:01", "node-1")]}
    assert more == "77"
    row = (
        "<mac-address-table><vlanid>10</vlanid><mac-address>5254.00ab.cd01</mac-address><mac-type>{}</mac-type>"
        "<forwarding-interface><interface-type>{}</interface-type><interface-name>101/0/1</interface-name>"
        "</forwarding-interface></mac-address-table>"
    )
    rows = row.format("Dynamic", "tengigabitethernet") + row.format("Static", "tengigabitethernet")
    table = f"<output>{rows}{row.format('Dynamic', 'fortygigabitethernet')}</output>"
    assert parse.macs(table.encode(), "TenGigabitEthernet") == {"101/0/1": [Mac("52:54:00:ab:cd:01", 10)]}
    assert parse.names(b"<collection><Te><name>1/0/1</name></Te><Te><name>1/0/2</name></Te></collection>") == [
        "1/0/1",
        "1/0/2",
    ]
    version = b"<os-name>NOS</os-name><os-version>7.2.0</os-version>"
    assert parse.about(b"<output><show-firmware-version>" + version + b"</show-firmware-version></output>") == About(
        "NOS", "7.2.0"
    )
