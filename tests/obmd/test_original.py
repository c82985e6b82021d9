"""The original OBMd's protocol, call by call: statuses, empty error bodies, the order of judgement."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from hil.lab.bmc.faults import BmcFault, BmcFaultKind
from hil.lab.bmc.machine import Machine
from hil.lab.bmc.server import EmulatedBmcServer
from hil.obmd.store import ObmdStore
from tests.obmd.serving import ADMIN, QUICK, Site, site, true

pytestmark = pytest.mark.net
OnSite = Callable[..., None]
WRONG = "f" * 32


@pytest.fixture
def on_site(obmd_store: ObmdStore) -> OnSite:
    """Run a test on an obmd where an original client has registered node `n1` and has a token for it."""

    def run(work: Callable[[Site, Machine, str], Coroutine[Any, Any, None]], limits: Any = QUICK) -> None:
        async def inner() -> None:
            async with asyncio.timeout(60), site(obmd_store, limits) as obmd:
                machine = Machine("n1")
                server = await obmd.stack.enter_async_context(EmulatedBmcServer(machine))
                obmd.servers["n1"] = server
                info = {"addr": server.address, "user": "hil", "pass": "pw"}
                answer = await obmd.original("PUT", "/node/n1", json={"type": "mock", "info": info})
                assert (answer.status_code, answer.content) == (200, b"")
                token = await obmd.original("POST", "/node/n1/token")
                assert (token.status_code, list(token.json())) == (200, ["token"])
                await work(obmd, machine, token.json()["token"])

        asyncio.run(inner())

    return run


# method, path below /node/, body, token ("good", "wrong", "malformed", "none") -> status, body
TOKEN_CALLS: list[tuple[str, str, bytes, str, int, bytes]] = [
    ("GET", "n1/power_status", b"", "good", 200, b'{"power_status":"off"}'),
    ("GET", "n1/power_status", b"", "upper", 200, b'{"power_status":"off"}'),
    ("GET", "n1/power_status", b"", "wrong", 401, b""),
    ("GET", "n1/power_status", b"", "malformed", 401, b""),
    ("GET", "n1/power_status", b"", "none", 401, b""),
    ("GET", "n2/power_status", b"", "good", 404, b""),
    ("GET", "n2/power_status", b"", "malformed", 401, b""),
    ("POST", "n1/power_status", b"", "good", 405, b""),
    ("POST", "n1/power_on", b"", "good", 200, b""),
    ("POST", "n1/power_on", b"is ignored", "good", 200, b""),
    ("POST", "n1/power_off", b"{}", "good", 200, b""),
    ("GET", "n1/power_off", b"", "good", 405, b""),
    ("POST", "n1/power_on", b"", "wrong", 401, b""),
    ("POST", "n1/power_cycle", b"{}", "good", 200, b""),
    ("POST", "n1/power_cycle", b'{"force": false}', "good", 200, b""),
    ("POST", "n1/power_cycle", b'{"force": true, "more": 1}', "good", 200, b""),
    ("POST", "n1/power_cycle", b"", "good", 400, b""),
    ("POST", "n1/power_cycle", b"force", "good", 400, b""),
    ("POST", "n1/power_cycle", b"[]", "good", 400, b""),
    ("POST", "n1/power_cycle", b'{"force": "yes"}', "good", 400, b""),
    ("POST", "n1/power_cycle", b'{"force": 1}', "good", 400, b""),
    ("POST", "n1/power_cycle", b"", "wrong", 400, b""),
    ("POST", "n1/power_cycle", b"", "malformed", 401, b""),
    ("POST", "n1/power_cycle", b"{}", "wrong", 401, b""),
    ("POST", "n2/power_cycle", b"", "good", 404, b""),
    ("PUT", "n1/boot_device", b'{"bootdev": "pxe"}', "good", 200, b""),
    ("PUT", "n1/boot_device", b'{"bootdev": "disk"}', "good", 200, b""),
    ("PUT", "n1/boot_device", b'{"bootdev": "none"}', "good", 200, b""),
    ("PUT", "n1/boot_device", b'{"bootdev": "floppy"}', "good", 400, b""),
    ("PUT", "n1/boot_device", b'{"bootdev": 7}', "good", 400, b""),
    ("PUT", "n1/boot_device", b'{"bootdev": []}', "good", 400, b""),
    ("PUT", "n1/boot_device", b"{}", "good", 400, b""),
    ("PUT", "n1/boot_device", b"", "good", 400, b""),
    ("PUT", "n1/boot_device", b'{"bootdev": "pxe"}', "wrong", 401, b""),
    ("PUT", "n1/boot_device", b"", "malformed", 401, b""),
    ("POST", "n1/boot_device", b'{"bootdev": "pxe"}', "good", 405, b""),
    ("GET", "n1/console", b"", "wrong", 401, b""),
    ("GET", "n1/console", b"", "malformed", 401, b""),
    ("GET", "n2/console", b"", "good", 404, b""),
    ("POST", "n1/console", b"", "good", 405, b""),
]


def test_token_calls_answer_as_the_original(on_site: OnSite) -> None:
    async def work(obmd: Site, machine: Machine, good: str) -> None:
        tokens = {"good": good, "upper": good.upper(), "wrong": WRONG, "malformed": "xyz"}
        for method, path, body, which, status, expected in TOKEN_CALLS:
            query = {"token": tokens[which]} if which in tokens else {}
            answer = await obmd.http.request(method, f"/node/{path}", params=query, content=body)
            assert (answer.status_code, answer.content) == (status, expected), (method, path, body, which)
            if which != "upper" and path.endswith("power_off") and status == 200:
                assert not machine.on

    on_site(work)


ADMIN_CALLS: list[tuple[str, str, bytes, int]] = [
    ("PUT", "n1", b'{"type": "mock", "info": {"addr": "h:1", "pass": "p"}}', 500),
    ("PUT", "n2", b'{"type": "abacus", "info": {}}', 500),
    ("PUT", "n2", b"{", 500),
    ("PUT", "n2", b"[]", 500),
    ("PUT", "n2", b'{"type": "mock", "info": null}', 500),
    ("PUT", "n2", b'{"type": "mock", "info": {"addr": "nowhere"}}', 500),
    ("POST", "n2/token", b"", 404),
    ("DELETE", "n2/token", b"", 404),
    ("PUT", "n2", b'{"type": "dummy", "info": {"addr": "h:1", "pass": "p"}}', 200),
    ("DELETE", "n2/token", b"", 200),
    ("DELETE", "n2", b"", 200),
    ("DELETE", "n2", b"", 200),
    ("DELETE", "n1/token", b"", 200),
    ("DELETE", "n1/token", b"", 200),
    ("DELETE", "n1", b"", 200),
    ("POST", "n1/token", b"", 404),
]


def test_admin_calls_answer_as_the_original(on_site: OnSite) -> None:
    async def work(obmd: Site, machine: Machine, good: str) -> None:
        for method, path, body, status in ADMIN_CALLS:
            answer = await obmd.original(method, f"/node/{path}", content=body)
            assert (answer.status_code, answer.content) == (status, b""), (method, path, body)
        assert machine.log == []

    on_site(work)


@pytest.mark.parametrize("auth", [None, ("admin", WRONG), ("root", ADMIN), ("", ""), ("admin", "")])
def test_without_the_password_an_admin_path_does_not_exist(on_site: OnSite, auth: tuple[str, str] | None) -> None:
    async def work(obmd: Site, machine: Machine, good: str) -> None:
        for method, path in (("PUT", "n1"), ("DELETE", "n1"), ("POST", "n1/token"), ("DELETE", "n1/token")):
            answer = await obmd.http.request(method, f"/node/{path}", auth=auth)
            assert (answer.status_code, answer.content) == (404, b"")
        odd = {"Authorization": "Basic !!!"}
        assert (await obmd.http.post("/node/n1/token", headers=odd)).status_code == 404
        answer = await obmd.http.get("/node/n1/power_status", params={"token": good})
        assert answer.status_code == 200

    on_site(work)


def test_a_new_token_kills_the_old_one(on_site: OnSite) -> None:
    async def work(obmd: Site, machine: Machine, old: str) -> None:
        new = (await obmd.original("POST", "/node/n1/token")).json()["token"]
        assert len(new) == 32
        assert set(new) <= set("0123456789abcdef")
        for token, status in ((old, 401), (new, 200)):
            answer = await obmd.http.get("/node/n1/power_status", params={"token": token})
            assert answer.status_code == status
        assert (await obmd.original("DELETE", "/node/n1/token")).status_code == 200
        assert (await obmd.http.get("/node/n1/power_status", params={"token": new})).status_code == 401

    on_site(work)


def test_forced_or_not_a_cycle_is_no_soft_shutdown(on_site: OnSite) -> None:
    async def work(obmd: Site, machine: Machine, good: str) -> None:
        for force in (False, True):
            await obmd.http.post("/node/n1/power_cycle", params={"token": good}, json={"force": force})
        await obmd.http.put("/node/n1/boot_device", params={"token": good}, json={"bootdev": "pxe"})
        assert [entry.asked for entry in machine.changes()] == ["cycle", "reset", "['pxe', True, None]"]
        assert len(machine.boots) == 2

    on_site(work)


def test_a_controller_that_fails_is_a_500_without_words(on_site: OnSite) -> None:
    async def work(obmd: Site, machine: Machine, good: str) -> None:
        machine.faults.add(BmcFault(kind=BmcFaultKind.UNREACHABLE, count=None))
        for method, path in (("GET", "power_status"), ("POST", "power_on"), ("GET", "console")):
            answer = await obmd.http.request(method, f"/node/n1/{path}", params={"token": good})
            assert (answer.status_code, answer.content) == (500, b"")

    on_site(work, replace(QUICK, deadline=5.0))


async def read_until(chunks: Any, wanted: bytes) -> None:
    seen = b""
    while wanted not in seen:
        seen += await anext(chunks)


@pytest.mark.parametrize("end", ["viewer", "token", "disable", "delete"])
def test_one_viewer_has_the_console_until_somebody_takes_it(on_site: OnSite, end: str) -> None:
    async def work(obmd: Site, machine: Machine, good: str) -> None:
        async with obmd.http.stream("GET", "/node/n1/console", params={"token": good}) as first:
            assert first.status_code == 200
            assert first.headers["content-type"] == "application/octet-stream"
            assert first.headers["transfer-encoding"] == "chunked"
            machine.print("hello")
            chunks = first.aiter_bytes()
            await read_until(chunks, b"hello")
            if end == "viewer":
                async with obmd.http.stream("GET", "/node/n1/console", params={"token": good}) as second:
                    assert [chunk async for chunk in chunks] == []
                    machine.print("for the second")
                    await read_until(second.aiter_bytes(), b"for the second")
                return
            method, path = {
                "token": ("POST", "/node/n1/token"),
                "disable": ("DELETE", "/node/n1/token"),
                "delete": ("DELETE", "/node/n1"),
            }[end]
            assert (await obmd.original(method, path)).status_code == 200
            machine.print("too late")
            assert [chunk async for chunk in chunks] == []

    on_site(work)


def test_a_viewer_that_goes_frees_the_console(on_site: OnSite) -> None:
    async def work(obmd: Site, machine: Machine, good: str) -> None:
        async with obmd.http.stream("GET", "/node/n1/console", params={"token": good}):
            await true(lambda: obmd.servers["n1"].consoles)
        await true(lambda: not obmd.servers["n1"].consoles)

    on_site(work)


def test_tokens_do_not_outlive_the_process(obmd_store: ObmdStore, on_site: OnSite) -> None:
    async def work(obmd: Site, machine: Machine, good: str) -> None:
        async with site(obmd_store) as again:
            answer = await again.http.get("/node/n1/power_status", params={"token": good})
            assert answer.status_code == 401
            assert (await again.original("POST", "/node/n1/token")).status_code == 200

    on_site(work)
