"""The lines for a Catalyst: no step connects more than before and after, and what it shows is read exactly."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.ios import parse
from hil.drivers.switch.ios.render import LONGEST_LIST
from hil.drivers.switch.ios.spec import SPEC
from hil.drivers.switch.mock.device import Foreign
from hil.lab.devices import ios_show
from hil.lab.devices.ios import EMULATOR, FACTORY, PARKED, PORTS, IosEmulator
from hil.lab.devices.model import Device, Mode, PortConfig
from tests.switches.harness import Watched, logged_in, port_states, typed

HOST_KEY = "SHA256:" + "A" * 43
BASE = {"hostname": "sw", "username": "hil", "password": "pw", "host_key": HOST_KEY, "parked": PARKED}
CONFIG = SPEC.validate(BASE)
SHUT = PortConfig(mode=Mode.TRUNK, allowed=None, shut=True)
"""Carries nothing, and everything once somebody opens it."""
OLD = st.one_of(port_states(), st.just(Foreign("", "")), st.just(SHUT), st.none())


def read(device: Device) -> dict[str, Any]:
    """What the driver reads of a device, from what it shows."""
    return {
        port: seen.state
        for port, seen in parse.ports(ios_show.running(device), ios_show.switchports(device), PARKED).items()
    }


def placed(olds: list[Any]) -> tuple[Device, list[str]]:
    """A device whose ports are in these states; None leaves a port as it comes from the factory."""
    device = EMULATOR.device("sw")
    for port, old in zip(PORTS, olds, strict=False):
        if isinstance(old, PortConfig):
            device.config.ports[port] = old
        elif old is not None:
            device.set_by_hand(port, old)
    return device, list(PORTS[: len(olds)])


@settings(max_examples=80)
@given(st.lists(st.tuples(OLD, port_states()), min_size=1, max_size=3), st.booleans())
def test_no_line_carries_more_than_before_and_after(moves: list[tuple[Any, PortState]], edge: bool) -> None:
    device, ports = placed([old for old, _ in moves])
    config = {**CONFIG, "edge": edge, "storm_control": 1.0 if edge else None}
    have, wants = read(device), {port: want for port, (_, want) in zip(ports, moves, strict=True)}
    batch = [PortChange(port, have[port], wants[port]) for port in ports]
    watched = Watched(device, wants)
    typed(EMULATOR.terminal(logged_in(device)), SPEC.render(config, batch), watched)
    watched.reached()
    now = read(device)
    assert {port: now[port] for port in ports} == wants
    assert SPEC.render(config, [PortChange(port, now[port], wants[port]) for port in ports]) == []


@settings(max_examples=40)
@given(port_states())
def test_a_port_of_which_nothing_is_known_is_shut_until_its_last_line(want: PortState) -> None:
    lines = SPEC.render(CONFIG, [PortChange(PORTS[0], None, want)])
    port = lines[lines.index(f"interface {PORTS[0]}") :]
    assert port[1] == "shutdown"
    assert [line for line in port if line == "no shutdown"] == ["no shutdown"] * want.enabled
    assert port[-2 if want.enabled else -3] == ("no shutdown" if want.enabled else "spanning-tree portfast trunk")


CONFIGS = st.builds(
    PortConfig,
    mode=st.sampled_from([Mode.ACCESS, Mode.TRUNK, Mode.ROUTED]),
    access=st.integers(1, 4094),
    native=st.integers(1, 4094),
    allowed=st.none() | st.frozensets(st.integers(1, 4094), max_size=120),
    shut=st.booleans(),
    lag=st.sampled_from(["", "", "Po7"]),
    lines=st.frozensets(
        st.sampled_from(["switchport mode dynamic auto", "switchport voice vlan 30", "switchport nonegotiate"]),
        max_size=2,
    ),
)


@settings(max_examples=100)
@given(CONFIGS)
def test_whatever_the_device_shows_is_read_exactly_or_not_at_all(config: PortConfig) -> None:
    device = EMULATOR.device("sw")
    device.config.ports[PORTS[0]] = config
    found = parse.ports(ios_show.running(device), ios_show.switchports(device), PARKED)[PORTS[0]]
    held = device.running(PORTS[0])
    parked = config.mode is Mode.TRUNK and config.allowed is not None and PARKED in config.allowed
    if isinstance(held, PortState) and not (parked and held.enabled):
        assert found.state == held
    else:
        assert found.state is None
        assert found.reason
        assert f"interface {PORTS[0]}" in found.raw


@settings(max_examples=60)
@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_is_ports_or_none(running: str, shown: str) -> None:
    for text in (running, f"interface {PORTS[0]}\n {running}"):
        for found in parse.ports(text, f"Name: Gi1/0/1\nSwitchport: Enabled\n{shown}", PARKED).values():
            assert found.state is None or found.state == CLOSED
    parse.about(running)
    parse.neighbours(running)
    parse.macs(running)


REAL = """\
Name: Gi1/0/1
Switchport: Enabled
Administrative Mode: {mode}
Operational Mode: {operational}
Administrative Trunking Encapsulation: dot1q
Negotiation of Trunking: Off
Access Mode VLAN: {access}
Trunking Native Mode VLAN: {native}
Administrative Native VLAN tagging: enabled
Voice VLAN: {voice}
Administrative private-vlan trunk native VLAN: none
Operational private-vlan: none
Trunking VLANs Enabled: {allowed}
Pruning VLANs Enabled: 2-1001
Capture VLANs Allowed: ALL

