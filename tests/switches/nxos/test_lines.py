"""The lines for a Nexus: no step connects more than before and after, whichever lines of it fail; reading is exact."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.mock.device import Foreign
from hil.drivers.switch.nxos import parse, render
from hil.drivers.switch.nxos.parse import Shown
from hil.drivers.switch.nxos.spec import SPEC
from hil.drivers.switch.order import differing
from hil.lab.devices import nxos_show
from hil.lab.devices.model import Device, Mode, PortConfig
from hil.lab.devices.nxos import EMULATOR, PARKED, PORTS
from tests.switches.harness import Watched, logged_in, port_states, run, typed

BASE = {"hostname": "sw", "username": "hil", "password": "pw", "parked": PARKED}
CONFIG = SPEC.validate(BASE)
SHUT = PortConfig(mode=Mode.TRUNK, allowed=None, shut=True)
"""Carries nothing, and everything once somebody opens it."""
OLD = st.one_of(port_states(), st.just(Foreign("", "")), st.just(SHUT), st.none())


def seen(device: Device) -> dict[str, Any]:
    """What the driver reads of a device, which must be the same by both ways."""
    running = nxos_show.running(device)
    in_shell = parse.switchports_text(nxos_show.switchports(device))
    over_http = parse.switchports_json(nxos_show.switchport_table(device))
    assert in_shell == over_http
    return parse.ports(running, in_shell, PARKED)


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
    have, wants = seen(device), {port: want for port, (_, want) in zip(ports, moves, strict=True)}
    batch = [PortChange(port, have[port].state, wants[port]) for port in ports]
    watched = Watched(device, wants)
    typed(EMULATOR.terminal(logged_in(device)), SPEC.render(config, batch), watched)
    watched.reached()
    now = seen(device)
    assert {port: now[port].state for port in ports} == wants
    assert SPEC.render(config, [PortChange(port, now[port].state, wants[port]) for port in ports]) == []


@settings(max_examples=150)
@given(OLD, port_states(), st.integers(0, 3), st.sets(st.integers(0, 4), min_size=1), st.booleans())
def test_a_step_may_fail_in_any_of_its_lines(
    old: Any, want: PortState, broken: int, failing: set[int], shut: bool
) -> None:
    """Every line of a step but the failing ones is done, and no step after it."""
    device, (port,) = placed([old])
    have = seen(device)[port].state
    watched = Watched(device, {port: want})
    terminal = EMULATOR.terminal(logged_in(device))
    stages = render.steps(CONFIG, differing([PortChange(port, have, want)]))

    async def all_of_them() -> None:
        await terminal.obey("configure terminal")
        for number, step in enumerate(stages):
            for place, line in enumerate(step.lines):
                if number == broken and place - 1 in failing:
                    continue
                await terminal.obey(line)
                watched.check(line)
            if number == broken:
                return

    run(all_of_them())


CONFIGS = st.builds(
    PortConfig,
    mode=st.sampled_from([Mode.ACCESS, Mode.TRUNK, Mode.ROUTED]),
    access=st.integers(1, 3967),
    native=st.integers(1, 3967),
    allowed=st.none() | st.frozensets(st.integers(1, 4094), max_size=120),
    shut=st.booleans(),
    lag=st.sampled_from(["", "", "Po7"]),
    lines=st.frozensets(
        st.sampled_from(["inherit port-profile uplinks", "spanning-tree bpduguard enable"]), max_size=2
    ),
)


@settings(max_examples=100)
@given(CONFIGS)
def test_whatever_the_device_shows_is_read_exactly_or_not_at_all(config: PortConfig) -> None:
    device = EMULATOR.device("sw")
    device.config.ports[PORTS[0]] = config
    found = seen(device)[PORTS[0]]
    held = device.running(PORTS[0])
    parked = config.mode is Mode.TRUNK and config.allowed is not None and PARKED in config.allowed
    if isinstance(held, PortState) and not (parked and held.enabled):
        assert found.state == held
    else:
        assert found.state is None
        assert found.reason
        assert f"interface {PORTS[0]}" in found.raw


@settings(max_examples=60)
@given(st.text(max_size=300), st.text(max_size=300), st.recursive(st.none() | st.text() | st.integers(), st.lists))
def test_any_text_is_ports_or_none(running: str, shown: str, body: object) -> None:
    table = parse.switchports_text(f"Name: {PORTS[0]}\n  Switchport: Enabled\n{shown}")
    for text in (running, f"interface {PORTS[0]}\n  {running}"):
        for found in parse.ports(text, table, PARKED).values():
            assert found.state is None or found.state == CLOSED
    parse.about(running)
    parse.neighbours(running)
    parse.macs(running)
    for answer in (body, {"TABLE_interface": body}, {"TABLE_interface": {"ROW_interface": body}}):
        try:
            assert parse.switchports_json(answer) == {}
        except ValueError:
            assert answer not in ("", None, {})


# -- the shapes of real switches ---------------------------------------------------------------------------------------

SHOWN = """\
Name: Ethernet1/1
  Switchport: Enabled
  Switchport Monitor: Not enabled
  Operational Mode: {mode}
  Access Mode VLAN: {access}
  Trunking Native Mode VLAN: {native}
  Trunking VLANs Allowed: {allowed}
  Voice VLAN: none
  Extended Trust State : not trusted [COS = 0]
  Administrative private-vlan trunk native VLAN: none
