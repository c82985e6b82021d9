"""Pages and cursors; and how often the database is asked, however much is shown."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from hil.core.model import AttachmentState, NodeState
from hil.services.context import Context
from hil.store.tables import (
    Action,
    Attachment,
    Network,
    Nic,
    Node,
    NodeLabel,
    NodeMetadata,
    Operation,
    Port,
    Project,
    Switch,
)
from tests.api_v1.world import World


def walk(world: World, path: str, limit: int, by: str = "root") -> list[Any]:
    """Every item of a list, page by page; no page may be longer than asked for."""
    found: list[Any] = []
    after = ""
    while True:
        page = world.ok("GET", f"{path}?limit={limit}{after}", by=by)
        found += page["items"]
        if page["next"] is None:
            assert len(page["items"]) <= limit
            return found
        assert len(page["items"]) == limit
        after = f"&after={page['next']}"


def prepare(world: World) -> None:
    world.switch()
    world.network("net")


def furnish(world: World, numbers: Sequence[int]) -> None:
    """Nodes of `p`, each with label, metadata and a NIC that is on `net` through a port, and an operation of each."""

    def work(ctx: Context) -> None:
        session = ctx.session
        owner = session.scalars(select(Project).where(Project.name == "p")).one()
        switch, network = session.scalars(select(Switch)).one(), session.scalars(select(Network)).one()
        nodes = [Node(name=f"n{number:04}", state=NodeState.ALLOCATED, project_id=owner.id) for number in numbers]
        session.add_all(nodes)
        session.flush()
        nics = [Nic(node_id=node.id, name="eth0") for node in nodes]
        session.add_all(nics)
        session.flush()
        ports = [
            Port(switch_id=switch.id, name=f"gi1/0/{number}", nic_id=nic.id, wanted=2, applied=1)
            for number, nic in zip(numbers, nics, strict=True)
        ]
        session.add_all(ports)
        session.flush()
        for number, node, nic, port in zip(numbers, nodes, nics, ports, strict=True):
            identity = f"00000000-0000-4000-8000-{number:012}"
            facts = {"project_id": owner.id, "kind": "network_change", "actor": "x", "created_at": 1e9 + number // 7}
            receipt = {"operation_id": identity, "nic_id": nic.id, "port_id": port.id, "nic_name": "eth0"}
            attached = {"nic_id": nic.id, "network_id": network.id, "state": AttachmentState.ATTACHED}
            session.add_all(
                [
                    NodeLabel(node_id=node.id, key="cpu", value="64"),
                    NodeMetadata(node_id=node.id, key="rack", value="7"),
                    Attachment(**attached, channel="vlan/native", generation=1),
                    Operation(id=identity, **facts),
                    Action(**receipt, node_name=node.name, verb="connect", channel="vlan/native", generation=2),
                ]
            )

    world.change(work)


LISTS = {
    "/v1/nodes": 4, "/v1/nodes?selector=cpu%3D64&project=p": 5, "/v1/networks": 3, "/v1/networks/net/attachments": 6,
    "/v1/switches": 2, "/v1/switches/sw/ports": 4, "/v1/operations": 4, "/v1/projects": 3, "/v1/users": 2,
    "/v1/projects/p/members": 2, "/v1/plan": 2, "/v1/trouble": 5, "/v1/journal": 1, "/v1/pools/vlan": 1,
}  # fmt: skip
"""Most queries of each list, without the one of authentication."""
WHOLE = {"/v1/plan", "/v1/trouble", "/v1/pools/vlan"}
"""These have no pages."""


def asked(world: World, path: str) -> tuple[int, Any]:
    """How many queries an answer took beside that of authentication, and the answer."""
    with world.queries() as seen:
        shown = world.ok("GET", path)
    return sum("password_hash, user_account.operator, membership" not in statement for statement in seen), shown


def whole(path: str) -> str:
    return path if path in WHOLE else f"{path}{'&' if '?' in path else '?'}limit=1000"


def test_lists_take_as_many_queries_for_300_as_for_3(world: World) -> None:
    prepare(world)
    furnish(world, range(3))
    few = {path: asked(world, whole(path))[0] for path in LISTS}
    furnish(world, range(3, 300))
    many = {path: asked(world, whole(path)) for path in LISTS}
    assert {path: taken for path, (taken, _) in many.items()} == few
    assert {path: taken for path, taken in few.items() if taken > LISTS[path]} == {}
    for path in ("/v1/nodes", "/v1/networks/net/attachments", "/v1/switches/sw/ports", "/v1/operations"):
        assert len(many[path][1]["items"]) == 300, path
    assert len(many["/v1/plan"][1]["switches"][0]["ports"]) == 300


def test_a_network_with_600_attachments_is_one_page(small_world: World) -> None:
    prepare(small_world)
    furnish(small_world, range(600))
    taken, shown = asked(small_world, "/v1/networks/net/attachments?limit=1000")
    assert len(shown["items"]) == 600
    assert taken <= LISTS["/v1/networks/net/attachments"]


def test_a_node_takes_one_query_however_many_nics_it_has(world: World) -> None:
    prepare(world)
    furnish(world, range(2))

    def work(ctx: Context) -> None:
        node = ctx.session.scalars(select(Node).where(Node.name == "n0001")).one()
        ctx.session.add_all(Nic(node_id=node.id, name=f"x{number}") for number in range(40))

    world.change(work)
    (few, small), (many, large) = asked(world, "/v1/nodes/n0000"), asked(world, "/v1/nodes/n0001")
    assert (len(small["nics"]), len(large["nics"])) == (1, 41)
    assert few == many == 1


@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
def test_pages_hold_every_item_once_and_in_order(world: World, limit: int) -> None:
    prepare(world)
    furnish(world, range(20))
    nodes = [item["name"] for item in walk(world, "/v1/nodes", limit, "rita")]
    assert nodes == [f"n{number:04}" for number in range(20)]
    operations = [item["id"] for item in walk(world, "/v1/operations", limit, "rita")]
    assert operations == sorted(operations, reverse=True)
    assert len(set(operations)) == 20
    attachments = [item["node"] for item in walk(world, "/v1/networks/net/attachments", limit, "rita")]
    assert attachments == nodes
    assert len(walk(world, "/v1/switches/sw/ports", limit)) == 20
    entries = [entry["seq"] for entry in walk(world, "/v1/journal", limit)]
    assert entries == list(range(1, len(entries) + 1))
    for path, count in (("/v1/projects", 2), ("/v1/networks", 1), ("/v1/switches", 1), ("/v1/users", 6)):
        assert len(walk(world, path, limit)) == count, path
    assert len(walk(world, "/v1/projects/p/members", limit)) == 3


def test_a_page_that_was_read_is_not_disturbed_by_what_comes_and_goes(world: World) -> None:
    for name in ("b", "d", "f"):
        world.ok("POST", "/v1/nodes", {"name": name})
    page = world.ok("GET", "/v1/nodes?limit=2")
    world.ok("DELETE", "/v1/nodes/d")
    world.ok("POST", "/v1/nodes", {"name": "a"})
    world.ok("POST", "/v1/nodes", {"name": "e"})
    following = world.ok("GET", f"/v1/nodes?limit=2&after={page['next']}")
    assert [item["name"] for item in following["items"]] == ["e", "f"]


def packed(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


BAD = [
    "!",
    "x",
    "ü",
    packed([]),
    packed(["a", "b"]),
    packed([7]),
    packed(["a\0"]),
    packed({}),
    packed(["x" * 300]),
    "W10",
]


@pytest.mark.parametrize("cursor", BAD)
@pytest.mark.parametrize("path", ["/v1/nodes", "/v1/networks", "/v1/projects", "/v1/users"])
def test_a_cursor_that_is_none_of_ours_is_a_bad_argument(small_world: World, path: str, cursor: str) -> None:
    assert small_world.refused("GET", f"{path}?after={cursor}") == "400 bad-argument"


@pytest.mark.parametrize(
    ("path", "cursor"),
    [
        ("/v1/operations", packed(["a", "b"])),
        ("/v1/operations", packed([True, "b"])),
        ("/v1/operations", packed([1.0])),
        ("/v1/operations", packed([10**400, "b"])),
        ("/v1/operations", base64.urlsafe_b64encode(b'[NaN, "b"]').decode()),
        ("/v1/operations", base64.urlsafe_b64encode(b"[" * 700).decode()),
        ("/v1/journal", "-1"),
        ("/v1/journal", "9" * 19),
        ("/v1/journal", "x"),
    ],
)
def test_so_is_one_with_another_key(small_world: World, path: str, cursor: str) -> None:
    assert small_world.refused("GET", f"{path}?after={cursor}") == "400 bad-argument"


@pytest.mark.parametrize("limit", ["0", "1001", "x", "-1", "1e2", ""])
def test_the_size_of_a_page_is_1_to_1000(small_world: World, limit: str) -> None:
    assert small_world.refused("GET", f"/v1/nodes?limit={limit}") == "400 validation"


def test_the_journal_is_found_by_action_kind_name_and_actor(world: World) -> None:
    world.ok("POST", "/v1/nodes", {"name": "n1"})
    world.ok("POST", "/v1/networks", {"name": "x", "owner": "p"}, by="alice")

    def found(query: str) -> list[tuple[str, str, str]]:
        items = world.ok("GET", f"/v1/journal?limit=1000&{query}")["items"]
        return [(item["actor"], item["action"], item["name"]) for item in items]

    assert found("action=node_register") == [("root", "node_register", "n1")]
    assert found("kind=network&name=x") == [("alice", "network_create", "x")]
    assert found("actor=alice") == [("alice", "network_create", "x")]
    assert found("actor=nobody") == []
