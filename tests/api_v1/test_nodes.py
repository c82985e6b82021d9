"""Nodes: what is shown of them to whom, and the turns of their lives."""

from __future__ import annotations

from typing import Any

import pytest

from hil.core.model import CLOSED
from tests.api_v1.world import World, change


def names(page: Any) -> list[str]:
    return [item["name"] for item in page["items"]]


def test_a_node_is_registered_with_labels_metadata_and_an_obmd(world: World) -> None:
    body = {
        "name": "n1",
        "labels": {"cpu": "64", "gpu/model": "a100"},
        "metadata": {"ports": [1, None, {"x": "ü"}]},
        "obmd": {"uri": "https://obmd.test/node/n1/", "admin_token": "0123456789abcdef"},
    }
    made = world("POST", "/v1/nodes", body)
    assert (made.status_code, made.headers["location"]) == (201, "/v1/nodes/n1")
    shown = world.ok("GET", "/v1/nodes/n1")
    assert shown == made.json()
    assert (shown["labels"], shown["metadata"]) == (body["labels"], body["metadata"])
    assert "0123456789abcdef" not in made.text
    assert world.refused("POST", "/v1/nodes", body) == "409 duplicate"


@pytest.mark.parametrize(
    "obmd",
    [
        {"uri": "ftp://obmd.test/", "admin_token": "x"},
        {"uri": "https://user:word@obmd.test/", "admin_token": "x"},
        {"uri": "no url", "admin_token": "x"},
        {"uri": "https://obmd.test/", "admin_token": "two words"},
    ],
)
def test_the_address_of_an_obmd_is_checked(small_world: World, obmd: dict[str, str]) -> None:
    assert small_world.refused("POST", "/v1/nodes", {"name": "n1", "obmd": obmd}) == "400 bad-argument"
    assert small_world.refused("GET", "/v1/nodes/n1") == "404 not-found"


def test_labels_and_metadata_are_set_and_removed(world: World) -> None:
    world.ok("POST", "/v1/nodes", {"name": "n1"})
    assert world.ok("PUT", "/v1/nodes/n1/labels/gpu/model", {"value": "a100"})["labels"] == {"gpu/model": "a100"}
    assert world.ok("PUT", "/v1/nodes/n1/labels/gpu/model", {"value": ""})["labels"] == {"gpu/model": ""}
    assert world.ok("PUT", "/v1/nodes/n1/metadata/my key", {"value": {"a": None}})["metadata"] == {
        "my key": {"a": None}
    }
    assert world("DELETE", "/v1/nodes/n1/labels/gpu/model").status_code == 204
    assert world.refused("DELETE", "/v1/nodes/n1/labels/gpu/model") == "404 not-found"
    assert world("DELETE", "/v1/nodes/n1/metadata/my key").status_code == 204
    assert world.refused("DELETE", "/v1/nodes/n1/metadata/my key") == "404 not-found"
    assert world.refused("PUT", "/v1/nodes/gone/labels/a", {"value": ""}) == "404 not-found"
    assert world.refused("PUT", "/v1/nodes/n1/labels/a", {"value": ""}, by="alice") == "403 denied"


def test_nodes_are_found_by_state_project_label_and_name(world: World) -> None:
    for name, labels in (("n1", {"cpu": "64"}), ("n2", {"cpu": "64", "gpu": ""}), ("n3", {})):
        world.ok("POST", "/v1/nodes", {"name": name, "labels": labels})
    world.ok("POST", "/v1/projects/p/allocations", {"nodes": ["n2"]})
    assert names(world.ok("GET", "/v1/nodes")) == ["n1", "n2", "n3"]
    assert names(world.ok("GET", "/v1/nodes?state=free")) == ["n1", "n3"]
    assert names(world.ok("GET", "/v1/nodes?project=p", by="rita")) == ["n2"]
    assert names(world.ok("GET", "/v1/nodes?selector=cpu%3D64,!gpu")) == ["n1"]
    assert names(world.ok("GET", "/v1/nodes?name=n3&name=n1&name=zz")) == ["n1", "n3"]
    assert world.refused("GET", "/v1/nodes?project=p", by="bob") == "404 not-found"
    assert world.refused("GET", "/v1/nodes?state=gone") == "400 validation"
    assert world.refused("GET", "/v1/nodes?selector=A%3D1") == "400 bad-argument"


