"""What a Cumulus switch is told: no patch carries a VLAN outside old and new, and every batch ends exactly there."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.mock.device import Foreign
from hil.drivers.switch.nvue import parse, render
from hil.drivers.switch.nvue.spec import SPEC
from hil.drivers.switch.order import differing
from hil.lab.devices.model import Config, Device, Mode, PortConfig
from hil.lab.devices.nvue import EMULATOR
from hil.lab.devices.nvue_tree import BRIDGE, meant, merged, tree
from tests.switches.harness import Watched, port_states

BASE = {"url": "https://switch.example:8765", "username": "hil", "password": "pw"}
CONFIGS = [SPEC.validate(BASE), SPEC.validate(BASE | {"edge": False})]
INHERITS = Foreign("inherits", "")


def view(config: Config) -> parse.View:
    trees = {port: tree(found) for port, found in config.ports.items()}
    members: dict[str, Any] = {port: {} for port, found in config.ports.items() if found.lag}
    return parse.view({port: {} for port in trees}, trees | {"bond7": {"bond": {"member": members}}}, BRIDGE)


def apply(device: Device, config: dict[str, Any], batch: list[PortChange], watched: Watched | None = None) -> int:
    """Give the patches to the switch one by one, each taking effect at once: harsher than a revision."""
    todo = differing(batch)
    patches = (render.cleared(config, todo), render.written(config, todo)) if todo else ()
    for patch in patches:
        for port, part in json.loads(json.dumps(patch)).items():
            before = device.config.ports[port]
            device.config.ports[port] = meant(merged(tree(before), part), before)
        if watched is not None:
            watched.check(json.dumps(patch))
    return len(patches)


@settings(max_examples=80)
@given(
    config=st.sampled_from(CONFIGS),
    before=st.lists(port_states(), min_size=3, max_size=3),
    after=st.lists(port_states(), min_size=3, max_size=3),
    foreign=st.booleans(),
)
def test_no_patch_widens_and_the_end_is_exact(
    config: dict[str, Any], before: list[PortState], after: list[PortState], foreign: bool
) -> None:
    device = EMULATOR.device("nvue")
    ports = EMULATOR.ports[:3]
    for port, state in zip(ports, before, strict=True):
        device.set_by_hand(port, state)
    if foreign:
        device.set_by_hand(ports[0], INHERITS)
    have = view(device.config).ports
    want = dict(zip(ports, after, strict=True))
    watched = Watched(device, want)
    apply(device, config, [PortChange(port, have[port].state, want[port]) for port in ports], watched)
    seen = view(device.config).ports
    assert {port: seen[port].state for port in ports} == want
    watched.reached()
    assert apply(device, config, [PortChange(port, seen[port].state, want[port]) for port in ports]) == 0


def test_a_port_always_has_vlans_of_its_own_and_loses_the_old_ones_first() -> None:
    change = PortChange("swp5", None, PortState(10, frozenset({20, 21, 30})))
    assert SPEC.render(BASE, [change]) == [
        'PATCH /interface {"swp5":{"bridge":{"domain":{"br_default":null}}}}',
        'PATCH /interface {"swp5":{"link":{"state":"up"},"bridge":{"domain":{"br_default":'
        '{"untagged":10,"vlan":{"20-21":{},"30":{}},"stp":{"bpdu-guard":"on","admin-edge":"on"}}}}}}',
    ]
    for want, member in [
        (PortState(None, frozenset({20})), {"untagged": "none", "vlan": {"20": {}}}),
        (PortState(10), {"access": 10}),
    ]:
        written = render.written(CONFIGS[1], [PortChange("swp5", CLOSED, want)])
        assert written["swp5"]["bridge"]["domain"][BRIDGE] == member
    assert render.written(CONFIGS[0], [PortChange("swp5", PortState(10), CLOSED)]) == {
        "swp5": {"link": {"state": "down"}}
    }


@pytest.mark.parametrize("vlan", [3725, 3999, 4000, 4064])
def test_the_systems_own_vlans_are_refused(vlan: int) -> None:
    with pytest.raises(BadArgument, match=str(vlan)):
        SPEC.render(BASE, [PortChange("swp5", CLOSED, PortState(vlan))])


@pytest.mark.parametrize(("text", "name"), [("swp1", "swp1"), ("SWP05", "swp5"), ("swp5s01", "swp5s1")])
def test_port_names_have_one_form(text: str, name: str) -> None:
    assert SPEC.port_name(text) == name


@pytest.mark.parametrize("text", ["eth0", "swp", "swp1.10", "bond1", "swp1s", "swp\uff11"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(BadArgument):
        SPEC.port_name(text)


vlans = st.integers(1, 4094)
configs = st.builds(
    PortConfig,
    mode=st.sampled_from([Mode.ACCESS, Mode.TRUNK, Mode.HYBRID, Mode.ROUTED]),
    access=vlans,
    native=st.none() | vlans,
    allowed=st.frozensets(vlans, min_size=1, max_size=6),
    shut=st.booleans(),
    lag=st.sampled_from(["", "bond7"]),
    lines=st.frozensets(st.sampled_from(["bpdu-guard", "admin-edge"])),
).map(lambda port: port if port.mode is Mode.HYBRID else PortConfig(**_fields(port) | {"allowed": None}))


def _fields(port: PortConfig) -> dict[str, Any]:
    return {name: getattr(port, name) for name in PortConfig.__slots__}


@settings(max_examples=150)
@given(port=configs)
def test_whatever_the_switch_prints_is_read_exactly(port: PortConfig) -> None:
    device = EMULATOR.device("nvue", factory=port)
    found = view(device.config).ports["swp1"]
    held = device.running("swp1")
    if isinstance(held, PortState):
        assert found.state == held
    else:
        assert found.state is None
        assert found.reason
        assert found.raw
    if not port.lag:
        assert device.rule.held(Config({"swp1": meant(tree(port), port)}), "swp1") == held