Protected: false
"""
USUAL = {"operational": "trunk", "access": "1 (default)", "native": "20 (blue)", "voice": "none", "allowed": "20,30"}


def shown(mode: str, running: str = "", **fields: str) -> Any:
    text = REAL.format(mode=mode, **{**USUAL, **fields})
    return parse.ports(f"interface GigabitEthernet1/0/1\n{running}!\n", text, PARKED)["GigabitEthernet1/0/1"]


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (shown("trunk"), PortState(20, frozenset({30}))),
        (shown("trunk", operational="down"), PortState(20, frozenset({30}))),
        (shown("trunk", native="999 (Inactive)"), PortState(None, frozenset({20, 30}))),
        (shown("trunk", native="0 (Inactive)"), PortState(None, frozenset({20, 30}))),
        (shown("trunk", " shutdown\n"), CLOSED),
        (shown("trunk", " shutdown\n", allowed="ALL"), CLOSED),
        (shown("static access", access="7 (green)"), PortState(7)),
        (
            shown("trunk", allowed="20,111,130-132,\n     200,300-302,\n     1111"),
            PortState(20, frozenset({111, 130, 131, 132, 200, 300, 301, 302, 1111})),
        ),
    ],
)
def test_the_shapes_of_real_switches_are_read(seen: Any, state: PortState) -> None:
    assert seen.state == state


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (shown("trunk", allowed="ALL"), "trunk of all"),
        (shown("trunk", allowed="NONE"), "open without"),
        (shown("trunk", allowed="20,999"), "parked VLAN 999 is allowed"),
        (shown("trunk", native="none"), "native VLAN that is none"),
        (shown("trunk", allowed="whatever"), "list that is none"),
        (shown("dynamic auto"), "dynamic auto"),
        (shown("dynamic desirable"), "dynamic desirable"),
        (shown("static access", voice="100 (Phones)"), "voice"),
        (shown("private-vlan host"), "private-vlan"),
        (shown("trunk", " switchport private-vlan mapping 10 11\n"), "private VLAN"),
        (shown("trunk", " channel-group 12 mode active\n"), "member of LAG 12"),
        (shown("trunk", " channel-group 12 mode active\n shutdown\n"), "member of LAG 12"),
        (shown("trunk", " no switchport\n"), "no switch port"),
        (shown("trunk", "!\nvlan dot1q tag native\n"), "tags native"),
    ],
)
def test_what_hil_cannot_mean_is_not_guessed(seen: Any, reason: str) -> None:
    assert seen.state is None
    assert reason in seen.reason
    assert seen.raw


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Gi1/0/5", "GigabitEthernet1/0/5"),
        ("gigabitethernet 1/0/05", "GigabitEthernet1/0/5"),
        ("te1/1/1", "TenGigabitEthernet1/1/1"),
        ("Po12", "Port-channel12"),
        ("twe1/0/1", "TwentyFiveGigE1/0/1"),
    ],
)
def test_a_port_has_one_name(text: str, name: str) -> None:
    assert SPEC.port_name(text) == name
    assert SPEC.port_name(name) == name


@pytest.mark.parametrize(
    "text", ["", "1/0/5", "Vlan10", "Gi", "Gi1/0/1 shutdown", "Gi1/0/1\nshutdown", "Gi1//1", "Lo0"]
)
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(BadArgument):
        SPEC.port_name(text)


@pytest.mark.parametrize("parked", [1, 1002, 4095, 0])
def test_a_parked_vlan_of_the_platform_is_refused(parked: int) -> None:
    with pytest.raises(BadArgument, match="parked"):
        SPEC.validate({**BASE, "parked": parked})


def test_the_switch_itself_and_who_is_there_are_read() -> None:
    device = EMULATOR.device("sw")
    about = parse.about(ios_show.version(device))
    assert (about.model, about.firmware, about.serial) == ("WS-C3750X-24T-S", "15.2(4)E10", "FDO0000LAB1")


# -- faults seen in other software for the platform --------------------------------------------------------------------


def every_line(**settings: Any) -> list[str]:
    """All lines that any of many batches needs."""
    many = PortState(10, frozenset(range(100, 900, 2)))
    states: list[PortState | None] = [None, CLOSED, PortState(10), PortState(None, frozenset({10, 20})), many]
    config = SPEC.validate({**BASE, **settings})
    batches = [PortChange(PORTS[0], have, want) for have in states for want in states if want is not None]
    return [line for change in batches for line in SPEC.render(config, [change])]


@pytest.mark.parametrize(
    "bad",
    [
        r"no switchport trunk allowed vlan",  # means all: the mistake of modules for an empty set
        r"no switchport mode",  # falls back to a mode that negotiates
        r"no switchport trunk native",  # falls back to VLAN 1
        r"switchport trunk allowed vlan (all|except|remove)",
        r"no vlan",
    ],
)
def test_nothing_is_said_that_falls_back_to_more(bad: str) -> None:
    assert not [line for line in every_line() if re.match(bad, line)]


def test_long_lists_are_cut_before_the_switch_refuses_them() -> None:
    for line in every_line():
        vlans = re.search(r"vlan (?:add )?([\d,-]+)$", line)
        assert vlans is None or len(vlans[1]) <= LONGEST_LIST <= 220
    assert any(" add " in line for line in every_line())


def test_a_port_is_an_edge_port_that_negotiates_nothing() -> None:
    lines = every_line(encapsulation=True, edge_command="portfast edge trunk", storm_control=0.5)
    for line in (
        *("switchport nonegotiate", "spanning-tree portfast edge trunk", "spanning-tree bpduguard enable"),
        *("switchport trunk encapsulation dot1q", "storm-control broadcast level 0.50"),
    ):
        assert lines.count(line) == lines.count("switchport mode trunk")
    assert not [line for line in every_line(edge=False) if "spanning-tree" in line]
    assert "switchport" not in every_line(layer3=False)


def test_a_batch_closes_before_it_opens() -> None:
    batch = [PortChange(PORTS[0], CLOSED, PortState(10)), PortChange(PORTS[1], PortState(10), CLOSED)]
    lines = SPEC.render(CONFIG, batch)
    assert lines.index(f"interface {PORTS[1]}") < lines.index(f"interface {PORTS[0]}")


@pytest.mark.parametrize("make", [lambda: IosEmulator(isl=True).device("sw"), lambda: EMULATOR.device("sw")])
def test_a_factory_port_is_a_mode_that_negotiates(make: Callable[[], Device]) -> None:
    device = make()
    assert FACTORY.lines <= device.config.ports[PORTS[0]].lines
    found = parse.ports(ios_show.running(device), ios_show.switchports(device), PARKED)
    assert {seen.reason for seen in found.values()} == {"mode dynamic auto"}
