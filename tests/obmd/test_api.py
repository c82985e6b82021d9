"""obmd over HTTP: who may do what, what is answered, what is never told."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import httpx
import pytest

from hil.core.secret import Secret
from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from hil.obmd.store import ObmdStore
from hil.services.capability import Right, Signer, new_key
from tests.obmd.serving import ADMIN, EVERYTHING, QUICK, SIGNER, Site, bearer, site, token, true

pytestmark = pytest.mark.net


@pytest.fixture
def on_site(obmd_store: ObmdStore) -> Callable[..., None]:
    """Run a test's coroutine on a running obmd."""

    def run(work: Callable[[Site], Coroutine[Any, Any, None]], limits: Any = QUICK, **settings: Any) -> None:
        async def inner() -> None:
            async with site(obmd_store, limits, **settings) as found:
                await work(found)

        asyncio.run(inner())

    return run


OnSite = Callable[..., None]


def problem(answer: httpx.Response, status: int, kind: str) -> str:
    """Check that an answer is a problem of this kind; answers its words."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    found = answer.json()
    assert (found["type"], found["status"]) == (f"/errors/{kind}", status)
    return str(found["detail"])


def test_an_operator_registers_tests_and_deletes_a_node(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1", epoch=0)
        shown = (await obmd.admin("GET", "/v1/nodes/n1")).json()
        config = {"address": obmd.servers["n1"].address, "username": "hil", "timeout": 10.0}
        assert shown == {
            "name": "n1", "driver": "emulated", "config": config, "epoch": 0, "enabled": False, "fault": None,
            "console_open": False, "power": None, "waiting": 0, "login_paused": False,
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


def test_a_tenant_does_everything_that_a_capability_gives(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")

        async def get(path: str) -> Any:
            answer = await obmd.call("GET", "n1", path)
            assert answer.status_code == 200, answer.text
            return answer.json()

        async def do(method: str, path: str, body: Any = None) -> int:
            return (await obmd.call(method, "n1", path, json=body)).status_code

        assert await do("PUT", "boot", {"device": "pxe", "persistent": True, "uefi": True}) == 204
        assert await get("boot") == {"device": "pxe", "persistent": True, "uefi": True}
        assert await do("POST", "power", {"action": "on"}) == 202
        state = await get("power")
        assert state["power"] == "on"
        assert 0 <= state["age"] < 5
        assert machine.boots == ["pxe"]
        assert await do("PUT", "media/cd", {"image": "https://images.example.org/rescue.iso"}) == 204
        assert (await get("media"))["items"][0] == {
            "slot": "cd", "kinds": ["cd"], "image": "https://images.example.org/rescue.iso",
        }  # fmt: skip
        assert await do("DELETE", "media/cd") == 204
        assert await do("POST", "identify", {"seconds": 15}) == 204
        assert machine.lit_until > 0
        assert {"name": "Inlet Temp", "value": 22.0, "unit": "degrees C", "state": "ok"} in (await get("sensors"))[
            "items"
        ]
        assert (await get("event-log?limit=1"))["items"][0]["message"] == "Power on"
        assert (await get("firmware"))["items"][0] == {"name": "BMC", "version": "1.4.2"}
        can = await get("capabilities")
        assert (can["driver"], can["console"], can["actions"][0]) == ("emulated", True, "cycle")
        assert "max_sessions" not in can

    on_site(work)


CALLS: list[tuple[str, str, Any, set[Right]]] = [
    ("GET", "power", None, {Right.READ, Right.POWER}),
    ("POST", "power", {"action": "on"}, {Right.POWER}),
    ("GET", "boot", None, {Right.READ, Right.BOOT}),
    ("PUT", "boot", {"device": "pxe"}, {Right.BOOT}),
    ("GET", "sensors", None, {Right.READ, Right.SENSORS}),
    ("GET", "event-log", None, {Right.READ, Right.SENSORS}),
    ("GET", "media", None, {Right.READ, Right.MEDIA}),
    ("PUT", "media/cd", {"image": "http://h/i"}, {Right.MEDIA}),
    ("DELETE", "media/cd", None, {Right.MEDIA}),
    ("POST", "identify", {"seconds": 1}, {Right.IDENTIFY}),
    ("GET", "firmware", None, {Right.READ}),
    ("GET", "capabilities", None, set(EVERYTHING)),
    ("POST", "epoch", {"epoch": 1, "enabled": True}, {Right.EPOCH}),
]


def test_each_right_gives_what_the_table_says_and_nothing_else(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        for method, path, body, rights in CALLS:
            for right in Right:
                before = len(machine.log)
                answer = await obmd.call(method, "n1", path, 1, right, json=body)
                if right in rights:
                    assert answer.status_code < 300, (method, path, right, answer.text)
                else:
                    problem(answer, 403, "denied")
                    assert len(machine.log) == before

    on_site(work)


def test_a_capability_opens_its_own_node_in_its_own_epoch(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1", epoch=5)
        other = Signer(new_key())
        await obmd.add("n2", epoch=0)
        wrong = {
            "another node": token("n2", 5),
            "an older epoch": token("n1", 4),
            "a later epoch": token("n1", 6),
            "another signer": token("n1", 5, signer=other),
            "nothing": "hilcap1",
            "the admin token": ADMIN,
        }
        for what, text in wrong.items():
            for method, path, body, _ in CALLS:
                answer = await obmd.http.request(method, f"/v1/nodes/n1/{path}", headers=bearer(text), json=body)
                if path == "epoch" and what in ("an older epoch", "a later epoch"):
                    problem(answer, 403, "denied")
                else:
                    assert problem(answer, 401, "unauthenticated"), what
        assert machine.log == []
        problem(await obmd.call("GET", "n2", "power", 0), 401, "unauthenticated")
        problem(await obmd.call("GET", "n3", "power", 1), 401, "unauthenticated")

    on_site(work)


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "power", {"action": "explode"}, "is no action: use one of on, off"),
        ("POST", "power", {}, "action is missing"),
        ("PUT", "boot", {"device": "floppy"}, "is no device"),
        ("PUT", "boot", {"device": "pxe", "persistent": 1}, "persistent is of the wrong type"),
        ("PUT", "media/cd", {"image": "ftp://h/i"}, "begins with http"),
        ("PUT", "media/cd", {"image": "http://h/i x"}, "without spaces"),
        ("PUT", "media/cd", {"image": "http://[h/i"}, "begins with http"),
        ("POST", "identify", {"seconds": True}, "wrong type"),
        ("POST", "identify", {"seconds": -1}, "seconds is from 0"),
        ("GET", "power?max_age=soon", None, "max_age is a number"),
        ("GET", "power?max_age=nan", None, "max_age is a number"),
        ("GET", "event-log?limit=100000", None, "limit is a number"),
    ],
)
def test_a_request_with_a_fault_reaches_no_controller(
    on_site: OnSite, method: str, path: str, body: Any, words: str
) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        answer = await obmd.call(method, "n1", path, json=body)
        assert answer.status_code == 400
        assert words in answer.json()["detail"]
        assert machine.log == []

    on_site(work)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (BmcFault(kind=BmcFaultKind.REFUSE, op=BmcOp.WRITE, words="Chassis is open"), "device-refused"),
        (BmcFault(kind=BmcFaultKind.LOSE_REPLY, op=BmcOp.WRITE), "device-lost-reply"),
        (BmcFault(kind=BmcFaultKind.HANG, op=BmcOp.WRITE), "device-lost-reply"),
        (BmcFault(kind=BmcFaultKind.HANG, op=BmcOp.LOGIN), "device-unreachable"),
        (BmcFault(kind=BmcFaultKind.WRONG_PASSWORD), "device-login-refused"),
        (BmcFault(kind=BmcFaultKind.UNREACHABLE), "device-unreachable"),
        (BmcFault(kind=BmcFaultKind.BUSY, op=BmcOp.WRITE), "device-busy"),
    ],
    ids=str,
)
def test_a_controller_in_trouble_is_one_clear_error(on_site: OnSite, fault: BmcFault, kind: str) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        machine.faults.add(fault)
        words = problem(await obmd.call("POST", "n1", "power", json={"action": "on"}), 502, kind)
        assert "pw" not in words.split()
        if kind == "device-refused":
            assert "Chassis is open" in words

    on_site(work, replace(QUICK, deadline=2.0 if fault.kind is BmcFaultKind.HANG else 30.0))


def test_what_a_controller_cannot_do_is_refused_without_asking_it(
    on_site: OnSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hil.core.obms import ObmCapabilities
    from hil.drivers.obm.emulated.spec import EmulatedBmcSpec
    from hil.obmd import nodes

    poor = EmulatedBmcSpec(capabilities=ObmCapabilities(boot_once=True))
    monkeypatch.setattr(nodes, "obm_spec", lambda name: poor)

    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        allowed = {("GET", "power"), ("POST", "power"), ("GET", "capabilities"), ("POST", "epoch")}
        for method, path, body, rights in CALLS:
            answer = await obmd.call(method, "n1", path, 1, *rights, json=body)
            if (method, path) in allowed:
                assert answer.status_code < 300
            else:
                assert "cannot do this" in problem(answer, 502, "device-refused")
        problem(await obmd.call("POST", "n1", "power", json={"action": "soft-off"}), 502, "device-refused")
        assert {entry.action for entry in machine.log} == {"login", "power", "power-set"}

    on_site(work)


def test_a_power_state_is_kept_for_a_while_with_its_age(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")

        async def read(query: str = "") -> Any:
            return (await obmd.call("GET", "n1", f"power{query}")).json()

        def reads() -> int:
            return sum(entry.action == "power" for entry in machine.log)

        first = await read()
        assert (await read())["read_at"] == first["read_at"]
        assert reads() == 1
        assert (await read("?max_age=0"))["read_at"] > first["read_at"]
        assert reads() == 2
        await obmd.call("POST", "n1", "power", json={"action": "on"})
        assert (await read())["power"] == "on"
        assert reads() == 3
        await asyncio.gather(*(read("?max_age=0") for _ in range(20)))
        assert reads() < 23

    on_site(work, replace(QUICK, power_age=60.0))


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


def test_hil_signs_with_any_of_the_keys_that_obmd_was_given(on_site: OnSite) -> None:
    newer = Signer(new_key())

    async def work(obmd: Site) -> None:
        await obmd.add("n1")
        for signer in (SIGNER, newer):
            answer = await obmd.http.get("/v1/nodes/n1/power", headers=bearer(token("n1", 1, signer=signer)))
            assert answer.status_code == 200

    on_site(work, public_keys=[newer.public, SIGNER.public])
