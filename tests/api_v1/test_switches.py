"""Switches, ports, drivers, the pool, the plan and trouble: what is the operators'."""

from __future__ import annotations

from typing import Any

import pytest

from hil.drivers.switch.mock.faults import Fault, FaultKind
from tests.api_v1.world import World, change

MOCK = {"hostname": "h", "username": "u", "password": "very hidden"}


def test_a_switch_is_registered_changed_and_deleted_and_never_tells_its_secret(world: World) -> None:
    body = {"name": "sw", "driver": "mock", "config": MOCK}
    made = world("POST", "/v1/switches", body)
    assert (made.status_code, made.headers["location"]) == (201, "/v1/switches/sw")
    assert made.json()["config"] == {"hostname": "h", "username": "u"}
    changed = world("PATCH", "/v1/switches/sw", {"config": {"hostname": "i", "username": "u"}, "audit": "report"})
    assert (changed.json()["config"]["hostname"], changed.json()["audit"]) == ("i", "report")
    assert world.ok("GET", "/v1/switches")["items"] == [world.ok("GET", "/v1/switches/sw")]
    assert world.refused("POST", "/v1/switches", body) == "409 duplicate"
    assert world("DELETE", "/v1/switches/sw").status_code == 204
    assert world.refused("GET", "/v1/switches/sw") == "404 not-found"
    told = world("GET", "/v1/journal?limit=1000").text + made.text + changed.text
    assert "very hidden" not in told


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"driver": "nosuch"}, "400 bad-argument"),
        ({"config": {}}, "400 bad-argument"),
        ({"config": {**MOCK, "more": 1}}, "400 bad-argument"),
        ({"config": {**MOCK, "username": 7}}, "400 bad-argument"),
        ({"config": []}, "400 validation"),
        ({"audit": "pray"}, "400 validation"),
        ({"name": "ö"}, "400 validation"),
    ],
)
def test_a_switch_that_cannot_be_meant_is_refused(small_world: World, change: dict[str, Any], words: str) -> None:
    body = {"name": "sw", "driver": "mock", "config": MOCK, **change}
    assert small_world.refused("POST", "/v1/switches", body) == words


def test_ports_are_named_canonically_wired_locked_and_deleted(world: World) -> None:
    world.switch()
    made = world("POST", "/v1/switches/sw/ports", {"name": "GI1/00/1"})
    assert made.headers["location"] == "/v1/switches/sw/ports/gi1%2F0%2F1"
    url = made.headers["location"]
    assert world.ok("GET", url) == made.json() == world.ok("GET", "/v1/switches/sw/ports/gi1/0/1")
    assert world.refused("POST", "/v1/switches/sw/ports", {"name": "gi1/0/1"}) == "409 duplicate"
    assert world.refused("POST", "/v1/switches/sw/ports", {"name": "eth0"}) == "400 bad-argument"
    world.ok("POST", "/v1/nodes", {"name": "n1"})
    world.ok("POST", "/v1/nodes/n1/nics", {"name": "eth0"})
    wired = world.ok("PATCH", url, {"nic": {"node": "n1", "nic": "eth0"}})
    assert (wired["node"], wired["nic"], wired["wanted"]) == ("n1", "eth0", 1)
    assert world.refused("PATCH", url, {"nic": {"node": "n1", "nic": "eth0"}}) == "409 duplicate"
    assert world.refused("PATCH", url, {"locked": True}) == "409 blocked"
    assert world.refused("DELETE", url) == "409 blocked"
    world.settle()
    read = world.ok("GET", url)
    assert (read["applied"], read["observed"], read["read_at"] is None) == (1, {"native": None, "tagged": []}, False)
    assert world.ok("PATCH", url, {"nic": None})["nic"] is None
    assert world.refused("PATCH", url, {"nic": None}) == "404 not-found"
    assert world.ok("PATCH", url, {"locked": True})["locked"] is True
    assert world.refused("PATCH", url, {"quarantined": False}) == "409 illegal-state"
    assert world.refused("PATCH", url, {"quarantined": True}) == "400 validation"
    assert world.refused("PATCH", url, {}) == "400 validation"
    assert world("DELETE", f"{url}?force=true").status_code == 204
    assert world.refused("GET", url) == "404 not-found"


def test_a_port_shows_its_networks_its_wish_and_what_was_read(world: World) -> None:
    world.switch()
    world.machine("n1", "gi1/0/1", "p")
    world.network("net")
    world.ok("POST", "/v1/network-changes", change("n1", "net", channel="vlan/100"), by="alice")
    url = "/v1/switches/sw/ports/gi1/0/1"
    before = world.ok("GET", url)
    assert (before["wish"], before["observed"]) == ({"native": None, "tagged": [100]}, {"native": None, "tagged": []})
    world.settle()
    after = world.ok("GET", url)
    assert after["networks"] == {"vlan/100": "net"}
    assert after["observed"] == after["wish"]


