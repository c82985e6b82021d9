"""What a Cumulus switch says: answers in the shape of real ones, and anything at all."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.model import CLOSED, Observed, PortState
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.nvue import parse


def read(member: Any, **more: Any) -> Observed:
    return parse.observed({"type": "swp", "bridge": {"domain": {"br_default": member}}, **more}, "br_default")


@pytest.mark.parametrize(
    ("member", "state"),
    [
        ({"untagged": 10, "vlan": {"20": {}, "21-22": {}}}, PortState(10, frozenset({20, 21, 22}))),
        ({"untagged": 10, "vlan": {"10": {}, "20": {}}}, PortState(10, frozenset({20}))),
        ({"untagged": "none", "vlan": {"20": {}}, "stp": {"bpdu-guard": "on"}}, PortState(None, frozenset({20}))),
        ({"access": 10, "learning": "on"}, PortState(10)),
        ({"access": "10"}, PortState(10)),
    ],
)
def test_a_member_of_the_bridge_is_read(member: Any, state: PortState) -> None:
    assert read(member).state == state
    assert read(member, link={"state": {"up": {}}}, description="node 1").state == state
    assert read(member, link={"state": {"down": {}}}).state == CLOSED
    assert read(member, link={"state": "down"}).state == CLOSED


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ({}, "inherits"),
        ({"untagged": 10}, "inherits"),
        ({"vlan": {"20": {}}}, "inherits"),
        ({"untagged": 10, "vlan": {}}, "inherits"),
        ({"untagged": "auto", "vlan": {"20": {}}}, "no VLANs"),
        ({"untagged": 10, "vlan": {"all": {}}}, "no VLANs"),
        ({"untagged": 10, "vlan": {"": {}}}, "no VLANs"),
        ({"access": 10, "vlan": {"20": {}}}, "at once"),
        (None, "no VLANs"),
    ],
)
def test_what_hil_cannot_mean_is_not_guessed(member: Any, reason: str) -> None:
    found = read(member)
    assert found.state is None
    assert reason in found.reason
    assert "br_default" in found.raw


def test_a_port_in_no_bridge_forwards_nothing_unless_it_does_more() -> None:
    assert parse.observed({}, "br_default").state == CLOSED
    assert parse.observed({"type": "swp", "link": {"state": "up"}}, "br_default").state == CLOSED
    routed = parse.observed({"ip": {"address": {"10.0.0.1/24": {}}}}, "br_default")
    assert (routed.state, "ip" in routed.reason) == (None, True)
    other = parse.observed({"bridge": {"domain": {"br_other": {"access": 10}}}}, "br_default")
    assert (other.state, "another bridge" in other.reason) == (None, True)


def test_ports_that_nobody_has_configured_are_there_and_members_of_bonds_are_known() -> None:
    applied = {"bond1": {"bond": {"member": {"swp2": {}}}}, "swp2": {"link": {"state": "down"}}, "vlan10": {}}
    view = parse.view({"swp1": {}, "swp2": {}, "eth0": {}, "lo": {}}, applied, "br_default")
    assert set(view.ports) == {"swp1", "swp2"}
    assert view.ports["swp1"].state == CLOSED
    assert (view.ports["swp2"].state, view.lags) == (None, {"swp2": "bond1"})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["swp1", "bridge", "domain", "br_default", "vlan", "untagged", "access", "link", "state", "lldp"]
            )
            | st.text(max_size=8),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=200)
@given(first=anything, second=anything)
def test_any_answer_is_understood_or_declined(first: Any, second: Any) -> None:
    for attempt in (
        lambda: parse.view(first, second, "br_default"),
        lambda: parse.neighbours(first),
        lambda: parse.macs(first),
        lambda: parse.about(first, second),
    ):
        try:
            attempt()
        except ValueError:
            continue


@settings(max_examples=200)
@given(member=anything, tree=anything)
def test_a_port_is_a_state_or_a_reason(member: Any, tree: Any) -> None:
    for found in (read(member), parse.observed(tree, "br_default")):
        assert found.state is not None or (found.reason and found.raw)


def test_neighbours_addresses_and_the_switch_itself() -> None:
    neighbor = {
        "node-1": {
            "chassis": {"chassis-id": "52:54:00:AB:CD:00", "system-name": "node-1"},
            "port": {"name": "52:54:00:ab:cd:01", "type": "mac"},
        }
    }
    operational = {"swp1": {"lldp": {"neighbor": neighbor}}, "eth0": {"lldp": {"neighbor": neighbor}}, "swp2": {}}
    assert parse.neighbours(operational) == {
        "swp1": [Neighbour("52:54:00:ab:cd:00", "52:54:00:ab:cd:01", "node-1")],
    }
    rows = {
        "1": {"interface": "swp1", "mac": "52:54:00:ab:cd:01", "vlan": 10},
        "2": {"interface": "swp1", "mac": "52:54:00:ab:cd:02", "vlan": 10, "entry-type": "permanent"},
        "3": {"interface": "br_default", "mac": "52:54:00:ab:cd:03"},
    }
    assert parse.macs(rows) == {"swp1": [Mac("52:54:00:ab:cd:01", 10)]}
    assert parse.about({"build": "Cumulus Linux 5.9.1"}, {"product-name": "VX", "serial-number": "S1"}) == About(
        "VX", "Cumulus Linux 5.9.1", "S1"
    )