def test_who_holds_a_node_is_told_to_its_project_and_to_operators_only(world: World) -> None:
    world.ok("POST", "/v1/nodes", {"name": "n1"})
    world.ok("POST", "/v1/projects/p/allocations", {"nodes": ["n1"]})
    for caller, owner in (("root", "p"), ("rita", "p"), ("bob", None), ("eve", None)):
        (item,) = world.ok("GET", "/v1/nodes", by=caller)["items"]
        assert (item["state"], item["project"]) == ("allocated", owner), caller
    assert world.refused("GET", "/v1/nodes/n1", by="bob") == "403 denied"
    assert world.ok("GET", "/v1/nodes/n1", by="rita")["project"] == "p"


def test_wiring_is_shown_to_operators_only(world: World) -> None:
    world.switch()
    world.machine("n1", "gi1/0/1", "p")
    world.network("net")
    world.ok("POST", "/v1/network-changes", change("n1", "net"), by="alice")
    nic = {"name": "eth0", "macaddr": "52:54:00:12:34:56"}
    networks = [{"channel": "vlan/native", "network": "net", "state": "connecting"}]
    assert world.ok("GET", "/v1/nodes/n1")["nics"] == [
        {**nic, "switch": "sw", "port": "gi1/0/1", "networks": networks},
    ]
    assert world.ok("GET", "/v1/nodes/n1", by="rita")["nics"] == [
        {**nic, "switch": None, "port": None, "networks": networks},
    ]


def test_a_free_node_shows_what_it_is_made_of_to_everybody(world: World) -> None:
    world.switch()
    world.machine("n1", "gi1/0/1")
    world.ok("PUT", "/v1/nodes/n1/metadata/rack", {"value": 7})
    view = world.ok("GET", "/v1/nodes/n1", by="eve")
    assert view["metadata"] == {"rack": 7}
    assert view["nics"] == [
        {"name": "eth0", "macaddr": "52:54:00:12:34:56", "switch": None, "port": None, "networks": []}
    ]


def test_a_release_goes_the_whole_way(world: World) -> None:
    world.switch()
    world.machine("n1", "gi1/0/1", "p")
    world.network("net")
    world.ok("POST", "/v1/network-changes", change("n1", "net"), by="alice")
    world.settle()
    begun = world("POST", "/v1/nodes/n1/release", by="alice")
    assert (begun.status_code, begun.json()["status"]) == (202, "PENDING")
    assert begun.headers["location"] == f"/v1/operations/{begun.json()['id']}"
    view = world.ok("GET", "/v1/nodes/n1", by="alice")
    assert (view["state"], view["reason"] != "", view["deadline"] is not None) == ("releasing", True, True)
    assert world.refused("POST", "/v1/nodes/n1/release", by="alice") == "409 illegal-state"
    world.settle()
    world.release()
    assert world.ok("GET", begun.headers["location"], by="alice")["status"] == "DONE"
    assert world.ok("GET", "/v1/nodes/n1")["state"] == "free"
    assert world.device().running("gi1/0/1") == CLOSED


def test_tenants_are_told_of_nics_and_not_of_switches_and_ports(world: World) -> None:
    world.switch("leaf-7")
    world.machine("n1", "gi1/0/9", owner="p", switch="leaf-7")
    world.machine("n2", "gi1/0/8", switch="leaf-7")
    world.ok("POST", "/v1/nodes/n1/release", by="alice")
    world.release()
    world.ok("POST", "/v1/switches/leaf-7/revert", {"port": "gi1/0/8"})
    told = [world.ok("GET", "/v1/nodes/n1", by="alice")["reason"]]
    told.append(world("POST", "/v1/projects/p/allocations", {"nodes": ["n2"]}, by="alice").json()["detail"])
    assert ["NIC eth0" in told[0], "NIC 'eth0'" in told[1]] == [True, True], told
    assert not any(name in words for words in told for name in ("leaf-7", "gi1"))


