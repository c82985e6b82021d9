"""Networks, their access lists, and what is connected to them."""

from __future__ import annotations

import pytest

from hil.core.model import PortState
from hil.drivers.switch.mock.faults import Fault, FaultKind
from tests.api_v1.world import World, change


def test_a_network_is_made_shown_and_deleted(world: World) -> None:
    made = world("POST", "/v1/networks", {"name": "net", "owner": "p", "access": ["q"]}, by="root")
    assert (made.status_code, made.headers["location"]) == (201, "/v1/networks/net")
    view = made.json()
    assert view == {
        "name": "net", "owner": "p", "public": False, "access": ["p", "q"], "net_id": "100",
        "channels": ["vlan/native", "vlan/100"],
    }  # fmt: skip
    assert world.ok("GET", "/v1/networks/net") == view
    assert world.refused("POST", "/v1/networks", {"name": "net", "owner": "p"}) == "409 duplicate"
    assert world("DELETE", "/v1/networks/net", by="alice").status_code == 204
    assert world.refused("GET", "/v1/networks/net", by="alice") == "404 not-found"


def test_a_tenant_makes_private_networks_from_the_pool_in_its_own_project(world: World) -> None:
    assert world.ok("POST", "/v1/networks", {"name": "mine", "owner": "p"}, by="alice")["access"] == ["p"]
    assert world.refused("POST", "/v1/networks", {"name": "x", "owner": "p", "net_id": "7"}, by="alice") == "403 denied"
    assert (
        world.refused("POST", "/v1/networks", {"name": "x", "owner": "p", "public": True}, by="alice") == "403 denied"
    )
    assert world.refused("POST", "/v1/networks", {"name": "x", "owner": None}, by="alice") == "403 denied"
    assert world.refused("POST", "/v1/networks", {"name": "x", "owner": "q"}, by="alice") == "404 not-found"
    assert world.refused("POST", "/v1/networks", {"name": "x", "owner": "p"}, by="rita") == "403 denied"
    assert world.refused("POST", "/v1/networks", {"name": "x"}, by="alice") == "400 validation"


def test_an_operator_asserts_an_id(world: World) -> None:
    assert world.ok("POST", "/v1/networks", {"name": "a", "owner": None, "net_id": "2000"})["net_id"] == "2000"
    assert world.refused("POST", "/v1/networks", {"name": "b", "owner": None, "net_id": "2000"}) == "409 blocked"
    assert world.refused("POST", "/v1/networks", {"name": "b", "owner": None, "net_id": "4095"}) == "400 bad-argument"


def test_guests_see_themselves_and_the_owner_on_the_access_list(world: World) -> None:
    world.ok("POST", "/v1/projects", {"name": "r"})
    world.network("net", access=["q", "r"])
    world.network("open", None, public=True, access=["r"])
    assert world.ok("GET", "/v1/networks/net", by="alice")["access"] == ["p", "q", "r"]
    assert world.ok("GET", "/v1/networks/net", by="bob")["access"] == ["p", "q"]
    assert world.ok("GET", "/v1/networks/open", by="eve")["access"] == []
    assert world.refused("GET", "/v1/networks/net", by="eve") == "404 not-found"


def test_the_list_holds_what_the_caller_may_know_of(world: World) -> None:
    world.network("mine")
    world.network("theirs", "q")
    world.network("open", None, public=True)
    world.network("hidden", None)

    def listed(by: str, query: str = "") -> list[str]:
        return [item["name"] for item in world.ok("GET", f"/v1/networks{query}", by=by)["items"]]

    assert listed("root") == ["hidden", "mine", "open", "theirs"]
    assert listed("alice") == ["mine", "open"]
    assert listed("eve") == ["open"]
    assert listed("root", "?project=q") == ["theirs"]
    assert world.refused("GET", "/v1/networks?project=q", by="alice") == "404 not-found"


def test_access_is_granted_again_without_harm_and_revoked_once(world: World) -> None:
    world.network("net")
    url = "/v1/networks/net/access/q"
    assert world.ok("PUT", url, by="alice")["access"] == ["p", "q"]
    assert world.ok("PUT", url, by="alice")["access"] == ["p", "q"]
    assert world.refused("PUT", "/v1/networks/net/access/zz", by="alice") == "404 not-found"
    assert world.refused("PUT", url, by="bob") == "403 denied"
    assert world("DELETE", url, by="bob").status_code == 204
    assert world.refused("DELETE", url, by="alice") == "404 not-found"
    assert world.refused("DELETE", "/v1/networks/net/access/p", by="alice") == "409 blocked"


