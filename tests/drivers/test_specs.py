"""The specs of mock and emulated: configuration, port names, what would be sent."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.emulated.spec import SPEC as EMULATED
from hil.drivers.switch.mock.spec import SPEC as MOCK

LOGIN = {"username": "hil", "password": "s3cret"}
HOSTNAME = LOGIN | {"hostname": "switch-1"}
ADDRESS = LOGIN | {"address": "127.0.0.1:9022"}
TRUNK = PortState(None, frozenset({20, 21, 22}))


def test_the_mock_takes_exactly_the_fields_of_the_original_api() -> None:
    assert MOCK.v0_config(HOSTNAME) == MOCK.validate(HOSTNAME) == HOSTNAME
    assert MOCK.secrets == EMULATED.secrets == {"password"}
    assert MOCK.parked(HOSTNAME) == frozenset()


def without(config: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name != key}


BAD = [
    (MOCK, without(HOSTNAME, "hostname"), "hostname is missing"),
    (MOCK, without(HOSTNAME, "password"), "password is missing"),
    (MOCK, HOSTNAME | {"port": "1"}, r"'port' is no setting .* use hostname, username, password"),
    (MOCK, HOSTNAME | {"hostname": ""}, "hostname: "),
    (MOCK, HOSTNAME | {"hostname": "two words"}, "hostname holds a character"),
    (MOCK, HOSTNAME | {"hostname": "swítch"}, "hostname holds a character"),
    (MOCK, HOSTNAME | {"username": "a\nb"}, "username holds a character"),
    (MOCK, HOSTNAME | {"username": "a\n"}, "username holds a character"),
    (MOCK, HOSTNAME | {"password": 5}, "password: "),
    (MOCK, HOSTNAME | {"password": None}, "password: "),
    (MOCK, HOSTNAME | {"hostname": "x" * 256}, "hostname: "),
    (EMULATED, without(ADDRESS, "address"), "address is missing"),
    (EMULATED, ADDRESS | {"address": "127.0.0.1"}, "address: use host:port"),
    (EMULATED, ADDRESS | {"address": ":9022"}, "address: use host:port"),
    (EMULATED, ADDRESS | {"address": "host:0"}, "address: use host:port"),
    (EMULATED, ADDRESS | {"address": "host:65536"}, "address: use host:port"),
    (EMULATED, ADDRESS | {"address": "host:" + "9" * 200}, "address: use host:port"),
    (EMULATED, ADDRESS | {"address": "::1:9022"}, "IPv6 address in brackets"),
    (EMULATED, ADDRESS | {"nativeless": "maybe"}, "nativeless: "),
    (EMULATED, ADDRESS | {"nativeless": "parked"}, "give both or neither"),
    (EMULATED, ADDRESS | {"parked": 4000}, "give both or neither"),
    (EMULATED, ADDRESS | {"nativeless": "parked", "parked": 4095}, "parked: "),
    (EMULATED, ADDRESS | {"nativeless": "parked", "parked": "4000"}, "parked: "),
    (EMULATED, ADDRESS | {"timeout": 0}, "timeout: "),
    (EMULATED, ADDRESS | {"timeout": float("inf")}, "timeout: "),
    (EMULATED, ADDRESS | {"timeout": float("nan")}, "timeout: "),
    (EMULATED, ADDRESS | {"timeout": True}, "timeout: "),
]


@pytest.mark.parametrize(("spec", "config", "words"), BAD)
def test_a_bad_configuration_is_answered_with_the_key_and_never_with_the_password(
    spec: Any, config: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadArgument, match=words) as error:
        spec.validate(config)
    assert "s3cret" not in error.value.message + error.value.detail


def test_the_emulated_switch_fills_in_what_is_left_out() -> None:
    assert EMULATED.validate(ADDRESS) == ADDRESS | {"nativeless": "true", "timeout": 10.0}
    whole = {"address": "[::1]:9022", "nativeless": "parked", "parked": 4000, "timeout": 3}
    assert EMULATED.validate(LOGIN | whole) == LOGIN | whole
    assert EMULATED.parked(LOGIN | whole) == {4000}


def test_the_original_api_cannot_register_an_emulated_switch() -> None:
    assert EMULATED.v0_type is None
    with pytest.raises(BadArgument, match="through v1"):
        EMULATED.v0_config(ADDRESS)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("gi1/0/1", "gi1/0/1"), ("te1/3", "te1/3"), ("GI1/0/1", "gi1/0/1"), ("Te01/003", "te1/3"), ("gi0/0/0", "gi0/0/0")],
)
def test_a_mock_port_has_one_canonical_name(text: str, canonical: str) -> None:
    assert MOCK.port_name(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gi1",
        "gi1/",
        "gi1/2/3/4",
        "fa1/0/1",
        "gi 1/0/1",
        "gi1/0/1 ",
        "gi1/0/1\n",
        "gi-1/0",
        "gi\u0661/0/1",
        "\uff47i1/0/1",
    ],
)
def test_what_is_no_mock_port_is_refused(text: str) -> None:
    with pytest.raises(BadArgument, match=r"as in gi1/0/1"):
        MOCK.port_name(text)


@given(st.text(alphabet="gGiItTeE0123456789/", max_size=20))
def test_a_canonical_mock_port_is_its_own_canonical_name(text: str) -> None:
    try:
        canonical = MOCK.port_name(text)
    except BadArgument:
        return
    assert MOCK.port_name(canonical) == canonical


def test_an_emulated_port_has_any_name_that_a_port_may_have() -> None:
    assert EMULATED.port_name("Ethernet1/1:2") == "Ethernet1/1:2"
    with pytest.raises(BadArgument):
        EMULATED.port_name(" eth0")


BATCH = [
    PortChange("gi1/0/1", CLOSED, PortState(10, frozenset({20}))),
    PortChange("gi1/0/2", PortState(1), CLOSED),
    PortChange("gi1/0/3", TRUNK, TRUNK),
    PortChange("gi1/0/4", PortState(1), TRUNK),
]


def test_the_mock_renders_one_line_per_changed_port_what_closes_first() -> None:
    assert MOCK.render(HOSTNAME, BATCH) == [
        "port gi1/0/2 shutdown",
        "port gi1/0/4 native none tagged 20-22",
        "port gi1/0/1 native 10 tagged 20",
    ]
    assert MOCK.render(HOSTNAME, [PortChange("gi1/0/1", None, PortState(10))]) == ["port gi1/0/1 native 10 tagged none"]


def test_the_emulated_switch_renders_the_requests_that_it_sends() -> None:
    parked = ADDRESS | {"nativeless": "parked", "parked": 4000}
    assert [json.loads(line)["ports"] for line in EMULATED.render(ADDRESS, BATCH)] == [
        {"gi1/0/2": [None, ""]},
        {"gi1/0/4": [None, "20-22"]},
        {"gi1/0/1": [10, "20"]},
    ]
    assert json.loads(EMULATED.render(parked, BATCH)[1])["ports"] == {"gi1/0/4": [4000, "20-22"]}
    with pytest.raises(BadArgument, match="VLAN 4000"):
        EMULATED.render(parked, [PortChange("a", CLOSED, PortState(4000))])
