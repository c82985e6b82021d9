"""Recordings as people read them: lines, the newest, context, a span of time; and never what another project's are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from hil.obmd.record_api import MOST_CONTEXT, MOST_LINES
from hil.obmd.recording import Recordings
from hil.obmd.store import ObmdStore
from hil.services.capability import Right
from tests.obmd.serving import Site, site
from tests.obmd.test_recordings import NODE, WIDE, ask, holds, record

pytestmark = pytest.mark.net


Run = Callable[[Callable[[Site, float], Awaitable[None]]], None]


@pytest.fixture
def run(obmd_store: ObmdStore, tmp_path: Path) -> Run:
    """Run something with an obmd whose node project 7 had in epochs 1 and 3, and project 8 in 2 and 4, the present one.

    It is told when the first of them began.
    """
    begun = float(int(obmd_store.clock()) - 100)
    kept = Recordings(tmp_path / "recordings", WIDE, obmd_store.clock)
    record(kept, 1, 7, (begun, b"one\r\n"), (begun + 1, b"two\r\n"), (begun + 2, b"three\r\n"))
    record(kept, 2, 8, (begun + 10, b"the secret of eight\r\n"))
    record(kept, 3, 7, (begun + 20, b"\x1b[31mfour\x1b[0m\r\n"), (begun + 21, b"five"))
    record(kept, 4, 8, (begun + 30, b"another secret\r\n"))

    async def recorded(work: Callable[[Site, float], Awaitable[None]]) -> None:
        async with asyncio.timeout(60), site(obmd_store, recordings=kept) as obmd:
            await obmd.add(NODE, epoch=4)
            await work(obmd, begun)

    return lambda work: asyncio.run(recorded(work))


def read(answer: httpx.Response) -> list[tuple[str, float, str]]:
    assert answer.status_code == 200, answer.text
    found = [json.loads(line) for line in answer.text.splitlines()]
    return [(each["recording"], each["at"], each["line"]) for each in found]


def test_the_last_lines_of_a_recording_are_plain_and_timed(run: Run) -> None:
    async def work(obmd: Site, begun: float) -> None:
        seven = holds(4, 7)
        last = await ask(obmd, seven, "1", **{"as": "lines", "last": 2})
        assert read(last) == [("1", begun + 1, "two"), ("1", begun + 2, "three")]
        newest = await ask(obmd, seven, "newest", **{"as": "lines"})
        assert read(newest) == [("3", begun + 20, "four"), ("3", begun + 21, "five")]
        some = await ask(obmd, seven, "1", **{"as": "lines", "from": begun + 1, "to": begun + 2})
        assert read(some) == [("1", begun + 1, "two")]
        assert read(await ask(obmd, seven, "1", **{"as": "lines", "last": 0})) == []

    run(work)


def test_the_newest_is_the_newest_of_ones_own(run: Run) -> None:
    async def work(obmd: Site, _: float) -> None:
        assert (await ask(obmd, holds(4, 7), "newest", **{"as": "bytes"})).content == b"\x1b[31mfour\x1b[0m\r\nfive"
        assert (await ask(obmd, holds(4, 8), "newest", **{"as": "bytes"})).content == b"another secret\r\n"
        for stranger in (holds(4, 9), holds(4, 0)):
            assert (await ask(obmd, stranger, "newest")).status_code == 404
        for of_another in ("2", "4"):
            assert (await ask(obmd, holds(4, 7), of_another, **{"as": "lines"})).status_code == 404
            searched = await ask(obmd, holds(4, 7), "search", text="e", recording=of_another)
            assert searched.status_code == 404
        assert (await ask(obmd, holds(3, 7), "newest")).status_code == 401
        assert (await ask(obmd, holds(4, 7, Right.POWER), "newest")).status_code == 403

    run(work)


def test_a_search_looks_where_it_is_told_and_shows_what_stands_around(run: Run) -> None:
    async def work(obmd: Site, begun: float) -> None:
        seven = holds(4, 7)

        async def found(**query: Any) -> list[tuple[str, str]]:
            items = (await ask(obmd, seven, "search", **query)).json()["items"]
            return [(item["recording"], item["line"]) for item in items]

        assert await found(text="E") == [("3", "five"), ("1", "one"), ("1", "three")]
        assert await found(text="E", recording="1") == [("1", "one"), ("1", "three")]
        assert await found(text="E", limit=1) == [("3", "five")]
        assert await found(text="e", to=begun + 2) == [("1", "one")]
        assert await found(text="secret") == []
        (item,) = (await ask(obmd, seven, "search", text="two", context=1)).json()["items"]
        assert item == {"recording": "1", "at": begun + 1, "line": "two", "before": ["one"], "after": ["three"]}

    run(work)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("newest", {"as": "html"}),
        ("newest", {"as": "lines", "last": MOST_LINES + 1}),
        ("newest", {"from": "yesterday"}),
        ("search", {"text": "x", "context": MOST_CONTEXT + 1}),
        ("search", {"text": "x", "limit": -1}),
        ("search", {"text": "x", "to": "nan"}),
        ("search", {"text": ""}),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(run: Run, path: str, query: dict[str, Any]) -> None:
    async def work(obmd: Site, _: float) -> None:
        refused = await ask(obmd, holds(4, 7), path, **query)
        assert (refused.status_code, refused.json()["type"]) == (400, "/errors/bad-argument")

    run(work)
