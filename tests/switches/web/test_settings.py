"""What a switch with a web interface may be told."""

from typing import Any

import pytest

from hil.core.errors import BadArgument
from hil.drivers.settings import checked
from hil.drivers.switch.web_settings import WebSettings, original_address

GOOD: dict[str, Any] = {"url": "https://10.0.0.7", "username": "hil", "password": "pw"}


@pytest.mark.parametrize(
    ("key", "value", "normal"),
    [
        ("url", "https://switch.example:8443/", "https://switch.example:8443"),
        ("url", "http://[2001:db8::7]:8080", "http://[2001:db8::7]:8080"),
        ("certificate", "ab" * 32, ":".join(["AB"] * 32)),
        ("certificate", ":".join(["ab"] * 32), ":".join(["AB"] * 32)),
        ("certificate", "first-use", "first-use"),
        ("timeout", 2.5, 2.5),
    ],
)
def test_settings_have_a_normal_form(key: str, value: Any, normal: Any) -> None:
    assert checked(WebSettings, GOOD | {key: value})[key] == normal
    assert checked(WebSettings, GOOD | {key: normal})[key] == normal


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "10.0.0.7"),
        ("url", "ftp://10.0.0.7"),
        ("url", "https://hil:pw@10.0.0.7"),
        ("url", "https://10.0.0.7/path"),
        ("url", "https://10.0.0.7?x"),
        ("url", "https://10.0.0.7:70000"),
        ("url", "https://10.0.0.7:0"),
        ("url", "https://"),
        ("url", "https://a b"),
        ("username", "hil:x"),
        ("username", ""),
        ("certificate", "ab" * 31),
        ("certificate", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"),
        ("timeout", 0),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_key(key: str, value: Any) -> None:
    with pytest.raises(BadArgument) as found:
        checked(WebSettings, GOOD | {key: value})
    assert found.value.message.startswith(key)


def test_a_certificate_without_tls_is_refused() -> None:
    with pytest.raises(BadArgument, match="https"):
        checked(WebSettings, GOOD | {"url": "http://10.0.0.7", "certificate": "first-use"})


@pytest.mark.parametrize(
    ("hostname", "address"),
    [("switch", "http://switch"), ("http://switch:8008", "http://switch:8008"), ("https://switch/", "https://switch")],
)
def test_the_original_hostname_is_a_name_or_the_start_of_an_address(hostname: str, address: str) -> None:
    assert original_address(hostname, "http") == address


@pytest.mark.parametrize("hostname", ["", 7, "a b", "ssh://switch", "http://switch/x"])
def test_an_original_hostname_that_is_neither_is_refused(hostname: Any) -> None:
    with pytest.raises(BadArgument, match="hostname"):
        original_address(hostname)