def test_a_network_is_opened_and_closed_by_operators(world: World) -> None:
    world.network("net")
    assert world.refused("PATCH", "/v1/networks/net", {"public": True}, by="alice") == "403 denied"
    assert world.ok("PATCH", "/v1/networks/net", {"public": True})["public"] is True
    assert world.ok("GET", "/v1/networks/net", by="eve")["public"] is True
    assert world.ok("PATCH", "/v1/networks/net", {"public": False})["public"] is False


def test_changes_are_accepted_as_a_whole_and_done_when_read_back(world: World) -> None:
    world.switch()
    for number in (1, 2):
        world.machine(f"n{number}", f"gi1/0/{number}", "p")
    world.network("net")
    wanted = {"changes": [*change("n1", "net")["changes"], *change("n2", "net", channel="vlan/100")["changes"]]}
    begun = world("POST", "/v1/network-changes", wanted, by="alice")
    assert begun.status_code == 202
    shown = begun.json()
    assert (shown["status"], shown["project"], shown["actor"]) == ("PENDING", "p", "alice")
    assert [(action["node"], action["channel"], action["status"]) for action in shown["actions"]] == [
        ("n1", "vlan/native", "PENDING"), ("n2", "vlan/100", "PENDING"),
    ]  # fmt: skip
    assert {(action["switch"], action["port"]) for action in shown["actions"]} == {(None, None)}
    world.settle()
    done = world.ok("GET", f"/v1/operations/{shown['id']}")
    assert done["status"] == "DONE"
    assert [action["port"] for action in done["actions"]] == ["gi1/0/1", "gi1/0/2"]
    assert world.device().running("gi1/0/2") == PortState(None, frozenset({100}))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (change("n1", "gone"), "404 not-found"),
        (change("n1", "theirs"), "404 not-found"),
        (change("gone", "net"), "404 not-found"),
        (change("n1", "net", nic="eth9"), "404 not-found"),
        (change("n2", "net"), "403 denied"),
        (change("n3", "net"), "403 denied"),
        (change("n1", "net", channel="vlan/7"), "400 bad-argument"),
        (change("n1", "net", "detach"), "400 bad-argument"),
        (change("n1", "net", channel="vlan/0"), "400 bad-argument"),
        (change("n1", "net", "dance"), "400 validation"),
        ({"changes": []}, "400 validation"),
        ({"changes": [*change("n1", "net")["changes"], *change("n1", "net")["changes"]]}, "409 blocked"),
        ({"changes": [*change("n1", "net")["changes"], *change("n1", "gone")["changes"]]}, "404 not-found"),
    ],
)
def test_a_change_that_may_not_be_leaves_nothing_behind(
    small_world: World, changed: dict[str, object], words: str
) -> None:
    small_world.switch()
    for number, owner in ((1, "p"), (2, "q"), (3, "")):
        small_world.machine(f"n{number}", f"gi1/0/{number}", owner)
    small_world.network("net")
    small_world.network("theirs", "q")
    assert small_world.refused("POST", "/v1/network-changes", changed, by="alice") == words
    assert small_world.ok("GET", "/v1/nodes/n1")["nics"][0]["networks"] == []
    assert small_world.ok("GET", "/v1/operations") == {"items": [], "next": None}


def test_attachments_are_shown_to_the_owner_and_ones_own_to_guests(world: World) -> None:
    world.switch()
    world.network("net", access=["q"])
    for number, owner, by in ((1, "p", "alice"), (2, "q", "bob")):
        world.machine(f"n{number}", f"gi1/0/{number}", owner)
        world.ok("POST", "/v1/network-changes", change(f"n{number}", "net"), by=by)
        world.settle()
    url = "/v1/networks/net/attachments"
    mine = {"node": "n1", "nic": "eth0", "channel": "vlan/native", "state": "attached", "project": "p"}
    theirs = {**mine, "node": "n2", "project": "q"}
    assert world.ok("GET", url, by="alice")["items"] == [mine, theirs]
    assert world.ok("GET", url, by="bob")["items"] == [theirs]
    assert world.refused("GET", url, by="eve") == "404 not-found"
    assert world.refused("DELETE", "/v1/networks/net", by="alice") == "409 blocked"
    assert world.refused("DELETE", "/v1/networks/net/access/q", by="alice") == "409 blocked"


def test_a_refusal_of_the_switch_is_shown_in_its_own_words(world: World) -> None:
    world.switch()
    world.machine("n1", "gi1/0/1", "p")
    world.network("net")
    world.device().faults.add(Fault(kind=FaultKind.REFUSE, port="gi1/0/1", words="% VLAN limit reached"))
    begun = world.ok("POST", "/v1/network-changes", change("n1", "net"), by="alice")
    world.settle()
    ended = world.ok("GET", f"/v1/operations/{begun['id']}", by="alice")
    assert ended["status"] == "ERROR"
    assert "% VLAN limit reached" in ended["actions"][0]["reason"]
