"""What an Arista switch is told: no line carries a VLAN outside old and new, and every batch ends exactly there."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.eos import parse
from hil.drivers.switch.eos.render import batch_lines, timer
from hil.drivers.switch.eos.spec import SPEC
from hil.drivers.switch.mock.device import Foreign
from hil.drivers.switch.order import differing
from hil.lab.devices.eos import EMULATOR
from hil.lab.devices.eos_cli import Shell, port_lines, running, switchports
from hil.lab.devices.model import Config, Device, Mode, PortConfig
from tests.switches.harness import Watched, port_states

BASE = {"url": "https://switch.example", "username": "hil", "password": "pw"}
CONFIGS = [SPEC.validate(BASE), SPEC.validate(BASE | {"nativeless": "tagged", "edge": False, "storm_control": 2.5})]
FOREIGN = Foreign("trunk of all VLANs", "")


def view(config: Config) -> parse.View:
    return parse.view(running(config), switchports(config), {"sessions": {}})


def apply(device: Device, config: dict[str, object], batch: list[PortChange], watched: Watched | None = None) -> int:
    shell = Shell(device.config)
    lines = batch_lines(config, differing(batch))
    for _, line in lines:
        shell.line(line)
        if watched is not None:
            watched.check(line)
    return len(lines)


@settings(max_examples=80)
@given(
    config=st.sampled_from(CONFIGS),
    before=st.lists(port_states(), min_size=3, max_size=3),
    after=st.lists(port_states(), min_size=3, max_size=3),
    foreign=st.booleans(),
)
def test_no_line_widens_and_the_end_is_exact(
    config: dict[str, object], before: list[PortState], after: list[PortState], foreign: bool
) -> None:
    device = EMULATOR.device("eos")
    ports = EMULATOR.ports[:3]
    for port, state in zip(ports, before, strict=True):
        device.set_by_hand(port, state)
    if foreign:
        device.set_by_hand(ports[0], FOREIGN)
    have = view(device.config).ports
    want = dict(zip(ports, after, strict=True))
    watched = Watched(device, want)
    apply(device, config, [PortChange(port, have[port].state, want[port]) for port in ports], watched)
    seen = view(device.config).ports
    assert {port: seen[port].state for port in ports} == want
    watched.reached()
    assert apply(device, config, [PortChange(port, seen[port].state, want[port]) for port in ports]) == 0


def test_the_whole_state_is_written_and_never_a_list_that_means_all() -> None:
    change = PortChange("Ethernet5", None, PortState(10, frozenset({20, 21, 22})))
    assert SPEC.render(BASE, [change]) == [
        "vlan 10,20-22",
        "interface Ethernet5",
        "shutdown",
        "switchport",
        "no switchport trunk group",
        "switchport trunk allowed vlan 10,20-22",
        "switchport trunk native vlan 10",
        "switchport mode trunk",
        "spanning-tree portfast",
        "spanning-tree bpduguard enable",
        "no shutdown",
    ]
    closing = SPEC.render(BASE, [PortChange("Ethernet5", PortState(10), CLOSED)])
    assert closing[:2] == ["interface Ethernet5", "shutdown"]
    assert "switchport trunk allowed vlan none" in closing
    assert "switchport trunk native vlan 4094" in closing
    assert "no shutdown" not in closing


def test_untagged_frames_are_dropped_by_parking_or_by_tagging() -> None:
    change = [PortChange("Ethernet5", CLOSED, PortState(None, frozenset({20})))]
    assert "switchport trunk native vlan 4094" in SPEC.render(BASE, change)
    tagged = BASE | {"nativeless": "tagged", "storm_control": 2.5}
    assert "switchport trunk native vlan tag" in SPEC.render(tagged, change)
    assert "storm-control broadcast level 2.5" in SPEC.render(tagged, change)
    assert SPEC.parked(SPEC.validate(tagged)) == frozenset()
    assert SPEC.parked(SPEC.validate(BASE | {"parked": 999})) == {999}


def test_the_parked_vlan_is_never_carried() -> None:
    with pytest.raises(BadArgument, match="4094"):
        SPEC.render(BASE, [PortChange("Ethernet5", CLOSED, PortState(None, frozenset({4094})))])


@pytest.mark.parametrize(
    ("text", "name"),
    [("Ethernet1", "Ethernet1"), ("et5/1", "Ethernet5/1"), ("ETH 01/2/3", "Ethernet1/2/3"), ("e48", "Ethernet48")],
)
def test_port_names_have_one_form(text: str, name: str) -> None:
    assert SPEC.port_name(text) == name


@pytest.mark.parametrize(
    "text", ["Management1", "Port-Channel1", "Ethernet", "Ethernet1.10", "Vlan10", "ethernet\uff11"]
)
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(BadArgument):
        SPEC.port_name(text)


def test_a_timer_is_written_in_hours_minutes_and_seconds() -> None:
    assert [timer(10), timer(60), timer(3600)] == ["00:00:10", "00:01:00", "01:00:00"]


modes = st.sampled_from([Mode.ACCESS, Mode.TRUNK, Mode.ROUTED])
vlans = st.integers(1, 4094)
configs = st.builds(
    PortConfig,
    mode=modes,
    access=vlans,
    native=st.none() | vlans,
    allowed=st.none() | st.frozensets(vlans, max_size=6),
    shut=st.booleans(),
    lag=st.sampled_from(["", "7"]),
    lines=st.frozensets(
        st.sampled_from(
            ["switchport trunk group blue", "spanning-tree portfast", "description the switchport of node 1"]
        )
    ),
)


@settings(max_examples=150)
@given(port=configs)
def test_whatever_the_switch_prints_is_read_exactly(port: PortConfig) -> None:
    device = EMULATOR.device("eos", factory=port)
    found = view(device.config).ports["Ethernet1"]
    held = device.running("Ethernet1")
    if isinstance(held, PortState):
        assert found.state == held
    else:
        assert found.state is None
        assert found.reason
        assert found.raw


@settings(max_examples=60)
@given(port=configs)
def test_what_is_printed_can_be_typed_again(port: PortConfig) -> None:
    device = EMULATOR.device("eos")
    shell = Shell(device.config)
    shell.line("interface Ethernet1")
    for line in port_lines(port):
        if not line.startswith("channel-group"):
            shell.line(line)
    again = device.config.ports["Ethernet1"]
    assert port_lines(again) == [line for line in port_lines(port) if not line.startswith("channel-group")]
