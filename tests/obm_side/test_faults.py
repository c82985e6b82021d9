"""What can be wrong with a controller, and what a tenant, a release and an operator are told: one clear word each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from hil.core.limits import Limits
from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from hil.obmd.store import ObmdStore
from tests.obm_side.world import ADMIN, QUICK, ObmWorld, open_obm_world

pytestmark = pytest.mark.net
NODE: Final = "/v1/nodes/n1"
FOREVER: Final = None
READ, WRITE, LOGIN = BmcOp.READ, BmcOp.WRITE, BmcOp.LOGIN
K = BmcFaultKind
STATES: Final[dict[str, tuple[K, BmcOp, str, str, str]]] = {
    "it does not answer at all": (K.UNREACHABLE, LOGIN, "read", "device-unreachable", ""),
    "it hangs at the log-in": (K.HANG, LOGIN, "read", "device-unreachable", "No session with the controller"),
    "it hangs at a question": (K.HANG, READ, "read", "device-lost-reply", "did not answer within 2 seconds"),
    "it hangs at a change": (K.HANG, WRITE, "change", "device-lost-reply", "read the state before trying again"),
    "it drops the session at a question": (K.DROP, READ, "read", "device-lost-reply", ""),
    "it drops the session before a change": (K.DROP, WRITE, "change", "device-lost-reply", ""),
    "it drops the session after a change": (K.LOSE_REPLY, WRITE, "change", "device-lost-reply", ""),
    "it refuses the password": (K.WRONG_PASSWORD, LOGIN, "read", "device-login-refused", "the next try is at"),
    "its sessions are taken": (K.BUSY, LOGIN, "change", "device-busy", "Somebody else is there"),
    "it refuses the change": (K.REFUSE, WRITE, "change", "device-refused", "not supported in present state"),
}


@pytest.fixture
def world(sqlite_url: str, open_store: Any, obmd_store: ObmdStore) -> Iterator[ObmWorld]:
    """Two nodes of alice, and an obmd that is patient for two seconds."""

    def start(made: ObmWorld) -> None:
        made.limits = replace(QUICK, deadline=2.0)
        made.start()

    made = open_obm_world(open_store(sqlite_url), obmd_store, start)
    for name in ("n1", "n2"):
        made.machine(name, "p", enabled=True)
    yield made
    made.close()


def breaks(world: ObmWorld, kind: BmcFaultKind, op: BmcOp, **more: Any) -> None:
    world.machines["n1"].faults.add(BmcFault(kind=kind, op=op, count=FOREVER, **more))


def asked(world: ObmWorld, what: str, node: str = "n1") -> Any:
    """What alice is told: an answer."""
    if what == "read":
        return world.hil.ask("GET", f"/v1/nodes/{node}/power?max_age=0", by="alice")
    return world.hil.ask("POST", f"/v1/nodes/{node}/power", {"action": "cycle"}, by="alice")


def trouble(world: ObmWorld, node: str = "n1") -> Any:
    """What an operator sees at obmd."""
    headers = {"Authorization": f"Bearer {ADMIN}"}
    return world.run(world.obmd.http.get(f"/v1/nodes/{node}", headers=headers)).json()["trouble"]


@pytest.mark.parametrize("what", STATES)
def test_each_trouble_has_its_word_and_no_other_node_is_delayed(world: ObmWorld, what: str) -> None:
    kind, op, request, word, words = STATES[what]
    breaks(world, kind, op)

    async def both() -> tuple[Any, Any, bool]:
        troubled = asyncio.ensure_future(asked(world, request))
        healthy = [await asked(world, verb, "n2") for verb in ("read", "change", "read")]
        waited = kind is not K.HANG or not troubled.done()
        return await troubled, healthy, waited

    told, healthy, waited = world.run(both())
    assert (told.status_code, told.json()["type"]) == (502, f"/errors/{word}")
    assert words in told.json()["detail"]
    assert "127.0.0.1" not in told.text
    assert [answer.status_code for answer in healthy] == [200, 202, 200]
    assert waited, "the healthy node was answered no sooner than the other"
    seen = trouble(world)
    assert (seen is None) if word == "device-refused" else (seen["type"], words in seen["detail"]) == (word, True)
    assert trouble(world, "n2") is None
    if kind is not K.WRONG_PASSWORD:  # that is not tried again so soon
        world.machines["n1"].faults.clear()
        assert world.run(asked(world, "read")).status_code == 200
        assert trouble(world) is None


def test_a_slow_controller_is_waited_for(world: ObmWorld) -> None:
    breaks(world, K.SLOW, READ, seconds=0.05)
    assert world.run(asked(world, "read")).json()["power"] == "off"
    assert trouble(world) is None


def test_a_refused_password_is_tried_once_however_often_it_is_asked_for(world: ObmWorld) -> None:
    breaks(world, K.WRONG_PASSWORD, LOGIN)
    for _ in range(5):
        assert world.run(asked(world, "read")).json()["type"] == "/errors/device-login-refused"
    assert world.servers["n1"].logins == 1


def test_a_controller_that_lies_about_a_change_is_found_out_by_whoever_reads(world: ObmWorld) -> None:
    breaks(world, K.LIE, WRITE)
    assert world.run(asked(world, "change")).status_code == 202
    assert world.run(asked(world, "read")).json()["power"] == "off"


def test_a_release_believes_no_controller_that_says_it_has_switched_off(world: ObmWorld) -> None:
    world.hil.store.limits = Limits(power_off_on_release=True)
    assert world.power("n1", "on", "alice") == "202"
    breaks(world, K.LIE, WRITE)
    world.hil.ok("POST", f"{NODE}/release", by="alice")
    for _ in range(3):
        world.work()
    seen = world.hil.ok("GET", NODE)
    assert seen["state"] == "releasing"
    assert "was told to power off and is still on" in seen["reason"]
    world.machines["n1"].faults.clear()
    world.work()
    world.work()
    assert (world.row("n1").state, world.machines["n1"].on) == ("free", False)


@pytest.mark.parametrize(("kind", "words"), [(K.HANG, "did not answer"), (K.WRONG_PASSWORD, "refused obmd's log-in")])
def test_a_release_that_cannot_power_off_says_why_and_holds_up_no_other(
    world: ObmWorld, kind: BmcFaultKind, words: str
) -> None:
    world.hil.store.limits = Limits(power_off_on_release=True)
    breaks(world, kind, LOGIN if kind is K.WRONG_PASSWORD else READ)
    for name in ("n1", "n2"):
        world.hil.ok("POST", f"/v1/nodes/{name}/release", by="alice")
    for _ in range(2):
        world.work()
    assert (world.row("n1").state, world.row("n2").state) == ("releasing", "free")
    assert words in world.hil.ok("GET", NODE)["reason"]


def test_a_console_whose_controller_dies_says_so_and_can_be_opened_again(world: ObmWorld) -> None:
    machine = world.machines["n1"]

    async def work() -> None:
        ticket = (await world.hil.ask("POST", f"{NODE}/console", {}, by="alice")).json()
        headers = {"Authorization": f"Bearer {ticket['capability']}"}
        async with connect(ticket["url"], additional_headers=headers, proxy=None) as socket:
            await socket.recv()
            machine.faults.add(BmcFault(kind=K.CUT, op=BmcOp.CONSOLE))
            machine.print("half a wo")
            events = [json.loads(message) async for message in ends(socket) if isinstance(message, str)]
        assert events[-1]["event"] == "end"
        assert events[-1]["type"] in ("device-lost-reply", "closed")
        assert events[-1]["detail"]
        async with connect(ticket["url"], additional_headers=headers, proxy=None) as socket:
            await socket.recv()
            machine.print("again")
            assert b"again" in await socket.recv()

    world.run(work())


async def ends(socket: Any) -> Any:
    try:
        async for message in socket:
            yield message
    except ConnectionClosed:
        return
