"""The console of a node: HIL's ticket opens it, and nothing of it is seen after the release."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from hil.client.console import Console
from hil.client.errors import ConsoleClosed, Unreachable
from hil.client.power import ConsoleTicket
from tests.obm_side.world import ObmWorld
from tests.obmd.serving import until

pytestmark = pytest.mark.net


def ticket(world: ObmWorld, by: str = "alice", **body: Any) -> dict[str, Any]:
    found: dict[str, Any] = world.hil.ok("POST", "/v1/nodes/n1/console", body, by=by)
    return found


def opened(shown: dict[str, Any]) -> connect:
    headers = {"Authorization": f"Bearer {shown['capability']}"}
    return connect(shown["url"], additional_headers=headers, subprotocols=[shown["protocol"]], proxy=None)


async def rest(socket: ClientConnection) -> bytes:
    """Everything that still comes until the end."""
    seen = b""
    while True:
        try:
            message = await socket.recv()
        except ConnectionClosed:
            return seen
        seen += message if isinstance(message, bytes) else b""


def test_a_ticket_opens_the_console_to_type_or_to_watch(small_world: ObmWorld) -> None:
    machine = small_world.machine("n1", "p", enabled=True)
    machine.on = True

    async def work(typing: dict[str, Any], watching: dict[str, Any]) -> None:
        async with opened(typing) as ann, opened(watching) as wat:
            await until(wat, "hello")
            await ann.send(b"echo me")
            await until(ann, b"echo me")
            await until(wat, b"echo me")
            await wat.send(b"not me")
            refused = await until(wat, "refused")
            assert "watch" in refused[-1]["detail"]

    small_world.run(work(ticket(small_world), ticket(small_world, watch=True)))
    assert bytes(machine.typed) == b"echo me"
    assert small_world.hil.refused("POST", "/v1/nodes/n1/console", {}, by="rita") == "403 denied"
    assert [line[3] for line in small_world.lines("n1") if line[0] == "node_console"] == [
        {"watch": False},
        {"watch": True},
    ]


def test_no_byte_from_after_the_release_reaches_who_had_the_console_open(world: ObmWorld) -> None:
    machine = world.machine("n1", "p", enabled=True)
    shown = ticket(world)

    async def work() -> bytes:
        async with opened(shown) as ann:
            await until(ann, "hello")
            machine.print(b"before the release")
            await until(ann, b"before the release")
            begun = await world.hil.ask("POST", "/v1/nodes/n1/release", by="alice")
            assert begun.status_code == 202
            await asyncio.to_thread(lambda: None)
            from hil.worker.release import Releases

            await Releases(world.hil.store, "test", asyncio.to_thread).advance()
            assert world.row("n1").state == "free"
            machine.print(b"the next one's secret")
            return await rest(ann)

    assert world.run(work()) == b""

    async def again() -> bytes:
        async with opened(shown) as ann:
            return await rest(ann)

    assert world.run(again()) == b""


def test_the_client_carries_bytes_takes_over_and_is_told_how_it_ended(small_world: ObmWorld) -> None:
    machine = small_world.machine("n1", "p", enabled=True)
    machine.on = True
    first, second = (ConsoleTicket.of(ticket(small_world, by)) for by in ("alice", "root"))
    said: list[Any] = []

    def sit() -> None:
        with Console(first) as ann, Console(second) as root:
            ann.send(b"ann")
            _until(ann, lambda message: message == b"ann")
            root.send(b"root")
            said.append(_until(root, lambda message: isinstance(message, dict) and message["event"] == "refused"))
            root.take()
            _until(root, lambda m: isinstance(m, dict) and m["event"] == "writer" and m["writer"]["user"] == "root")
            root.send(b"root")
            _until(ann, lambda message: isinstance(message, bytes) and b"root" in message)
            ann.renew(first)
            said.append("ready")
            try:
                while True:
                    ann.receive()
            except ConsoleClosed as error:
                said.append(error)

    def told() -> None:
        try:
            sit()
        except BaseException as error:
            said.append(error)
            raise

    thread = threading.Thread(target=told, daemon=True)
    thread.start()

    async def watch() -> None:
        async with asyncio.timeout(30):
            while not any(word == "ready" or isinstance(word, BaseException) for word in said):  # noqa: ASYNC110 - a thread's list rings no bell
                await asyncio.sleep(0.01)
        answer = await small_world.hil.ask("POST", "/v1/nodes/n1/obm/disable", by="alice")
        assert answer.status_code == 200
        async with asyncio.timeout(30):
            while thread.is_alive():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)

    small_world.run(watch())
    assert isinstance(said[-1], ConsoleClosed)
    assert said[-1].type
    assert bytes(machine.typed) == b"annroot"


def _until(console: Console, wanted: Any) -> Any:
    while not wanted(message := console.receive()):
        pass
    return message


def test_a_console_that_is_not_there_is_told_without_the_capability(small_world: ObmWorld) -> None:
    small_world.machine("n1", "p", enabled=True)
    shown = ticket(small_world)
    found = ConsoleTicket.of(shown | {"url": "ws://127.0.0.1:9/console"})
    with pytest.raises(Unreachable) as caught:
        Console(found)
    assert shown["capability"] not in str(caught.value) + repr(found)
