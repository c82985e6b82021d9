"""Operations: shown, waited for without holding a thread, cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import httpx
import pytest

from hil.api.app import close_streams
from hil.api.settings import Settings
from hil.store.unit import Store
from hil.worker.release import Releases
from tests.api_v1.world import World, change, open_world

BLIND = Settings(look_again=3600.0)
"""Only bells wake whoever waits."""
PATIENCE = 30.0


@pytest.fixture
def ready(database_url: str, open_store: Callable[[str], Store]) -> Iterator[World]:
    """Node n1 of `p` on a switch, and a network."""
    world = open_world(open_store(database_url), BLIND)
    world.switch()
    world.machine("n1", "gi1/0/1", "p")
    world.network("net")
    yield world
    world.close()


async def waiting(world: World, count: int) -> None:
    """Return when so many wait."""
    async with asyncio.timeout(PATIENCE):
        while world.app.state.desk.tail.waiting < count:  # noqa: ASYNC110 - the tail tells nobody who waits
            await asyncio.sleep(0.005)


def test_a_change_can_be_waited_for_in_the_request_itself(ready: World) -> None:
    async def story() -> httpx.Response:
        asked = asyncio.create_task(ready.ask("POST", "/v1/network-changes?wait=60", change("n1", "net"), by="alice"))
        await waiting(ready, 1)
        await ready.settling()
        async with asyncio.timeout(PATIENCE):
            return await asked

    answer = ready.runner.run(story())
    assert (answer.status_code, answer.json()["status"]) == (200, "DONE")
    assert answer.headers["location"] == f"/v1/operations/{answer.json()['id']}"
    assert ready.app.state.desk.tail.waiting == 0


def test_an_operation_can_be_waited_for_by_others(ready: World) -> None:
    begun = ready.ok("POST", "/v1/network-changes", change("n1", "net"), by="alice")

    async def story() -> list[httpx.Response]:
        url = f"/v1/operations/{begun['id']}?wait=60"
        asked = [asyncio.create_task(ready.ask("GET", url, by=name)) for name in ("alice", "rita", "root")]
        await waiting(ready, 3)
        await ready.settling()
        async with asyncio.timeout(PATIENCE):
            return await asyncio.gather(*asked)

    answers = ready.runner.run(story())
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "DONE")] * 3


def test_a_release_can_be_waited_for(ready: World) -> None:
    async def story() -> httpx.Response:
        asked = asyncio.create_task(ready.ask("POST", "/v1/nodes/n1/release?wait=60", by="alice"))
        await waiting(ready, 1)
        await ready.settling()
        await Releases(ready.store, "test", asyncio.to_thread).advance()
        async with asyncio.timeout(PATIENCE):
            return await asked

    answer = ready.runner.run(story())
    assert (answer.status_code, answer.json()["status"]) == (200, "DONE")


def test_waiting_ends_with_202_for_a_request_and_200_for_a_look(ready: World) -> None:
    begun = ready("POST", "/v1/network-changes?wait=0.05", change("n1", "net"), by="alice")
    assert (begun.status_code, begun.json()["status"]) == (202, "PENDING")
    looked = ready("GET", f"{begun.headers['location']}?wait=0.05", by="alice")
    assert (looked.status_code, looked.json()["status"]) == (200, "PENDING")


def test_more_wait_than_there_are_threads_and_others_are_served_meanwhile(ready: World) -> None:
    begun = ready.ok("POST", "/v1/network-changes", change("n1", "net"), by="alice")

    async def story() -> list[httpx.Response]:
        url = f"/v1/operations/{begun['id']}?wait=60"
        asked = [asyncio.create_task(ready.ask("GET", url)) for _ in range(100)]
        await waiting(ready, 100)
        other = await ready.ask("GET", "/v1/whoami")
        assert other.status_code == 200
        await ready.settling()
        async with asyncio.timeout(PATIENCE):
            return await asyncio.gather(*asked)

    assert {answer.json()["status"] for answer in ready.runner.run(story())} == {"DONE"}


def test_without_a_bell_the_clock_looks_again(sqlite_url: str, open_store: Callable[[str], Store]) -> None:
    world = open_world(open_store(sqlite_url), Settings(look_again=0.02))
    world.switch()
    world.machine("n1", "gi1/0/1", "p")
    world.network("net")
    world.store.bell.ring = lambda words: None  # type: ignore[method-assign]  # every bell is lost

    async def story() -> httpx.Response:
        asked = asyncio.create_task(world.ask("POST", "/v1/network-changes?wait=60", change("n1", "net"), by="alice"))
        await waiting(world, 1)
        await world.settling()
        async with asyncio.timeout(PATIENCE):
            return await asked

    assert world.runner.run(story()).json()["status"] == "DONE"
    world.close()


def test_who_loses_the_right_to_see_an_operation_waits_no_longer(ready: World) -> None:
    begun = ready.ok("POST", "/v1/network-changes", change("n1", "net"), by="alice")

    async def story() -> httpx.Response:
        asked = asyncio.create_task(ready.ask("GET", f"/v1/operations/{begun['id']}?wait=60", by="rita"))
        await waiting(ready, 1)
        await ready.ask("DELETE", "/v1/projects/p/members/rita")
        await ready.settling()
        async with asyncio.timeout(PATIENCE):
            return await asked

    assert ready.runner.run(story()).status_code == 404


def test_a_stopping_process_lets_everybody_go(ready: World) -> None:
    async def story() -> httpx.Response:
        asked = asyncio.create_task(ready.ask("POST", "/v1/network-changes?wait=60", change("n1", "net"), by="alice"))
        await waiting(ready, 1)
        close_streams(ready.app)
        async with asyncio.timeout(PATIENCE):
            return await asked

    assert ready.runner.run(story()).status_code == 202


@pytest.mark.parametrize("wait", ["61", "-1", "x", "nan", "inf"])
def test_waiting_has_bounds(small_world: World, wait: str) -> None:
    url = f"/v1/operations/00000000-0000-4000-8000-000000000000?wait={wait}"
    assert small_world.refused("GET", url) == "400 validation"


def test_operations_are_their_projects_own(ready: World) -> None:
    begun = ready.ok("POST", "/v1/network-changes", change("n1", "net"), by="alice")
    url = f"/v1/operations/{begun['id']}"
    assert ready.refused("GET", url, by="bob") == "404 not-found"
    assert ready.refused("GET", f"{url}?wait=1", by="bob") == "404 not-found"
    assert ready.ok("GET", "/v1/operations", by="bob")["items"] == []
    assert [item["id"] for item in ready.ok("GET", "/v1/operations", by="rita")["items"]] == [begun["id"]]
    assert ready.refused("POST", f"{url}/cancel", by="bob") == "404 not-found"
    assert ready.refused("POST", f"{url}/cancel", by="rita") == "403 denied"


def test_what_no_switch_has_confirmed_can_be_cancelled(ready: World) -> None:
    begun = ready.ok("POST", "/v1/network-changes", change("n1", "net"), by="alice")
    url = f"/v1/operations/{begun['id']}"
    ended = ready.ok("POST", f"{url}/cancel", by="alice")
    assert (ended["status"], ended["actions"][0]["reason"]) == ("ERROR", "Cancelled by alice.")
    ready.settle()
    assert ready.ok("GET", "/v1/nodes/n1")["nics"][0]["networks"] == []
    assert ready.refused("POST", f"{url}/cancel", by="alice") == "409 illegal-state"


def test_an_operation_outlives_the_node_in_its_project(ready: World) -> None:
    begun = ready.ok("POST", "/v1/nodes/n1/release", by="alice")
    ready.settle()
    ready.release()
    ready.ok("POST", "/v1/projects/q/allocations", {"nodes": ["n1"]}, by="bob")
    assert ready.ok("GET", f"/v1/operations/{begun['id']}", by="alice")["status"] == "DONE"
    assert ready.refused("GET", f"/v1/operations/{begun['id']}", by="bob") == "404 not-found"
