"""How Dell's switches are registered, by the present API and by the original one; nothing here opens a socket."""

from typing import Any

import pytest

from hil.core.devices import Nativeless
from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.registry import capabilities_of, spec_by_v0_type, switch_spec

LOGIN = {"hostname": "sw1.example.net", "username": "hil", "password": "pw"}
NEW = LOGIN | {"host_key": "first-use"}
NEEDS: dict[str, dict[str, Any]] = {"dnos6": {"parked": 900}, "powerconnect": {}, "os10": {"parked": 4000}, "os9": {}}
DRIVERS = sorted(NEEDS)
ORIGINAL: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "delln3000": ("dnos6", {"dummy_vlan": "900"}, {"parked": 900}),
    "powerconnect55xx": ("powerconnect", {}, {}),
    "dellnos9": ("os9", {"interface_type": "TenGigabitEthernet"}, {"interface_type": "TenGigabitEthernet"}),
}


@pytest.mark.parametrize("driver", DRIVERS)
def test_settings_have_a_normal_form_and_keep_their_secrets(driver: str) -> None:
    spec = switch_spec(driver)
    config = spec.validate(NEW | NEEDS[driver])
    assert spec.validate(config) == config
    assert {"password", "private_key"} <= spec.secrets
    with pytest.raises(BadArgument, match="host_key is missing"):
        spec.validate(LOGIN | NEEDS[driver])
    with pytest.raises(BadArgument, match="'dummy_vlan' is no setting"):
        spec.validate(NEW | NEEDS[driver] | {"dummy_vlan": 9})


@pytest.mark.parametrize(
    ("driver", "parked"), [("dnos6", 1), ("dnos6", 4094), ("os10", 1), ("os10", 4094), ("dnos6", "7")]
)
def test_a_parked_vlan_is_one_that_the_switch_has(driver: str, parked: object) -> None:
    with pytest.raises(BadArgument, match="parked"):
        switch_spec(driver).validate(NEW | {"parked": parked})


@pytest.mark.parametrize("original", ORIGINAL)
def test_registrations_of_the_original_keep_working(original: str) -> None:
    driver, fields, meant = ORIGINAL[original]
    spec = spec_by_v0_type(original)
    assert spec.name == driver
    config = spec.v0_config(LOGIN | fields)
    assert config.items() >= (LOGIN | meant | {"host_key": "first-use", "legacy_algorithms": True}).items()
    by_url = spec.v0_config(LOGIN | fields | {"hostname": "ssh://192.0.2.7:2222"})
    assert (by_url["hostname"], by_url["port"]) == ("192.0.2.7", 2222)


def test_the_rest_port_of_an_original_registration_is_not_taken_for_that_of_ssh() -> None:
    fields = LOGIN | ORIGINAL["dellnos9"][1] | {"hostname": "http://192.0.2.7:8008"}
    config = spec_by_v0_type("dellnos9").v0_config(fields)
    assert (config["hostname"], config["port"]) == ("192.0.2.7", 22)


@pytest.mark.parametrize("original", ORIGINAL)
@pytest.mark.parametrize("key", ["username", "password", "hostname"])
def test_an_original_registration_has_exactly_its_fields(original: str, key: str) -> None:
    _, fields, _ = ORIGINAL[original]
    spec, whole = spec_by_v0_type(original), LOGIN | fields
    for wrong in ({name: whole[name] for name in whole if name != key}, whole | {key: 7}, whole | {"edge": False}):
        with pytest.raises(BadArgument):
            spec.v0_config(wrong)


@pytest.mark.parametrize("vlan", [True, 12.7, "12.7", "", "x", 0, 1, 4094, "4094", None, [7]])
def test_an_original_dummy_vlan_is_a_number_that_the_switch_has(vlan: object) -> None:
    with pytest.raises(BadArgument):
        spec_by_v0_type("delln3000").v0_config(LOGIN | {"dummy_vlan": vlan})
    with pytest.raises(BadArgument, match="dummy_vlan is missing"):
        spec_by_v0_type("delln3000").v0_config(LOGIN)


@pytest.mark.parametrize("word", ["Ethernet", "", 7, "Port-channel"])
def test_an_original_interface_type_is_a_kind_of_port(word: object) -> None:
    with pytest.raises(BadArgument):
        spec_by_v0_type("dellnos9").v0_config(LOGIN | {"interface_type": word})


