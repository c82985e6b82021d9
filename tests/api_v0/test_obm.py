"""Out-of-band management against an OBMd over loopback: tokens, redirects, and every way in which it can go wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update
from starlette.responses import Response

from hil.api.settings import Settings
from hil.core.secret import Secret
from hil.services import node as nodes
from hil.store.tables import Chore, Journal, Node
from tests.api_v0.obmd import ADMIN, Obmd, running
from tests.api_v0.story import OK, is_error, tell
from tests.api_v0.world import Answer, Api, World

pytestmark = pytest.mark.net
BLK, FAILED = "409 BlockedError", "500 OBMError"
ON, OFF = {"enabled": True}, {"enabled": False}
OBM = "PUT /node/n1/obm"


@pytest.fixture(scope="module")
def service() -> Iterator[Obmd]:
    with running() as obmd:
        yield obmd


@pytest.fixture
def obmd(service: Obmd) -> Iterator[Obmd]:
    """The OBMd, with one machine, for one test."""
    fresh = Obmd(url=service.url)
    vars(service).update(vars(fresh))
    answer = httpx.put(service.uri("m1"), json={"type": "mock", "info": {}}, auth=("admin", ADMIN))
    assert answer.status_code == 200
    service.asked.clear()
    yield service
    service.goes_on.set()


def with_node(world: World, obmd: Obmd, project: str = "p") -> World:
    world.ok("PUT", "/node/n1", {"obmd": {"uri": f"{obmd.uri('m1')}/", "admin_token": ADMIN.upper()}})
    if project:
        world.ok("POST", f"/project/{project}/connect_node", {"node": "n1"})
    return world


def row(world: World) -> Node:
    query = select(Node).where(Node.name == "n1").execution_options(populate_existing=True)
    return world.store.read(lambda session: session.scalars(query).one())


def token_of(world: World) -> Any:
    return world.store.keys.open_up(row(world).obm_token).get("token")


def ask(world: World, call: str, body: Any = None, user: str = "alice") -> Answer:
    return world.api.send(*call.split(" "), body, user)


def follow(world: World, call: str, body: Any = None) -> httpx.Response:
    """As the original client does: the same method and body, at the place it is sent to."""
    answer = ask(world, call, body)
    assert (answer.status, answer.body) == (307, b"")
    assert answer.headers["cache-control"] == "no-store"
    return httpx.request(call.split(" ", maxsplit=1)[0], answer.headers["location"], json=body)


def failed(answer: Answer, words: str) -> None:
    assert answer.short == FAILED
    assert is_error(answer)
    assert words in answer.json["msg"]


def test_an_enabled_obm_is_driven_through_redirects_and_a_disabled_one_is_not(world: World, obmd: Obmd) -> None:
    with_node(world, obmd)
    tell(world, [("alice", f"{call} /node/n1/{operation}", body, BLK) for call, operation, body in [
        ("GET", "power_status", None), ("GET", "console", None), ("POST", "power_on", {}), ("POST", "power_off", {}),
        ("POST", "power_cycle", {"force": False}), ("PUT", "boot_device", {"bootdev": "A"})]])  # fmt: skip
    tell(world, [("alice", OBM, ON, OK)])
    assert follow(world, "GET /node/n1/power_status").json() == {"power_status": "Mock Status"}
    assert follow(world, "POST /node/n1/power_off").status_code == 200
    assert follow(world, "POST /node/n1/power_on").status_code == 200
    assert follow(world, "POST /node/n1/power_cycle", {"force": True}).status_code == 200
    assert follow(world, "PUT /node/n1/boot_device", {"bootdev": "B"}).status_code == 200
    assert follow(world, "PUT /node/n1/boot_device", {"bootdev": "C"}).status_code == 400  # the OBMd judges that
    assert follow(world, "GET /node/n1/console").content == b"Booting\r\nlogin: "
    machine = obmd.machines["m1"]
    assert (machine.power, machine.boot, machine.done) == ("on", "B", ["cycle force=True"])
    old = ask(world, "GET /node/n1/power_status").headers["location"]
    assert old == f"{obmd.uri('m1')}/power_status?token={machine.token}"
    tell(world, [("alice", OBM, OFF, OK), ("alice", "GET /node/n1/power_status", None, BLK), ("alice", OBM, OFF, OK)])
    assert httpx.get(old).status_code == 401


def test_enabling_again_makes_a_new_token_and_kills_the_old_one(world: World, obmd: Obmd) -> None:
    tell(with_node(world, obmd), [("alice", OBM, ON, OK)])
    first, epoch = token_of(world), row(world).obm_epoch
    tell(world, [("alice", OBM, ON, OK)])
    assert token_of(world) == obmd.machines["m1"].token != first
    assert row(world).obm_epoch == epoch + 1


def test_a_restarted_obmd_has_forgotten_all_tokens_and_enabling_mends_it(small_world: World, obmd: Obmd) -> None:
    tell(with_node(small_world, obmd), [("alice", OBM, ON, OK)])
    obmd.machines["m1"].token = None
    assert follow(small_world, "GET /node/n1/power_status").status_code == 401
    tell(small_world, [("alice", OBM, ON, OK)])
    assert follow(small_world, "GET /node/n1/power_status").status_code == 200


def test_a_node_with_an_enabled_obm_does_not_change_hands(world: World, obmd: Obmd) -> None:
    with_node(world, obmd, "")
    free, taken = "POST /project/p/connect_node", "POST /project/p/detach_node"
    node = {"node": "n1"}
    tell(
        world,
        [
            ("alice", OBM, ON, "401 AuthorizationError"),
            ("root", OBM, ON, OK),
            ("alice", free, node, BLK),
            ("root", "DELETE /node/n1", {}, BLK),
            ("root", OBM, OFF, OK),
            ("alice", free, node, OK),
            ("alice", OBM, ON, OK),
            ("alice", taken, node, BLK),
            ("alice", OBM, OFF, OK),
            ("alice", taken, node, OK),
            ("root", "GET /nodes/free", None, ["n1"]),
            ("root", "DELETE /node/n1", {}, OK),
        ],
    )
    assert obmd.machines["m1"].token is None


def test_a_release_by_the_new_api_kills_the_token_before_the_node_is_free(world: World, obmd: Obmd) -> None:
    tell(with_node(world, obmd), [("alice", OBM, ON, OK)])
    url = ask(world, "GET /node/n1/power_status").headers["location"]
    world.change(lambda ctx: nodes.node_release(ctx, "n1"))
    tell(world, [("alice", "GET /node/n1/power_status", None, BLK), ("alice", OBM, ON, BLK)])
    world.release()
    world.release()
    assert httpx.get(url).status_code == 401
    tell(world, [("root", "GET /nodes/free", None, ["n1"])])


@pytest.mark.parametrize("enabled", [False, True])
def test_what_the_obmd_refuses_changes_nothing(world: World, obmd: Obmd, enabled: bool) -> None:
    with_node(world, obmd)
    if enabled:
        tell(world, [("alice", OBM, ON, OK)])
    before = token_of(world)
    obmd.answers = Response(status_code=404)
    for wanted in (ON, OFF) if enabled else (ON,):
        failed(ask(world, OBM, wanted), "answered 404")
    assert token_of(world) == before
    obmd.answers = None
    tell(world, [("alice", OBM, OFF, OK), ("alice", "POST /project/p/detach_node", {"node": "n1"}, OK)])


def test_a_wrong_admin_token_is_named_as_a_possible_cause(small_world: World, obmd: Obmd) -> None:
    small_world.ok("PUT", "/node/n1", {"obmd": {"uri": obmd.uri("m1"), "admin_token": "wrong"}})
    failed(ask(small_world, OBM, ON, "root"), "not this admin token")
    assert not row(small_world).obm_revoke  # nothing was made, so nothing is owed
    tell(small_world, [("alice", "POST /project/p/connect_node", {"node": "n1"}, OK)])


def test_an_obmd_that_is_not_there_is_a_json_error_and_owes_nothing(small_world: World, obmd: Obmd) -> None:
    small_world.ok("PUT", "/node/n1", {"obmd": {"uri": "http://127.0.0.1:9/node/m1", "admin_token": ADMIN}})
    failed(ask(small_world, OBM, ON, "root"), "cannot be reached")
    assert not row(small_world).obm_revoke


@pytest.mark.parametrize(
    "answer",
    [
        Response(b"<html>"),
        Response(b'{"token": 5}'),
        Response(b'{"token": "with space"}'),
        Response(b"[]"),
        Response(b"x" * 100_000),
        Response(status_code=500),
        Response(status_code=302, headers={"location": "http://127.0.0.1:9/"}),
    ],
    ids=lambda answer: f"{answer.status_code} {answer.body[:12]!r}",
)
def test_an_answer_that_is_no_token_is_never_handed_out(small_world: World, obmd: Obmd, answer: Response) -> None:
    with_node(small_world, obmd)
    obmd.answers = answer
    assert ask(small_world, OBM, ON).short == FAILED
    assert ask(small_world, "GET /node/n1/power_status").short == BLK


def quick(world: World) -> World:
    """The same world behind an API that waits for an OBMd for no time at all."""
    world.api = Api(world.api.edge, Settings(obmd_timeout=0.2), world.api.runner)
    return world


def test_a_hung_obmd_is_given_up_and_what_it_may_have_done_is_not_forgotten(world: World, obmd: Obmd) -> None:
    quick(with_node(world, obmd))
    obmd.goes_on.clear()
    failed(ask(world, OBM, ON), "did not answer")
    assert row(world).obm_revoke  # it may have made a token
    obmd.goes_on.set()
    tell(world, [("alice", "POST /project/p/detach_node", {"node": "n1"}, OK)])  # the worker has to kill it first
    tell(world, [("bob", "POST /project/q/connect_node", {"node": "n1"}, BLK)])
    world.release()
    world.release()
    assert obmd.machines["m1"].token is None
    tell(world, [("bob", "POST /project/q/connect_node", {"node": "n1"}, OK)])


def test_no_transaction_is_open_while_an_obmd_is_asked(world: World, obmd: Obmd) -> None:
    with_node(world, obmd)
    wrote: list[str] = []

    def write(what: str) -> None:
        """On SQLite this would wait for any open write transaction, on PostgreSQL for a lock of the node's row."""
        change = update(Node).where(Node.name == "n1").values(reason=what)
        world.store.change(lambda unit: unit.session.execute(change))
        wrote.append(what)

    obmd.before = write
    tell(world, [("alice", OBM, ON, OK), ("alice", OBM, OFF, OK)])
    assert len(wrote) == 2


