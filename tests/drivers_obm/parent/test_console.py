"""The console of a parent's node: nothing from before it was opened, the typing is ours, and it ends when told to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from hil.core.errors import DeviceError, LostReply
from hil.core.obms import ConsoleLine
from hil.drivers.obm.parent.console import RENEW, open_console
from hil.drivers.obm.parent.session import new_ticket, open_session
from hil.lab.bmc.machine import Machine
from tests.drivers_obm.parent.peer import api_key, api_of, config
from tests.obm_side.world import ObmWorld
from tests.obmd.serving import true, until

pytestmark = pytest.mark.net


async def reads(line: ConsoleLine, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        more = await line.read()
        assert more, f"the console ended after {seen!r}"
        seen += more
    return seen


def play(world: ObmWorld, story: Any) -> Machine:
    machine = world.machine("n1", "p", enabled=True)
    machine.on = True
    _, token = api_key(world)

    async def run() -> None:
        async with api_of(world) as url, asyncio.timeout(60):
            await story(machine, config(url, token))

    world.run(run())
    return machine


def test_what_was_said_to_an_earlier_tenant_of_the_child_is_not_seen_by_the_next(small_world: ObmWorld) -> None:
    async def story(machine: Machine, found: dict[str, Any]) -> None:
        session = await open_session(found)
        first = await session.console()
        machine.print(b"the first one's secret")
        await reads(first, b"secret")
        await first.close()
        machine.print(b"said to nobody")
        second = await session.console()
        machine.print(b"the second one's")
        assert await reads(second, b"the second one's") == b"the second one's"
        await second.close()
        await session.close()

    play(small_world, story)


def test_typing_goes_on_after_somebody_at_the_parent_took_it(small_world: ObmWorld) -> None:
    async def story(machine: Machine, found: dict[str, Any]) -> None:
        line = await open_console(found, await new_ticket(found), lambda: new_ticket(found))
        shown = (await small_world.hil.ask("POST", "/v1/nodes/n1/console", {}, by="alice")).json()
        headers = {"Authorization": f"Bearer {shown['capability']}"}
        async with connect(shown["url"], additional_headers=headers, proxy=None) as other:
            await until(other, "hello")
            await other.send(json.dumps({"do": "take"}))
            await other.send(b"theirs ")
            await reads(line, b"theirs ")
            await line.write(b"ours")
            await true(lambda: bytes(machine.typed) == b"theirs ours")
        await line.close()

    play(small_world, story)


def test_newer_capabilities_are_shown_as_long_as_it_is_open_and_a_fetch_that_fails_is_tried_again(
    small_world: ObmWorld,
) -> None:
    slept: list[float] = []
    fetched: list[str] = []
    third = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 4:
            third.set()
            await asyncio.Event().wait()

    async def story(machine: Machine, found: dict[str, Any]) -> None:
        async def fetch() -> Any:
            ticket = await new_ticket(found)
            fetched.append(ticket.capability)
            if len(fetched) == 1:
                raise LostReply("the parent stumbles")
            return ticket

        line = await open_console(found, await new_ticket(found), fetch, sleep)
        await third.wait()
        machine.print(b"still there")
        await reads(line, b"still there")
        await line.close()

    play(small_world, story)
    assert slept == [RENEW] * 4
    assert len(fetched) == 3
    told = [line for line in small_world.lines("n1") if line[0] == "node_console"]
    assert len(told) == 4, "the parent's journal knows every capability"


def test_it_ends_when_the_parent_disables_it_and_no_secret_is_logged(
    small_world: ObmWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secrets: list[str] = []

    async def story(machine: Machine, found: dict[str, Any]) -> None:
        ticket = await new_ticket(found)
        secrets.extend((ticket.capability, found["api_key"]))
        assert ticket.capability not in repr(ticket)
        line = await open_console(found, ticket, lambda: new_ticket(found))
        ended = asyncio.create_task(rest(line))
        assert (await small_world.hil.ask("POST", "/v1/nodes/n1/obm/disable", by="alice")).status_code == 200
        machine.print(b"the next one's secret")
        assert await ended == b""
        with pytest.raises(DeviceError):
            await line.write(b"x")
        await line.close()
        await line.close()

    machine = play(small_world, story)
    assert bytes(machine.typed) == b""
    ours = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn"))
    assert "/v1/nodes/n1/console" in ours
    assert not [secret for secret in secrets if secret in ours], "the parent's own server is not the driver"


async def rest(line: ConsoleLine) -> bytes:
    """Everything that still comes, until the end or an error."""
    seen = b""
    try:
        while more := await line.read():
            seen += more
    except DeviceError:
        pass
    return seen
