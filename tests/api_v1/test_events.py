"""The event stream: who sees what, resuming, and that it lives and ends as it should."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hil.api.app import close_streams, create_app
from hil.api.settings import Settings
from hil.api.tail import KEPT
from hil.core.policy import Kind
from hil.store.journal import Entry, Source
from hil.store.unit import Store
from tests.api_v1.listening import Follower, follow
from tests.api_v1.world import World, change, open_world


def run(world: World, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    world.runner.run(story())


def note(store: Store, count: int, project_id: int | None = None, kind: str = Kind.NODE) -> None:
    """Write lines into the journal."""

    def work(unit: Any) -> None:
        for number in range(count):
            unit.record(Source("x"), Entry(action="noted", kind=kind, name=f"n{number}", project_id=project_id))

    store.change(work)


async def tell(world: World, method: str, path: str, body: Any = None, by: str = "root") -> None:
    answer = await world.ask(method, path, body, by=by)
    assert answer.status_code < 300, answer.text


def test_what_happens_comes_at_once_and_in_order(world: World) -> None:
    async def story() -> None:
        async with follow(world) as seen:
            assert (seen.status, seen.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            assert seen.headers["cache-control"] == "no-store"
            await tell(world, "POST", "/v1/nodes", {"name": "n1"})
            await tell(world, "POST", "/v1/projects/p/allocations", {"nodes": ["n1"]})
            assert await seen.names(2) == ["node_register", "node_allocate"]
            first, second = seen.events
            assert second.id == first.id + 1
            assert (second.data["kind"], second.data["name"], second.data["project"]) == ("node", "n1", "p")
            assert second.data["at"].endswith("Z")

    run(world, story)


def test_a_stream_that_broke_goes_on_where_it_was(world: World) -> None:
    async def story() -> None:
        async with follow(world) as seen:
            await tell(world, "POST", "/v1/nodes", {"name": "n1"})
            await seen.names(1)
        for name in ("n2", "n3"):
            await tell(world, "POST", "/v1/nodes", {"name": name})
        last = seen.events[-1].id
        for options in ({"query": f"after={last}"}, {"last": str(last)}, {"query": "after=0", "last": str(last)}):
            async with follow(world, **options) as again:
                await again.names(2)
                assert [(event.id, event.data["name"]) for event in again.events] == [
                    (last + 1, "n2"),
                    (last + 2, "n3"),
                ]

    run(world, story)


def test_a_stream_can_begin_long_ago(world: World) -> None:
    """Further back than what is kept in memory, over several pages, and without a gap to what happens meanwhile."""

    last = world.ok("GET", "/v1/journal?limit=1000")["items"][-1]["seq"] + KEPT + 701

    async def story() -> None:
        await asyncio.to_thread(note, world.store, KEPT + 700)
        async with follow(world, "after=0") as seen:
            await asyncio.to_thread(note, world.store, 1)
            await seen.until(lambda self: self.events and self.events[-1].id == last)
            assert [event.id for event in seen.events] == list(range(1, last + 1))

    run(world, story)


def test_tenants_see_their_projects_and_nothing_of_others_or_of_the_plant(world: World) -> None:
    world.switch()
    world.machine("n1", "gi1/0/1", "p")
    world.machine("n2", "gi1/0/2", "q")

    async def story() -> None:
        async with follow(world, by="rita") as rita, follow(world, by="bob") as bob, follow(world, by="eve") as eve:
            await tell(world, "POST", "/v1/networks", {"name": "net", "owner": "p"}, "alice")
            await tell(world, "POST", "/v1/network-changes", change("n1", "net"), "alice")
            await world.settling()
            await tell(world, "POST", "/v1/networks", {"name": "theirs", "owner": "q"}, "bob")
            await tell(world, "POST", "/v1/networks", {"name": "open", "owner": None, "public": True, "access": ["q"]})
            expected = ["network_create", "network_connect", "operation_action", "network_create"]
            assert await rita.names(4) == expected
            assert await bob.names(2) == ["network_create", "network_create"]
            assert await eve.names(1) == ["network_create"]
            assert [event.data["name"] for event in bob.events] == ["theirs", "open"]
            connect = rita.events[1].data
            assert connect["after"] == {"nic": "eth0", "channel": "vlan/native", "network": "net"}
            done = rita.events[2].data["after"]
            assert (done["status"], "port" in done, "switch" in done) == ("DONE", False, False)
            assert (eve.events[0].data["project"], eve.events[0].data["after"]) == (None, None)

    run(world, story)


def test_operators_see_everything_but_secrets(world: World) -> None:
    async def story() -> None:
        async with follow(world) as seen:
            config = {"hostname": "h", "username": "u", "password": "very hidden"}
            await tell(world, "POST", "/v1/switches", {"name": "sw", "driver": "mock", "config": config})
            await tell(world, "POST", "/v1/users", {"name": "new", "password": "very hidden"})
            assert await seen.names(2) == ["switch_register", "user_create"]
            assert "very hidden" not in str(seen.events)

    run(world, story)


def test_who_loses_a_role_sees_nothing_more_of_the_project_from_that_moment(world: World) -> None:
    async def story() -> None:
        async with follow(world, by="alice") as seen:
            await tell(world, "POST", "/v1/networks", {"name": "one", "owner": "p"})
            await tell(world, "DELETE", "/v1/projects/p/members/alice")
            await tell(world, "POST", "/v1/networks", {"name": "two", "owner": "p"})
            await tell(world, "POST", "/v1/networks", {"name": "open", "owner": None, "public": True})
            await seen.until(lambda self: any(event.data["name"] == "open" for event in self.events))
            assert "two" not in [event.data["name"] for event in seen.events]

    run(world, story)


def test_who_gains_a_role_sees_the_project_without_asking_again(world: World) -> None:
    async def story() -> None:
        async with follow(world, by="eve") as seen:
            await tell(world, "PUT", "/v1/projects/p/members/eve", {"role": "reader"})
            await tell(world, "POST", "/v1/networks", {"name": "two", "owner": "p"})
            await seen.until(lambda self: any(event.data["name"] == "two" for event in self.events))

    run(world, story)


def test_a_stream_ends_when_its_caller_is_no_one_any_more(world: World) -> None:
    async def story() -> None:
        async with follow(world, by="eve") as seen:
            await tell(world, "DELETE", "/v1/users/eve")
            await seen.until(lambda self: self.ended)

    run(world, story)


def test_a_silent_stream_says_that_it_lives(world: World) -> None:
    async def story() -> None:
        async with follow(world) as seen:
            await seen.until(lambda self: self.comments >= 3)
            assert seen.events == []

    run(world, story)


def test_streams_end_when_the_process_stops_and_leave_nothing_behind(world: World) -> None:
    async def story() -> None:
        async with follow(world) as seen:
            close_streams(world.app)
            await seen.until(lambda self: self.ended)
        assert world.app.state.desk.tail.waiting == 0

    run(world, story)


def test_a_stream_that_is_hung_up_leaves_nothing_behind(world: World) -> None:
    async def story() -> None:
        async with follow(world):
            assert world.app.state.desk.tail.waiting == 1
        assert world.app.state.desk.tail.waiting == 0

    run(world, story)


def test_there_is_a_most_of_streams(small_world: World) -> None:
    world = small_world
    world.app = create_app(world.store, world.backend, Settings(most_streams=1))

    async def story() -> None:
        async with follow(world) as first, follow(world) as second:
            assert (first.status, second.status) == (200, 503)

    run(world, story)


def test_a_stream_needs_credentials_and_a_sane_position(small_world: World) -> None:
    assert small_world.refused("GET", "/v1/events", by=None) == "401 unauthenticated"
    assert small_world.refused("GET", "/v1/events?after=x") == "400 validation"
    assert small_world.refused("GET", "/v1/events?after=-1") == "400 validation"
    for last in ("x", "-1", "1.5", "9" * 20):
        words = small_world.refused("GET", "/v1/events", headers={"Last-Event-ID": last})
        assert words == "400 bad-argument"


def test_a_bell_wakes_a_stream_and_no_clock(database_url: str, open_store: Callable[[str], Store]) -> None:
    world = open_world(open_store(database_url), Settings(look_again=3600.0, heartbeat=3600.0))

    async def story() -> None:
        async with follow(world) as seen:
            await tell(world, "POST", "/v1/nodes", {"name": "n1"})
            assert await seen.names(1) == ["node_register"]

    run(world, story)
    world.close()


def test_a_follower_of_the_test_itself_tells_blocks_apart() -> None:
    async def story() -> None:
        found = Follower()
        await found.take({"type": "http.response.start", "status": 200, "headers": []})
        await found.take({"type": "http.response.body", "body": b": x\n\nid: 1\nevent: a\nda", "more_body": True})
        await found.take({"type": "http.response.body", "body": b'ta: {"b": 2}\n\n', "more_body": True})
        assert (found.comments, [(event.id, event.data) for event in found.events]) == (1, [(1, {"b": 2})])

    asyncio.run(story())
