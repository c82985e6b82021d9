"""Every call of the original API, told as stories on both databases: successes, exact shapes, refusals in order."""

import pytest

from tests.api_v0.story import OK, tell
from tests.api_v0.world import MOCK, OBMD, World

AUTH, NF, DUP, BLK = "401 AuthorizationError", "404 NotFoundError", "409 DuplicateError", "409 BlockedError"
MIS, BAD, VAL, ILL = "409 ProjectMismatchError", "400 BadArgumentError", "400 ValidationError", "409 IllegalStateError"
MOCK_FIELDS = {"type": MOCK, "hostname": "host", "username": "", "password": ""}


def network(owner: str, access: str, net_id: str = "") -> dict[str, str]:
    return {"owner": owner, "access": access, "net_id": net_id}


def test_projects(world: World) -> None:
    world.machine(1)
    node = {"node": "n1"}
    tell(
        world,
        [
            ("root", "PUT /project/a b", {}, OK),
            ("root", "PUT /project/a%20b", {}, DUP),
            ("root", "PUT /project/admin", {}, BAD),
            ("root", "GET /projects", None, ["a b", "p", "q"]),
            ("root", "GET /project/p/nodes", None, []),
            ("root", "POST /project/nowhere/connect_node", node, NF),
            ("root", "POST /project/p/connect_node", {"node": "nix"}, NF),
            ("root", "POST /project/p/detach_node", node, NF),
            ("alice", "POST /project/p/connect_node", node, OK),
            ("alice", "POST /project/p/connect_node", node, BLK),
            ("bob", "POST /project/q/connect_node", node, BLK),
            ("alice", "GET /project/p/nodes", None, ["n1"]),
            ("alice", "GET /project/p/networks", None, []),
            ("alice", "GET /project/p/headnodes", None, []),
            ("bob", "POST /project/q/detach_node", node, NF),
            ("root", "DELETE /project/p", {}, BLK),
            ("alice", "POST /project/p/detach_node", node, OK),
            ("alice", "GET /project/p/nodes", None, []),
            ("root", "DELETE /project/a b", None, OK),
            ("root", "DELETE /project/a b", None, NF),
            ("root", "DELETE /project/p", None, OK),
            ("root", "GET /projects", None, ["q"]),
            ("root", "GET /auth/basic/users", None, {name: {"is_admin": name == "root", "projects": projects}
                for name, projects in (("alice", []), ("bob", ["q"]), ("eve", []), ("root", []))}),
        ],
    )  # fmt: skip


def test_nodes_nics_and_metadata(world: World) -> None:
    nic = {"label": "eth0", "macaddr": "", "networks": {}}
    unwired = {"port": None, "switch": None}
    kept = {"EK": '"pk"', "n": '[1, {"a": 2}]', "void": "null", "é": '"\\u00e9"'}
    sent = {"EK": "pk", "n": [1, {"a": 2}]}
    tell(
        world,
        [
            ("root", "PUT /node/n2", {"obmd": OBMD, "metadata": sent}, OK),
            ("root", "PUT /node/n2", {"obmd": OBMD}, DUP),
            ("root", "PUT /node/n1", {"obmd": OBMD, "metadata": {}}, OK),
            ("root", "PUT /node/free", {"obmd": OBMD}, BAD),
            ("root", "PUT /node/n3", {"obmd": OBMD, "metadata": {"a/b": 1}}, BAD),
            ("root", "GET /nodes/all", None, ["n1", "n2"]),
            ("root", "GET /nodes/anything", None, ["n1", "n2"]),
            ("root", "POST /project/p/connect_node", {"node": "n1"}, OK),
            ("eve", "GET /nodes/all", None, ["n1", "n2"]),
            ("eve", "GET /nodes/free", None, ["n2"]),
            ("root", "PUT /node/n2/nic/eth1", {"macaddr": "aa:bb"}, OK),
            ("root", "PUT /node/n2/nic/eth0", {"macaddr": ""}, OK),
            ("root", "PUT /node/n2/nic/eth0", {"macaddr": "other"}, DUP),
            ("root", "PUT /node/nix/nic/eth0", {"macaddr": ""}, NF),
            ("root", "PUT /node/n2/metadata/void", {"value": None}, OK),
            ("root", "PUT /node/n2/metadata/EK", {"value": "old"}, OK),
            ("root", "PUT /node/n2/metadata/EK", {"value": "pk"}, OK),
            ("root", "PUT /node/n2/metadata/%C3%A9", {"value": "é"}, BAD),
            ("root", "PUT /node/nix/metadata/x", {"value": 1}, NF),
            ("root", "GET /node/n2", None, {
                "metadata": {key: kept[key] for key in ("EK", "n", "void")}, "name": "n2", "project": None,
                "nics": [nic | unwired, nic | unwired | {"label": "eth1", "macaddr": "aa:bb"}]}),
            ("eve", "GET /node/n2", None, {
                "metadata": {key: kept[key] for key in ("EK", "n", "void")}, "name": "n2", "project": None,
                "nics": [nic, nic | {"label": "eth1", "macaddr": "aa:bb"}]}),
            ("alice", "GET /node/n1", None, {"metadata": {}, "name": "n1", "project": "p", "nics": []}),
            ("bob", "GET /node/n1", None, AUTH),
            ("bob", "GET /node/nix", None, NF),
            ("root", "DELETE /node/n2/metadata/void", None, OK),
            ("root", "DELETE /node/n2/metadata/void", None, NF),
            ("root", "DELETE /node/n1", None, BLK),
            ("root", "DELETE /node/n2", None, BLK),
            ("root", "DELETE /node/n2/nic/eth9", None, NF),
            ("root", "DELETE /node/nix/nic/eth0", None, NF),
            ("root", "DELETE /node/n2/nic/eth0", None, OK),
            ("root", "DELETE /node/n2/nic/eth1", None, OK),
            ("root", "DELETE /node/n2", None, OK),  # with its metadata: the original failed here
            ("root", "DELETE /node/n2", None, NF),
            ("root", "PUT /node/n1/nic/eth0", {"macaddr": ""}, OK),
            ("root", "DELETE /node/n1/nic/eth0", None, BLK),
        ],
    )  # fmt: skip


