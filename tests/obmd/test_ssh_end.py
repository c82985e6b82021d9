"""What ends a console over SSH: the next epoch, a capability that has expired, a key that HIL knows no more."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from hil.obmd.ssh_seat import EARLY
from hil.obmd.store import ObmdStore
from hil.services.capability import SKEW
from tests.obmd.serving import token, true
from tests.obmd.ssh_desk import AtDesk, Desk, FakeHil, desk, granted


@pytest.mark.net
def test_the_next_epoch_ends_it_at_once_and_no_later_byte_comes_through(at_desk: AtDesk) -> None:
    async def work(here: Desk) -> None:
        machine = here.obmd.servers["n1"].machine
        async with here.console() as ann, here.console(token("n1", 1)) as bob:
            for viewer in (ann, bob):
                machine.print("before")
                await viewer.shows(b"before")
            talking = asyncio.create_task(chatter(machine, "mine\n"))
            await ann.shows(b"mine")
            assert (await here.obmd.epoch("n1", 2)).status_code == 200
            talking.cancel()
            assert not here.obmd.servers["n1"].consoles
            async with here.obmd.console("n1", 2):
                await true(lambda: here.obmd.servers["n1"].consoles)
                await chatter(machine, "SECRET\n", 100)
                for viewer in (ann, bob):
                    screen, notices, status = await viewer.end()
                    assert b"SECRET" not in screen
                    assert "ask HIL for a new capability" in notices
                    assert status == 1
        assert not machine.typed

    at_desk(work)


async def chatter(machine: Any, text: str, times: int = 10**9) -> None:
    for _ in range(times):
        machine.print(text)
        await asyncio.sleep(0)


@pytest.mark.net
def test_a_viewer_who_does_not_read_delays_no_epoch(at_desk: AtDesk) -> None:
    async def work(here: Desk) -> None:
        machine = here.obmd.servers["n1"].machine
        async with (
            await here.connect() as connection,
            connection.create_process(encoding=None, window=1024) as process,
        ):
            process.channel.pause_reading()
            await true(lambda: here.obmd.servers["n1"].consoles)
            for _ in range(64):
                machine.print(b"x" * 65536)
                await asyncio.sleep(0)
            assert (await here.obmd.epoch("n1", 2)).status_code == 200
            assert not here.obmd.servers["n1"].consoles
            connection.abort()

    at_desk(work)


class Late:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.mark.net
def test_a_key_that_hil_still_knows_keeps_the_console_open(obmd_store: ObmdStore, tmp_path: Path) -> None:
    def answer(node: str, key: str) -> tuple[int, dict[str, Any]]:
        return granted(node, key, life=2 if len(hil.asked) == 1 else 600)

    late = Late()
    obmd_store.clock = late
    hil = FakeHil(answer)

    async def work() -> None:
        async with asyncio.timeout(60), desk(obmd_store, tmp_path, hil) as here, here.console() as ann:
            await true(lambda: len(hil.asked) == 2)
            late.ahead = SKEW + 10  # the first capability is dead
            here.obmd.servers["n1"].machine.print("still here")
            await ann.shows(b"still here")
            assert len(hil.asked) == 2

    asyncio.run(work())


@pytest.mark.net
def test_a_capability_that_has_expired_ends_the_console(obmd_store: ObmdStore, tmp_path: Path) -> None:
    late = Late()
    late.ahead = SKEW
    obmd_store.clock = late

    async def work() -> None:
        hil = FakeHil(granted)
        short = token("n1", 1, life=2)
        async with asyncio.timeout(60), desk(obmd_store, tmp_path, hil) as here, here.console(short) as ann:
            _, notices, status = await ann.end()
            assert ("has expired" in notices, status) == (True, 1)

    asyncio.run(work())


@pytest.mark.net
def test_a_withdrawn_key_ends_the_console_at_the_next_question(obmd_store: ObmdStore, tmp_path: Path) -> None:
    def answer(node: str, key: str) -> tuple[int, dict[str, Any]]:
        return granted(node, key if len(hil.asked) == 1 else "withdrawn", life=int(EARLY))

    hil = FakeHil(answer)

    async def work() -> None:
        async with asyncio.timeout(60), desk(obmd_store, tmp_path, hil) as here, here.console() as ann:
            _, notices, status = await ann.end()
            assert ("does not know this API key" in notices, status) == (True, 1)

    asyncio.run(work())
