"""Who may what: every call of the table, asked by everybody who must not, and by some who may.

`hide` answers 404 with the very words for an absent object, `deny` 401. Nobody anonymous gets anywhere.
"""

from __future__ import annotations

import pytest
from sqlalchemy import select

from hil.api.edge import Edge
from hil.api.settings import Settings
from hil.api.v0 import table
from hil.auth.null import NullBackend
from hil.store.tables import Journal
from tests.api_v0.story import is_error
from tests.api_v0.world import OBMD, World

AUTH, NF = "401 AuthorizationError", "404 NotFoundError"
OBMD_BODY = {"obmd": OBMD}
MOCK = {"type": "http://schema.massopencloud.org/haas/v0/switches/mock"}
WIRE, NET, PW = {"node": "n1", "nic": "eth0"}, {"network": "net"}, {"password": "x"}
PORT, NIC, USER, HNIC = "switch/sw/port/gi1/0/1", "node/n1/nic/eth0", "auth/basic/user/eve", "headnode/h/hnic/e"

# Call of the table, request that means it, body → what bob (of another project) and eve (of none) are told.
# n1 and net belong to p; n2 is free.
REFUSED = {
    "GET projects": ("projects", None, AUTH),
    "PUT project/{project}": ("project/x", {}, AUTH),
    "DELETE project/{project}": ("project/p", {}, AUTH),
    "POST project/{project}/connect_node": ("project/p/connect_node", {"node": "n2"}, NF),
    "POST project/{project}/detach_node": ("project/p/detach_node", {"node": "n1"}, NF),
    "GET project/{project}/nodes": ("project/p/nodes", None, NF),
    "GET project/{project}/networks": ("project/p/networks", None, NF),
    "GET project/{project}/headnodes": ("project/p/headnodes", None, NF),
    "PUT node/{node}": ("node/n9", OBMD_BODY, AUTH),
    "GET node/{node}": ("node/n1", None, AUTH),
    "DELETE node/{node}": ("node/n2", {}, AUTH),
    "PUT node/{node}/nic/{nic}": ("node/n2/nic/eth9", {"macaddr": ""}, AUTH),
    "DELETE node/{node}/nic/{nic}": ("node/n2/nic/eth0", {}, AUTH),
    "POST node/{node}/nic/{nic}/connect_network": (f"{NIC}/connect_network", NET, AUTH),
    "POST node/{node}/nic/{nic}/detach_network": (f"{NIC}/detach_network", NET, AUTH),
    "PUT node/{node}/metadata/{label}": ("node/n2/metadata/x", {"value": 1}, AUTH),
    "DELETE node/{node}/metadata/{label}": ("node/n2/metadata/x", {}, AUTH),
    "PUT node/{node}/obm": ("node/n1/obm", {"enabled": False}, AUTH),
    "POST node/{node}/power_cycle": ("node/n1/power_cycle", {"force": True}, AUTH),
    "POST node/{node}/power_on": ("node/n1/power_on", {}, AUTH),
    "POST node/{node}/power_off": ("node/n1/power_off", {}, AUTH),
    "PUT node/{node}/boot_device": ("node/n1/boot_device", {"bootdev": "A"}, AUTH),
    "GET node/{node}/power_status": ("node/n1/power_status", None, AUTH),
    "GET node/{node}/console": ("node/n1/console", None, AUTH),
    "PUT network/{network}": ("network/x", {"owner": "p", "access": "p", "net_id": ""}, NF),
    "DELETE network/{network}": ("network/net", {}, NF),
    "GET network/{network}": ("network/net", None, NF),
    "GET network/{network}/attachments": ("network/net/attachments", None, NF),
    "PUT network/{network}/access/{project}": ("network/net/access/q", {}, NF),
    "DELETE network/{network}/access/{project}": ("network/net/access/p", {}, NF),
    "GET networking_action/{status_id}": ("networking_action/{status_id}", None, NF),
    "GET switches": ("switches", None, AUTH),
    "PUT switch/{switch}": ("switch/x", MOCK, AUTH),
    "GET switch/{switch}": ("switch/sw", None, AUTH),
    "DELETE switch/{switch}": ("switch/sw", {}, AUTH),
    "PUT switch/{switch}/port/{port*}": ("switch/sw/port/gi9/9", {}, AUTH),
    "GET switch/{switch}/port/{port*}": (PORT, None, AUTH),
    "DELETE switch/{switch}/port/{port*}": (PORT, {}, AUTH),
    "POST switch/{switch}/port/{port*}/connect_nic": (f"{PORT}/connect_nic", WIRE, AUTH),
    "POST switch/{switch}/port/{port*}/detach_nic": (f"{PORT}/detach_nic", {}, AUTH),
    "POST switch/{switch}/port/{port*}/revert": (f"{PORT}/revert", {}, AUTH),
    "PUT headnode/{headnode}": ("headnode/h", {"project": "p", "base_img": "x"}, NF),
    "GET headnode/{headnode}": ("headnode/h", None, NF),
    "DELETE headnode/{headnode}": ("headnode/h", {}, NF),
    "POST headnode/{headnode}/start": ("headnode/h/start", {}, NF),
    "POST headnode/{headnode}/stop": ("headnode/h/stop", {}, NF),
    "PUT headnode/{headnode}/hnic/{hnic}": (HNIC, {}, NF),
    "DELETE headnode/{headnode}/hnic/{hnic}": (HNIC, {}, NF),
    "POST headnode/{headnode}/hnic/{hnic}/connect_network": (f"{HNIC}/connect_network", NET, NF),
    "POST headnode/{headnode}/hnic/{hnic}/detach_network": (f"{HNIC}/detach_network", {}, NF),
    "GET active_extensions": ("active_extensions", None, AUTH),
    "GET auth/basic/users": ("auth/basic/users", None, AUTH),
    "PUT auth/basic/user/{user}": ("auth/basic/user/x", PW, AUTH),
    "PATCH auth/basic/user/{user}": (USER, {"is_admin": True}, AUTH),
    "DELETE auth/basic/user/{user}": ("auth/basic/user/alice", {}, AUTH),
    "POST auth/basic/user/{user}/add_project": (f"{USER}/add_project", {"project": "q"}, AUTH),
    "POST auth/basic/user/{user}/remove_project": ("auth/basic/user/bob/remove_project", {"project": "q"}, AUTH),
}
OPEN = {
    "GET nodes/{which}": "nodes/all",
    "GET networks": "networks",
    "GET headnode_images": "headnode_images",
    "GET headnode_images/": "headnode_images/",
}
"""What whoever is authenticated may ask."""
OPERATORS_ONLY = sorted(
    call for call, (path, _, answer) in REFUSED.items() if answer == AUTH and not path.startswith("node/n1")
)
"""Of these, members learn no more than strangers."""


