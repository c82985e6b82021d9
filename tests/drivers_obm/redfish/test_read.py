"""What the Redfish driver reads is exact, or declined: no resource, however strange, raises anything else."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.errors import BadArgument, Refused
from hil.core.obms import BootChoice, BootDevice, Medium, PowerAction, Sensor
from hil.drivers.obm.redfish import read
from hil.drivers.obm.redfish.quirks import Quirk, quirks_of
from hil.drivers.obm.redfish.spec import SPEC

CONFIG: dict[str, Any] = {"url": "https://10.0.0.9", "username": "hil", "password": "corr3ct"}
KEYS = st.sampled_from(
    [
        *("PowerState", "Boot", "BootSourceOverrideTarget", "BootSourceOverrideEnabled", "Temperatures", "Fans"),
        *("Name", "Reading", "Status", "Id", "MediaTypes", "Image", "error", "@Message.ExtendedInfo", "message"),
        *("Parameters", "AllowableValues", "Created", "@odata.id", "ResetType@Redfish.AllowableValues"),
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))
RESOURCES = st.dictionaries(KEYS, VALUES, max_size=6)
READERS: list[Callable[[Mapping[str, Any]], Any]] = [
    *(read.power, read.boot, read.sensor, read.thermal_and_power, read.medium, read.firmware, read.words),
    lambda found: read.links(found.get("Id")),
    lambda found: read.link(found, "Boot", "Status"),
    lambda found: read.entries([found, found], 5),
    lambda found: read.allowed(found, "ResetType"),
    lambda found: read.action_info(found, "ResetType"),
    lambda found: read.boot_change(found, BootChoice(BootDevice.PXE, uefi=True), mode_always=True),
]


@given(RESOURCES)
def test_any_resource_is_read_or_declined(found: dict[str, Any]) -> None:
    for reader in READERS:
        with suppress(Refused, ValueError):
            reader(found)


@given(st.text())
def test_a_path_is_of_this_service_or_declined(text: str) -> None:
    with suppress(ValueError):
        found = read.path(text)
        assert found.startswith("/")
        assert not found.startswith("//")
        assert found.isprintable()


@pytest.mark.parametrize(
    ("state", "on"), [("On", True), ("Off", False), ("PoweringOn", False), ("PoweringOff", True), ("Paused", True)]
)
def test_power_states(state: str, on: bool) -> None:
    assert read.power({"PowerState": state}) is on


def test_every_action_has_a_reset_type_or_says_that_it_has_none() -> None:
    assert {action: read.reset_type(action, read.USUAL) for action in PowerAction} == {
        PowerAction.ON: "On",
        PowerAction.OFF: "ForceOff",
        PowerAction.SOFT_OFF: "GracefulShutdown",
        PowerAction.CYCLE: None,
        PowerAction.RESET: "ForceRestart",
    }
    assert read.reset_type(PowerAction.ON, frozenset({"PushPowerButton", "ForceOn"})) == "ForceOn"


def test_a_boot_target_without_a_word_and_one_that_is_not_offered_are_refused() -> None:
    with pytest.raises(Refused, match="Diags"):
        read.boot({"Boot": {"BootSourceOverrideTarget": "Diags", "BootSourceOverrideEnabled": "Once"}})
    boot = {"BootSourceOverrideTarget@Redfish.AllowableValues": ["Pxe"]}
    with pytest.raises(Refused, match="offers Pxe"):
        read.boot_change({"Boot": boot}, BootChoice(BootDevice.BIOS), mode_always=False)
    with pytest.raises(Refused, match="boot mode"):
        read.boot_change({"Boot": boot}, BootChoice(BootDevice.PXE, uefi=True), mode_always=False)


def test_older_thermal_and_power_lists() -> None:
    found = {
        "Temperatures": [{"Name": "CPU1", "ReadingCelsius": 41, "Status": {"State": "Enabled", "Health": "OK"}}],
        "Fans": [{"FanName": "Fan 1", "Reading": 30, "ReadingUnits": "Percent"}, {"Reading": 1}],
        "PowerControl": [{"MemberId": "0", "PowerConsumedWatts": None}],
    }
    assert read.thermal_and_power(found) == [
        Sensor("CPU1", 41.0, "Cel", "ok"),
        Sensor("Fan 1", 30.0, "Percent", ""),
        Sensor("0", None, "W", ""),
    ]


def test_media_that_are_not_inserted_are_empty() -> None:
    slot = {"Id": "CD", "MediaTypes": ["DVD", "CD", "Tape"], "Image": "https://a/b.iso"}
    assert read.medium(slot) == Medium("CD", ("cd",), "https://a/b.iso")
    assert read.medium({**slot, "Inserted": False}) == Medium("CD", ("cd",), None)


def test_quirks_belong_to_vendors() -> None:
    assert Quirk.BOOT_MODE_ALWAYS in quirks_of("Super Micro / SUPERMICRO", "X12")
    assert quirks_of("Example", "X12") == frozenset()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "https://10.0.0.9/redfish"),
        ("url", "ftp://10.0.0.9"),
        ("system", "../../Managers"),
        ("login", "token"),
        ("quirks", ["no-such"]),
        ("quirks", "any-etag"),
        ("console_host_key", "yes"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(BadArgument, match=key):
        SPEC.validate({**CONFIG, key: value})


def test_nodes_of_one_service_share_its_name() -> None:
    names = {
        SPEC.controller(SPEC.validate({**CONFIG, "url": url, "system": system}))
        for url in ("https://BMC9", "https://bmc9:443")
        for system in ("1", "2")
    }
    assert names == {"redfish://bmc9:443"}
    assert SPEC.v0_config({"addr": "bmc9", "user": "hil", "pass": "corr3ct"})["url"] == "https://bmc9"