def test_a_node_that_changes_hands_while_its_obmd_is_asked_gets_no_token(world: World, obmd: Obmd) -> None:
    with_node(world, obmd)

    def take_away(what: str) -> None:
        world.change(lambda ctx: nodes.node_quarantine(ctx, "n1", "test"))

    obmd.after = take_away
    answer = ask(world, OBM, ON)
    assert answer.short == BLK
    assert token_of(world) is None
    assert row(world).obm_revoke
    made = obmd.machines["m1"].token
    assert made is not None
    obmd.after = lambda what: None
    world.release()  # the worker kills it
    assert obmd.machines["m1"].token is None
    assert not row(world).obm_revoke


def test_a_node_has_one_request_to_its_obmd_at_a_time(world: World, obmd: Obmd) -> None:
    with_node(world, obmd)
    seen: list[Answer] = []

    def meanwhile(what: str) -> None:
        with asyncio.Runner() as runner:
            other = Api(world.api.edge, runner=runner)
            seen.extend(other.send("PUT", "/node/n1/obm", body, "alice") for body in (ON, OFF))

    obmd.before = meanwhile
    tell(world, [("alice", OBM, ON, OK)])
    assert [answer.short for answer in seen] == [BLK, BLK]
    assert token_of(world) == obmd.machines["m1"].token