def test_one_switch_may_be_registered_twice_for_its_two_kinds_of_interface() -> None:
    spec = spec_by_v0_type("dellnos9")
    ten, forty = (spec.v0_config(LOGIN | {"interface_type": kind}) for kind in ("tengigabitethernet", "fortyGigE"))
    batch = [PortChange("0/48", PortState(10), PortState(10, frozenset({20})))]
    assert "tagged TenGigabitEthernet 0/48" in spec.render(ten, batch)
    assert "tagged fortyGigE 0/48" in spec.render(forty, batch)


def test_what_is_possible_without_a_native_network_follows_the_default_vlan() -> None:
    spec = switch_spec("os9")
    assert capabilities_of(spec, spec.validate(NEW)).nativeless is Nativeless.NO
    assert capabilities_of(spec, spec.validate(NEW | {"default_vlan_disabled": True})).nativeless is Nativeless.TRUE
    assert (
        capabilities_of(spec, spec_by_v0_type("dellnos9").v0_config(LOGIN | ORIGINAL["dellnos9"][1])).nativeless == "no"
    )


@pytest.mark.parametrize(
    ("driver", "text", "name"),
    [
        ("dnos6", "Gi1/0/05", "gi1/0/5"),
        ("dnos6", "TenGigabitEthernet 1/0/1", "te1/0/1"),
        ("dnos6", "te1/3", "te1/3"),
        ("dnos6", "Port-channel 7", "po7"),
        ("powerconnect", "GI1/0/5", "gi1/0/5"),
        ("powerconnect", "gigabitethernet1/0/5", "gi1/0/5"),
        ("powerconnect", "te1/3", "te1/3"),
        ("os10", "ethernet 1/1/5", "ethernet1/1/5"),
        ("os10", "1/1/5:02", "ethernet1/1/5:2"),
        ("os10", "po12", "port-channel12"),
        ("os9", "Te 0/1", "TenGigabitEthernet0/1"),
        ("os9", "1/0/1", "1/0/1"),
    ],
)
def test_a_port_has_one_name(driver: str, text: str, name: str) -> None:
    spec = switch_spec(driver)
    assert spec.port_name(text) == name == spec.port_name(name)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "text", ["", "vlan 10", "gi1/0/1\nshutdown", "gi1/0/\u0661", "range gi1/0/1-4", "po1/2", "xx1/0/1", "gi"]
)
def test_what_is_no_port_is_refused(driver: str, text: str) -> None:
    with pytest.raises(BadArgument, match="is no port of such a switch"):
        switch_spec(driver).port_name(text)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_batch_closes_before_it_opens(driver: str) -> None:
    spec = switch_spec(driver)
    first, second = ("0/1", "0/2") if driver == "os9" else ("te1/0/1", "te1/0/2")
    first, second = ("1/1/1", "1/1/2") if driver == "os10" else (first, second)
    names = [spec.port_name(first), spec.port_name(second)]
    config = spec.validate(NEW | NEEDS[driver] | ({"interface_type": "fortyGigE"} if driver == "os9" else {}))
    batch = [PortChange(names[0], CLOSED, PortState(10)), PortChange(names[1], PortState(10), CLOSED)]
    lines = spec.render(config, batch)
    places = [next(place for place, line in enumerate(lines) if line.endswith(text)) for text in (first, second)]
    assert places[0] > places[1]


FALLBACKS = ("no switchport access", "no switchport mode", "no switchport trunk native", "no vlan", "no interface")
EVERYTHING = ("vlan all", "vlan except", "no switchport trunk allowed vlan")


@pytest.mark.parametrize("driver", DRIVERS)
def test_nothing_is_said_that_falls_back_to_more(driver: str) -> None:
    """Empty lists and `no` forms mean VLAN 1 or all VLANs on one platform or another."""
    spec = switch_spec(driver)
    config = spec.validate(NEW | NEEDS[driver] | ({"default_vlan_disabled": True} if driver == "os9" else {}))
    many = PortState(10, frozenset(range(100, 900, 2)))
    states = [CLOSED, PortState(10), PortState(20, frozenset({10})), many]
    port = spec.port_name("1/1/1" if driver == "os10" else "te1/1")
    for have in (None, *states):
        for want in states:
            for line in spec.render(config, [PortChange(port, have, want)]):
                assert not line.startswith(FALLBACKS)
                assert not line.endswith(EVERYTHING)
                assert len(line) < 250