def test_switches_and_ports(world: World) -> None:
    world.ok("PUT", "/node/n1", {"obmd": OBMD})
    for nic in ("eth0", "eth1"):
        world.ok("PUT", f"/node/n1/nic/{nic}", {"macaddr": ""})
    wire, other = {"node": "n1", "nic": "eth0"}, {"node": "n1", "nic": "eth1"}
    port = "/switch/sw/port/gi1/0/1"
    tell(
        world,
        [
            ("root", "PUT /switch/sw", MOCK_FIELDS, OK),
            ("root", "PUT /switch/sw", {"type": "nonsense"}, DUP),
            ("root", "PUT /switch/s2", {"type": "nonsense"}, BAD),
            ("root", "PUT /switch/s2", {**MOCK_FIELDS, "type": MOCK + "s"}, BAD),
            ("root", "PUT /switch/s2", {**MOCK_FIELDS, "type": "mock"}, BAD),
            ("root", "PUT /switch/s2", {"type": MOCK, "hostname": "h"}, BAD),
            ("root", "PUT /switch/s2", {**MOCK_FIELDS, "more": "x"}, BAD),
            ("root", "PUT /switch/s2", {**MOCK_FIELDS, "password": 5}, BAD),
            ("root", "PUT /switch/s2", {"hostname": "h"}, VAL),
            ("root", "GET /switches", None, ["sw"]),
            ("root", f"PUT {port}", {}, OK),
            ("root", f"PUT {port}", {}, DUP),
            ("root", "PUT /switch/sw/port/GI01%2F0%2F01", {}, DUP),
            ("root", "PUT /switch/sw/port/te1%2f3", {}, OK),
            ("root", "PUT /switch/sw/port/swp1", {}, BAD),
            ("root", "PUT /switch/nix/port/gi1/0/1", {}, NF),
            ("root", "GET /switch/sw", None, {"name": "sw", "ports": [{"label": "gi1/0/1"}, {"label": "te1/3"}],
                                              "capabilities": ["nativeless-trunk-mode"]}),
            ("root", "GET /switch/nix", None, NF),
            ("root", f"GET {port}", None, {}),
            ("root", "GET /switch/sw/port/swp1", None, NF),
            ("root", f"POST {port}/revert", {}, NF),
            ("root", f"POST {port}/detach_nic", {}, NF),
            ("root", "POST /switch/nix/port/gi1/0/1/connect_nic", wire, NF),
            ("root", "POST /switch/sw/port/gi9/9/connect_nic", wire, NF),
            ("root", f"POST {port}/connect_nic", {**wire, "node": "nix"}, NF),
            ("root", f"POST {port}/connect_nic", {**wire, "nic": "nix"}, NF),
            ("root", f"POST {port}/connect_nic", wire, OK),
            ("root", "POST /switch/sw/port/te1/3/connect_nic", wire, DUP),
            ("root", f"POST {port}/connect_nic", other, DUP),
            ("root", f"GET {port}", None, {"node": "n1", "nic": "eth0", "networks": {}}),
            ("root", "GET /switch/sw/port/GI1/00/1", None, {"node": "n1", "nic": "eth0", "networks": {}}),
            ("root", f"DELETE {port}", {}, BLK),
            ("root", "DELETE /switch/sw/port/gi7/7", {}, NF),
            ("root", "DELETE /switch/sw", {}, BLK),
        ],
    )  # fmt: skip
    world.settle()
    tell(
        world,
        [
            ("root", "POST /project/p/connect_node", {"node": "n1"}, OK),
            ("root", f"POST {port}/detach_nic", {}, BLK),
            ("root", "POST /project/p/detach_node", {"node": "n1"}, OK),
            ("root", f"POST {port}/detach_nic", {}, OK),
            ("root", f"POST {port}/connect_nic", wire, OK),
        ],
    )
    world.settle()
    tell(
        world,
        [
            ("root", "DELETE /node/n1/nic/eth0", {}, OK),  # the port stays, unwired
            ("root", f"GET {port}", None, {}),
            ("root", f"DELETE {port}", {}, OK),
            ("root", "DELETE /switch/sw/port/te1/3", {}, OK),
            ("root", "DELETE /switch/sw", {}, OK),
            ("root", "DELETE /switch/sw", {}, NF),
        ],
    )


