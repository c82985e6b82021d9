"""The configuration of an Open vSwitch: what is accepted, and what a refusal says."""

from typing import Any

import pytest

from hil.core.errors import BadArgument
from hil.drivers.switch.ovs.spec import SPEC, Remote, remote

FILES = {"ca": "/etc/ca.pem", "certificate": "/etc/c.pem", "private_key": "/etc/k.pem"}


def test_a_bridge_alone_means_the_switch_of_this_host() -> None:
    assert SPEC.validate({"bridge": "br0"}) == {
        "bridge": "br0",
        "ovsdb": "unix:/run/openvswitch/db.sock",
        "timeout": 10.0,
        "rest": 0.25,
    }


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("unix:/run/db.sock", Remote("unix", "/run/db.sock")),
        ("tcp:10.0.0.7:6640", Remote("tcp", "10.0.0.7", 6640)),
        ("tcp:[fe80::1]:6640", Remote("tcp", "fe80::1", 6640)),
        ("ssl:switch-1.example:6640", Remote("ssl", "switch-1.example", 6640)),
    ],
)
def test_an_address_is_read_as_open_vswitch_writes_it(address: str, found: Remote) -> None:
    assert remote(address) == found


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, "bridge"),
        ({"bridge": ""}, "bridge"),
        ({"bridge": "a/b"}, "bridge"),
        ({"bridge": "a b"}, "bridge"),
        ({"bridge": 7}, "bridge"),
        ({"bridge": "br0", "ovsdb": "unix:db.sock"}, "absolute path"),
        ({"bridge": "br0", "ovsdb": "unix:/" + "x" * 107}, "107 bytes"),
        ({"bridge": "br0", "ovsdb": "tcp:host"}, "tcp:host:port"),
        ({"bridge": "br0", "ovsdb": "tcp:host:0"}, "tcp:host:port"),
        ({"bridge": "br0", "ovsdb": "tcp:host:65536"}, "tcp:host:port"),
        ({"bridge": "br0", "ovsdb": "http://host"}, "unix:/path"),
        ({"bridge": "br0", "ovsdb": "ssl:host:6640"}, "ca, certificate and private_key"),
        ({"bridge": "br0", "ovsdb": "ssl:host:6640", **FILES, "ca": "ca.pem"}, "ca"),
        ({"bridge": "br0", **FILES}, "ssl:"),
        ({"bridge": "br0", "timeout": 0}, "timeout"),
        ({"bridge": "br0", "timeout": "10"}, "timeout"),
        ({"bridge": "br0", "password": "x"}, "password"),
    ],
)
def test_a_wrong_configuration_is_refused_by_name(config: dict[str, Any], named: str) -> None:
    with pytest.raises(BadArgument) as caught:
        SPEC.validate(config)
    assert named in caught.value.message


def test_tls_needs_its_three_files() -> None:
    config = {"bridge": "br0", "ovsdb": "ssl:host:6640", **FILES, "timeout": 2, "rest": 0}
    assert SPEC.validate(config) == config


def test_the_original_api_gives_a_bridge_and_nothing_else() -> None:
    assert SPEC.v0_config({"ovs_bridge": "br0"}) == SPEC.validate({"bridge": "br0"})
    for wrong in ({}, {"ovs_bridge": "br0", "hostname": "x"}, {"bridge": "br0"}, {"ovs_bridge": None}):
        with pytest.raises(BadArgument):
            SPEC.v0_config(wrong)


def test_a_port_may_have_any_name_that_hil_allows() -> None:
    assert SPEC.port_name("vnet0.1-A") == "vnet0.1-A"
    with pytest.raises(BadArgument):
        SPEC.port_name("port\n")