@pytest.fixture(scope="module")
def scene(standing_world: World) -> tuple[World, str]:
    standing_world.machine(1, "p")
    standing_world.machine(2)
    standing_world.machine(3, "q")
    standing_world.network("net")
    standing_world.ok("PUT", "/network/open", {"owner": "admin", "access": "", "net_id": ""})
    queued = standing_world.ok("POST", f"/{NIC}/connect_network", NET, "alice")
    standing_world.settle()
    return standing_world, queued["status_id"]


def test_the_tables_name_every_call(standing_world: World) -> None:
    calls = [f"{call.method} {call.path}" for call in table(standing_world.api.edge, Settings()).calls]
    assert sorted(calls) == sorted([*REFUSED, *OPEN])
    assert len(calls) == 61  # the original's sixty, and the one path that also goes without its slash


@pytest.mark.parametrize("who", ["bob", "eve", None])
@pytest.mark.parametrize("call", REFUSED)
def test_strangers_are_refused(scene: tuple[World, str], call: str, who: str | None) -> None:
    world, status_id = scene
    path, body, expected = REFUSED[call]
    answer = world.api.send(call.split(" ", maxsplit=1)[0], "/" + path.replace("{status_id}", status_id), body, who)
    assert answer.short == (AUTH if who is None else expected)
    assert is_error(answer)


@pytest.mark.parametrize("call", OPERATORS_ONLY)
def test_members_are_refused_what_is_the_operators(scene: tuple[World, str], call: str) -> None:
    path, body, expected = REFUSED[call]
    assert scene[0].api.send(call.split(" ", maxsplit=1)[0], f"/{path}", body, "alice").short == expected


@pytest.mark.parametrize("call", OPEN)
def test_what_is_open_is_open_to_the_authenticated_alone(scene: tuple[World, str], call: str) -> None:
    assert scene[0].api.send("GET", f"/{OPEN[call]}", user="eve").status == 200
    assert scene[0].api.send("GET", f"/{OPEN[call]}", user=None).short == AUTH


HIDDEN = [
    ("GET project/{}/nodes", "p"),
    ("POST project/{}/connect_node", "p"),
    ("GET network/{}", "net"),
    ("DELETE network/{}", "net"),
    ("GET network/{}/attachments", "net"),
    ("PUT network/{}/access/q", "net"),
    ("DELETE network/{}/access/q", "net"),
    ("PUT network/{}/access/nowhere", "net"),
    ("POST node/n3/nic/eth0/connect_network {}", "net"),
]


@pytest.mark.parametrize(("call", "name"), HIDDEN, ids=[call for call, _ in HIDDEN])
def test_what_is_hidden_reads_exactly_as_what_is_absent(scene: tuple[World, str], call: str, name: str) -> None:
    world, _ = scene
    answers = []
    for label in (name, "nix"):
        method, path, *rest = call.split(" ")
        body = {"network": label} if rest else {"node": "n2"} if method == "POST" else None
        answers.append(world.api.send(method, "/" + path.format(label), body, "bob"))
    assert answers[0].status == answers[1].status == 404
    assert answers[0].json["msg"].replace(f"'{name}'", "'nix'") == answers[1].json["msg"]


def test_whoever_may_not_share_a_network_learns_nothing_of_projects_by_trying(scene: tuple[World, str]) -> None:
    world, _ = scene
    for project in ("p", "nowhere"):
        assert world.api.send("PUT", f"/network/open/access/{project}", {}, "bob").short == AUTH
        assert world.api.send("DELETE", f"/network/open/access/{project}", {}, "eve").short == AUTH


def test_a_backend_without_users_has_no_calls_about_them(standing_world: World) -> None:
    null = NullBackend({}, standing_world.store)
    calls = {call.path for call in table(Edge(standing_world.store, null), Settings()).calls}
    assert not {path for path in calls if path.startswith("auth/")}
    assert len(calls) < len(REFUSED)


def test_a_denied_attempt_is_in_the_journal(small_world: World) -> None:
    assert small_world.api.send("PUT", "/project/x", {}, "eve").short == AUTH
    query = select(Journal).where(Journal.action == "denied")
    lines = small_world.store.read(lambda session: session.scalars(query).all())
    assert [(line.actor, line.name, line.remote, line.outcome) for line in lines] == [
        ("eve", "PUT /v0/project/{project}", "192.0.2.7", "denied")
    ]
