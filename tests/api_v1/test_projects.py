"""Projects, their members, and nodes given to them."""

from __future__ import annotations

from tests.api_v1.world import World


def test_a_project_is_made_shown_changed_and_deleted(world: World) -> None:
    made = world("POST", "/v1/projects", {"name": "new one", "quota_nodes": 3})
    assert made.status_code == 201
    assert made.headers["location"] == "/v1/projects/new%20one"
    view = {"name": "new one", "enabled": True, "quota_nodes": 3, "quota_networks": None, "nodes": 0, "networks": 0}
    assert made.json() == world.ok("GET", "/v1/projects/new one") == view
    assert world.ok("PATCH", "/v1/projects/new one", {"enabled": False, "quota_nodes": None}) == {
        **view, "enabled": False, "quota_nodes": None,
    }  # fmt: skip
    assert world("DELETE", "/v1/projects/new one").status_code == 204
    assert world.refused("GET", "/v1/projects/new one") == "404 not-found"


def test_a_tenant_sees_its_own_projects_only(world: World) -> None:
    assert [item["name"] for item in world.ok("GET", "/v1/projects")["items"]] == ["p", "q"]
    assert [item["name"] for item in world.ok("GET", "/v1/projects", by="rita")["items"]] == ["p"]
    assert world.ok("GET", "/v1/projects", by="eve") == {"items": [], "next": None}


def test_what_is_hidden_reads_as_what_is_absent(world: World) -> None:
    hidden = world("GET", "/v1/projects/q", by="alice").json()
    absent = world("GET", "/v1/projects/z", by="alice").json()
    assert hidden["detail"].replace("'q'", "'z'") == absent["detail"]
    assert {**hidden, "detail": "", "instance": ""} == {**absent, "detail": "", "instance": ""}


def test_a_project_shows_what_it_holds(world: World) -> None:
    world.switch()
    world.machine("n1", "gi1/0/1", "p")
    world.network("net")
    view = world.ok("GET", "/v1/projects/p", by="rita")
    assert (view["nodes"], view["networks"]) == (1, 1)
    assert world.refused("DELETE", "/v1/projects/p") == "409 blocked"


def test_quotas_stop_growth(world: World) -> None:
    world.ok("PATCH", "/v1/projects/p", {"quota_nodes": 0, "quota_networks": 0})
    world.ok("POST", "/v1/nodes", {"name": "n1"})
    assert world.refused("POST", "/v1/projects/p/allocations", {"nodes": ["n1"]}, by="alice") == "409 quota-exceeded"
    assert world.refused("POST", "/v1/networks", {"name": "x", "owner": "p"}, by="alice") == "409 quota-exceeded"


def test_a_disabled_project_can_be_read_and_not_changed(world: World) -> None:
    world.ok("PATCH", "/v1/projects/p", {"enabled": False})
    assert world.ok("GET", "/v1/projects/p", by="alice")["enabled"] is False
    assert world.refused("POST", "/v1/networks", {"name": "x", "owner": "p"}, by="alice") == "403 denied"
    assert world.refused("POST", "/v1/networks", {"name": "x", "owner": "p"}) == "409 illegal-state"


def test_a_manager_decides_who_belongs_to_the_project(world: World) -> None:
    url = "/v1/projects/p/members/eve"
    assert world.ok("PUT", url, {"role": "reader"}, by="mara") == {"user": "eve", "role": "reader"}
    assert world.ok("PUT", url, {"role": "member"}, by="mara") == {"user": "eve", "role": "member"}
    assert {"user": "eve", "role": "member"} in world.ok("GET", "/v1/projects/p/members", by="eve")["items"]
    assert world("DELETE", url, by="mara").status_code == 204
    assert world.refused("DELETE", url, by="mara") == "404 not-found"
    assert world.refused("PUT", url, {"role": "reader"}, by="alice") == "403 denied"
    assert world.refused("PUT", "/v1/projects/p/members/nobody", {"role": "reader"}, by="mara") == "404 not-found"
    assert world.refused("PUT", url, {"role": "king"}, by="mara") == "400 validation"


def test_nodes_are_given_by_name_all_or_none(world: World) -> None:
    for name in ("n1", "n2", "n3"):
        world.ok("POST", "/v1/nodes", {"name": name})
    world.ok("POST", "/v1/projects/q/allocations", {"nodes": ["n3"]}, by="bob")
    url = "/v1/projects/p/allocations"
    assert world.refused("POST", url, {"nodes": ["n1", "n3"]}, by="alice") == "409 blocked"
    assert world.refused("POST", url, {"nodes": ["n1", "gone"]}, by="alice") == "404 not-found"
    assert world.ok("GET", "/v1/nodes?state=free")["items"][0]["name"] == "n1"
    given = world.ok("POST", url, {"nodes": ["n2", "n1"]}, by="alice")["nodes"]
    assert [(node["name"], node["state"], node["project"]) for node in given] == [
        ("n1", "allocated", "p"), ("n2", "allocated", "p"),
    ]  # fmt: skip


def test_nodes_are_given_by_selector_all_or_none(world: World) -> None:
    for number in range(4):
        world.ok("POST", "/v1/nodes", {"name": f"n{number}", "labels": {"cpu": "64" if number else "8"}})
    url = "/v1/projects/p/allocations"
    assert world.refused("POST", url, {"selector": "cpu=64", "count": 4}, by="alice") == "409 exhausted"
    given = world.ok("POST", url, {"selector": "cpu=64", "count": 2}, by="alice")["nodes"]
    assert [node["labels"] for node in given] == [{"cpu": "64"}] * 2
    assert world.ok("GET", "/v1/projects/p")["nodes"] == 2


def test_an_allocation_says_names_or_a_selector_and_not_both(world: World) -> None:
    url = "/v1/projects/p/allocations"
    for body in ({}, {"nodes": []}, {"nodes": ["n1"], "count": 1}, {"count": 0}, {"selector": "x"}, []):
        assert world.refused("POST", url, body, by="alice") == "400 validation"
    assert world.refused("POST", url, {"selector": "a=b=c", "count": 1}, by="alice") == "400 bad-argument"
