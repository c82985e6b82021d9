"""Ports that were wired a moment ago: the original's clients do not expect to wait for them, so the call does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hil.api.settings import Settings
from hil.drivers.switch.mock.faults import Fault, FaultKind
from hil.store.bell import Listener
from tests.api_v0.story import OK, tell
from tests.api_v0.world import Api, World

BLK = "409 BlockedError"
NODE = {"node": "n2"}
PORT = "/switch/sw/port/gi1/0/2"
TAKE = ("POST", "/project/p/connect_node", NODE)
LET_GO = ("POST", "/project/p/detach_node", NODE)
FOR_EVER = Settings(v0_patience=3600.0)


def wired(world: World, settings: Settings = FOR_EVER) -> World:
    """Node n2 with a port that nobody has read back yet."""
    world.machine(1)
    world.ok("PUT", "/node/n2", {"obmd": {"uri": "http://x/n2", "admin_token": "t"}})
    world.ok("PUT", "/node/n2/nic/eth0", {"macaddr": ""})
    world.ok("PUT", PORT)
    wire(world)
    world.api = Api(world.api.edge, settings, world.api.runner)
    return world


def wire(world: World) -> None:
    world.ok("POST", f"{PORT}/connect_nic", {"node": "n2", "nic": "eth0"})


def meanwhile(world: World, *requests: tuple[Any, ...], look: Callable[[], Awaitable[None]] | None = None) -> list[str]:
    """Send, wait until all of them wait, let the ports be read back, and say what became of them in the end."""

    async def both() -> list[str]:
        waiting = waiters(world)
        asking = [asyncio.create_task(world.api.ask(*request)) for request in requests]
        async with asyncio.timeout(60):
            for _ in requests:
                await waiting.get()
        if look is not None:
            await look()
        await world.settling()
        return [answer.short for answer in await asyncio.gather(*asking)]

    return world.api.runner.run(both())


def waiters(world: World) -> asyncio.Queue[None]:
    """Gets an entry for each request that begins to wait: it listens to the bell."""
    bell, queue = world.store.bell, asyncio.Queue[None]()
    subscribe = type(bell).subscribe

    def noted(listener: Listener) -> Callable[[], None]:
        queue.put_nowait(None)
        return subscribe(bell, listener)

    vars(bell)["subscribe"] = noted
    return queue


def test_without_patience_the_answer_is_409(world: World) -> None:
    wired(world, Settings(v0_patience=0.0))
    assert world.api.send(*TAKE).short == BLK
    world.settle()
    tell(world, [("root", " ".join(TAKE[:2]), NODE, OK)])


def test_a_node_is_given_away_as_soon_as_its_new_port_is_read_back(world: World) -> None:
    wired(world)
    assert meanwhile(world, TAKE) == ["200"]
    assert not world.store.bell._listeners


def test_a_node_is_released_as_soon_as_a_port_that_it_was_given_is_read_back(world: World) -> None:
    wired(world)
    world.settle()
    world.ok(*TAKE)
    world.ok("PUT", "/node/n2/nic/eth1", {"macaddr": ""})
    world.ok("PUT", "/switch/sw/port/te1/1")
    world.ok("POST", "/switch/sw/port/te1/1/connect_nic", {"node": "n2", "nic": "eth1"})
    assert meanwhile(world, LET_GO) == ["200"]
    assert world.ok("GET", "/nodes/free") == ["n1", "n2"]


@pytest.mark.parametrize("undo", [("POST", f"{PORT}/detach_nic"), ("DELETE", "/node/n2/nic/eth0")])
def test_wiring_is_undone_as_soon_as_the_port_is_read_back(world: World, undo: tuple[str, str]) -> None:
    wired(world)
    fail_once(world)  # HIL has begun to touch the port: it may not let go of it now
    assert meanwhile(world, undo) == ["200"]


def fail_once(world: World) -> None:
    world.device().faults.add(Fault(kind=FaultKind.UNREACHABLE))
    world.settle()
    world.device().faults.clear()
    query = "UPDATE port SET retry_at = 0"
    lanes = "UPDATE lane SET retry_at = 0"
    world.store.change(lambda unit: [unit.session.connection().exec_driver_sql(text) for text in (query, lanes)])


def test_work_that_somebody_asked_for_is_not_waited_for(world: World) -> None:
    wired(world)
    world.ok("POST", f"{PORT}/revert")
    assert world.api.send(*TAKE).short == BLK


def test_a_port_in_quarantine_is_not_waited_for(world: World) -> None:
    wired(world)
    quarantine = "UPDATE port SET quarantined = true"
    world.store.change(lambda unit: unit.session.connection().exec_driver_sql(quarantine))
    assert world.api.send(*TAKE).short == BLK


def test_patience_has_an_end(small_world: World) -> None:
    wired(small_world, Settings(v0_patience=0.01))
    assert small_world.api.send(*TAKE).short == BLK
    assert not small_world.store.bell._listeners


def test_those_who_wait_hold_no_thread_and_one_of_them_wins(world: World) -> None:
    """More of them than there are threads, and others are served meanwhile."""
    wired(world)

    async def look() -> None:
        assert (await world.api.ask("GET", "/projects")).json == ["p", "q"]

    answers = meanwhile(world, *[TAKE] * 60, look=look)
    assert sorted(set(answers)) == ["200", BLK]
    assert answers.count("200") == 1
