"""A tenant's nodes as Systems: what is shown, what can be done to them, and that nothing else is there."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from hil.api.redfish import systems
from hil.core.obms import BootChoice, BootDevice
from hil.lab.bmc.faults import BmcFault, BmcFaultKind
from tests.obm_side.world import ObmWorld
from tests.redfish.world import BOOT_VALUES, Tenant

pytestmark = pytest.mark.net
RESET = "/Systems/n1/Actions/ComputerSystem.Reset"


def test_a_caller_sees_exactly_their_nodes(redfish: Tenant) -> None:
    seen = {by: redfish.members("/Systems", by) for by in ("alice", "rita", "bob", "eve", "root")}
    mine = {"alice": ["n1"], "rita": ["n1"], "bob": ["theirs"], "eve": []}
    assert seen == mine | {"root": ["loose", "n1", "theirs"]}
    assert redfish.members("/Managers", "bob") == redfish.members("/Chassis", "bob") == ["theirs"]


def test_a_node_of_others_a_free_node_and_none_at_all_read_the_same(redfish: Tenant) -> None:
    below = ("", "/EthernetInterfaces", "/Processors")
    for path in [f"/Systems/{{}}{part}" for part in below] + [
        "/Managers/{}",
        "/Managers/{}/VirtualMedia",
        "/Chassis/{}",
    ]:
        told = {name: _worded(redfish("GET", path.format(name)), name) for name in ("theirs", "loose", "none")}
        assert told["theirs"] == told["loose"] == told["none"]
        assert told["none"][0] == 404
    for method, path, body in (
        ("POST", "/Systems/{}/Actions/ComputerSystem.Reset", {"ResetType": "On"}),
        ("PATCH", "/Systems/{}", {"Boot": {"BootSourceOverrideTarget": "Pxe"}}),
        ("POST", "/Managers/{}/VirtualMedia/cd/Actions/VirtualMedia.InsertMedia", {"Image": "http://a.example.org/i"}),
    ):
        told = {name: _worded(redfish(method, path.format(name), body), name) for name in ("theirs", "loose", "none")}
        assert told["theirs"] == told["loose"] == told["none"]
        assert told["none"][0] == 404
    assert redfish.world.machines["theirs"].changes() == redfish.world.machines["loose"].changes() == []


def _worded(answer: httpx.Response, name: str) -> tuple[int, str]:
    return answer.status_code, answer.text.replace(name, "NAME")


def test_a_system_shows_what_hil_and_the_machine_know(redfish: Tenant) -> None:
    seen = redfish.show("/Systems/n1")
    assert (seen["Id"], seen["PowerState"], seen["Status"]["State"]) == ("n1", "Off", "Enabled")
    assert seen["ProcessorSummary"] == {"Count": 2, "Model": "M-1"}
    assert seen["MemorySummary"] == {"TotalSystemMemoryGiB": 256}
    assert set(seen["Boot"][BOOT_VALUES]) == {"None", "Pxe", "Hdd", "Cd", "BiosSetup"}
    assert redfish.members("/Systems/n1/EthernetInterfaces") == ["eth0", "eth1"]
    addresses = [redfish.show(f"/Systems/n1/EthernetInterfaces/{nic}")["MACAddress"] for nic in ("eth0", "eth1")]
    assert addresses == ["52:54:00:00:00:01", None]
    assert redfish.members("/Systems/n1/Processors") == ["CPU1", "CPU2"]
    assert redfish.show("/Systems/n1/Processors/CPU2")["TotalCores"] == 16
    for link in (*seen["Links"]["ManagedBy"], *seen["Links"]["Chassis"]):
        assert redfish.show(link["@odata.id"])["Id"] == "n1"
    for missing in ("EthernetInterfaces/eth9", "Processors/CPU3", "Storage"):
        assert redfish.refused("GET", f"/Systems/n1/{missing}") == "404 ResourceMissingAtURI"


def test_every_reset_type_reaches_the_machine_and_stands_in_the_journal(world: ObmWorld, redfish: Tenant) -> None:
    offered = redfish.show("/Systems/n1")["Actions"]["#ComputerSystem.Reset"]["ResetType@Redfish.AllowableValues"]
    assert set(offered) == {"On", "ForceOff", "GracefulShutdown", "ForceRestart", "PowerCycle"}
    for word in offered:
        assert redfish("POST", RESET, {"ResetType": word}).status_code == 204
    assert [entry.asked for entry in world.machines["n1"].changes()] == ["on", "off", "soft-off", "reset", "cycle"]
    asked = [(actor, facts["action"]) for action, actor, _, facts in world.lines("n1") if action == "node_power"]
    assert asked == [("alice", word) for word in ("on", "off", "soft-off", "reset", "cycle")]


def test_a_reader_looks_and_does_not_touch_and_a_denial_stands_in_the_journal(world: ObmWorld, redfish: Tenant) -> None:
    assert redfish.show("/Systems/n1", by="rita")["PowerState"] == "Off"
    assert redfish.refused("POST", RESET, {"ResetType": "On"}, by="rita") == "403 InsufficientPrivilege"
    assert redfish.refused("POST", RESET, {"ResetType": "On"}, by="bob") == "404 ResourceMissingAtURI"
    assert redfish.refused("POST", RESET, {"ResetType": "On"}, by=None) == "401 NoValidSession"
    assert world.machines["n1"].changes() == []
    template = "POST /redfish/v1/Systems/{node}/Actions/ComputerSystem.Reset"
    denied = [(actor, outcome) for _, actor, outcome, _ in world.lines(template)]
    assert denied == [("rita", "denied"), ("bob", "denied")]


CHOICES: list[tuple[dict[str, str], BootChoice]] = [
    ({"BootSourceOverrideTarget": "Pxe"}, BootChoice(BootDevice.PXE)),
    (
        {"BootSourceOverrideTarget": "Hdd", "BootSourceOverrideEnabled": "Continuous"},
        BootChoice(BootDevice.DISK, persistent=True),
    ),
    (
        {"BootSourceOverrideTarget": "Cd", "BootSourceOverrideEnabled": "Once", "BootSourceOverrideMode": "UEFI"},
        BootChoice(BootDevice.CDROM, uefi=True),
    ),
    ({"BootSourceOverrideEnabled": "Disabled"}, BootChoice(BootDevice.NONE)),
    ({"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Disabled"}, BootChoice(BootDevice.NONE)),
]


def test_the_boot_override_is_set_and_read(world: ObmWorld, redfish: Tenant) -> None:
    for asked, expected in CHOICES:
        world.machines["n1"].override = BootChoice(BootDevice.NONE)
        assert redfish("PATCH", "/Systems/n1", {"Boot": asked}).status_code == 204
        assert world.machines["n1"].override == expected
        boot = redfish.show("/Systems/n1")["Boot"]
        disabled = expected.device is BootDevice.NONE
        assert boot["BootSourceOverrideTarget"] == ("None" if disabled else asked["BootSourceOverrideTarget"])
        life = "Disabled" if disabled else asked.get("BootSourceOverrideEnabled", "Once")
        assert boot["BootSourceOverrideEnabled"] == life


WRONG: list[tuple[str, str, Any, str]] = [
    ("PATCH", "/Systems/n1", {"Boot": {"BootSourceOverrideTarget": "Moon"}}, "400 PropertyValueNotInList"),
    ("PATCH", "/Systems/n1", {"Boot": {"BootSourceOverrideTarget": 1}}, "400 PropertyValueTypeError"),
    ("PATCH", "/Systems/n1", {"Boot": {"BootSourceOverrideEnabled": "Once"}}, "400 PropertyMissing"),
    ("PATCH", "/Systems/n1", {"Boot": {"Moon": ""}}, "400 PropertyUnknown"),
    ("PATCH", "/Systems/n1", {"Boot": []}, "400 PropertyValueTypeError"),
    ("PATCH", "/Systems/n1", {"PowerState": "On"}, "400 PropertyNotWritable"),
    ("PATCH", "/Systems/n1", {"Moon": "On"}, "400 PropertyUnknown"),
    ("PATCH", "/Systems/n1", {}, "400 PropertyMissing"),
    ("PATCH", "/Systems/n1", [], "400 MalformedJSON"),
    ("POST", RESET, {}, "400 ActionParameterMissing"),
    ("POST", RESET, {"ResetType": "Nmi"}, "400 ActionParameterValueNotInList"),
    ("POST", RESET, {"ResetType": ["On"]}, "400 ActionParameterValueNotInList"),
    ("POST", RESET, {"ResetType": "On", "When": "now"}, "400 ActionParameterNotSupported"),
    ("PUT", "/Systems/n1", {}, "405 OperationNotAllowed"),
    ("DELETE", "/Systems/n1", None, "405 OperationNotAllowed"),
    ("GET", RESET, None, "405 OperationNotAllowed"),
    ("GET", "/AccountService", None, "404 ResourceMissingAtURI"),
    ("GET", "/Systems/n1/../theirs", None, "404 ResourceMissingAtURI"),
    ("GET", "/Systems/n1%2F..%2Ftheirs", None, "404 ResourceMissingAtURI"),
    ("GET", "/Systems/n1%00", None, "404 ResourceMissingAtURI"),
    ("GET", "/Systems/%ff%fe", None, "404 ResourceMissingAtURI"),
    ("GET", "/Systems?$skiptoken=%00", None, "400 QueryParameterNotSupported"),
    ("GET", "/Systems?$filter=x", None, "501 QueryParameterNotSupported"),
]


def test_what_is_wrong_is_told_in_redfishs_words_and_changes_nothing(world: ObmWorld, redfish: Tenant) -> None:
    told = [redfish.refused(method, path, body) for method, path, body, _ in WRONG]
    assert told == [expected for *_, expected in WRONG]
    assert world.machines["n1"].changes() == world.machines["theirs"].changes() == []


def test_a_body_that_is_no_json_object_is_refused(redfish: Tenant) -> None:
    for raw in (b"", b"{", b"\xff", b"[" * 100_000, b'{"ResetType": ' + b"9" * 5000 + b"}"):
        answer = redfish("POST", RESET, raw=raw)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "Base.1.8.MalformedJSON")


def test_a_list_of_many_is_read_page_by_page(world: ObmWorld, redfish: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems, "PAGE", 2)
    for number in range(4):
        world.hil.ok("POST", "/v1/nodes", {"name": f"more {number}"})
        world.hil.ok("POST", "/v1/projects/p/allocations", {"nodes": [f"more {number}"]})
    found, path = [], "/redfish/v1/Systems"
    while path:
        page = redfish.show(path)
        found += [redfish.show(each["@odata.id"])["Id"] for each in page["Members"]]
        path = page.get("Members@odata.nextLink", "")
    assert found == ["more 0", "more 1", "more 2", "more 3", "n1"]


def test_an_entity_tag_guards_a_change_and_saves_a_reading(world: ObmWorld, redfish: Tenant) -> None:
    tag = redfish("GET", "/Systems/n1").headers["etag"]
    assert redfish("GET", "/Systems/n1", headers={"If-None-Match": tag}).status_code == 304
    change = {"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Continuous"}}
    assert redfish("PATCH", "/Systems/n1", change, headers={"If-Match": '"old"'}).status_code == 412
    assert redfish("PATCH", "/Systems/n1", change, headers={"If-Match": tag}).status_code == 204
    assert redfish("GET", "/Systems/n1", headers={"If-None-Match": tag}).status_code == 200
    assert redfish("PATCH", "/Systems/n1", change, headers={"If-Match": tag}).status_code == 412


def test_a_machine_that_cannot_be_asked_has_no_power_state_and_one_clear_status(
    world: ObmWorld, redfish: Tenant
) -> None:
    world.machines["n1"].faults.add(BmcFault(kind=BmcFaultKind.UNREACHABLE, count=None))
    seen = redfish.show("/Systems/n1")
    assert (seen["PowerState"], seen["Status"]["State"]) == (None, "UnavailableOffline")
    assert redfish.refused("POST", RESET, {"ResetType": "On"}) == "502 DeviceUnreachable"
    assert world.lines("n1")[-1][0] == "node_power_failed"
    world.stop()
    assert redfish.show("/Systems/n1")["Status"]["State"] == "UnavailableOffline"
    assert redfish.refused("POST", RESET, {"ResetType": "On"}).startswith("503 ")


def test_a_node_whose_obm_is_not_enabled_is_shown_and_says_so(world: ObmWorld, redfish: Tenant) -> None:
    world.machine("n2", "p")
    seen = redfish.show("/Systems/n2")
    assert (seen["PowerState"], seen["Status"]["State"]) == (None, "Disabled")
    assert "Actions" not in seen
    path = "/Systems/n2/Actions/ComputerSystem.Reset"
    answer = redfish("POST", path, {"ResetType": "On"})
    assert answer.status_code == 409
    assert "enable it first" in answer.text
    assert redfish("PATCH", "/Systems/n2", {"Boot": {"BootSourceOverrideTarget": "Pxe"}}).status_code == 409


def test_a_released_node_is_gone_at_once(world: ObmWorld, redfish: Tenant) -> None:
    world.hil.ok("POST", "/v1/nodes/n1/release", by="alice")
    world.work()
    world.work()
    assert redfish.members("/Systems") == []
    assert redfish.refused("POST", RESET, {"ResetType": "On"}) == "404 ResourceMissingAtURI"
    assert [entry.asked for entry in world.machines["n1"].changes() if entry.asked == "on"] == []


def test_a_list_and_a_system_cost_a_constant_number_of_queries(world: ObmWorld, redfish: Tenant) -> None:
    def cost(path: str) -> int:
        redfish.show(path)
        with world.hil.queries() as asked:
            redfish.show(path)
        return len(asked)

    before = {path: cost(path) for path in ("/Systems", "/Systems/n1", "/Managers")}
    for number in range(5):
        world.hil.ok("POST", "/v1/nodes", {"name": f"more{number}"})
        world.hil.ok("POST", "/v1/projects/p/allocations", {"nodes": [f"more{number}"]})
        world.hil.ok("POST", "/v1/nodes/n1/nics", {"name": f"nic{number}"})
    assert {path: cost(path) for path in before} == before
    assert max(before.values()) <= 6


def test_head_is_get_without_a_body(redfish: Tenant) -> None:
    for path in ("", "/Systems", "/Systems/n1"):
        got, head = redfish("GET", path), redfish("HEAD", path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == got.headers["etag"]
        assert "HEAD" in got.headers["allow"]
