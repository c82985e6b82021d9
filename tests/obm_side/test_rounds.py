"""A round of the release step is over soon whatever hangs: one silent OBMd holds up neither other nodes nor itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import update

from hil.services import node as nodes
from hil.services.context import Context
from hil.store.tables import Node
from hil.worker.release import SIDE_BY_SIDE, Releases
from tests.obm_side.world import ObmWorld

pytestmark = pytest.mark.net
MANY = 3 * SIDE_BY_SIDE


class BlackHole:
    """Takes every connection and says nothing."""

    def __init__(self) -> None:
        self.heard = 0
        self.url = ""

    async def swallow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard += 1
        try:
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass
        writer.close()


@asynccontextmanager
async def black_hole() -> AsyncIterator[BlackHole]:
    hole = BlackHole()
    server = await asyncio.start_server(hole.swallow, "127.0.0.1", 0)
    hole.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield hole


def releasing(world: ObmWorld, names: list[str], url: str) -> None:
    """Nodes on their way out, with something alive at the obmd at `url`."""

    def work(ctx: Context) -> None:
        for name in names:
            nodes.node_register(ctx, name, {}, {})
            nodes.node_allocate(ctx, "p", name)
        alive = {"obmd_uri": url, "obmd_own": True, "obm_epoch": 5, "obm_revoke": True}
        ctx.session.execute(update(Node).where(Node.name.in_(names)).values(**alive))
        for name in names:
            nodes.node_release(ctx, name)

    world.hil.change(work)


def test_a_silent_obmd_is_waited_for_once_in_a_round_and_by_few(small_world: ObmWorld) -> None:
    names = [f"dead{number:02}" for number in range(MANY)]

    async def rounds() -> list[int]:
        heard = []
        async with black_hole() as hole:
            await asyncio.to_thread(releasing, small_world, names, hole.url)
            releases = Releases(small_world.hil.store, "test", asyncio.to_thread, timeout=1.0)
            for _ in range(2):
                await releases.advance()
                heard.append(hole.heard)
        return heard

    first, second = small_world.run(rounds())
    assert 1 <= first <= SIDE_BY_SIDE
    assert second <= 2 * SIDE_BY_SIDE
    reasons = {small_world.row(name).reason.replace(name, "N") for name in names}
    assert reasons == {"The OBMd of node 'N' did not answer within 1 s."}
    assert {small_world.row(name).state for name in names} == {"releasing"}
    waits = [line for name in names for line in small_world.lines(name) if line[0] == "node_release_waits"]
    assert len(waits) == MANY  # the journal tells it once


def test_nodes_of_other_obmds_are_freed_while_one_is_silent(small_world: ObmWorld) -> None:
    dead = [f"dead{number:02}" for number in range(SIDE_BY_SIDE + 2)]
    small_world.machine("n1", "p", enabled=True)

    async def released() -> tuple[str, str]:
        async with black_hole() as hole:
            await asyncio.to_thread(releasing, small_world, dead, hole.url)
            await asyncio.to_thread(small_world.hil.change, lambda ctx: nodes.node_release(ctx, "n1"))
            releases = Releases(small_world.hil.store, "test", asyncio.to_thread, timeout=600.0)
            while (await asyncio.to_thread(small_world.row, "n1")).state == "releasing":
                await releases.advance(0.05)
            states = (await asyncio.to_thread(small_world.row, dead[0])).state, str(hole.heard)
            await releases.close()
            return states

    assert small_world.run(asyncio.wait_for(released(), 60)) == ("releasing", str(SIDE_BY_SIDE))
    assert small_world.row("n1").state == "free"


def test_a_node_whose_obmd_was_silent_comes_after_the_others(small_world: ObmWorld) -> None:
    """Else as many nodes that hang as are in hand at once would keep the others of their OBMd from their turn."""
    names = [f"n{number:02}" for number in range(SIDE_BY_SIDE + 4)]
    hung = set(names[:SIDE_BY_SIDE])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if head.split()[1].split("/")[3] in hung:
            await reader.read(4096)
            await reader.read(4096)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async def rounds() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            await asyncio.to_thread(releasing, small_world, names, url)
            releases = Releases(small_world.hil.store, "test", asyncio.to_thread, timeout=1.0)
            for _ in range(20):
                await releases.advance()
                if await asyncio.to_thread(waiting) == hung:
                    return

    def waiting() -> set[str]:
        return {name for name in names if small_world.row(name).state == "releasing"}

    small_world.run(rounds())
    assert waiting() == hung