Name: Ethernet1/2
  Switchport: Disabled
  Operational Mode: Private-vlan promiscuous
  Access Mode VLAN: 1 (default)
"""


def read(
    lines: str, mode: str = "trunk", access: str = "1 (default)", native: str = "20 (VLAN0020)", allowed: str = "20,30"
) -> Any:
    table = parse.switchports_text(SHOWN.format(mode=mode, access=access, native=native, allowed=allowed))
    own, _, whole = lines.partition("---")
    running = f"vlan 1,20,30\n{whole}\ninterface Ethernet1/1\n{own}\ninterface Ethernet1/2\n"
    return parse.ports(running, table, PARKED)["Ethernet1/1"]


TRUNK = "  switchport mode trunk\n  switchport trunk native vlan 20\n  switchport trunk allowed vlan 20,30\n"
LONG = (
    "  switchport mode trunk\n  switchport trunk allowed vlan 20,101-102\n  switchport trunk allowed vlan add 300,400\n"
)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (read(TRUNK), PortState(20, frozenset({30}))),
        (read(TRUNK, mode="down"), PortState(20, frozenset({30}))),
        (read(TRUNK + "  shutdown\n"), CLOSED),
        (read(TRUNK + "---system default switchport shutdown"), CLOSED),
        (read(TRUNK + "  no shutdown\n---system default switchport shutdown"), PortState(20, frozenset({30}))),
        (
            read(TRUNK.replace("native vlan 20", "native vlan 999"), native="999 (Vlan not created)"),
            PortState(None, frozenset({20, 30})),
        ),
        (
            read(LONG, native="1 (default)", allowed="20,101-102,300,\n     400"),
            PortState(None, frozenset({20, 101, 102, 300, 400})),
        ),
        (read("", mode="access", allowed="1-4094"), PortState(1)),
        (read("  switchport access vlan 3\n", access="3 (Vlan not created)", allowed="1-4094"), PortState(3)),
    ],
)
def test_real_shapes_are_read(found: Any, state: PortState) -> None:
    assert found.state == state


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (read("  switchport mode trunk\n", native="1 (default)", allowed="1-4094"), "trunk of all"),
        (read(TRUNK, allowed="20,30,40"), "other than they are shown"),
        (read(TRUNK, native="30 (VLAN0030)"), "other than they are shown"),
        (read("  switchport access vlan 3\n", access="4 (VLAN0004)"), "other than it is shown"),
        (read(TRUNK + "  inherit port-profile hosts\n"), "only by hand"),
        (read(TRUNK + "  switchport voice vlan 30\n"), "only by hand"),
        (read(TRUNK + "  channel-group 5 mode active\n"), "member of LAG 5"),
        (read(TRUNK + "  channel-group 5 mode active\n  shutdown\n"), "member of LAG 5"),
        (read(TRUNK + "  no switchport\n"), "no switch port"),
        (read(TRUNK + "---vlan dot1q tag native"), "tags native"),
        (
            read(TRUNK.replace("native vlan 20", "native vlan 999") + "---vlan 999", native="999 (VLAN0999)"),
            "999 exists",
        ),
        (read("  switchport mode fex-fabric\n"), "mode fex-fabric"),
        (
            read("  switchport mode trunk\n  switchport trunk allowed vlan none\n", native="1 (x)", allowed="none"),
            "open",
        ),
        (
            read("  switchport mode trunk\n  switchport trunk allowed vlan 999\n", native="1 (x)", allowed="999"),
            "parked",
        ),
        (read("  switchport mode trunk\n  switchport trunk allowed vlan many\n"), "list that is none"),
    ],
)
def test_what_hil_cannot_mean_is_not_guessed(found: Any, reason: str) -> None:
    assert found.state is None
    assert reason in found.reason
    assert found.raw


def test_one_row_is_an_object_and_several_are_a_list() -> None:
    row = {
        "interface": "Ethernet2/1",
        "switchport": "Enabled",
        "access_vlan": 2,
        "native_vlan": "10",
        "trunk_vlans": "1-50",
    }
    expected = {"Ethernet2/1": Shown(True, 2, 10, frozenset(range(1, 51)))}
    assert parse.switchports_json({"TABLE_interface": {"ROW_interface": row}}) == expected
    assert parse.switchports_json({"TABLE_interface": {"ROW_interface": [row]}}) == expected
    assert parse.switchports_json("") == {}
    with pytest.raises(ValueError, match="table"):
        parse.switchports_json({"TABLE_vlanbrief": {}})


# -- settings ----------------------------------------------------------------------------------------------------------


def test_an_original_registration_is_ssh_and_trusts_on_first_use() -> None:
    fields = {"hostname": "nexus.example", "username": "admin", "password": "pw", "dummy_vlan": "2222"}
    config = SPEC.v0_config(fields)
    assert (config["transport"], config["host_key"], config["parked"]) == ("ssh", "first-use", 2222)
    assert SPEC.validate(config) == config
    assert SPEC.v0_config({**fields, "dummy_vlan": 2222, "hostname": "http://nexus.example:8080"}) == config
    assert SPEC.v0_config({**fields, "hostname": "ssh://nexus.example:2022"})["port"] == 2022


@pytest.mark.parametrize("dummy", [True, 12.7, "12.7", "", None, 1, 3968, 4096, "99999"])
def test_a_dummy_that_is_no_vlan_of_ours_is_refused(dummy: object) -> None:
    with pytest.raises(BadArgument, match="dummy_vlan"):
        SPEC.v0_config({"hostname": "nexus", "username": "admin", "password": "pw", "dummy_vlan": dummy})


@pytest.mark.parametrize(
    ("settings_", "words"),
    [
        ({"transport": "ssh"}, "host_key is missing"),
        ({"host_key": "first-use"}, "host_key does not belong"),
        ({"transport": "ssh", "host_key": "first-use", "certificate": "first-use"}, "certificate does not belong"),
        ({"parked": 4000}, "parked"),
        ({"transport": "telnet"}, "transport"),
    ],
)
def test_settings_of_the_other_way_are_refused(settings_: dict[str, Any], words: str) -> None:
    with pytest.raises(BadArgument, match=words):
        SPEC.validate({**BASE, **settings_})


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ethernet1/12", "Ethernet1/12"),
        ("Eth1/1/3", "Ethernet1/1/3"),
        ("e101/1/01", "Ethernet101/1/1"),
        ("Po10", "port-channel10"),
    ],
)
def test_a_port_has_one_name(text: str, name: str) -> None:
    assert SPEC.port_name(text) == name
    assert SPEC.port_name(name) == name


@pytest.mark.parametrize("text", ["", "1/1", "mgmt0", "Vlan10", "Ethernet1/1 shutdown", "Ethernet1/1 ;no shutdown"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(BadArgument):
        SPEC.port_name(text)


# -- faults seen in other software for the platform --------------------------------------------------------------------


def every_line(**own: Any) -> list[str]:
    many = PortState(10, frozenset(range(100, 900, 2)))
    states: list[PortState | None] = [None, CLOSED, PortState(10), PortState(None, frozenset({10, 20})), many]
    config = SPEC.validate({**BASE, **own})
    batches = [PortChange(PORTS[0], have, want) for have in states for want in states if want is not None]
    return [line for change in batches for line in SPEC.render(config, [change])]


@pytest.mark.parametrize(
    "bad",
    [
        r"no switchport trunk allowed vlan",  # means all: the mistake of a module for an empty set
        r"no switchport",  # a routed port, whose lines are gone
        r"switchport trunk allowed vlan (all|except|remove)",
        rf"vlan .*\b{PARKED}\b",  # the parked VLAN must not exist
        r"no vlan",
    ],
)
def test_nothing_is_said_that_falls_back_to_more(bad: str) -> None:
    assert not [line for line in every_line() if re.match(bad, line)]


def test_long_lists_are_cut_before_the_switch_refuses_them() -> None:
    lines = every_line()
    for line in lines:
        vlans = re.search(r"vlan (?:add )?([\d,-]+)$", line)
        assert vlans is None or len(vlans[1]) <= render.LONGEST_LIST <= 220
    assert any(" add " in line for line in lines)


def test_the_last_port_of_an_output_is_read_as_well() -> None:
    device = EMULATOR.device("sw")
    assert list(seen(device)) == list(PORTS)
    assert seen(device)[PORTS[-1]].state == PortState(1)


def test_a_native_that_is_not_allowed_is_none_and_breaks_nothing() -> None:
    device = EMULATOR.device("sw")
    device.config.ports[PORTS[0]] = PortConfig(mode=Mode.TRUNK, native=7, allowed=frozenset({20}))
    assert seen(device)[PORTS[0]].state == PortState(None, frozenset({20}))


def test_a_port_is_an_edge_port() -> None:
    lines = every_line(storm_control=0.5)
    for line in (
        "spanning-tree port type edge trunk",
        "spanning-tree bpduguard enable",
        "storm-control broadcast level 0.50",
    ):
        assert lines.count(line) == lines.count("switchport mode trunk")
    assert not [line for line in every_line(edge=False) if "spanning-tree" in line]
