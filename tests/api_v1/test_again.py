"""Doing it once: Idempotency-Key, ETag and If-Match."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from cryptography.fernet import Fernet

from hil.core.model import Actor
from hil.core.secret import Secret
from hil.services.context import Context
from hil.services.replay import replay_claim, replay_keep
from hil.store.journal import Source
from hil.store.keys import Keyring
from hil.store.tables import Idempotency
from hil.store.unit import Store
from tests.api_v1.world import World, change

KEY = {"Idempotency-Key": "once"}


def test_the_same_request_with_the_same_key_is_done_once_and_answered_twice(world: World) -> None:
    first = world("POST", "/v1/projects", {"name": "x"}, headers=KEY)
    again = world("POST", "/v1/projects", {"name": "x"}, headers=KEY)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.json(), again.headers["location"], again.headers["etag"]) == (
        201, first.json(), first.headers["location"], first.headers["etag"],
    )  # fmt: skip
    assert len(world.ok("GET", "/v1/journal?action=project_create&name=x")["items"]) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/projects", {"name": "y"}), ("/v1/nodes", {"name": "x"}), ("/v1/projects?a=1", {"name": "x"})],
)
def test_a_key_used_for_another_request_is_refused(small_world: World, path: str, body: dict[str, str]) -> None:
    small_world.ok("POST", "/v1/projects", {"name": "x"}, headers=KEY)
    words = small_world.refused("POST", path, body, headers=KEY)
    assert words == ("400 validation" if "?" in path else "422 idempotency-mismatch")


def test_a_refused_request_leaves_its_key_free(world: World) -> None:
    world.ok("POST", "/v1/projects", {"name": "x"})
    assert world.refused("POST", "/v1/projects", {"name": "x"}, headers=KEY) == "409 duplicate"
    world.ok("DELETE", "/v1/projects/x")
    assert world("POST", "/v1/projects", {"name": "x"}, headers=KEY).status_code == 201


def test_keys_of_different_callers_and_credentials_are_different(world: World) -> None:
    token = world.ok("POST", "/v1/keys", {"project": "p"}, by="alice")["token"]
    body = {"description": "mine"}
    mine = world.ok("POST", "/v1/keys", body, by="alice", headers=KEY)
    assert world.ok("POST", "/v1/keys", body, by="bob", headers=KEY)["id"] != mine["id"]
    assert world.ok("POST", "/v1/keys", body, token=token, headers=KEY)["id"] != mine["id"]
    assert world.ok("POST", "/v1/keys", body, by="alice", headers=KEY) == mine


def test_a_kept_answer_does_not_lie_about_in_clear(world: World) -> None:
    token = world.ok("POST", "/v1/keys", {}, by="alice", headers=KEY)["token"]
    (kept,) = world.store.read(lambda session: session.query(Idempotency).all())
    assert token not in kept.body
    assert kept.fingerprint not in token


def test_an_action_is_done_once_too(world: World) -> None:
    world.switch()
    world.machine("n1", "gi1/0/1", "p")
    world.network("net")
    first = world("POST", "/v1/network-changes", change("n1", "net"), by="alice", headers=KEY)
    world.settle()
    again = world("POST", "/v1/network-changes?wait=0", change("n1", "net"), by="alice", headers=KEY)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    waited = world("POST", "/v1/network-changes?wait=5", change("n1", "net"), by="alice", headers=KEY)
    assert (waited.status_code, waited.json()["status"]) == (200, "DONE")
    assert waited.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("key", ["", "\x7f", "x" * 129])
def test_a_key_is_1_to_128_printable_characters(small_world: World, key: str) -> None:
    headers = {"Idempotency-Key": key}
    assert small_world.refused("POST", "/v1/projects", {"name": "x"}, headers=headers) == "400 validation"


def test_two_at_once_with_one_key_make_one_object(world: World) -> None:
    """The second finds the first in the middle: on PostgreSQL it waits at the unique index, on SQLite at the lock."""
    inside, go_on = threading.Event(), threading.Event()

    def claim(first: bool) -> object:
        def work(unit: object) -> object:
            ctx = Context.changing(unit, Actor("x", operator=True), Source("x"))  # type: ignore[arg-type]  # a Unit
            kept = replay_claim(ctx, "k", "print")
            if kept is not None:
                return kept
            if first:
                inside.set()
                assert go_on.wait(30)
            replay_keep(ctx, "k", 201, {"first": first})
            return None

        return world.store.change(work)

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(claim, True)
        assert inside.wait(30)
        two = pool.submit(claim, False)
        go_on.set()
        assert one.result(60) is None
        assert two.result(60) == {"first": True}


def test_etags_guard_changes(world: World) -> None:
    tag = world("GET", "/v1/projects/p").headers["etag"]
    assert tag == 'W/"1"'
    changed = world("PATCH", "/v1/projects/p", {"quota_nodes": 9}, headers={"If-Match": tag})
    assert changed.headers["etag"] == 'W/"2"'
    assert world.refused("PATCH", "/v1/projects/p", {"quota_nodes": 8}, headers={"If-Match": tag}) == (
        "412 precondition-failed"
    )
    assert world.refused("DELETE", "/v1/projects/p", headers={"If-Match": tag}) == "412 precondition-failed"
    world.ok("PATCH", "/v1/projects/p", {"quota_nodes": 8}, headers={"If-Match": "*"})
    world.ok("PATCH", "/v1/projects/p", {"quota_nodes": 7}, headers={"If-Match": '"3"'})


@pytest.mark.parametrize("tag", ['W/"x"', "3", '"1", "2"', "W/", ""])
def test_a_tag_that_is_none_is_malformed(small_world: World, tag: str) -> None:
    words = small_world.refused("PATCH", "/v1/projects/p", {"quota_nodes": 8}, headers={"If-Match": tag})
    assert words == "400 validation"


STALE = {"If-Match": 'W/"77"'}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/v1/nodes/n1", None),
        ("PUT", "/v1/nodes/n1/labels/a", {"value": "b"}),
        ("DELETE", "/v1/nodes/n1/labels/a", None),
        ("PUT", "/v1/nodes/n1/metadata/a", {"value": "b"}),
        ("DELETE", "/v1/nodes/n1/metadata/a", None),
        ("POST", "/v1/nodes/n1/nics", {"name": "eth9"}),
        ("DELETE", "/v1/nodes/n1/nics/eth0", None),
        ("POST", "/v1/nodes/n1/release", None),
        ("POST", "/v1/nodes/n1/quarantine", {}),
        ("POST", "/v1/nodes/n2/maintenance", {}),
        ("POST", "/v1/nodes/n2/return", None),
        ("PATCH", "/v1/networks/net", {"public": True}),
        ("DELETE", "/v1/networks/net", None),
        ("PUT", "/v1/networks/net/access/q", None),
        ("DELETE", "/v1/networks/net/access/p", None),
        ("PATCH", "/v1/switches/sw", {"audit": "report"}),
        ("DELETE", "/v1/switches/sw", None),
        ("POST", "/v1/switches/sw/ports", {"name": "gi1/0/7"}),
        ("PATCH", "/v1/users/alice", {"operator": True}),
        ("DELETE", "/v1/users/alice", None),
    ],
)
def test_a_stale_tag_stops_every_change_that_takes_one(
    small_world: World, method: str, path: str, body: dict[str, object] | None
) -> None:
    small_world.switch()
    small_world.machine("n1", "gi1/0/1", "p")
    small_world.ok("POST", "/v1/nodes", {"name": "n2"})
    small_world.network("net")
    before = small_world.ok("GET", "/v1/journal?limit=1000")["items"]
    assert small_world.refused(method, path, body, headers=STALE) == "412 precondition-failed"
    assert small_world.ok("GET", "/v1/journal?limit=1000")["items"] == before


def test_whatever_shows_a_tag_changes_it_when_it_changes(world: World) -> None:
    world.switch()
    world.machine("n1", "gi1/0/1", "p")
    world.network("net")

    def tag(path: str) -> str:
        return str(world("GET", path).headers["etag"])

    for path, act in (
        ("/v1/nodes/n1", lambda: world.ok("PUT", "/v1/nodes/n1/labels/a", {"value": "b"})),
        ("/v1/nodes/n1", lambda: world.ok("POST", "/v1/nodes/n1/release", by="alice")),
        ("/v1/networks/net", lambda: world.ok("PUT", "/v1/networks/net/access/q", by="alice")),
        ("/v1/networks/net", lambda: world("DELETE", "/v1/networks/net/access/q", by="alice")),
        ("/v1/switches/sw", lambda: world.ok("PATCH", "/v1/switches/sw", {"audit": "report"})),
        ("/v1/users/alice", lambda: world.ok("PATCH", "/v1/users/alice", {"operator": True})),
        ("/v1/users/alice", lambda: world.ok("PUT", "/v1/projects/q/members/alice", {"role": "reader"})),
    ):
        before = tag(path)
        act()
        assert tag(path) != before, path


def test_an_answer_whose_encryption_key_is_gone_is_unavailable_and_no_bug(world: World) -> None:
    world.ok("POST", "/v1/projects", {"name": "x"}, headers=KEY)
    store: Store = world.store
    old, store.keys = store.keys, Keyring([Secret(Fernet.generate_key().decode())])
    store.keys.sealing = old.sealing
    assert world.refused("POST", "/v1/projects", {"name": "x"}, headers=KEY) == "503 unavailable"


def test_ten_requests_at_once_with_one_key_are_one(world: World) -> None:
    async def story() -> list[httpx.Response]:
        return await asyncio.gather(
            *(
                world.ask("POST", "/v1/networks", {"name": "x", "owner": "p"}, by="alice", headers=KEY)
                for _ in range(10)
            )
        )

    answers = world.runner.run(story())
    assert [answer.status_code for answer in answers] == [201] * 10
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 9
    assert len(world.ok("GET", "/v1/journal?action=network_create&name=x")["items"]) == 1


def test_of_ten_changes_under_one_tag_one_is_made(world: World) -> None:
    async def story() -> list[httpx.Response]:
        tag = {"If-Match": 'W/"1"'}
        return await asyncio.gather(
            *(world.ask("PATCH", "/v1/projects/p", {"quota_nodes": number}, headers=tag) for number in range(10))
        )

    answers = world.runner.run(story())
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9


def test_of_ten_objects_of_one_name_one_is_made(world: World) -> None:
    async def story() -> list[httpx.Response]:
        return await asyncio.gather(*(world.ask("POST", "/v1/nodes", {"name": "n1"}) for _ in range(10)))

    answers = world.runner.run(story())
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert {answer.json().get("type") for answer in answers} == {None, "/errors/duplicate"}
