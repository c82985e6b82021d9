"""Virtual media of a node, at its Manager, where the real controller has them."""

from __future__ import annotations

import pytest

from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from tests.obm_side.world import ObmWorld
from tests.redfish.world import Tenant

pytestmark = pytest.mark.net
SLOT = "/Managers/n1/VirtualMedia/cd"
INSERT, EJECT = f"{SLOT}/Actions/VirtualMedia.InsertMedia", f"{SLOT}/Actions/VirtualMedia.EjectMedia"
IMAGE = "http://images.example.org/deploy/a.iso"


def test_an_image_is_put_in_and_taken_out_and_stands_in_the_journal(world: ObmWorld, redfish: Tenant) -> None:
    assert redfish.members("/Managers/n1/VirtualMedia") == ["cd", "usb"]
    assert redfish("POST", INSERT, {"Image": IMAGE, "Inserted": True, "WriteProtected": True}).status_code == 204
    assert world.machines["n1"].slots["cd"] == IMAGE
    seen = redfish.show(SLOT)
    assert (seen["Image"], seen["ImageName"], seen["Inserted"], seen["ConnectedVia"]) == (IMAGE, "a.iso", True, "URI")
    assert redfish("POST", EJECT, {}).status_code == 204
    assert world.machines["n1"].slots["cd"] is None
    assert (redfish.show(SLOT)["Image"], redfish.show(SLOT)["Inserted"]) == (None, False)
    told = [(action, actor) for action, actor, _, _ in world.lines("n1") if "media" in action]
    assert told == [("node_media_insert", "alice"), ("node_media_eject", "alice")]


def test_what_cannot_be_an_image_is_refused_and_nothing_is_put_in(world: ObmWorld, redfish: Tenant) -> None:
    wrong = [
        ({}, "400 ActionParameterMissing"),
        ({"Image": 1}, "400 ActionParameterValueFormatError"),
        ({"Image": "http://a.example.org/\n"}, "400 ActionParameterValueFormatError"),
        ({"Image": "file:///etc/passwd"}, "400 BadArgument"),
        ({"Image": IMAGE, "WriteProtected": False}, "400 ActionParameterValueNotInList"),
        ({"Image": IMAGE, "UserName": "me"}, "400 ActionParameterNotSupported"),
    ]
    assert [redfish.refused("POST", INSERT, body) for body, _ in wrong] == [expected for _, expected in wrong]
    halved = b'{"Image": "http://a.example.org/\\ud800"}'
    assert redfish.refused("POST", INSERT, raw=halved) == "400 ActionParameterValueFormatError"
    assert redfish.refused("POST", INSERT.replace("/cd/", "/tape/"), {"Image": IMAGE}) == "404 ResourceMissingAtURI"
    assert world.machines["n1"].changes() == []


def test_a_controller_that_refuses_is_told_and_stands_in_the_journal(world: ObmWorld, redfish: Tenant) -> None:
    world.machines["n1"].faults.add(BmcFault(kind=BmcFaultKind.REFUSE, op=BmcOp.WRITE))
    assert redfish.refused("POST", INSERT, {"Image": IMAGE}) == "502 DeviceRefused"
    action, actor, outcome, _ = world.lines("n1")[-1]
    assert (action, actor, outcome) == ("node_media_insert_failed", "alice", "device-refused")


def test_a_node_whose_obm_is_not_enabled_has_no_media(world: ObmWorld, redfish: Tenant) -> None:
    world.machine("n2", "p")
    assert "VirtualMedia" not in redfish.show("/Managers/n2")
    assert redfish.refused("GET", "/Managers/n2/VirtualMedia") == "404 ResourceMissingAtURI"
