"""What the driver `hil` takes for a configuration, and what it makes of what the parent says: tables, and any JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.errors import BadArgument, DeviceBusy, DeviceError, LoginRefused, LostReply, Refused, Unreachable
from hil.core.obms import LogEntry
from hil.drivers.obm.parent import parse
from hil.drivers.obm.parent.spec import SPEC

KEY = "hil_0123456789abcdef_" + "5" * 64
CONFIG: dict[str, Any] = {"url": "https://hil.example.net", "node": "n 1", "api_key": KEY}
TICKET = {"url": "wss://o.example.net:8443/a/console", "protocol": "hil.console.1", "capability": "c" * 40}
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("power", "items", "name", "at", "device", "event", "url", "you", "writer")), inner
        )
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "https://hil.example.net/v1"),
        ("node", "n/1"),
        ("node", ""),
        ("api_key", "with space"),
        ("certificate", "AB"),
        ("timeout", 0),
        ("password", "x"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(BadArgument, match=key) as seen:
        SPEC.validate({**CONFIG, key: value})
    assert KEY not in seen.value.message


def test_a_certificate_belongs_to_tls_and_the_original_knows_no_such_type() -> None:
    for key in ("certificate", "console_certificate"):
        with pytest.raises(BadArgument, match="https"):
            SPEC.validate({**CONFIG, "url": "http://hil.example.net", key: "AB" * 32})
    with pytest.raises(BadArgument, match="v1"):
        SPEC.v0_config({})


def test_the_controller_is_the_parent_and_the_node() -> None:
    same = [
        SPEC.controller({**CONFIG, "url": url}) for url in ("https://HIL.example.net", "https://hil.example.net:443")
    ]
    assert same == ["hil://hil.example.net:443/n%201"] * 2
    assert SPEC.controller({**CONFIG, "node": "n2"}) != same[0]


@pytest.mark.parametrize(
    ("status", "kind", "changing", "expected"),
    [
        (401, "unauthenticated", True, LoginRefused),
        (403, "denied", True, Refused),
        (404, "not-found", False, Refused),
        (409, "blocked", True, Refused),
        (409, "pending", True, DeviceBusy),
        (429, "rate-limited", False, DeviceBusy),
        (502, "device-refused", True, Refused),
        (502, "device-busy", True, DeviceBusy),
        (502, "device-unreachable", True, Unreachable),
        (502, "device-login-refused", True, Unreachable),
        (502, "device-identity-changed", False, Unreachable),
        (502, "device-lost-reply", True, LostReply),
        (502, "device", True, LostReply),
        (503, "unavailable", True, LostReply),
        (503, "unavailable", False, Unreachable),
        (404, "", True, LostReply),
        (403, "", False, Unreachable),
    ],
)
def test_errors_of_the_parent_are_told_apart(
    status: int, kind: str, changing: bool, expected: type[DeviceError]
) -> None:
    text = json.dumps({"type": f"/errors/{kind}", "detail": "its words"}) if kind else "<html>a proxy</html>"
    error = parse.refusal("parent", status, text, changing=changing)
    assert type(error) is expected
    assert status == 401 or ("its words" if kind else f"HTTP {status}") in error.message


@pytest.mark.parametrize(
    ("kind", "begun", "expected"),
    [
        ("device-busy", False, DeviceBusy),
        ("device-unreachable", False, Unreachable),
        ("device-refused", False, Refused),
        ("denied", False, Refused),
        ("internal", False, Unreachable),
        ("device-refused", True, LostReply),
        ("unauthenticated", True, LostReply),
    ],
)
def test_the_end_of_a_console_is_told_by_its_reason(kind: str, begun: bool, expected: type[DeviceError]) -> None:
    assert type(parse.ended("parent", kind, "its words", begun=begun)) is expected


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": "hil.console.2"},
        {"url": "https://o.example.net/console"},
        {"url": "wss://user:pw@o.example.net/console"},
        {"url": "wss://o.example.net/console\r\nX: y"},
        {"url": "wss:///console"},
        {"url": "wss://[/console"},
        {"capability": "with\nline" + "x" * 20},
        {"capability": None},
    ],
)
def test_a_ticket_that_leads_nowhere_is_none(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse.ticket({**TICKET, **changes})


def test_a_ticket_and_an_entry_are_read() -> None:
    assert parse.ticket(TICKET) == parse.Ticket("https://o.example.net:8443", "/a/console", "c" * 40)
    entry = {"id": "7", "at": "1970-01-01T00:01:00.500000Z", "severity": "ok", "message": "Power on"}
    assert parse.entry(entry) == LogEntry("7", 60.5, "ok", "Power on")
    assert parse.entry({**entry, "at": None}).at is None


READERS: list[Callable[[Any], Any]] = [
    parse.power,
    parse.boot,
    parse.ticket,
    lambda found: parse.event(json.dumps(found).encode()),
    *(
        lambda found, read=read: parse.items(found, read)
        for read in (parse.sensor, parse.entry, parse.medium, parse.firmware)
    ),
]


@given(JSON)
def test_any_json_is_read_or_a_value_error(found: Any) -> None:
    for read in READERS:
        try:
            read(found)
        except ValueError:
            continue
