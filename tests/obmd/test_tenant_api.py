"""What a tenant may do with a node over HTTP: each right, its own node, its own epoch, and a controller in trouble."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from hil.services.capability import Right, Signer, new_key
from tests.obmd.answers import CALLS, OnSite, problem
from tests.obmd.serving import ADMIN, QUICK, SIGNER, Site, bearer, token

pytestmark = pytest.mark.net


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


def test_hil_signs_with_any_of_the_keys_that_obmd_was_given(on_site: OnSite) -> None:
    newer = Signer(new_key())

    async def work(obmd: Site) -> None:
        await obmd.add("n1")
        for signer in (SIGNER, newer):
            answer = await obmd.http.get("/v1/nodes/n1/power", headers=bearer(token("n1", 1, signer=signer)))
            assert answer.status_code == 200

    on_site(work, public_keys=[newer.public, SIGNER.public])
