"""What may be alive at obmd, and when it dies: enabling, disabling, release, and crashes between any two lines."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from hil.core.errors import Blocked
from hil.core.limits import Limits
from hil.services import node as nodes
from hil.services.capability import Right
from hil.services.obm_key import obm_key_rotate
from tests.obm_side.world import ObmWorld

pytestmark = pytest.mark.net
NODE = "/v1/nodes/n1"


def forged(world: ObmWorld, path: str = "power", method: str = "GET", **changes: Any) -> int:
    """What obmd answers to a capability of the node's present epoch, or one with changes."""
    rights = frozenset({Right.READ, Right.POWER})
    headers = world.forge("n1", **{"rights": rights, **changes})
    answer = world.run(world.obmd.http.request(method, f"{NODE}/{path}", headers=headers))
    status: int = answer.status_code
    return status


def status(world: ObmWorld) -> tuple[bool, bool]:
    seen = world.hil.ok("GET", f"{NODE}/obm")
    return seen["enabled"], seen["settled"]


def test_a_capability_works_while_the_obm_is_enabled_in_its_epoch_and_never_else(world: ObmWorld) -> None:
    world.machine("n1", "p")
    assert forged(world) == 401
    world.enable("n1", "alice")
    first = world.row("n1").obm_epoch
    assert forged(world) == 200
    world.enable("n1", "alice")
    assert (forged(world), forged(world, epoch=first), forged(world, epoch=first + 2)) == (200, 401, 401)
    world.hil.ok("POST", f"{NODE}/obm/disable", by="alice")
    assert [forged(world, epoch=number) for number in range(first + 5)] == [401] * (first + 5)
    assert status(world) == (False, True)


def test_a_release_is_not_over_before_obmd_has_ended_what_was_alive(world: ObmWorld) -> None:
    world.machine("n1", "p", enabled=True)
    epoch = world.row("n1").obm_epoch
    world.stop()
    world.hil.ok("POST", f"{NODE}/release", by="alice")
    for _ in range(3):
        world.work()
    assert world.row("n1").state == "releasing"
    assert "cannot be reached" in world.row("n1").reason
    assert world.power("n1", "on", "alice") == "409 blocked"
    assert world.hil.refused("POST", "/v1/projects/q/allocations", {"nodes": ["n1"]}) == "409 blocked"
    world.start()
    assert forged(world, epoch=epoch) == 200  # the obmd came back as it was: that is why the node is not free
    world.work()
    assert world.row("n1").state == "free"
    assert forged(world, epoch=epoch) == 401


def test_a_node_is_not_handed_out_before_its_new_obmd_was_heard(world: ObmWorld) -> None:
    world.bare_machine("n1")
    world.hil.ok("POST", "/v1/nodes", {"name": "n1"})
    enabled_behind(world, 7)
    world.hil.ok("PUT", f"{NODE}/obm", {"uri": world.obmd.url})
    assert world.hil.refused("POST", "/v1/projects/p/allocations", {"nodes": ["n1"]}) == "409 blocked"
    assert forged(world, epoch=7) == 200
    world.work()  # it learns that obmd is ahead
    world.work()
    assert forged(world, epoch=7) == 401
    world.hil.ok("POST", "/v1/projects/p/allocations", {"nodes": ["n1"]})


def enabled_behind(world: ObmWorld, epoch: int) -> None:
    """What a HIL did of whose database an older copy was put back."""
    headers = world.forge("n1", epoch=epoch, rights=frozenset({Right.EPOCH}))
    body = {"epoch": epoch, "enabled": True}
    assert world.run(world.obmd.http.post(f"{NODE}/epoch", headers=headers, json=body)).status_code == 200