def test_headnodes_are_none(world: World) -> None:
    hnic = "/headnode/h/hnic/eth0"
    body = {"project": "p", "base_img": "img"}
    tell(
        world,
        [
            ("eve", "GET /headnode_images/", None, []),
            ("eve", "GET /headnode_images", None, []),
            ("alice", "PUT /headnode/h", body, BAD),
            ("bob", "PUT /headnode/h", body, NF),
            ("alice", "PUT /headnode/h", {**body, "project": "nowhere"}, NF),
            ("alice", "GET /headnode/h", None, NF),
            ("alice", "DELETE /headnode/h", {}, NF),
            ("alice", "POST /headnode/h/start", {}, NF),
            ("alice", "POST /headnode/h/stop", {}, NF),
            ("alice", f"PUT {hnic}", {}, NF),
            ("alice", f"DELETE {hnic}", {}, NF),
            ("alice", f"POST {hnic}/connect_network", {"network": "n"}, NF),
            ("alice", f"POST {hnic}/connect_network", {}, VAL),
            ("alice", f"POST {hnic}/detach_network", {}, NF),
        ],
    )


def test_users(world: World) -> None:
    ann, project = "/auth/basic/user/ann", {"project": "p"}
    others = {
        "alice": {"is_admin": False, "projects": ["p"]},
        "bob": {"is_admin": False, "projects": ["q"]},
        "eve": {"is_admin": False, "projects": []},
        "root": {"is_admin": True, "projects": []},
    }
    tell(
        world,
        [
            ("root", f"PUT {ann}", {"password": ""}, OK),
            ("root", f"PUT {ann}", {"password": "x"}, DUP),
            ("root", "PUT /auth/basic/user/a:b", {"password": "x"}, BAD),
            ("root", f"PUT {ann}", {"password": "x", "is-admin": True}, VAL),
            ("root", f"PUT {ann}", {"password": "x", "is_admin": 1}, VAL),
            ("root", f"POST {ann}/add_project", project, OK),
            ("root", f"POST {ann}/add_project", {"project": "q"}, OK),
            ("root", f"POST {ann}/add_project", project, DUP),
            ("root", f"POST {ann}/add_project", {"project": "nowhere"}, NF),
            ("root", "POST /auth/basic/user/nix/add_project", project, NF),
            ("root", "GET /auth/basic/users", None,
             {**others, "ann": {"is_admin": False, "projects": ["p", "q"]}}),
            ("root", f"POST {ann}/remove_project", project, OK),
            ("root", f"POST {ann}/remove_project", project, NF),
            ("root", f"POST {ann}/remove_project", {"project": "nowhere"}, NF),
            ("root", "POST /auth/basic/user/nix/remove_project", project, NF),
            ("root", f"PATCH {ann}", {"is_admin": True}, OK),
            ("root", "PATCH /auth/basic/user/root", {"is_admin": False}, ILL),
            ("root", "PATCH /auth/basic/user/root", {"is_admin": True}, ILL),
            ("root", "PATCH /auth/basic/user/nix", {"is_admin": True}, NF),
            ("root", f"DELETE {ann}", {}, OK),
            ("root", f"DELETE {ann}", {}, NF),
            ("root", "DELETE /auth/basic/user/root", {}, BLK),  # the last operator
            ("root", "GET /auth/basic/users", None, others),
        ],
    )  # fmt: skip


def test_a_new_user_logs_in_at_once_with_whatever_password_it_was_given(world: World) -> None:
    world.ok("PUT", "/auth/basic/user/ann", {"password": "secret", "is_admin": True})
    tell(world, [("ann", "GET /projects", None, ["p", "q"])])


def test_extensions_have_the_names_of_the_original(small_world: World) -> None:
    names = small_world.ok("GET", "/active_extensions")
    assert names == sorted(names)
    assert {"hil.ext.auth.database", "hil.ext.network_allocators.vlan_pool"} < set(names)
    assert {"hil.ext.switches.mock", "hil.ext.switches.ovs"} < set(names)


@pytest.mark.parametrize("word", ["free", "all", "0"])
def test_the_list_of_nodes_needs_a_word(small_world: World, word: str) -> None:
    tell(small_world, [("eve", f"GET /nodes/{word}", None, []), ("eve", "GET /nodes", None, NF)])