def die(*_: object) -> Any:
    raise RuntimeError("the process died here")


@pytest.mark.parametrize("where", ["before the request", "after the request"])
def test_a_crash_leaves_no_token_that_hil_does_not_know_of(
    world: World, obmd: Obmd, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_node(world, obmd)
    with monkeypatch.context() as patch:
        if where == "before the request":
            patch.setattr("hil.drivers.obmd_link.ObmdLink.enable", die)
        else:
            patch.setattr("hil.api.errand.obm_enable_finish", die)
        assert ask(world, OBM, ON).short == "500 InternalError"
    assert (obmd.machines["m1"].token is not None) == (where == "after the request")
    assert row(world).obm_revoke
    tell(world, [("alice", OBM, OFF, BLK), ("alice", "POST /project/p/detach_node", {"node": "n1"}, OK)])
    world.release()
    tell(world, [("root", "GET /nodes/free", None, [])])  # a request may still be under way
    run_out_of_time(world)
    world.release()
    world.release()
    assert obmd.machines["m1"].token is None
    assert not row(world).obm_revoke
    tell(world, [("bob", "POST /project/q/connect_node", {"node": "n1"}, OK)])


def test_after_a_crash_the_tenant_can_go_on_once_the_request_cannot_be_under_way_any_more(
    small_world: World, obmd: Obmd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_node(small_world, obmd)
    with monkeypatch.context() as patch:
        patch.setattr("hil.api.errand.obm_enable_finish", die)
        assert ask(small_world, OBM, ON).short == "500 InternalError"
    run_out_of_time(small_world)
    tell(small_world, [("alice", OBM, ON, OK), ("alice", OBM, OFF, OK)])
    assert not row(small_world).obm_revoke


def test_a_crash_while_disabling_leaves_it_enabled_and_disabling_can_be_repeated(
    small_world: World, obmd: Obmd, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(with_node(small_world, obmd), [("alice", OBM, ON, OK)])
    with monkeypatch.context() as patch:
        patch.setattr("hil.api.errand.obm_disable_finish", die)
        assert ask(small_world, OBM, OFF).short == "500 InternalError"
    assert row(small_world).obm_revoke
    tell(small_world, [("alice", "POST /project/p/detach_node", {"node": "n1"}, BLK)])
    run_out_of_time(small_world)
    tell(small_world, [("alice", OBM, OFF, OK), ("alice", "POST /project/p/detach_node", {"node": "n1"}, OK)])


def run_out_of_time(world: World) -> None:
    """Let the ticket of a dead process run out."""
    world.store.change(lambda unit: unit.session.execute(update(Chore).values(expires_at=0.0)))


def test_tokens_are_neither_logged_nor_kept_in_clear(
    small_world: World, obmd: Obmd, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "hil"):
        tell(with_node(small_world, obmd), [("alice", OBM, ON, OK)])
        assert follow(small_world, "GET /node/n1/power_status").status_code == 200
        obmd.answers = Response(status_code=404)
        failed(ask(small_world, OBM, OFF), "404")
    kept = row(small_world)
    stored = [kept.obm_token or b"", kept.obmd_admin_token or b"", *journal(small_world)]
    for secret in (token_of(small_world), ADMIN, ADMIN.upper()):
        assert secret not in caplog.text
        assert all(secret.encode() not in text for text in stored)


def journal(world: World) -> list[bytes]:
    lines = world.store.read(lambda session: session.scalars(select(Journal).order_by(Journal.seq)).all())
    return [f"{line.actor} {line.action} {line.name} {line.before} {line.after}".encode() for line in lines]


def test_who_used_the_power_or_the_console_is_in_the_journal(small_world: World, obmd: Obmd) -> None:
    tell(with_node(small_world, obmd), [("alice", OBM, ON, OK)])
    seen = len(journal(small_world))
    for call in ("POST /node/n1/power_cycle", "GET /node/n1/console", "GET /node/n1/power_status"):
        ask(small_world, call)
    assert [line.decode().split(" ")[:3] for line in journal(small_world)[seen:]] == [
        ["alice", "node_power_cycle", "n1"],
        ["alice", "node_console", "n1"],
    ]


def test_a_secret_of_the_service_does_not_print() -> None:
    assert ADMIN not in repr(Secret(ADMIN))
