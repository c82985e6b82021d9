"""From any state to any state, object by object: nothing outside old ∪ new passes, and the end is exact."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.errors import BadArgument, Refused
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.mock.device import Foreign
from hil.drivers.switch.snmp import mib
from hil.drivers.switch.snmp.render import lines, plan, shuts
from hil.drivers.switch.snmp.spec import SPEC
from hil.lab.devices.model import PortConfig
from hil.lab.devices.snmp.rule import QBridgeRule, untagged
from tests.switches.harness import Watched, port_states
from tests.switches.snmp.direct import CONFIG, WRITER, Direct, lab, session

STATES = port_states()
ANYTHING = st.one_of(STATES, st.just(Foreign("all", "all")))
PORTS = st.builds(
    PortConfig,
    native=st.sampled_from([1, 10, 11]),
    allowed=st.frozensets(st.sampled_from([1, 10, 11, 12])),
    shut=st.booleans(),
    lag=st.sampled_from(["", "", "", "lag1"]),
    lines=st.frozensets(
        st.sampled_from(["untagged 1", "untagged 10", "untagged 11", "frames 1", "frames 2", "frames 3", "filter"])
    ).filter(lambda lines: sum(line.startswith("frames") for line in lines) == 1),
)


@settings(max_examples=80)
@given(old=st.tuples(ANYTHING, ANYTHING), new=st.tuples(STATES, STATES))
def test_no_set_opens_what_was_not_asked_for(old: tuple[object, ...], new: tuple[PortState, ...]) -> None:
    device = lab("p1", "p2", "p3")
    for port, held in zip(("p1", "p2"), old, strict=True):
        device.set_by_hand(port, held)
    before = device.running("p3")
    wants = dict(zip(("p1", "p2"), new, strict=True))
    watched = Watched(device, wants)

    async def drive() -> None:
        direct = Direct(device, watched.check)
        there = session(direct)
        for again in (False, True):
            seen = await there.read(list(wants))
            batch = [PortChange(port, seen[port].state, want) for port, want in wants.items()]
            direct.sets.clear()
            assert set((await there.apply(batch, WRITER)).values()) == {None}
            assert not (again and direct.sets)
        assert {port: found.state for port, found in (await there.read(list(wants))).items()} == wants

    asyncio.run(drive())
    watched.reached()
    assert device.running("p3") == before


@settings(max_examples=100)
@given(entry=PORTS)
def test_what_is_read_is_what_the_device_does(entry: PortConfig) -> None:
    """Every port that the agent can show is read as the state that it is, or declined."""
    device = lab("p1")
    kept = {f"untagged {vlan}" for vlan in entry.allowed or ()}
    lists = {line for line in entry.lines if not line.startswith("untagged") or line in kept}
    device.config.ports["p1"] = entry = replace(entry, lines=frozenset(lists))
    device.config.vlans |= {10, 11, 12}
    found = asyncio.run(session(Direct(device)).read(["p1"]))["p1"]
    held = device.running("p1")
    assert found.raw
    if isinstance(held, PortState):
        assert found.state == held
        carried = QBridgeRule().carried(device.config, "p1")
        assert (carried.native, carried.tagged, carried.everything) == (held.native, held.tagged, False)
    else:
        assert found.state is None
        assert found.reason


@given(state=STATES)
def test_what_is_shown_is_what_was_meant(state: PortState) -> None:
    device = lab("p1")
    device.set_by_hand("p1", state)
    assert asyncio.run(session(Direct(device)).read())["p1"].state == state


def test_one_list_of_a_vlan_is_written_once_for_all_ports() -> None:
    device = lab(*(f"p{number}" for number in range(1, 49)))
    for port in device.ports():
        device.set_by_hand(port, CLOSED)
    direct = Direct(device)
    want = PortState(10, frozenset({20, 30}))
    asyncio.run(session(direct).apply([PortChange(port, CLOSED, want) for port in device.ports()], WRITER))
    lists = [bind.oid for binds in direct.sets for bind in binds if bind.oid[:-1] in (mib.EGRESS, mib.UNTAGGED)]
    assert sorted(oid[-1] for oid in lists) == [10, 10, 20, 20, 30, 30]
    assert {device.running(port) for port in device.ports()} == {want}


@given(old=st.tuples(STATES, STATES), new=st.tuples(STATES, STATES))
def test_everything_is_left_before_anything_is_joined(old: tuple[PortState, ...], new: tuple[PortState, ...]) -> None:
    """At no step does a port send two VLANs without a tag."""
    device = lab("p1", "p2")
    batch = [PortChange(port, *states) for port, *states in zip(("p1", "p2"), old, new, strict=True)]
    for change in batch:
        assert change.have is not None
        device.set_by_hand(change.port, change.have)

    def check() -> None:
        assert all(len(untagged(device.config.ports[port])) <= 1 for port in device.ports())

    direct = Direct(device, check)
    asyncio.run(session(direct).apply(batch, WRITER))
    assert [device.running(port) for port in ("p1", "p2")] == list(new)


def test_a_port_that_loses_its_native_network_is_down_while_its_pvid_moves() -> None:
    change = PortChange("p1", PortState(10, frozenset({20})), PortState(None, frozenset({20})))
    assert shuts(change)
    order = [line.split()[0] for line in lines([change], 1)]
    assert order[0] == "ifAdminStatus"
    assert order[-1] == "ifAdminStatus"
    assert not shuts(PortChange("p1", PortState(10), PortState(11)))


def test_render_refuses_vlan_1_and_the_parked_one() -> None:
    for vlan in (1, 999):
        with pytest.raises(BadArgument):
            SPEC.render({**CONFIG, "parked": 999}, [PortChange("p1", CLOSED, PortState(vlan))])
    assert plan([PortChange("p1", CLOSED, CLOSED)], 1) == []


def test_ports_without_a_native_network_rest_on_the_parked_vlan() -> None:
    device = lab("p1")
    device.config.vlans |= {999}
    device.set_by_hand("p1", PortState(10))
    direct = Direct(device)
    batch = [PortChange("p1", PortState(10), PortState(None, frozenset({20})))]
    asyncio.run(session(direct, parked=999).apply(batch, WRITER))
    assert device.config.ports["p1"].native == 999
    assert device.running("p1") == PortState(None, frozenset({20}))


def test_a_lag_member_is_declined_and_never_written() -> None:
    device = lab("p1", "p2")
    device.set_by_hand("p2", CLOSED)
    device.config.ports["p1"] = replace(device.config.ports["p1"], lag="lag7")
    direct = Direct(device)

    async def drive() -> None:
        there = session(direct)
        found = (await there.read(["p1"]))["p1"]
        assert found.state is None
        assert found.reason == "member of LAG lag7"
        answers = await there.apply([PortChange("p1", None, CLOSED), PortChange("p2", CLOSED, PortState(10))], WRITER)
        assert isinstance(answers["p1"], Refused)
        assert "lag7" in answers["p1"].message
        assert answers["p2"] is None

    asyncio.run(drive())
    assert device.running("p2") == PortState(10)


def test_lists_that_ports_lie_beyond_grow() -> None:
    assert mib.changed(b"", add=[1, 9]) == bytes.fromhex("8080")
    assert mib.changed(bytes.fromhex("ffff"), clear=[1, 16, 99]) == bytes.fromhex("7ffe")
    assert mib.ports(bytes.fromhex("8001")) == {1, 16}
