"""What the IPMI driver sends and reads, without any process: bytes of the specification, words of ipmitool."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.errors import (
    BadArgument,
    DeviceBusy,
    DeviceError,
    LoginRefused,
    LostReply,
    Refused,
    Unreachable,
)
from hil.core.obms import BootChoice, BootDevice, LogEntry, PowerAction, Sensor
from hil.drivers.obm.ipmi import commands, parse
from hil.drivers.obm.ipmi.spec import SPEC
from hil.drivers.transport.process import Ended

CONFIG: dict[str, Any] = {"address": "bmc1.example.net", "username": "root", "password": "calvin"}


@pytest.mark.parametrize(
    ("choice", "uefi", "flags"),
    [
        (BootChoice(BootDevice.PXE), False, (0x80, 0x04)),
        (BootChoice(BootDevice.PXE, persistent=True), True, (0xE0, 0x04)),
        (BootChoice(BootDevice.DISK, persistent=True), False, (0xC0, 0x08)),
        (BootChoice(BootDevice.CDROM), True, (0xA0, 0x14)),
        (BootChoice(BootDevice.BIOS), False, (0x80, 0x18)),
        (BootChoice(BootDevice.NONE), False, (0x80, 0x00)),
    ],
)
def test_boot_flags_are_those_of_table_28_14_and_read_back(
    choice: BootChoice, uefi: bool, flags: tuple[int, int]
) -> None:
    sent = commands.boot(choice, uefi=uefi)
    assert sent == (0x00, 0x08, 0x05, *flags, 0, 0, 0)
    found = parse.boot(bytes([0x01, 0x05, *sent[3:]]))
    assert found == BootChoice(choice.device, choice.persistent, uefi)


def test_boot_flags_that_are_not_in_force_are_no_override() -> None:
    stale = parse.octets(" 01 05 60 04 00 00 00\n")
    assert parse.boot(stale) == BootChoice(BootDevice.NONE, False, True)
    assert parse.boot(stale, believe=True) == BootChoice(BootDevice.PXE, True, True)


def test_a_boot_device_without_a_word_is_not_guessed() -> None:
    with pytest.raises(Refused, match="device 15"):
        parse.boot(bytes([1, 5, 0x80, 0x3C, 0, 0, 0]))


@pytest.mark.parametrize(
    ("action", "octet"),
    [
        (PowerAction.OFF, 0),
        (PowerAction.ON, 1),
        (PowerAction.CYCLE, 2),
        (PowerAction.RESET, 3),
        (PowerAction.SOFT_OFF, 5),
    ],
)
def test_power_actions_are_chassis_control(action: PowerAction, octet: int) -> None:
    assert commands.raw(commands.control(action)) == ["raw", "0x00", "0x02", f"0x{octet:02x}"]


@pytest.mark.parametrize(("seconds", "data"), [(0, (0,)), (255, (255,)), (256, (0, 1)), (-3, (0,))])
def test_identify_lights_for_a_byte_of_seconds_or_until_told(seconds: int, data: tuple[int, ...]) -> None:
    assert commands.identify(seconds) == (0x00, 0x04, *data)


def ipmitool_types(written: bytes) -> bytes:
    """What ipmitool 1.8.19 sends of its input: `~` at the start of a line is an escape, and twice it is itself."""
    sent, start, pending = bytearray(), True, False
    for octet in written:
        if pending:
            assert octet == ord("~"), "the driver has typed an escape sequence"
            sent.append(octet)
            pending = start = False
        elif start and octet == ord("~"):
            pending = True
        else:
            sent.append(octet)
            start = octet in b"\r\n"
    assert not pending
    return bytes(sent)


@given(st.lists(st.text(alphabet="a~.\r\n&B?").map(str.encode)))
def test_no_sequence_of_keys_is_ipmitools_own(typed: list[bytes]) -> None:
    at_start, written = True, b""
    for part in typed:
        more, at_start = commands.typed(part, at_start=at_start)
        written += more
    assert ipmitool_types(written) == b"".join(typed)


def test_arguments_name_a_path_and_no_password() -> None:
    config = SPEC.validate(CONFIG)
    words = commands.arguments(config, "/dev/fd/7", commands.raw(commands.POWER), "-v")
    assert words[-4:] == ["-v", "raw", "0x00", "0x01"]
    assert words[words.index("-f") + 1] == "/dev/fd/7"
    assert words[words.index("-C") + 1] == "17"
    assert "calvin" not in " ".join(words)


def test_a_change_is_sent_once_and_waits_half_the_time() -> None:
    assert commands.change_patience({"timeout": 10.0}) == ("-N", "5", "-R", "1")
    assert commands.change_patience({"timeout": 1.0}) == ("-N", "1", "-R", "1")


SENSORS = """\
Inlet Temp,23,degrees C,ok
Volt, P1V8,1.79,Volts,ok
Fan 2,0,RPM,lnr
PSU1 Status,0x01,,ok
Temp 2,,,ns