def test_a_revert_takes_every_network_off_a_port(world: World) -> None:
    world.switch()
    world.machine("n1", "gi1/0/1", "p")
    world.network("net")
    world.ok("POST", "/v1/network-changes", change("n1", "net"), by="alice")
    world.settle()
    begun = world("POST", "/v1/switches/sw/revert", {"port": "gi1/0/1"})
    assert (begun.status_code, begun.json()["actions"][0]["verb"]) == (202, "revert")
    world.settle()
    assert world.ok("GET", begun.headers["location"])["status"] == "DONE"
    assert world.ok("GET", "/v1/nodes/n1")["nics"][0]["networks"] == []
    assert world.refused("POST", "/v1/switches/sw/revert", {"port": "gi1/0/9"}) == "404 not-found"


def test_a_port_of_a_dead_switch_is_given_up_after_its_node_was_quarantined(world: World) -> None:
    world.switch()
    world.machine("n1", "gi1/0/1")
    body = {"port": "gi1/0/1", "reason": "burnt"}
    assert world.refused("POST", "/v1/switches/sw/give-up", body) == "409 illegal-state"
    world.ok("POST", "/v1/nodes/n1/quarantine", {"reason": "its switch burnt"})
    given = world.ok("POST", "/v1/switches/sw/give-up", body)
    assert (given["node"], given["locked"]) == (None, True)


def test_the_plan_shows_what_would_be_sent_and_sends_nothing(world: World) -> None:
    world.switch()
    world.machine("n1", "gi1/0/1", "p")
    world.network("net")
    assert world.ok("GET", "/v1/plan") == {"switches": []}
    world.ok("POST", "/v1/network-changes", change("n1", "net"), by="alice")
    log = len(world.device().log)
    (plan,) = world.ok("GET", "/v1/plan")["switches"]
    assert (plan["switch"], plan["driver"], plan["error"]) == ("sw", "mock", "")
    assert plan["basis"].startswith("as read at 20")
    assert plan["ports"] == [
        {"port": "gi1/0/1", "have": {"native": None, "tagged": []}, "want": {"native": 100, "tagged": []}}
    ]
    assert plan["lines"] == ["port gi1/0/1 native 100 tagged none"]
    assert len(world.device().log) == log
    world.settle()
    assert world.ok("GET", "/v1/plan") == {"switches": []}


def test_trouble_names_ports_switches_and_nodes(world: World) -> None:
    world.switch()
    world.machine("n1", "gi1/0/1", "p")
    assert world.ok("GET", "/v1/trouble") == {"ports": [], "switches": [], "nodes": [], "truncated": False}
    world.device().faults.add(Fault(kind=FaultKind.UNREACHABLE, count=None))
    world.ok("POST", "/v1/nodes/n1/release", by="alice")
    world.settle()
    found = world.ok("GET", "/v1/trouble")
    assert [port["name"] for port in found["ports"]] == ["gi1/0/1"]
    assert [(switch["switch"], switch["attempts"]) for switch in found["switches"]] == [("sw", 1)]
    assert [(node["name"], node["state"], node["project"]) for node in found["nodes"]] == [("n1", "releasing", "p")]
    lane = world.ok("GET", "/v1/switches/sw")["lane"]
    assert (lane["pending"], lane["error"] != "", lane["retry_at"] is not None) == (1, True, True)
    assert lane["oldest_taint"] is not None


def test_drivers_say_how_they_are_configured(small_world: World) -> None:
    found = {driver["name"]: driver for driver in small_world.ok("GET", "/v1/drivers")["items"]}
    assert {"mock", "ovs", "emulated"} <= found.keys()
    assert found["mock"]["secrets"] == ["password"]
    assert set(found["mock"]["config_schema"]["properties"]) == {"hostname", "username", "password"}
    assert found["ovs"]["capabilities"]["atomicity"] == "switch"


def test_the_pool_grows_and_shrinks_but_drops_nothing_in_use(world: World) -> None:
    world.network("net")
    assert world.ok("PUT", "/v1/pools/vlan", {"ids": "100, 200-202"}) == {
        "pool": "100,200-202", "used": "100", "reserved": "", "draining": "", "free": "200-202",
    }  # fmt: skip
    assert world.refused("PUT", "/v1/pools/vlan", {"ids": "200"}) == "409 blocked"
    assert world.refused("PUT", "/v1/pools/vlan", {"ids": "9-1"}) == "400 bad-argument"
    assert world.refused("PUT", "/v1/pools/vlan", {"ids": "a"}) == "400 validation"
    assert world.ok("GET", "/v1/pools/vlan")["pool"] == "100,200-202"


@pytest.mark.parametrize(
    "path",
    ["/v1/switches", "/v1/drivers", "/v1/pools/vlan", "/v1/plan", "/v1/trouble", "/v1/journal", "/v1/switches/x"],
)
def test_tenants_see_nothing_of_this(small_world: World, path: str) -> None:
    assert small_world.refused("GET", path, by="mara") == "403 denied"