def test_only_members_release_and_only_what_is_theirs(world: World) -> None:
    world.ok("POST", "/v1/nodes", {"name": "n1"})
    assert world.refused("POST", "/v1/nodes/n1/release") == "409 illegal-state"
    assert world.refused("POST", "/v1/nodes/n1/release", by="alice") == "403 denied"
    world.ok("POST", "/v1/projects/p/allocations", {"nodes": ["n1"]})
    assert world.refused("POST", "/v1/nodes/n1/release", by="rita") == "403 denied"
    assert world.refused("POST", "/v1/nodes/n1/release", by="bob") == "403 denied"
    assert world.refused("POST", "/v1/nodes/gone/release", by="bob") == "404 not-found"
    assert world("POST", "/v1/nodes/n1/release", by="alice").status_code == 202


def test_maintenance_quarantine_and_return(world: World) -> None:
    world.ok("POST", "/v1/nodes", {"name": "n1"})
    assert world.ok("POST", "/v1/nodes/n1/maintenance", {"reason": "new disk"})["state"] == "maintenance"
    assert world.refused("POST", "/v1/projects/p/allocations", {"nodes": ["n1"]}) == "409 blocked"
    assert world.ok("GET", "/v1/nodes/n1", by="eve")["reason"] is None
    assert world.ok("POST", "/v1/nodes/n1/return")["state"] == "free"
    world.ok("POST", "/v1/projects/p/allocations", {"nodes": ["n1"]})
    assert world.refused("POST", "/v1/nodes/n1/maintenance", {"reason": ""}) == "409 illegal-state"
    assert world.ok("POST", "/v1/nodes/n1/quarantine", {"reason": "odd"})["reason"] == "odd"
    assert world.refused("POST", "/v1/nodes/n1/quarantine", {"reason": "odd"}) == "409 illegal-state"
    assert world.refused("POST", "/v1/nodes/n1/return", by="alice") == "403 denied"


def test_a_node_with_nics_or_in_a_project_is_not_deleted(world: World) -> None:
    world.ok("POST", "/v1/nodes", {"name": "n1"})
    made = world("POST", "/v1/nodes/n1/nics", {"name": "eth0", "macaddr": ""})
    assert (made.status_code, made.json()["networks"]) == (201, [])
    assert world.refused("POST", "/v1/nodes/n1/nics", {"name": "eth0", "macaddr": ""}) == "409 duplicate"
    assert world.refused("DELETE", "/v1/nodes/n1") == "409 blocked"
    world.ok("POST", "/v1/projects/p/allocations", {"nodes": ["n1"]})
    assert world.refused("DELETE", "/v1/nodes/n1") == "409 blocked"
    assert world.refused("DELETE", "/v1/nodes/n1/nics/eth0") == "409 blocked"
    world.ok("POST", "/v1/nodes/n1/release", by="alice")
    world.release()
    assert world("DELETE", "/v1/nodes/n1/nics/eth0").status_code == 204
    assert world.refused("DELETE", "/v1/nodes/n1/nics/eth0") == "404 not-found"
    assert world("DELETE", "/v1/nodes/n1").status_code == 204


def test_metadata_that_another_api_wrote_oddly_is_still_shown(small_world: World) -> None:
    from hil.store.tables import Node, NodeMetadata

    small_world.ok("POST", "/v1/nodes", {"name": "n1"})
    odd = {"nan": "NaN", "half": '"\\ud800"', "big": "1" * 400}

    def write(ctx: Any) -> None:
        node = ctx.session.query(Node).one()
        ctx.session.add_all(NodeMetadata(node_id=node.id, key=key, value=value) for key, value in odd.items())

    small_world.change(write)
    shown = small_world("GET", "/v1/nodes/n1")
    assert shown.status_code == 200
    assert shown.json()["metadata"] == {"nan": None, "half": "\ud800", "big": int("1" * 400)}