Error while reading
"""


def test_sensor_lines_are_read_and_others_skipped() -> None:
    assert parse.sensors(SENSORS) == [
        Sensor("Inlet Temp", 23.0, "degrees C", "ok"),
        Sensor("Volt, P1V8", 1.79, "Volts", "ok"),
        Sensor("Fan 2", 0.0, "RPM", "lnr"),
        Sensor("PSU1 Status", None, "", "ok, 0x01"),
        Sensor("Temp 2", None, "", "ns"),
    ]


EVENTS = """\
1, Pre-Init ,0000002626,Temperature #0x01,Upper Critical going high,Asserted
1b,03/04/26,10:48:32 UTC,Power Supply #0x64,Failure detected,Asserted
1c,03/04/26,10:50:00 UTC,Temperature #0x01,Upper Critical going high,Deasserted
SEL has no entries
"""


def test_events_are_read_and_the_newest_kept() -> None:
    first, second, third = parse.event_log(EVENTS, 10)
    assert first == LogEntry("1", None, "critical", "Temperature #0x01, Upper Critical going high, Asserted")
    assert second == LogEntry("1b", 1772621312.0, "", "Power Supply #0x64, Failure detected, Asserted")
    assert third.severity == "ok"
    assert parse.event_log(EVENTS, 1) == [third]
    assert parse.event_log(EVENTS, 0) == []


@pytest.mark.parametrize(
    ("err", "sent", "kind", "words"),
    [
        (
            "> RAKP 2 HMAC is invalid\nError: Unable to establish IPMI v2 / RMCP+ session",
            True,
            LoginRefused,
            "password",
        ),
        ("RAKP 2 message indicates an error : unauthorized name\nError: Unable to e", False, LoginRefused, "password"),
        (
            "RAKP 2 message indicates an error : unauthorized role or privilege level requested\n",
            *(False, LoginRefused, "privilege"),
        ),
        (
            "Error in open session response message : invalid authentication algorithm\n\nError: Unable to establish",
            *(False, Refused, "cipher_suite"),
        ),
        (
            "Error in open session response message : insufficient resources to create a session",
            *(True, DeviceBusy, "no session left"),
        ),
        ("Info: SOL payload already active on another session", False, DeviceBusy, "somebody else"),
        ("Info: SOL payload disabled", False, Refused, "SOL payload disabled"),
        (
            "Get Auth Capabilities error\nError: Unable to establish IPMI v2 / RMCP+ session",
            True,
            Unreachable,
            "answer",
        ),
        (
            "Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 cmd=0x2 rsp=0xd5): not supported in state",
            *(True, Refused, "not supported in state"),
        ),
        (
            "Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 cmd=0x2 rsp=0xc0): Node busy",
            True,
            DeviceBusy,
            "busy",
        ),
        (
            "Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 cmd=0x2 rsp=0xc3): Timeout",
            True,
            LostReply,
            "parts",
        ),
        ("Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 cmd=0x2)", True, LostReply, "middle"),
        ("", False, Unreachable, "stopped answering"),
    ],
)
def test_failures_are_told_apart(err: str, sent: bool, kind: type[DeviceError], words: str) -> None:
    error = parse.failure("bmc1", Ended(1, "", err), sent=sent)
    assert type(error) is kind
    assert words in error.message


@given(st.text(), st.integers(min_value=0, max_value=9), st.booleans())
def test_any_text_is_read_or_declined(text: str, limit: int, sent: bool) -> None:
    assert len(parse.event_log(text, limit)) <= limit
    assert all(sensor.name for sensor in parse.sensors(text))
    assert isinstance(parse.failure("bmc1", Ended(1, text, text), sent=sent), DeviceError)
    with suppress(ValueError):
        parse.octets(text)


@given(st.binary(max_size=12))
def test_any_answer_is_read_or_declined(answer: bytes) -> None:
    for read in (parse.power, parse.boot, parse.firmware):
        with suppress(ValueError, Refused):
            read(answer)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("address", "host:623"),
        ("address", "-x"),
        ("address", "fe80::1%eth0"),
        ("username", "a" * 17),
        ("username", ""),
        ("password", "ä" * 11),
        ("password", ""),
        ("password", "two\nlines"),
        ("cipher_suite", 0),
        ("cipher_suite", 1),
        ("port", 0),
        ("quirks", ["no-such"]),
        ("privilege", "USER"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(BadArgument, match=key):
        SPEC.validate({**CONFIG, key: value})


def test_nodes_of_one_controller_share_its_name() -> None:
    one, two = (SPEC.validate({**CONFIG, "address": name}) for name in ("BMC1.example.net", "bmc1.example.net"))
    assert SPEC.controller(one) == SPEC.controller(two) == "ipmi://bmc1.example.net:623"
    assert SPEC.controller(SPEC.validate({**CONFIG, "address": "[2001:db8::1]"})) == "ipmi://[2001:db8::1]:623"


def test_the_originals_info_becomes_a_configuration() -> None:
    config = SPEC.v0_config({"addr": "10.0.0.4", "user": "root", "pass": "calvin"})
    assert (config["address"], config["privilege"]) == ("10.0.0.4", "ADMINISTRATOR")
    with pytest.raises(BadArgument, match="host"):
        SPEC.v0_config({"addr": "10.0.0.4", "user": "root", "pass": "calvin", "host": "x"})