def test_a_database_that_is_older_than_obmd_goes_on_above_it(small_world: ObmWorld) -> None:
    small_world.machine("n1", "p")
    enabled_behind(small_world, 40)
    refused = small_world.hil("POST", f"{NODE}/obm/enable", by="alice")
    assert refused.status_code == 502
    assert not status(small_world)[0]
    small_world.work()
    assert forged(small_world, epoch=40) == 401
    small_world.enable("n1", "alice")
    assert small_world.row("n1").obm_epoch > 40
    assert forged(small_world) == 200


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("verb", ["enable", "disable"])
def test_a_crash_of_the_api_leaves_nothing_alive_that_hil_does_not_know_of(
    world: ObmWorld, verb: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.machine("n1", "p", enabled=True)
    first = world.row("n1").obm_epoch

    def die(*_: object) -> Any:
        raise RuntimeError("the process died here")

    with monkeypatch.context() as patch:
        place = "hil.drivers.obmd_link.ObmdLink" if where == "before" else "hil.api.errand"
        patch.setattr(f"{place}.{verb}" if where == "before" else f"{place}.obm_{verb}_finish", die)
        world.crash("POST", f"{NODE}/obm/{verb}", "alice")
    assert status(world) == (False, False)
    assert world.power("n1", "on", "alice") == "409 blocked"
    world.work()
    assert status(world) == (False, False)  # a request of the dead process may still be under way
    world.run_out_of_time()
    world.work()
    assert status(world) == (False, True)
    assert [forged(world, epoch=number) for number in range(first + 4)] == [401] * (first + 4)
    world.enable("n1", "alice")
    assert world.power("n1", "on", "alice") == "202"


def test_a_node_that_changes_hands_while_obmd_is_asked_is_enabled_for_nobody(
    world: ObmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.machine("n1", "p")
    from hil.drivers.obmd_link import ObmdLink, Reach

    enable = ObmdLink.enable

    async def slow(self: ObmdLink, reach: Reach) -> Any:
        token = await enable(self, reach)
        await asyncio.to_thread(world.hil.change, lambda ctx: nodes.node_quarantine(ctx, "n1", "test"))
        return token

    monkeypatch.setattr(ObmdLink, "enable", slow)
    assert world.hil.refused("POST", f"{NODE}/obm/enable", by="alice") == "409 blocked"
    world.work()
    assert not world.row("n1").obm_revoke
    assert [forged(world, epoch=number) for number in range(8)] == [401] * 8


def test_one_request_at_a_time_changes_a_nodes_obm(small_world: ObmWorld) -> None:
    small_world.machine("n1", "p")

    async def crowd() -> list[int]:
        asked = [small_world.hil.ask("POST", f"{NODE}/obm/enable", by="alice") for _ in range(4)]
        return sorted(answer.status_code for answer in await asyncio.gather(*asked))

    found = small_world.run(crowd())
    assert found[0] == 200
    assert set(found) <= {200, 409}
    assert forged(small_world) == 200


def test_power_is_taken_away_at_release_and_the_last_projects_capability_is_dead_by_then(world: ObmWorld) -> None:
    machine = world.machine("n1", "p", enabled=True)
    world.hil.store.limits = Limits(power_off_on_release=True)
    world.power("n1", "on", "alice")
    epoch = world.row("n1").obm_epoch
    world.hil.ok("POST", f"{NODE}/release", by="alice")
    world.work()
    assert (machine.on, world.row("n1").state) == (False, "free")
    assert machine.changes()[-1].asked == "off"
    assert [forged(world, epoch=number) for number in range(epoch + 5)] == [401] * (epoch + 5)


def test_a_machine_that_stays_on_keeps_its_node_waiting_with_a_reason(small_world: ObmWorld) -> None:
    from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp

    machine = small_world.machine("n1", "p", enabled=True)
    small_world.hil.store.limits = Limits(power_off_on_release=True)
    small_world.power("n1", "on", "alice")
    machine.faults.add(BmcFault(kind=BmcFaultKind.LIE, op=BmcOp.WRITE, count=None))
    small_world.hil.ok("POST", f"{NODE}/release", by="alice")
    small_world.work()
    assert (small_world.row("n1").state, machine.on) == ("releasing", True)
    assert "still on" in small_world.row("n1").reason
    machine.faults.clear()
    small_world.work()
    assert (small_world.row("n1").state, machine.on) == ("free", False)


def test_an_obmd_is_forgotten_only_when_nothing_can_live_there_or_an_operator_vouches_for_it(world: ObmWorld) -> None:
    world.machine("n1", "p", enabled=True)
    refused = world.hil.refused
    assert refused("PUT", f"{NODE}/obm", {"uri": "https://other.example.org"}) == "409 blocked"
    assert refused("DELETE", f"{NODE}/obm") == "409 blocked"
    assert refused("DELETE", f"{NODE}/obm?force=true") == "409 blocked"  # a project has it
    world.stop()
    world.hil.ok("POST", f"{NODE}/quarantine", {"reason": "obmd is gone"})
    with pytest.raises(Blocked):
        world.hil.change(lambda ctx: nodes.node_return(ctx, "n1"))
    world.hil.ok("DELETE", f"{NODE}/obm?force=true")
    world.hil.change(lambda ctx: nodes.node_return(ctx, "n1"))
    assert world.lines("n1")[-2][0] == "node_obmd_remove"


def test_a_node_made_anew_under_an_old_name_inherits_nothing(world: ObmWorld) -> None:
    world.machine("n1", "p", enabled=True)
    epoch = world.row("n1").obm_epoch
    world.hil.ok("POST", f"{NODE}/release")
    world.work()
    world.hil.ok("DELETE", NODE)
    world.hil.ok("POST", "/v1/nodes", {"name": "n1"})
    world.hil.ok("PUT", f"{NODE}/obm", {"uri": world.obmd.url})
    for _ in range(2):
        world.work()
    world.hil.ok("POST", "/v1/projects/q/allocations", {"nodes": ["n1"]})
    world.hil("POST", f"{NODE}/obm/enable", by="bob")
    world.enable("n1", "bob")
    assert world.row("n1").obm_epoch > epoch
    assert forged(world, epoch=epoch) == 401


def test_the_signing_key_is_rotated_without_a_gap(small_world: ObmWorld) -> None:
    small_world.machine("n1", "p", enabled=True)
    change = small_world.hil.change
    change(lambda ctx: obm_key_rotate(ctx, switch=False))
    assert small_world.power("n1", "on", "alice") == "202"
    small_world.stop()
    small_world.start()  # with both public keys
    change(lambda ctx: obm_key_rotate(ctx, switch=True))
    assert small_world.power("n1", "off", "alice") == "202"
    small_world.enable("n1", "alice")
    assert forged(small_world) == 200


def test_an_obmd_that_does_not_know_the_key_is_told_of_by_name(small_world: ObmWorld) -> None:
    small_world.machine("n1", "p")
    for switch in (False, True):
        small_world.hil.change(lambda ctx, switch=switch: obm_key_rotate(ctx, switch=switch))
    answer = small_world.hil("POST", f"{NODE}/obm/enable", by="alice")
    assert (answer.status_code, "public-key" in answer.json()["detail"]) == (502, True)
    assert forged(small_world) == 401


def test_original_clients_follow_redirects_to_our_obmd_and_their_token_dies_with_the_epoch(world: ObmWorld) -> None:
    world.machine("n1", "p")
    world.hil.ok("PUT", "/v0/node/n1/obm", {"enabled": True}, by="alice")
    where = {}
    for method, call in (("POST", "power_on"), ("GET", "power_status")):
        answer = world.hil(method, f"/v0/node/n1/{call}", by="alice")
        assert (answer.status_code, answer.content) == (307, b"")
        where[call] = answer.headers["location"]
    assert world.run(world.obmd.http.post(where["power_on"])).status_code == 200
    assert world.run(world.obmd.http.get(where["power_status"])).json() == {"power_status": "on"}
    assert world.power("n1", "off", "alice") == "202"  # the same epoch serves both
    assert world.hil("GET", "/v0/node/n1/power_status", by="bob").status_code == 401
    world.hil.ok("POST", f"{NODE}/obm/disable", by="alice")
    assert world.run(world.obmd.http.get(where["power_status"])).status_code == 401
    assert world.hil("GET", "/v0/node/n1/power_status", by="alice").status_code == 409


def test_a_token_request_that_arrives_late_makes_no_token(small_world: ObmWorld) -> None:
    small_world.machine("n1", "p", enabled=True)
    late = small_world.forge("n1", rights=frozenset({Right.EPOCH}))
    small_world.hil.ok("POST", f"{NODE}/obm/disable", by="alice")

    async def post(headers: dict[str, str]) -> httpx.Response:
        return await small_world.obmd.http.post("/node/n1/token", headers=headers)

    assert small_world.run(post(late)).status_code == 401
    assert small_world.run(post(small_world.forge("n1", rights=frozenset({Right.POWER})))).status_code == 403
