"""Epochs: when obmd has answered, nobody of an older epoch reaches the node any more, whatever was under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from hil.obmd.store import ObmdStore
from hil.services.capability import Right
from tests.obmd.serving import QUICK, Site, bearer, site, token, true, until

pytestmark = pytest.mark.net
OnSite = Callable[..., None]


@pytest.fixture
def on_site(obmd_store: ObmdStore) -> OnSite:
    def run(work: Callable[[Site], Coroutine[Any, Any, None]], limits: Any = QUICK) -> None:
        async def inner() -> None:
            async with site(obmd_store, limits) as found:
                await work(found)

        asyncio.run(inner())

    return run


def test_an_epoch_begins_once_and_only_forwards(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        await obmd.add("n1", epoch=3)
        assert (await obmd.epoch("n1", 3)).status_code == 200
        behind = await obmd.epoch("n1", 2)
        assert (behind.status_code, behind.json()["type"], behind.json()["epoch"]) == (409, "/errors/epoch-behind", 3)
        assert (await obmd.epoch("n1", 3, enabled=False)).status_code == 200
        assert (await obmd.call("GET", "n1", "power", 3)).status_code == 401
        assert (await obmd.epoch("n1", 3)).status_code == 409
        assert (await obmd.epoch("n1", 4)).status_code == 200
        assert (await obmd.call("GET", "n1", "power", 4)).status_code == 200
        assert (await obmd.call("GET", "n1", "power", 3)).status_code == 401

    on_site(work)


def test_the_capability_must_be_of_the_epoch_that_it_begins(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        await obmd.add("n1")
        answer = await obmd.call("POST", "n1", "epoch", 2, Right.EPOCH, json={"epoch": 3, "enabled": True})
        assert answer.status_code == 400
        assert "another epoch" in answer.json()["detail"]

    on_site(work)


def test_a_node_that_is_not_here_can_only_be_disabled(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        assert (await obmd.epoch("later", 6)).status_code == 404
        assert (await obmd.epoch("later", 6, enabled=False)).status_code == 200
        await obmd.add("later", epoch=0)
        assert (await obmd.admin("GET", "/v1/nodes/later")).json()["epoch"] == 6
        assert (await obmd.epoch("later", 6)).status_code == 409
        assert (await obmd.epoch("later", 7)).status_code == 200

    on_site(work)


def test_what_is_under_way_and_what_waits_is_stopped(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        assert (await obmd.call("GET", "n1", "power")).status_code == 200
        machine.faults.add(BmcFault(kind=BmcFaultKind.HANG, op=BmcOp.WRITE))
        asked = [asyncio.ensure_future(obmd.call("POST", "n1", "power", json={"action": "on"})) for _ in range(5)]
        await true(lambda: not list(machine.faults))
        before = len(machine.changes())
        assert (await obmd.epoch("n1", 2)).status_code == 200
        answers: list[httpx.Response] = await asyncio.gather(*asked)
        assert {(answer.status_code, answer.json()["type"]) for answer in answers} == {(401, "/errors/term-ended")}
        assert (await obmd.call("GET", "n1", "power", 2)).json()["power"] == "off"
        assert len(machine.changes()) == before
        assert not machine.boots

    on_site(work)


def test_a_hanging_controller_does_not_keep_the_epoch_from_beginning(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        machine.faults.add(BmcFault(kind=BmcFaultKind.HANG, count=None))
        asked = asyncio.ensure_future(obmd.call("GET", "n1", "power"))
        await true(lambda: obmd.servers["n1"].logins)
        assert (await obmd.epoch("n1", 2, enabled=False)).status_code == 200
        assert (await asked).status_code == 401

    on_site(work, replace(QUICK, deadline=1000.0))


def test_consoles_end_before_the_answer_and_carry_nothing_after(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        machine.on = True
        async with obmd.console("n1") as ann, obmd.console("n1", 1, Right.WATCH, user="bob") as bob:
            await until(ann, "hello")
            await until(bob, "hello")
            machine.print("of the old tenant")
            await until(ann, b"old tenant")
            await until(bob, b"old tenant")
            assert obmd.servers["n1"].consoles
            assert (await obmd.epoch("n1", 2)).status_code == 200
            assert not obmd.servers["n1"].consoles
            machine.print("of the new tenant")
            for viewer in (ann, bob):
                rest = await until(viewer, "end")
                assert rest[-1]["type"] == "term-ended"
                assert not any(isinstance(item, bytes) for item in rest)
        async with obmd.console("n1", 2) as new:
            await until(new, "hello")
            machine.print("fresh")
            seen = b"".join(item for item in await until(new, b"fresh") if isinstance(item, bytes))
            assert b"old tenant" not in seen

    on_site(work)


def test_an_epoch_that_comes_too_late_disturbs_nobody(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1", epoch=5)
        async with obmd.console("n1", 5) as ann:
            await until(ann, "hello")
            assert (await obmd.epoch("n1", 4, enabled=False)).status_code == 409
            assert (await obmd.epoch("n1", 5)).status_code == 200
            machine.print("still here")
            await until(ann, b"still here")

    on_site(work)


def test_tokens_of_the_original_protocol_end_with_the_epoch(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        machine.on = True
        old = (await obmd.original("POST", "/node/n1/token")).json()["token"]
        path = "/node/n1/power_status"
        assert (await obmd.http.get(path, params={"token": old})).json() == {"power_status": "on"}
        async with obmd.http.stream("GET", "/node/n1/console", params={"token": old}) as stream:
            machine.print("hello")
            chunks = stream.aiter_bytes()
            assert await anext(chunks) == b"hello"
            assert (await obmd.epoch("n1", 2)).status_code == 200
            machine.print("secret")
            assert [chunk async for chunk in chunks] == []
        assert (await obmd.http.get(path, params={"token": old})).status_code == 401

    on_site(work)


def test_a_database_that_fails_leaves_the_node_closed(
    on_site: OnSite, obmd_store: ObmdStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")

        def broken(*_: Any, **__: Any) -> None:
            raise OperationalError("update", {}, Exception("disk full"))

        with monkeypatch.context() as patch:
            patch.setattr(type(obmd_store), "raise_epoch", broken)
            patch.setattr(type(obmd_store), "record", broken)
            assert (await obmd.epoch("n1", 2)).status_code == 500
        before = len(machine.log)
        for epoch in (1, 2):
            assert (await obmd.call("GET", "n1", "power", epoch)).status_code == 401
        assert len(machine.log) == before
        assert (await obmd.epoch("n1", 2)).status_code == 200
        assert (await obmd.call("GET", "n1", "power", 2)).status_code == 200

    on_site(work)


def test_a_lost_commit_leaves_the_old_epoch_as_the_database_has_it(
    on_site: OnSite, obmd_store: ObmdStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(obmd: Site) -> None:
        await obmd.add("n1")

        def broken(*_: Any, **__: Any) -> None:
            raise OperationalError("update", {}, Exception("disk full"))

        with monkeypatch.context() as patch:
            patch.setattr(type(obmd_store), "raise_epoch", broken)
            assert (await obmd.epoch("n1", 2)).status_code == 500
        assert (await obmd.call("GET", "n1", "power", 1)).status_code == 200
        assert (await obmd.call("GET", "n1", "power", 2)).status_code == 401

    on_site(work)


def test_another_controller_for_a_node_ends_what_went_to_the_first(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        first, second = await obmd.add("n1"), await obmd.add("n2")
        async with obmd.console("n1") as ann:
            await until(ann, "hello")
            changed = {"address": obmd.servers["n2"].address, "password": "pw"}
            assert (await obmd.put("n1", changed)).status_code == 200
            await until(ann, "end")
        assert not obmd.servers["n1"].consoles
        second.on = True
        headers = bearer(token("n1", 1))
        assert (await obmd.http.get("/v1/nodes/n1/power", headers=headers)).json()["power"] == "on"
        assert not first.on

    on_site(work)


def test_epochs_at_the_same_moment_end_at_the_highest(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        await obmd.add("n1")
        answers = await asyncio.gather(*(obmd.epoch("n1", epoch) for epoch in (4, 2, 9, 3, 8)))
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert (await obmd.admin("GET", "/v1/nodes/n1")).json()["epoch"] == 9
        assert (await obmd.call("GET", "n1", "power", 9)).status_code == 200

    on_site(work)
