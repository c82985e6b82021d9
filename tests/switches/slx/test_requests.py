"""What a VDX or SLX switch is told: no request carries a VLAN outside old and new, and all ends exactly."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.devices import Save
from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.registry import capabilities_of
from hil.drivers.switch.mock.device import Foreign
from hil.drivers.switch.order import differing
from hil.drivers.switch.slx import parse, render
from hil.drivers.switch.slx.spec import SPEC
from hil.lab.devices.model import Config, Device, Mode, PortConfig
from hil.lab.devices.slx import EMULATOR
from hil.lab.devices.slx_tree import Refusal, changed, printed
from tests.switches.harness import Watched, port_states

CONFIG = SPEC.validate(
    {"url": "https://switch.example", "username": "hil", "password": "pw", "interface_type": "TenGigabitEthernet"}
)
ALL = Foreign("in mode trunk", "")


def view(config: Config) -> dict[str, Any]:
    return {
        port: parse.port(printed("TenGigabitEthernet", port, found).encode())[0] for port, found in config.ports.items()
    }


def apply(device: Device, batch: list[PortChange], watched: Watched | None = None) -> int:
    todo = render.batch(CONFIG, differing(batch))
    for request in todo:
        if found := re.fullmatch(r"<Vlan><name>(\d+)</name></Vlan>", request.body):
            device.config.vlans.add(int(found[1]))
        else:
            path = request.path.removeprefix(render.port_path(CONFIG, request.port)).lstrip("/")
            before = device.config.ports[request.port]
            try:
                device.config.ports[request.port] = changed(
                    before, device.config.vlans, request.method, path, request.body
                )
            except Refusal as error:
                if error.status not in request.tolerated:
                    raise
        if watched is not None:
            watched.check(str(request))
    return len(todo)


@settings(max_examples=100)
@given(
    before=st.lists(port_states(), min_size=3, max_size=3),
    after=st.lists(port_states(), min_size=3, max_size=3),
    foreign=st.sampled_from(["", "trunk", "routed", "access"]),
)
def test_no_request_widens_and_the_end_is_exact(before: list[PortState], after: list[PortState], foreign: str) -> None:
    device = EMULATOR.device("slx")
    ports = EMULATOR.ports[:3]
    for port, state in zip(ports, before, strict=True):
        device.set_by_hand(port, state)
    if foreign == "trunk":
        device.set_by_hand(ports[0], ALL)
    elif foreign:
        device.config.ports[ports[0]] = PortConfig(mode=Mode(foreign))
    have = view(device.config)
    want = dict(zip(ports, after, strict=True))
    watched = Watched(device, want)
    apply(device, [PortChange(port, have[port].state, want[port]) for port in ports], watched)
    seen = view(device.config)
    assert {port: seen[port].state for port in ports} == want
    watched.reached()
    assert apply(device, [PortChange(port, seen[port].state, want[port]) for port in ports]) == 0


PORT = "/rest/config/running/interface/TenGigabitEthernet/%22101/0/10%22"


def test_a_vlan_that_several_ports_need_is_made_once() -> None:
    lines = SPEC.render(CONFIG, [PortChange(port, CLOSED, PortState(10)) for port in ("101/0/10", "101/0/11")])
    assert [line for line in lines if "Vlan" in line] == [
        "POST /rest/config/running/interface <Vlan><name>10</name></Vlan>"
    ]


def test_an_open_port_gets_only_the_difference_and_stays_up() -> None:
    change = PortChange("101/0/10", PortState(10, frozenset({20, 21})), PortState(20, frozenset({21, 30})))
    assert SPEC.render(CONFIG, [change]) == [
        f"PUT {PORT}/switchport/trunk/allowed/vlan <vlan><remove>20</remove></vlan>",
        f"DELETE {PORT}/switchport/trunk/native-vlan-untagged-config",
        "POST /rest/config/running/interface <Vlan><name>30</name></Vlan>",
        f"PUT {PORT}/switchport/trunk/allowed/vlan <vlan><add>30</add></vlan>",
        f"PUT {PORT}/switchport/trunk/native-vlan-untagged-config <native-vlan-untagged-config>"
        "<native-vlan-id-untagged>20</native-vlan-id-untagged></native-vlan-untagged-config>",
    ]


def test_a_port_of_which_nothing_is_known_is_shut_first_and_opened_last() -> None:
    lines = SPEC.render(CONFIG, [PortChange("101/0/10", None, PortState(None, frozenset({20})))])
    assert lines[0] == f"POST {PORT} <shutdown>true</shutdown>"
    assert f"PUT {PORT}/switchport/mode <mode><vlan-mode>trunk-no-default-native</vlan-mode></mode>" in lines
    assert lines[-1] == f"DELETE {PORT}/shutdown"


@given(have=st.none() | port_states(), want=port_states())
def test_every_body_is_well_formed_and_no_port_ever_becomes_a_plain_trunk(
    have: PortState | None, want: PortState
) -> None:
    """The original's `<vlan><add>102</vlan></vlan>` was no XML, and plain trunk mode always has a native VLAN."""
    for request in render.requests(CONFIG, PortChange("101/0/10", have, want)):
        if request.body:
            parse.xml(request.body.encode())
        assert "<vlan-mode>trunk</vlan-mode>" not in request.body
        assert "all" not in request.body


