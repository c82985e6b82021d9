"""obmd over HTTP for its operator: who may do what, what is answered, what is never told."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace

import httpx
import pytest

from hil.core.secret import Secret
from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from hil.obmd.store import ObmdStore
from hil.services.capability import Right
from tests.obmd.answers import CALLS, OnSite, problem
from tests.obmd.serving import ADMIN, QUICK, Site, bearer, site, token, true

pytestmark = pytest.mark.net


def test_an_operator_registers_tests_and_deletes_a_node(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1", epoch=0)
        shown = (await obmd.admin("GET", "/v1/nodes/n1")).json()
        config = {"address": obmd.servers["n1"].address, "username": "hil", "timeout": 10.0}
        assert shown == {
            "name": "n1", "driver": "emulated", "config": config, "epoch": 0, "enabled": False, "fault": None,
            "console_open": False, "power": None, "waiting": 0, "login_paused": False,
            "trouble": None,
        }  # fmt: skip
        assert (await obmd.admin("GET", "/v1/nodes")).json() == {"items": [shown]}
        assert (await obmd.admin("POST", "/v1/nodes/n1/test")).json()["power"] == "off"
        again = await obmd.put("n1", config | {"password": "pw"})
        assert again.status_code == 200
        assert (await obmd.admin("DELETE", "/v1/nodes/n1")).status_code == 204
        assert (await obmd.admin("DELETE", "/v1/nodes/n1")).status_code == 204
        problem(await obmd.admin("GET", "/v1/nodes/n1"), 404, "not-found")
        problem(await obmd.admin("POST", "/v1/nodes/n1/test"), 404, "not-found")
        await true(lambda: not obmd.servers["n1"].sessions)
        assert [entry.action for entry in machine.log] == ["login", "power"]

    on_site(work)


@pytest.mark.parametrize("given", [None, "wrong", ADMIN.upper() + "1", "ü"])
def test_without_the_admin_token_nothing_is_told(on_site: OnSite, given: str | None) -> None:
    async def work(obmd: Site) -> None:
        await obmd.add("n1")
        headers = {} if given is None else {"Authorization": f"Bearer {given}".encode()}
        for method, path in (
            ("GET", "/v1/nodes"), ("GET", "/v1/nodes/n1"), ("GET", "/v1/nodes/n2"), ("PUT", "/v1/nodes/n1"),
            ("DELETE", "/v1/nodes/n1"), ("POST", "/v1/nodes/n1/test"),
        ):  # fmt: skip
            problem(await obmd.http.request(method, path, headers=headers), 401, "unauthenticated")
        capability = bearer(token("n1", 1, Right.EPOCH))
        problem(await obmd.http.get("/v1/nodes", headers=capability), 401, "unauthenticated")

    on_site(work)


def test_an_empty_admin_token_lets_nobody_in(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Basic YWRtaW46"}):
            assert (await obmd.http.get("/v1/nodes", headers=headers)).status_code == 401
            assert (await obmd.http.post("/node/n1/token", headers=headers)).status_code == 404

    on_site(work, admin_token=Secret(""))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "driver is missing"),
        (b"[]", "not a JSON object"),
        (b"{", "not JSON"),
        (b'{"driver": "emulated"}', "config is missing"),
        (b'{"driver": 5, "config": {}}', "driver is of the wrong type"),
        (b'{"driver": "emulated", "config": {}, "x": 1}', "'x' is unknown"),
        (b'{"driver": "abacus", "config": {}}', "is no out-of-band driver"),
        (b'{"driver": "emulated", "config": {"address": "h:1", "password": 7}}', "password"),
    ],
)
def test_a_registration_with_a_fault_is_refused(on_site: OnSite, body: bytes, words: str) -> None:
    async def work(obmd: Site) -> None:
        answer = await obmd.admin("PUT", "/v1/nodes/n1", content=body)
        assert answer.status_code == 400
        assert words in answer.json()["detail"]
        assert (await obmd.admin("GET", "/v1/nodes")).json() == {"items": []}

    on_site(work)


def test_requests_have_a_size(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        problem(await obmd.admin("PUT", "/v1/nodes/n1", content=b" " * 70_000), 413, "too-large")
        problem(
            await obmd.admin("PUT", f"/v1/nodes/{'n' * 65}", json={"driver": "x", "config": {}}), 400, "bad-argument"
        )
        problem(await obmd.admin("PATCH", "/v1/nodes/n1"), 405, "method-not-allowed")
        problem(await obmd.http.get("/nowhere"), 404, "not-found")

    on_site(work)


def test_a_corrected_password_is_tried_at_once(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        await obmd.add("n1")
        address = obmd.servers["n1"].address
        await obmd.put("n1", {"address": address, "password": "not-this-one"})
        for _ in range(5):
            words = problem(await obmd.call("GET", "n1", "power"), 502, "device-login-refused")
            assert "the next try is at" in words
            assert "not-this-one" not in words
        assert obmd.servers["n1"].logins == 1
        assert (await obmd.admin("GET", "/v1/nodes/n1")).json()["login_paused"] is True
        await obmd.put("n1", {"address": address, "password": "pw"})
        assert (await obmd.call("GET", "n1", "power")).status_code == 200

    on_site(work)


def test_what_is_registered_survives_a_restart(obmd_store: ObmdStore) -> None:
    async def work() -> None:
        async with site(obmd_store) as first:
            machine = await first.add("n1", epoch=3)
            async with site(obmd_store) as second:
                machine.on = True
                assert (await second.call("GET", "n1", "power", 3)).json()["power"] == "on"
                problem(await second.call("GET", "n1", "power", 2), 401, "unauthenticated")

    asyncio.run(work())


def test_a_driver_that_is_gone_closes_its_nodes_and_no_others(obmd_store: ObmdStore) -> None:
    obmd_store.put("old", "abacus", {"beads": 7})
    obmd_store.raise_epoch("old", 1, enabled=True)

    async def work() -> None:
        async with site(obmd_store) as obmd:
            await obmd.add("n1")
            assert (await obmd.call("GET", "n1", "power")).status_code == 200
            problem(await obmd.call("GET", "old", "power"), 503, "driver-unusable")
            problem(await obmd.admin("POST", "/v1/nodes/old/test"), 503, "driver-unusable")
            shown = (await obmd.admin("GET", "/v1/nodes/old")).json()
            assert shown["config"] is None
            assert "is no out-of-band driver" in shown["fault"]
            assert (await obmd.epoch("old", 2, enabled=False)).status_code == 200
            assert (await obmd.admin("DELETE", "/v1/nodes/old")).status_code == 204

    asyncio.run(work())


def test_health_and_metrics_name_no_node(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("node-with-a-name")
        await obmd.add("other", epoch=0)
        machine.faults.add(BmcFault(kind=BmcFaultKind.REFUSE, op=BmcOp.WRITE))
        await obmd.call("POST", "node-with-a-name", "power", json={"action": "on"})
        await obmd.call("GET", "node-with-a-name", "power")
        assert (await obmd.http.get("/healthz")).json()["status"] == "ok"
        text = (await obmd.http.get("/metrics")).text
        for line in (
            "obmd_nodes 2.0",
            "obmd_nodes_enabled 1.0",
            "obmd_queue 0.0",
            "obmd_login_pauses 0.0",
            "obmd_consoles 0.0",
            'obmd_request_seconds_count{operation="power",outcome="device-refused"} 1.0',
            'obmd_request_seconds_count{operation="power-read",outcome="ok"} 1.0',
        ):
            assert line in text.splitlines()
        assert "obmd_power_age_seconds" in text
        assert "with-a-name" not in text

    on_site(work)


def test_no_secret_is_in_any_answer_or_log(on_site: OnSite, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    secret = "the-password-of-a-bmc"
    used: list[str] = [secret, ADMIN]

    async def work(obmd: Site) -> None:
        async def keep(response: httpx.Response) -> None:
            said.append((await response.aread()).decode() + json.dumps(dict(response.headers)))

        obmd.http.event_hooks = {"response": [keep]}
        machine = await obmd.add("n1", password=secret)
        used.append(token("n1", 1))
        headers = bearer(used[-1])
        for method, path, body, _ in CALLS:
            await obmd.http.request(method, f"/v1/nodes/n1/{path}", headers=headers, json=body)
        for kind in BmcFaultKind:
            machine.faults.add(BmcFault(kind=kind))
            await obmd.http.get("/v1/nodes/n1/power?max_age=0", headers=headers)
            machine.faults.clear()
        for body in ({"address": "h:1", "password": [secret]}, {"password": secret, secret: 1}, {"address": secret}):
            await obmd.put("n1", body)
        await obmd.admin("GET", "/v1/nodes")
        await obmd.http.get("/metrics")

    on_site(work, replace(QUICK, deadline=0.3))
    assert len(said) > 25
    everything = "".join(said) + caplog.text
    for word in used:
        assert word not in everything.replace(f"'{secret}' is no setting", "")
