"""Consoles over WebSocket: admitted by capability, carried byte for byte, ended with a reason."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from hil.obmd.console import PROTOCOL
from hil.obmd.store import ObmdStore
from hil.services.capability import SKEW, Right
from tests.obmd.serving import Site, site, token, true, until

pytestmark = pytest.mark.net
OnSite = Callable[..., None]


@pytest.fixture
def on_site(obmd_store: ObmdStore) -> OnSite:
    def run(work: Callable[[Site], Coroutine[Any, Any, None]]) -> None:
        async def inner() -> None:
            async with asyncio.timeout(60), site(obmd_store) as found:
                await work(found)

        asyncio.run(inner())

    return run


async def close_code(socket: ClientConnection) -> int:
    """Receive until the end; answers the close code."""
    while True:
        try:
            await socket.recv()
        except ConnectionClosed:
            return socket.close_code or 0


async def tell(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


def test_bytes_travel_both_ways_as_they_are(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        machine.on = True
        everything = bytes(range(256)) * 300 + b"the end"
        async with obmd.console("n1") as ann:
            await until(ann, "hello")
            machine.print(everything)
            seen = b"".join(item for item in await until(ann, b"the end") if isinstance(item, bytes))
            assert seen == everything
            await ann.send(everything[:512])
            await true(lambda: bytes(machine.typed) == everything[:512])

    on_site(work)


def test_writing_is_handed_over_and_all_are_told(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        async with obmd.console("n1") as ann, obmd.console("n1", user="bob") as bob:
            await until(ann, "hello")
            await until(bob, "hello")
            await ann.send(b"a")
            assert (await until(bob, "writer"))[-1]["writer"] == {"number": 1, "user": "ann"}
            await bob.send(b"b")
            refused = (await until(bob, "refused"))[-1]
            assert (refused["type"], "ann types" in refused["detail"]) == ("not-writing", True)
            await tell(bob, do="take")
            assert (await until(ann, "writer"))[-1]["writer"]["user"] == "ann"
            assert (await until(ann, "writer"))[-1]["writer"]["user"] == "bob"
            await bob.send(b"B")
            await true(lambda: bytes(machine.typed) == b"aB")
            await tell(bob, do="give")
            assert (await until(ann, "writer"))[-1]["writer"] is None

    on_site(work)


def test_who_may_only_watch_types_nothing(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        async with obmd.console("n1", 1, Right.WATCH) as ann:
            await ann.send(b"x")
            assert "watch" in (await until(ann, "refused"))[-1]["detail"]
            await tell(ann, do="take")
            await until(ann, "refused")
            for text in ("", "x", "[]", '{"do": "dance"}', "[" * 10_000):
                await ann.send(text)
                assert (await until(ann, "refused"))[-1]["type"] == "validation"
        assert not machine.typed

    on_site(work)


@pytest.mark.parametrize(
    ("epoch", "rights", "code"), [(2, (), 4401), (1, (Right.POWER,), 4403), (1, (Right.EPOCH,), 4403)]
)
def test_who_is_not_admitted_is_told_and_closed(
    on_site: OnSite, epoch: int, rights: tuple[Right, ...], code: int
) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        async with obmd.console("n1", epoch, *rights) as ann:
            assert (await until(ann, "end"))[-1]["type"] in ("unauthenticated", "denied")
            assert await close_code(ann) == code
        assert machine.log == []

    on_site(work)


def test_a_browser_shows_its_capability_as_a_subprotocol(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        await obmd.add("n1")
        url = f"{obmd.url.replace('http', 'ws')}/v1/nodes/n1/console"
        async with connect(url, subprotocols=[PROTOCOL, token("n1", 1)], proxy=None) as ann:  # type: ignore[list-item]  # a token is one
            assert ann.subprotocol == PROTOCOL
            await until(ann, "hello")

    on_site(work)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (BmcFault(kind=BmcFaultKind.BUSY, op=BmcOp.CONSOLE), "device-busy"),
        (BmcFault(kind=BmcFaultKind.REFUSE, op=BmcOp.CONSOLE), "device-refused"),
        (BmcFault(kind=BmcFaultKind.DROP, op=BmcOp.CONSOLE), "device-lost-reply"),
        (BmcFault(kind=BmcFaultKind.WRONG_PASSWORD), "device-login-refused"),
    ],
    ids=str,
)
def test_a_console_that_cannot_be_opened_is_told(on_site: OnSite, fault: BmcFault, kind: str) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        machine.faults.add(fault)
        async with obmd.console("n1") as ann:
            assert (await until(ann, "end"))[-1]["type"] == kind
            assert await close_code(ann) == 4500

    on_site(work)


def test_a_console_that_dies_is_told_and_can_be_opened_again(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        async with obmd.console("n1") as ann:
            await until(ann, "hello")
            machine.faults.add(BmcFault(kind=BmcFaultKind.CUT))
            machine.print("x")
            assert (await until(ann, "end"))[-1]["type"] in ("device-lost-reply", "closed")
        async with obmd.console("n1") as ann:
            await until(ann, "hello")
            machine.print("again")
            await until(ann, b"again")

    on_site(work)


def test_who_comes_back_sees_what_was_said_meanwhile(on_site: OnSite) -> None:
    async def work(obmd: Site) -> None:
        machine = await obmd.add("n1")
        async with obmd.console("n1") as ann:
            await until(ann, "hello")
        node, tenure = obmd.nodes.node("n1"), obmd.nodes.node("n1").tenure
        assert tenure is not None
        await true(lambda: not tenure.hub.viewers)
        machine.print("while nobody looked")
        async with obmd.console("n1") as ann:
            await until(ann, b"while nobody looked")
        assert node.tenure is tenure

    on_site(work)


class Late:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def test_an_expired_capability_ends_the_view_unless_it_is_renewed(obmd_store: ObmdStore) -> None:
    late = Late()
    obmd_store.clock = late

    async def work() -> None:
        async with asyncio.timeout(60), site(obmd_store) as obmd:
            machine = await obmd.add("n1")
            short = {"life": 1}
            async with (
                obmd.console("n1", **short) as ann,
                obmd.console("n1", user="bob", **short) as bob,
                obmd.console("n1", user="cid", **short) as cid,
            ):
                for viewer in (ann, bob, cid):
                    await until(viewer, "hello")
                await tell(ann, do="renew", capability=token("n1", 1, life=600))
                await tell(cid, do="renew", capability=token("n1", 1, user="ann", life=600))
                assert (await until(cid, "end"))[-1]["detail"] == "The capability is another user's."
                late.ahead = SKEW + 2
                await tell(bob, do="renew", capability=token("n1", 1, user="bob", life=1))
                assert (await until(bob, "end"))[-1]["type"] == "unauthenticated"
                assert await close_code(bob) == 4401
                machine.print("still here")
                await until(ann, b"still here")

    asyncio.run(work())


def test_a_view_ends_by_itself_when_its_capability_does(obmd_store: ObmdStore) -> None:
    late = Late()
    late.ahead = SKEW
    obmd_store.clock = late

    async def work() -> None:
        async with asyncio.timeout(60), site(obmd_store) as obmd:
            await obmd.add("n1")
            async with obmd.console("n1", life=3) as ann:
                assert "has expired" in (await until(ann, "end"))[-1]["detail"]

    asyncio.run(work())


def test_stopping_obmd_ends_every_console(obmd_store: ObmdStore) -> None:
    async def work() -> None:
        async with site(obmd_store) as obmd:
            await obmd.add("n1")
            server = obmd.servers["n1"]
            ann = await obmd.console("n1")
            await until(ann, "hello")
        assert not server.consoles
        await close_code(ann)

    asyncio.run(work())
