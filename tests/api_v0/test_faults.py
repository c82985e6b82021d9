"""What the original got wrong, and we must not: each of its known faults that an API can have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hil.core.limits import Limits
from hil.core.model import Role
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.services import network as networks
from hil.services.attach import Change, network_change
from hil.services.membership import member_set
from hil.services.node import node_quarantine
from hil.services.port import port_lock
from hil.store.unit import Store
from hil.worker.lane import Lane
from tests.api_v0.story import OK, QUEUED, tell
from tests.api_v0.test_contract import AUTH, BLK, NF, network
from tests.api_v0.world import World, in_thread, open_world
from tests.support.asked import asked

CONNECT, DETACH = "/node/n1/nic/eth0/connect_network", "/node/n1/nic/eth0/detach_network"
PORT = "/switch/sw/port/gi1/0/1"
WORDS = "Node has pending network actions"


def test_an_emptied_access_list_means_nobody(world: World) -> None:
    world.ok("PUT", "/network/lent", network("admin", "p"))
    tell(
        world,
        [
            ("alice", "DELETE /network/lent/access/p", {}, OK),
            ("eve", "GET /network/lent", None, NF),
            ("alice", "GET /network/lent", None, NF),
            ("eve", "GET /networks", None, {}),
            ("root", "GET /networks", None, {"lent": {"network_id": "100", "projects": []}}),
        ],
    )
    assert world.ok("GET", "/network/lent")["access"] == []


def test_a_grant_on_a_public_network_leaves_it_public_and_everybody_attached(world: World) -> None:
    world.machine(1, "p")
    world.ok("PUT", "/network/open", network("admin", ""))
    world.attach("n1", "open")
    tell(world, [("root", "PUT /network/open/access/q", {}, OK)])
    assert world.ok("GET", "/network/open", user="alice") == {
        "access": None, "channels": ["vlan/native", "vlan/100"], "connected-nodes": {"n1": ["eth0"]},
        "name": "open", "owner": "admin",
    }  # fmt: skip
    with pytest.raises(Exception, match="not on the access list"):
        world.change(lambda ctx: networks.network_set_public(ctx, "open", False))


def test_state_is_shown_when_it_is_finished_and_not_before(world: World) -> None:
    world.machine(1, "p")
    world.network("net")

    def shown() -> list[Any]:
        nic = world.ok("GET", "/node/n1")["nics"][0]["networks"]
        port = world.ok("GET", PORT)["networks"]
        return [nic, port, world.ok("GET", "/network/net")["connected-nodes"],
                world.ok("GET", "/network/net/attachments")]  # fmt: skip

    there = [{"vlan/native": "net"}, {"vlan/native": "net"}, {"n1": ["eth0"]},
             {"n1": {"nic": "eth0", "channel": "vlan/native", "project": "p"}}]  # fmt: skip
    world.ok("POST", CONNECT, {"network": "net"})
    assert shown() == [{}, {}, {}, {}]
    world.settle()
    assert shown() == there
    world.ok("POST", DETACH, {"network": "net"})
    assert shown() == there
    world.settle()
    assert shown() == [{}, {}, {}, {}]


def action(world: World, queued: dict[str, str], user: str = "root") -> Any:
    return world.ok("GET", f"/networking_action/{queued['status_id']}", user=user)


def test_an_action_goes_from_pending_to_done_and_stays_readable_for_whoever_asked_for_it(world: World) -> None:
    world.machine(1, "p")
    world.network("net")
    shown = {"node": "n1", "nic": "eth0", "type": "modify_port", "channel": "vlan/native", "new_network": "net"}
    first = world.ok("POST", CONNECT, {"network": "net"}, "alice")
    assert action(world, first, "alice") == {**shown, "status": "PENDING"}
    world.settle()
    assert action(world, first, "alice") == {**shown, "status": "DONE"}
    second = world.ok("POST", DETACH, {"network": "net"}, "alice")
    assert action(world, second) == {**shown, "status": "PENDING", "new_network": None}
    world.settle()
    reverted = world.api.send("POST", f"{PORT}/revert")
    assert reverted.status == 200
    revert = {**shown, "status": "PENDING", "type": "revert_port", "channel": "", "new_network": None}
    assert action(world, reverted.json) == revert
    world.settle()
    assert action(world, reverted.json)["status"] == "DONE"
    world.ok("POST", "/project/p/detach_node", {"node": "n1"})
    world.ok("POST", "/project/q/connect_node", {"node": "n1"})
    assert action(world, first, "alice")["status"] == "DONE"
    for queued in (first, second, reverted.json):
        assert world.api.send("GET", f"/networking_action/{queued['status_id']}", user="bob").short == NF
    assert world.api.send("GET", "/networking_action/nonsense").short == NF


def test_an_operation_of_several_changes_is_not_of_this_api(world: World) -> None:
    world.machine(1, "p")
    world.machine(2, "p")
    world.network("net")
    changes = [Change(f"n{number}", "eth0", "net") for number in (1, 2)]
    operation = world.change(lambda ctx: network_change(ctx, changes).id)
    assert world.api.send("GET", f"/networking_action/{operation}").short == NF


def test_a_refused_connect_is_an_error_and_the_node_stays_until_its_port_is_known_to_be_clean(world: World) -> None:
    world.machine(1, "p")
    world.network("net")
    world.device().faults.add(Fault(kind=FaultKind.REFUSE, port="gi1/0/1", words="% No such VLAN"))
    world.device().faults.add(Fault(kind=FaultKind.UNREACHABLE, op=Op.LOGIN, after=1))
    queued = world.ok("POST", CONNECT, {"network": "net"})
    one_step(world)
    assert action(world, queued)["status"] == "ERROR"
    tell(world, [("alice", "POST /project/p/detach_node", {"node": "n1"}, BLK)])
    world.device().faults.clear()
    world.settle()
    tell(
        world,
        [
            ("alice", "DELETE /network/net", {}, OK),  # an error that is over holds nothing
            ("alice", "POST /project/p/detach_node", {"node": "n1"}, OK),
        ],
    )
    assert action(world, queued)["status"] == "ERROR"


def one_step(world: World) -> None:
    """One device session, and no more."""

    async def step() -> None:
        lane = Lane(world.store, 1, "test", in_thread)
        assert await lane.take()
        await lane.step()
        await lane.leave()

    world.api.runner.run(step())


def test_a_refused_detach_is_an_error_holds_everything_and_may_be_asked_for_again(world: World) -> None:
    world.machine(1, "p")
    world.network("net")
    world.attach("n1", "net")
    world.device().faults.add(Fault(kind=FaultKind.REFUSE, port="gi1/0/1", count=None))
    queued = world.ok("POST", DETACH, {"network": "net"}, "alice")
    one_step(world)
    assert action(world, queued)["status"] == "ERROR"
    assert world.ok("GET", "/node/n1")["nics"][0]["networks"] == {"vlan/native": "net"}
    tell(
        world,
        [
            ("alice", "POST /project/p/detach_node", {"node": "n1"}, BLK),
            ("alice", "DELETE /network/net", {}, BLK),
            ("alice", f"POST {CONNECT}", {"network": "net"}, BLK),
        ],
    )
    again = world.ok("POST", DETACH, {"network": "net"}, "alice")
    assert action(world, again)["status"] == "PENDING"
    world.device().faults.clear()
    world.settle()
    assert action(world, again)["status"] == action(world, queued)["status"] == "DONE"
    tell(
        world, [("alice", "POST /project/p/detach_node", {"node": "n1"}, OK), ("alice", "DELETE /network/net", {}, OK)]
    )


def test_a_release_with_work_pending_says_the_words_that_scripts_compare(world: World) -> None:
    world.machine(1, "p")
    world.network("net")
    release = ("POST", "/project/p/detach_node", {"node": "n1"}, "alice")

    def words() -> str:
        answer = world.api.send(*release)
        assert answer.short == BLK
        return str(answer.json["msg"])

    world.ok("POST", CONNECT, {"network": "net"})
    assert words() == WORDS
    world.settle()
    assert words() != WORDS  # it is attached: waiting does not help
    world.ok("POST", f"{PORT}/revert")
    assert words() == WORDS
    world.settle()
    world.ok("POST", f"{PORT}/revert")  # of a port that carries nothing
    assert words() == WORDS
    world.settle()
    assert world.api.send(*release).status == 200


def test_an_action_on_a_port_that_is_unwired_ends(world: World) -> None:
    world.machine(1)
    world.ok("POST", f"{PORT}/detach_nic")
    world.ok("PUT", "/switch/sw/port/gi1/0/5")
    world.ok("POST", "/switch/sw/port/gi1/0/5/connect_nic", {"node": "n1", "nic": "eth0"})
    queued = world.ok("POST", "/switch/sw/port/gi1/0/5/revert")
    tell(world, [("root", "POST /switch/sw/port/gi1/0/5/detach_nic", {}, OK)])  # HIL has never touched it
    assert action(world, queued)["status"] == "ERROR"


def test_a_port_that_was_touched_is_not_unwired_before_it_is_read_back(world: World) -> None:
    world.machine(1)
    world.ok("POST", f"{PORT}/revert")
    tell(world, [("root", f"POST {PORT}/detach_nic", {}, BLK), ("root", "DELETE /node/n1/nic/eth0", {}, BLK)])
    world.settle()
    tell(world, [("root", f"POST {PORT}/detach_nic", {}, OK)])


def test_the_status_of_a_deleted_nic_is_gone_with_it(world: World) -> None:
    world.machine(1)
    queued = world.ok("POST", f"{PORT}/revert")
    world.settle()
    tell(world, [("root", "DELETE /node/n1/nic/eth0", {}, OK)])
    assert world.api.send("GET", f"/networking_action/{queued['status_id']}").short == NF


def test_a_nic_without_a_port_is_no_reason_to_fail(world: World) -> None:
    world.machine(1, "p")
    world.network("net")
    world.ok("PUT", "/node/n1/nic/bare", {"macaddr": ""})
    tell(world, [("alice", "POST /node/n1/nic/bare/detach_network", {"network": "net"}, NF)])


def test_attachments_show_the_first_nic_of_a_node_and_lists_are_sorted(world: World) -> None:
    for number in (3, 1, 2):
        world.machine(number, "p")
    world.ok("PUT", "/node/n1/nic/boot", {"macaddr": ""})
    world.ok("PUT", "/switch/sw/port/te1/1")
    world.ok("POST", "/switch/sw/port/te1/1/connect_nic", {"node": "n1", "nic": "boot"})
    world.network("net")
    world.attach("n1", "net")
    world.ok("POST", "/node/n1/nic/boot/connect_network", {"network": "net", "channel": "vlan/100"})
    world.settle()
    found = world.ok("GET", "/network/net/attachments")
    assert found == {"n1": {"nic": "boot", "channel": "vlan/100", "project": "p"}}
    assert world.ok("GET", "/network/net")["connected-nodes"] == {"n1": ["boot", "eth0"]}
    assert world.ok("GET", "/project/p/nodes") == ["n1", "n2", "n3"]
    assert [nic["label"] for nic in world.ok("GET", "/node/n1")["nics"]] == ["boot", "eth0"]
    assert world.ok("GET", "/switch/sw")["ports"][0] == {"label": "gi1/0/3"}  # as registered


def test_nobody_sees_what_a_node_in_quarantine_is_still_attached_to(world: World) -> None:
    world.machine(1, "p")
    world.network("net")
    world.attach("n1", "net")
    world.change(lambda ctx: node_quarantine(ctx, "n1", "test"))
    assert world.ok("GET", "/node/n1", user="eve")["nics"][0]["networks"] == {}
    assert world.ok("GET", "/node/n1")["nics"][0]["networks"] == {"vlan/native": "net"}
    assert world.ok("GET", "/nodes/free") == []


def test_a_locked_port_is_not_wired(world: World) -> None:
    world.machine(1)
    world.ok("PUT", "/switch/sw/port/te1/1")
    world.ok("PUT", "/node/n1/nic/eth1", {"macaddr": ""})
    world.change(lambda ctx: port_lock(ctx, "sw", "te1/1", True))
    tell(world, [("root", "POST /switch/sw/port/te1/1/connect_nic", {"node": "n1", "nic": "eth1"}, BLK)])


def test_members_may_use_what_their_project_may_and_readers_may_only_look(world: World) -> None:
    world.machine(1, "p")
    world.network("net")
    world.change(lambda ctx: member_set(ctx, "p", "alice", Role.READER))
    tell(
        world,
        [
            ("alice", "GET /project/p/nodes", None, ["n1"]),
            ("alice", f"POST {CONNECT}", {"network": "net"}, AUTH),
            ("alice", "DELETE /network/net", {}, AUTH),
            ("alice", "POST /project/p/detach_node", {"node": "n1"}, AUTH),
            ("alice", "DELETE /network/net/access/p", {}, AUTH),
        ],
    )
    world.change(lambda ctx: member_set(ctx, "p", "alice", Role.MEMBER))
    tell(world, [("alice", f"POST {CONNECT}", {"network": "net"}, QUEUED)])


@pytest.fixture
def maintained(sqlite_url: str, open_store: Callable[..., Store]) -> Iterator[World]:
    """A world whose released nodes go to the project `q`."""
    world = open_world(open_store(sqlite_url, limits=Limits(maintenance_project="q")))
    yield world
    world.backend.close()
    world.api.runner.close()


def test_a_released_node_goes_to_the_maintenance_project_and_from_there_to_the_free_ones(maintained: World) -> None:
    maintained.machine(1, "p")
    tell(maintained, [("alice", "POST /project/p/detach_node", {"node": "n1"}, OK)])
    assert maintained.api.send("POST", "/project/p/detach_node", {"node": "n1"}).json["msg"] == WORDS
    maintained.settle()
    maintained.release()
    tell(
        maintained,
        [
            ("bob", "GET /project/q/nodes", None, ["n1"]),
            ("root", "GET /nodes/free", None, []),
            ("bob", "POST /project/q/detach_node", {"node": "n1"}, OK),
        ],
    )
    maintained.settle()
    maintained.release()
    tell(maintained, [("root", "GET /nodes/free", None, ["n1"]), ("root", "GET /project/q/nodes", None, [])])


CALLS = [
    "GET /nodes/all", "GET /nodes/free", "GET /node/n1", "GET /project/p/nodes", "GET /project/p/networks",
    "GET /projects", "GET /networks", "GET /network/net", "GET /network/net/attachments", "GET /switches",
    "GET /switch/sw", f"GET {PORT}", "GET /auth/basic/users", "POST /project/p/detach_node",
    "POST /project/p/connect_node",
]  # fmt: skip


def test_no_call_asks_the_database_more_often_because_there_is_more(small_world: World) -> None:
    world = small_world
    world.machine(1, "p")
    world.network("net")
    few, many = (measured(world, numbers) for numbers in (range(2, 4), range(4, 9)))
    assert few == many


def measured(world: World, numbers: range) -> dict[str, int]:
    """Make more of everything, then count each call's queries."""
    for number in numbers:
        world.machine(number, "p")
        world.ok("PUT", f"/project/p{number}")
        world.ok("PUT", f"/auth/basic/user/u{number}", {"password": "x"})
        world.ok("POST", f"/auth/basic/user/u{number}/add_project", {"project": f"p{number}"})
        world.ok("PUT", f"/network/net{number}", network("admin", "p", str(1000 + number)))
        world.attach(f"n{number}", "net")
    counts = {}
    for call in CALLS:
        method, path = call.split(" ")
        with asked(world.store) as seen:
            world.ok(method, path, {"node": "n1"} if method == "POST" else None)
        counts[call] = len(seen)
    return counts
