"""The calls about networks, told as stories on both databases."""

from tests.api_v0.story import OK, QUEUED, tell
from tests.api_v0.test_contract import AUTH, BAD, BLK, DUP, MIS, NF, network
from tests.api_v0.world import World


def test_creating_a_network(world: World) -> None:
    tell(
        world,
        [
            ("alice", "PUT /network/mine", network("p", "p"), OK),
            ("alice", "PUT /network/mine", network("p", "q"), DUP),
            ("alice", "PUT /network/a", network("p", "q"), BAD),
            ("alice", "PUT /network/a", network("p", ""), BAD),
            ("alice", "PUT /network/a", network("p", "p", "101"), BAD),
            ("root", "PUT /network/a", network("p", "p", "101"), BAD),
            ("bob", "PUT /network/a", network("p", "p"), NF),  # he may not know of the project
            ("bob", "PUT /network/a", network("admin", "q"), AUTH),
            ("root", "PUT /network/a", network("nowhere", "nowhere"), NF),
            ("root", "PUT /network/a", network("", ""), NF),
            ("root", "PUT /network/a", network("admin", "nowhere"), NF),
            ("root", "PUT /network/public", network("admin", ""), OK),
            ("root", "PUT /network/outside", network("admin", "", "4000"), OK),
            ("root", "PUT /network/twice", network("admin", "p", "4000"), BLK),
            ("root", "PUT /network/inside", network("admin", "q", "103"), OK),
            ("root", "PUT /network/for p", network("admin", "p"), OK),
            ("root", "PUT /network/a", network("admin", ""), "409 AllocationError"),
            *[("root", "PUT /network/a", network("admin", "", number), BAD)
              for number in ("0", "4095", "4096", "007", " 7 ", "-1", "1.0", "x", "\u0661")],
            ("root", "GET /networks", None, {
                "for p": {"network_id": "102", "projects": ["p"]}, "inside": {"network_id": "103", "projects": ["q"]},
                "mine": {"network_id": "100", "projects": ["p"]}, "outside": {"network_id": "4000", "projects": None},
                "public": {"network_id": "101", "projects": None}}),
            ("alice", "GET /networks", None, {"outside": {"network_id": "4000", "projects": None},
                                              "public": {"network_id": "101", "projects": None}}),
            ("alice", "GET /project/p/networks", None, ["for p", "mine"]),
            ("root", "DELETE /network/mine", None, OK),
            ("root", "DELETE /network/mine", None, NF),
            ("alice", "DELETE /network/for p", None, AUTH),  # to be let in is not to own it
            ("alice", "DELETE /network/inside", None, NF),
            ("alice", "DELETE /network/public", None, AUTH),
            ("root", "PUT /network/again", network("admin", "", "100"), OK),
        ],
    )  # fmt: skip


def test_what_a_network_shows_and_to_whom(world: World) -> None:
    world.machine(1, "p")
    world.machine(2, "q")
    world.network("net")
    world.ok("PUT", "/network/net/access/q")
    world.ok("PUT", "/network/open", network("admin", ""))
    for node in ("n1", "n2"):
        world.attach(node, "net")
        world.attach(node, "open", channel="vlan/101")
    net = {"access": ["p", "q"], "channels": ["vlan/native", "vlan/100"], "name": "net", "owner": "p"}
    public = {"access": None, "channels": ["vlan/native", "vlan/101"], "name": "open", "owner": "admin"}
    both = {"n1": ["eth0"], "n2": ["eth0"]}
    entry = {"nic": "eth0", "channel": "vlan/native"}
    all_of_it = {"n1": {**entry, "project": "p"}, "n2": {**entry, "project": "q"}}
    tell(
        world,
        [
            ("root", "GET /network/net", None, {**net, "connected-nodes": both}),
            ("alice", "GET /network/net", None, {**net, "connected-nodes": both}),
            ("bob", "GET /network/net", None, {**net, "connected-nodes": {"n2": ["eth0"]}}),
            ("eve", "GET /network/net", None, NF),
            ("root", "GET /network/open", None, {**public, "connected-nodes": both}),
            ("bob", "GET /network/open", None, {**public, "connected-nodes": {"n2": ["eth0"]}}),
            ("eve", "GET /network/open", None, {**public, "connected-nodes": {}}),
            ("root", "GET /network/net/attachments", None, all_of_it),
            ("alice", "GET /network/net/attachments", None, all_of_it),
            ("alice", "GET /network/net/attachments?project=q", None, {"n2": all_of_it["n2"]}),
            ("alice", "GET /network/net/attachments?project=nowhere", None, NF),
            ("bob", "GET /network/net/attachments", None, AUTH),
            ("bob", "GET /network/net/attachments?project=q", None, {"n2": all_of_it["n2"]}),
            ("bob", "GET /network/net/attachments?project=p", None, NF),
            ("eve", "GET /network/net/attachments", None, NF),
            ("eve", "GET /network/open/attachments", None, AUTH),
            ("bob", "GET /network/open/attachments?project=q", None,
             {"n2": {"nic": "eth0", "channel": "vlan/101", "project": "q"}}),
            ("root", "GET /network/nix/attachments", None, NF),
        ],
    )  # fmt: skip