@pytest.mark.parametrize("vlan", [4091, 4094])
def test_vlans_end_at_4090(vlan: int) -> None:
    with pytest.raises(BadArgument, match=str(vlan)):
        SPEC.render(CONFIG, [PortChange("101/0/10", CLOSED, PortState(vlan))])


OLD = {"hostname": "http://switch:8008", "username": "hil", "password": "pw", "interface_type": "TenGigabitEthernet"}


def test_the_originals_fields_keep_working() -> None:
    assert SPEC.v0_type == "brocade"
    found = SPEC.v0_config(OLD)
    assert (found["url"], found["save"], "certificate" in found) == ("http://switch:8008", "automatic", False)
    bare = SPEC.v0_config(OLD | {"hostname": "switch"})
    assert (bare["url"], bare["certificate"]) == ("https://switch", "first-use")
    assert capabilities_of(SPEC, found).save is Save.AUTOMATIC
    assert capabilities_of(SPEC, CONFIG).save is Save.EXPLICIT


@pytest.mark.parametrize(
    "fields",
    [
        {key: value for key, value in OLD.items() if key != "interface_type"},
        OLD | {"dummy_vlan": "7"},
        OLD | {"interface_type": "Ten/../"},
        OLD | {"hostname": ""},
        OLD | {"password": 7},
    ],
)
def test_other_fields_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadArgument):
        SPEC.v0_config(fields)


@pytest.mark.parametrize(("text", "name"), [("101/0/10", "101/0/10"), ("1/2", "1/2"), ("01/00/3", "1/0/3")])
def test_port_names_have_one_form(text: str, name: str) -> None:
    assert SPEC.port_name(text) == name


@pytest.mark.parametrize("text", ["1", "1/2/3/4", "Te 1/0/1", '1/0/1"', "1/0/\uff11", "../1/0"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(BadArgument):
        SPEC.port_name(text)


vlans = st.integers(1, 4090)


@settings(max_examples=150)
@given(
    port=st.builds(
        PortConfig,
        mode=st.sampled_from(Mode),
        access=vlans,
        native=vlans,
        allowed=st.none() | st.frozensets(vlans, max_size=6),
        shut=st.booleans(),
        lag=st.sampled_from(["", "7"]),
    )
)
def test_whatever_the_switch_prints_is_read_exactly(port: PortConfig) -> None:
    device = EMULATOR.device("slx", factory=port)
    found, lag = parse.port(printed("TenGigabitEthernet", "101/0/1", port).encode())
    held = device.running("101/0/1")
    assert bool(lag) is bool(port.lag)
    if isinstance(held, PortState):
        assert found.state == held
    else:
        assert (found.state, bool(found.reason), bool(found.raw)) == (None, True, True)
