"""The machine behind a node, through the API: what it is asked, by whom, and what stands in the journal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hil.core.obms import BootChoice, BootDevice
from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from tests.obm_side.world import ObmWorld

pytestmark = pytest.mark.net
NODE = "/v1/nodes/n1"


def test_a_machine_is_powered_by_who_has_the_node_and_by_nobody_else(world: ObmWorld) -> None:
    machine = world.machine("n1", "p", enabled=True)
    assert [world.power("n1", "on", by) for by in ("bob", "eve", "rita")] == ["403 denied"] * 3
    assert machine.changes() == []
    assert [world.power("n1", "on", by) for by in ("alice", "mara", "root")] == ["202"] * 3
    assert machine.on
    assert world.hil.ok("GET", f"{NODE}/power", by="rita")["power"] == "on"
    assert world.hil.refused("GET", f"{NODE}/power", by="bob") == "403 denied"
    asked = [line for line in world.lines("n1") if line[0] == "node_power"]
    assert [(actor, facts) for _, actor, _, facts in asked] == [
        (name, {"action": "on"}) for name in ("alice", "mara", "root")
    ]


def test_every_power_action_reaches_the_machine_and_the_age_of_its_state_is_told(small_world: ObmWorld) -> None:
    machine = small_world.machine("n1", "p", enabled=True)
    for action in ("on", "cycle", "reset", "soft-off", "on", "off"):
        assert small_world.power("n1", action, "alice") == "202"
    assert [entry.asked for entry in machine.changes()] == ["on", "cycle", "reset", "soft-off", "on", "off"]
    seen = small_world.hil.ok("GET", f"{NODE}/power?max_age=0", by="alice")
    assert seen["power"] == "off"
    assert 0 <= seen["age"] < 60
    assert seen["read_at"].endswith("Z")


def test_boot_media_light_sensors_log_and_firmware_are_the_machines(small_world: ObmWorld) -> None:
    machine, ok = small_world.machine("n1", "p", enabled=True), small_world.hil.ok
    ok("PUT", f"{NODE}/boot", {"device": "pxe", "uefi": True}, by="alice")
    assert machine.override == BootChoice(BootDevice.PXE, persistent=False, uefi=True)
    assert ok("GET", f"{NODE}/boot", by="rita") == {"device": "pxe", "persistent": False, "uefi": True}
    ok("PUT", f"{NODE}/media/cd", {"image": "http://images.example.org/a.iso"}, by="alice")
    shown = {item["slot"]: item["image"] for item in ok("GET", f"{NODE}/media", by="rita")["items"]}
    assert shown == {"cd": "http://images.example.org/a.iso", "usb": None}
    ok("DELETE", f"{NODE}/media/cd", by="alice")
    assert machine.slots["cd"] is None
    ok("POST", f"{NODE}/identify", {"seconds": 30}, by="alice")
    assert machine.lit_until > 0
    small_world.power("n1", "on", "alice")
    assert ok("GET", f"{NODE}/sensors", by="rita")["items"][0]["name"] == "Inlet Temp"
    assert [entry["message"] for entry in ok("GET", f"{NODE}/event-log?limit=1", by="rita")["items"]] == ["Power on"]
    assert ok("GET", f"{NODE}/firmware", by="rita")["items"][0] == {"name": "BMC", "version": "1.4.2"}
    assert ok("GET", f"{NODE}/capabilities", by="rita")["driver"] == "emulated"
    told = [line[0] for line in small_world.lines("n1")]
    assert [f"node_{word}" in told for word in ("boot", "media_insert", "media_eject", "identify")] == [True] * 4


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (BmcFault(kind=BmcFaultKind.UNREACHABLE, count=None), "502 device-unreachable"),
        (BmcFault(kind=BmcFaultKind.WRONG_PASSWORD, count=None), "502 device-login-refused"),
        (BmcFault(kind=BmcFaultKind.REFUSE, op=BmcOp.WRITE), "502 device-refused"),
        (BmcFault(kind=BmcFaultKind.LOSE_REPLY, op=BmcOp.WRITE), "502 device-lost-reply"),
    ],
    ids=lambda value: value.kind if isinstance(value, BmcFault) else "",
)
def test_a_controller_that_fails_is_told_by_one_word_and_stands_in_the_journal(
    small_world: ObmWorld, fault: BmcFault, expected: str
) -> None:
    machine = small_world.machine("n1", "p", enabled=True)
    machine.faults.add(fault)
    assert small_world.power("n1", "on", "alice") == expected
    last = small_world.lines("n1")[-1]
    assert (last[0], last[1], last[2]) == ("node_power_failed", "alice", expected.partition(" ")[2])


def test_a_dead_obmd_is_told_from_a_dead_controller(small_world: ObmWorld) -> None:
    small_world.machine("n1", "p", enabled=True)
    small_world.stop()
    assert small_world.power("n1", "on", "alice") == "503 unavailable"
    assert small_world.hil.refused("GET", f"{NODE}/sensors", by="alice") == "503 unavailable"


def test_a_node_without_an_obm_or_with_a_disabled_one_is_told_what_to_do(small_world: ObmWorld) -> None:
    small_world.machine("n1", "p")
    assert small_world.power("n1", "on", "alice") == "409 blocked"
    small_world.hil.ok("POST", "/v1/nodes", {"name": "bare"})
    assert small_world.power("bare", "on", "root") == "409 blocked"
    small_world.hil.ok("POST", "/v1/nodes", {"name": "old"})
    body = {"uri": "http://127.0.0.1:9/node/m1", "admin_token": "secret"}
    assert small_world.hil.ok("PUT", "/v1/nodes/old/obm", body)["kind"] == "original"
    answer = small_world.hil("POST", "/v1/nodes/old/power", {"action": "on"})
    assert "original protocol" in answer.json()["detail"]


def many(world: ObmWorld, body: dict[str, Any], by: str) -> list[dict[str, Any]]:
    answer = world.hil("POST", "/v1/power", body, by=by)
    assert answer.status_code == 202, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_many_nodes_are_powered_at_once_and_one_that_fails_keeps_no_other(small_world: ObmWorld) -> None:
    for name in ("n1", "n2", "n3"):
        small_world.machine(name, "p", enabled=True)
    small_world.machine("theirs", "q", enabled=True)
    small_world.machines["n2"].faults.add(BmcFault(kind=BmcFaultKind.REFUSE, op=BmcOp.WRITE))
    named = many(small_world, {"action": "on", "nodes": ["n1", "n2", "n3", "theirs", "gone"]}, "alice")
    assert named[-1] == {"asked": 5, "failed": 3}
    faults = {line["node"]: line["error"] and line["error"]["type"] for line in named[:-1]}
    refused = {"n2": "/errors/device-refused", "theirs": "/errors/denied", "gone": "/errors/not-found"}
    assert faults == {"n1": None, "n3": None, **refused}
    assert [small_world.machines[name].on for name in ("n1", "n2", "n3", "theirs")] == [True, False, True, False]


def test_a_selector_means_only_what_the_caller_may_change(small_world: ObmWorld) -> None:
    for name, owner in (("n1", "p"), ("n2", "p"), ("theirs", "q")):
        small_world.machine(name, owner, enabled=name != "n2")
        small_world.hil.ok("PUT", f"/v1/nodes/{name}/labels/rack", {"value": "r1"})
    named = many(small_world, {"action": "on", "selector": "rack=r1"}, "alice")
    assert [line.get("node") for line in named] == ["n1", None]
    assert many(small_world, {"action": "on", "selector": "rack=r1"}, "rita") == [{"asked": 0, "failed": 0}]
    assert small_world.hil.refused("POST", "/v1/power", {"action": "on", "selector": "rack=r1"}, by=None).startswith(
        "401"
    )
    assert not small_world.machines["theirs"].on