def test_access_lists(world: World) -> None:
    world.machine(2, "q")
    world.network("net")
    world.ok("PUT", "/network/open", network("admin", ""))
    tell(
        world,
        [
            ("alice", "PUT /network/nix/access/q", {}, NF),
            ("alice", "PUT /network/net/access/nowhere", {}, NF),
            ("bob", "PUT /network/net/access/q", {}, NF),
            ("bob", "PUT /network/open/access/q", {}, AUTH),
            ("alice", "PUT /network/net/access/q", {}, OK),
            ("alice", "PUT /network/net/access/q", {}, DUP),
            ("bob", "PUT /network/net/access/q", {}, AUTH),
            ("bob", "DELETE /network/net/access/p", {}, AUTH),
            ("bob", "POST /node/n2/nic/eth0/connect_network", {"network": "net"}, QUEUED),
            ("alice", "DELETE /network/net/access/q", {}, BLK),  # while it is being connected
        ],
    )
    world.settle()
    tell(
        world,
        [
            ("alice", "DELETE /network/net/access/q", {}, BLK),
            ("bob", "POST /node/n2/nic/eth0/detach_network", {"network": "net"}, QUEUED),
            ("bob", "DELETE /network/net/access/q", {}, BLK),  # nobody has read back that it is gone
        ],
    )
    world.settle()
    tell(
        world,
        [
            ("bob", "DELETE /network/net/access/q", {}, OK),
            ("alice", "DELETE /network/net/access/q", {}, NF),
            ("alice", "DELETE /network/net/access/p", {}, BLK),
            ("root", "PUT /network/open/access/p", {}, OK),
            ("root", "PUT /network/open/access/q", {}, OK),
            ("root", "PUT /network/open/access/p", {}, DUP),
            ("root", "DELETE /network/open/access/p", {}, OK),
            ("root", "DELETE /network/open/access/p", {}, NF),
        ],
    )


def test_connecting_and_detaching(world: World) -> None:
    world.machine(1, "p")
    world.machine(2)
    world.ok("PUT", "/node/n1/nic/bare", {"macaddr": ""})
    for name in ("red", "blue"):
        world.network(name)
    world.network("secret", "q")
    connect, detach = "POST /node/n1/nic/eth0/connect_network", "POST /node/n1/nic/eth0/detach_network"
    red, blue = {"network": "red"}, {"network": "blue"}
    tell(
        world,
        [
            ("alice", "POST /node/nix/nic/eth0/connect_network", red, NF),
            ("alice", "POST /node/n1/nic/nix/connect_network", red, NF),
            ("alice", connect, {"network": "nix"}, NF),
            ("bob", connect, red, AUTH),
            ("root", "POST /node/n2/nic/eth0/connect_network", red, MIS),
            ("alice", "POST /node/n1/nic/bare/connect_network", red, NF),
            ("root", connect, {"network": "secret"}, MIS),
            ("alice", connect, {"network": "secret"}, NF),
            ("alice", connect, {**red, "channel": "vlan/101"}, BAD),
            ("alice", connect, {**red, "channel": "vlan/*"}, BAD),
            ("alice", connect, {**red, "channel": "null"}, BAD),
            ("alice", connect, {**red, "channel": ""}, QUEUED),
            ("alice", connect, {**blue, "channel": "vlan/101"}, BLK),  # pending
            ("alice", detach, red, BLK),
            ("root", "POST /switch/sw/port/gi1/0/1/revert", {}, BLK),
            ("root", "DELETE /network/red", {}, BLK),
        ],
    )
    world.settle()
    shown = {"label": "eth0", "macaddr": "52:54:00:00:00:01"}
    bare = {"label": "bare", "macaddr": "", "networks": {}}
    tell(
        world,
        [
            ("alice", connect, {**red, "channel": "vlan/100"}, BLK),
            ("alice", connect, {**red, "channel": "nonsense"}, BLK),
            ("alice", connect, blue, BLK),  # the native channel is in use
            ("alice", detach, blue, BAD),
            ("alice", connect, {**blue, "channel": "vlan/101"}, QUEUED),
        ],
    )
    world.settle()
    tell(
        world,
        [
            ("alice", "GET /node/n1", None, {"metadata": {}, "name": "n1", "project": "p", "nics": [
                bare, {**shown, "networks": {"vlan/101": "blue", "vlan/native": "red"}}]}),
            ("root", "GET /switch/sw/port/gi1/0/1", None,
             {"node": "n1", "nic": "eth0", "networks": {"vlan/101": "blue", "vlan/native": "red"}}),
            ("alice", "POST /project/p/detach_node", {"node": "n1"}, BLK),
            ("root", "DELETE /network/red", {}, BLK),
            ("alice", detach, red, QUEUED),
        ],
    )  # fmt: skip
    world.settle()
    tell(world, [("alice", detach, blue, QUEUED)])
    world.settle()
    tell(
        world,
        [
            ("alice", "POST /project/p/detach_node", {"node": "n1"}, OK),
            ("alice", "DELETE /network/red", {}, OK),
            ("alice", "DELETE /network/blue", {}, OK),
            ("root", "GET /nodes/free", None, ["n1", "n2"]),
        ],
    )
