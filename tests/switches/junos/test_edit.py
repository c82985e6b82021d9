"""From any state to any state in one commit; configurations of real shape; what HIL cannot mean is declined."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortChange, PortState
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.junos import parse
from hil.drivers.switch.junos.render import edit, plain
from hil.drivers.switch.junos.session import _names
from hil.drivers.switch.junos.spec import SPEC
from hil.drivers.switch.mock.device import Foreign
from hil.drivers.xml import parsed
from hil.lab.devices.junos.rule import ElsRule
from hil.lab.devices.model import Mode, PortConfig
from tests.switches.harness import Watched, port_states
from tests.switches.junos.direct import PLAIN, configured, lab, read, unit, write

STATES = port_states()
ANYTHING = st.one_of(STATES, st.just(Foreign("all", "all")))
PORTS = st.builds(
    PortConfig,
    mode=st.sampled_from([Mode.ACCESS, Mode.TRUNK, Mode.ROUTED]),
    access=st.sampled_from([1, 10, 77]),
    native=st.sampled_from([None, None, 10, 11]),
    allowed=st.one_of(st.none(), st.frozensets(st.sampled_from([10, 11, 12, 77]))),
    shut=st.booleans(),
    lag=st.sampled_from(["", "", "", "ae3"]),
)


@settings(max_examples=80)
@given(old=st.tuples(ANYTHING, ANYTHING), new=st.tuples(STATES, STATES))
def test_a_commit_opens_nothing_that_was_not_asked_for(old: tuple[object, ...], new: tuple[PortState, ...]) -> None:
    device, names = lab(), dict[int, str]()
    for port, held in zip(device.ports()[:2], old, strict=True):
        device.set_by_hand(port, held)
    beside = device.config.ports["ge-0/0/2"]
    wants = dict(zip(device.ports()[:2], new, strict=True))
    watched = Watched(device, wants)
    write(device, names, wants)
    watched.check()
    watched.reached()
    after = read(device, names)
    assert {port: parse.observed(after, port).state for port in wants} == wants
    assert device.config.ports["ge-0/0/2"] == beside
    have = {port: parse.observed(after, port).state for port in wants}
    assert SPEC.render({}, [PortChange(port, have[port], want) for port, want in wants.items()]) == []


@settings(max_examples=150)
@given(entry=PORTS)
def test_what_is_read_is_what_the_device_does(entry: PortConfig) -> None:
    device = lab("ge-0/0/0")
    device.config.vlans |= {10, 11, 12}
    if entry.mode is not Mode.TRUNK:
        entry = replace(entry, allowed=frozenset())
    device.config.ports["ge-0/0/0"] = entry
    found = parse.observed(read(device, {}), "ge-0/0/0")
    held = device.running("ge-0/0/0")
    assert found.raw
    if isinstance(held, PortState):
        assert found.state == held
        carried = ElsRule().carried(device.config, "ge-0/0/0")
        assert (carried.native, carried.tagged, carried.everything) == (held.native, held.tagged, False)
    else:
        assert found.state is None
        assert found.reason


NAMES = st.sampled_from(
    [
        *("configuration", "interfaces", "interface", "name", "unit", "family", "ethernet-switching", "vlan"),
        *("members", "interface-mode", "native-vlan-id", "disable", "vlans", "vlan-id", "ether-options"),
        *("ieee-802.3ad", "bundle"),
    ]
)
WORDS = st.sampled_from(
    ["", "0", "1", "10", "ge-0/0/5", "trunk", "access", "all", "10-20", "20-10", "99999", "x", "ae0"]
)


@st.composite
def documents(draw: st.DrawFn, depth: int = 6) -> str:
    name = draw(NAMES)
    deeper = draw(st.lists(documents(depth - 1), max_size=3)) if depth else []
    return f"<{name}>{''.join(deeper) or draw(WORDS)}</{name}>"


@settings(max_examples=150)
@given(document=documents())
def test_any_document_is_judged(document: str) -> None:
    root = parsed(
        f"<configuration><interfaces><interface><name>ge-0/0/5</name>{document}</interface></interfaces></configuration>"
    )
    config = parse.configuration(root)
    for port in [*config.interfaces, "ge-0/0/9"]:
        found = parse.observed(config, port)
        assert found.raw
        assert found.state is not None or found.reason
    parse.ports(root)
    parse.macs(root, config.vlans)
    parse.neighbours(root)
    parse.about(root, root)


@pytest.mark.parametrize(
    ("inside", "state"),
    [
        (unit("access", "red"), PortState(10)),
        (unit("trunk", "red", "20"), PortState(None, frozenset({10, 20}))),
        ("<native-vlan-id>20</native-vlan-id>" + unit("trunk", "red", "blue"), PortState(20, frozenset({10}))),
        ("<native-vlan-id>red</native-vlan-id>" + unit("trunk", "10"), PortState(10)),
        ("<description>a &amp; b</description><disable/>", CLOSED),
        ('<disable inactive="inactive"/>' + unit("access", "red"), PortState(10)),
        ('<vlan-tagging inactive="inactive"/><mtu>9216</mtu>' + unit("access", "red"), PortState(10)),
    ],
)
def test_a_configuration_is_read(inside: str, state: PortState) -> None:
    assert parse.observed(configured(inside), "ge-0/0/5").state == state


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        (unit("trunk", "all"), "a trunk of all VLANs"),
        (unit("trunk", "10-12"), "VLAN 11, 12 is not defined"),
        (unit("trunk", "green"), "VLAN green is not defined"),
        (unit("trunk", "many"), "VLAN many has not exactly one id"),
        (unit("access"), "its mode is access, and it is in no VLAN but the default one"),
        (unit("access", "red", "blue"), "an access port has several VLANs"),
        ("<native-vlan-id>20</native-vlan-id>" + unit("trunk", "red"), "its native VLAN is none of its members"),
        ("<disable/>" + unit("trunk", "red"), "it is disabled, but would carry"),
        ("<unit><name>0</name><family><inet/></family></unit>", "its unit 0 has family inet"),
        ("<unit><name>0</name></unit><unit><name>7</name></unit>", "several units"),
        ("<flexible-vlan-tagging/><unit><name>0</name></unit>", "it has flexible-vlan-tagging"),
        ("<ether-options><ieee-802.3ad><bundle>ae1</bundle></ieee-802.3ad></ether-options>", "member of LAG ae1"),
        ("<gigether-options><ieee-802.3ad><bundle>ae1</bundle></ieee-802.3ad></gigether-options>", "member of LAG ae1"),
        (unit("access", "red").replace("interface-mode", "port-mode"), "its switching has port-mode"),
        ("", "it switches nothing, but is up"),
    ],
)
def test_what_hil_cannot_mean_is_declined(inside: str, reason: str) -> None:
    found = parse.observed(configured(inside), "ge-0/0/5")
    assert found.state is None
    assert reason in found.reason


def test_a_vlan_that_names_a_port_by_itself_and_a_phone_are_declined_and_taken_away() -> None:
    claims = "<vlan><name>sly</name><vlan-id>50</vlan-id><interface><name>ge-0/0/5.0</name></interface></vlan>"
    phone = (
        "<switch-options><voip><interface><name>ge-0/0/5.0</name><vlan>20</vlan></interface></voip></switch-options>"
    )
    claimed, voiced = configured(unit("access", "red"), claims), configured(unit("access", "red"), "", phone)
    assert parse.observed(claimed, "ge-0/0/5").reason == "VLAN sly names it by itself"
    assert parse.observed(voiced, "ge-0/0/5").reason == "it has a voice VLAN"
    assert 'operation="delete"><name>ge-0/0/5.0</name>' in edit({"ge-0/0/5": CLOSED}, claimed, **PLAIN)
    assert '<voip><interface operation="delete">' in edit({"ge-0/0/5": CLOSED}, voiced, **PLAIN)


def test_an_edit_replaces_the_interface_and_keeps_what_says_nothing_of_vlans() -> None:
    old = configured(
        "<description>rack &lt;7&gt;</description><speed>10g</speed><vlan-tagging/><unit><name>9</name></unit>"
    )
    body = edit({"ge-0/0/5": PortState(10, frozenset({21, 22}))}, old, edge=True, protocol="mstp", storm_control="sc")
    assert '<interface operation="replace"><name>ge-0/0/5</name><description>rack &lt;7&gt;</description>' in body
    assert "<speed>10g</speed><native-vlan-id>10</native-vlan-id>" in body
    assert "<members>10</members><members>21-22</members>" in body
    assert "vlan-tagging" not in body
    assert "<vlan><name>hil-21</name><vlan-id>21</vlan-id></vlan>" in body
    assert "hil-10" not in body  # it is there, under another name
    assert "<mstp><bpdu-block-on-edge/><interface><name>ge-0/0/5</name><edge/></interface></mstp>" in body
    assert "<profile-name>sc</profile-name>" in body


def test_opened_ports_are_edge_ports() -> None:
    device = lab("ge-0/0/0")
    write(device, {}, {"ge-0/0/0": PortState(10)})
    assert "edge" in device.config.ports["ge-0/0/0"].lines
    assert any("rstp" in line for line in SPEC.render({}, [PortChange("ge-0/0/0", CLOSED, PortState(10))]))
    assert not any(
        "rstp" in line for line in SPEC.render({"edge": False}, [PortChange("ge-0/0/0", CLOSED, PortState(10))])
    )


def test_a_port_is_not_mistaken_for_one_whose_name_begins_alike() -> None:
    assert _names("ge-0/0/1", "[edit interfaces ge-0/0/1 unit 0] no")
    assert not _names("ge-0/0/1", "[edit interfaces ge-0/0/11] no")
    assert not _names("ge-0/0/1", "xge-0/0/1 and ge-0/0/1:0")


def test_names_and_settings_are_checked() -> None:
    assert SPEC.port_name("XE-0/0/48:1.0") == "xe-0/0/48:1"
    assert SPEC.port_name("ae0") == "ae0"
    for wrong in ("irb.10", "ge-0/0", "ge-0/0/1.5", "lo0"):
        with pytest.raises(BadArgument):
            SPEC.port_name(wrong)
    with pytest.raises(BadArgument, match="host_key"):
        SPEC.validate({"hostname": "a", "username": "b", "password": "c"})


def test_what_else_a_switch_tells() -> None:
    version = parsed(
        "<r><software-information><product-model>qfx5120-48y-8c</product-model>"
        "<package-information><name>junos</name><comment>JUNOS OS [20.1]</comment></package-information>"
        "</software-information></r>"
    )
    chassis = parsed(
        "<r><chassis-inventory><chassis><serial-number>XH123</serial-number></chassis></chassis-inventory></r>"
    )
    assert parse.about(version, chassis) == About("qfx5120-48y-8c", "JUNOS OS [20.1]", "XH123")
    entry = (
        "<l2ng-mac-entry><l2ng-l2-mac-vlan-name>red</l2ng-l2-mac-vlan-name><l2ng-l2-mac-address>00:1b:21:0:0:1"
        "</l2ng-l2-mac-address><l2ng-l2-mac-flags>D,SE</l2ng-l2-mac-flags><l2ng-l2-mac-logical-interface>xe-0/0/3.0"
        "</l2ng-l2-mac-logical-interface></l2ng-mac-entry>"
    ).replace("0:0:1", "00:00:01")
    table = parsed(f"<r>{entry}{entry.replace('D,SE', 'S')}</r>")
    assert parse.macs(table, {"red": 10}) == {"xe-0/0/3": [Mac("00:1b:21:00:00:01", 10)]}
    old = parsed(
        "<r><lldp-neighbor-information><lldp-local-interface>ge-0/0/2.0</lldp-local-interface>"
        "<lldp-remote-chassis-id>00:1b:21:00:00:09</lldp-remote-chassis-id>"
        "<lldp-remote-port-description>eno1</lldp-remote-port-description></lldp-neighbor-information></r>"
    )
    assert parse.neighbours(old) == {"ge-0/0/2": [Neighbour("00:1b:21:00:00:09", "eno1")]}


def test_an_element_is_written_without_its_namespace() -> None:
    old = ET.fromstring('<x:mtu xmlns:x="urn:x" x:a="1"> 9000 </x:mtu>')
    assert plain(old) == "<mtu>9000</mtu>"
