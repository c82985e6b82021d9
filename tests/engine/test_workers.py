"""Whole workers: lanes are shared, given back, and served however much the bell rings."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import select

from hil.core.limits import Limits
from hil.services import switch
from hil.store.tables import Lane
from hil.worker.worker import Worker
from tests.engine.site import Site

pytestmark = pytest.mark.net  # two workers share a database through its own clock


async def until(fact: Callable[[], bool], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not fact():  # noqa: ASYNC110 other processes would change it too: the database is what is asked
            await asyncio.sleep(0.05)


def owners(site: Site) -> dict[str, int]:
    """How many lanes each worker holds."""
    held = site.store.read(lambda session: list(session.scalars(select(Lane.owner))))
    return {owner: held.count(owner) for owner in held if owner is not None}


def test_lanes_are_shared_between_workers_and_given_back_at_the_end(site: Site) -> None:
    site.real_time()
    site.store.limits = Limits(lease=3.0, lease_margin=0.5, audit_interval=0.2)
    for index in range(4):
        config = {"hostname": f"{site.hosts[0]}-{index}", "username": "u", "password": "p"}
        site.do(lambda ctx, index=index, config=config: switch.switch_register(ctx, f"more{index}", "mock", config))

    async def story() -> None:
        one, two = Worker(site.store, tick=0.1, name="one"), Worker(site.store, tick=0.1, name="two")
        first = asyncio.create_task(one.run())
        await until(lambda: owners(site).get("one") == 6)
        second = asyncio.create_task(two.run())
        await until(lambda: owners(site) == {"one": 3, "two": 3})
        one.stop()
        await first
        await until(lambda: owners(site) == {"two": 6})
        two.stop()
        await second

    for lane in site.lanes:
        asyncio.run(lane.leave())
    asyncio.run(story())
    assert owners(site) == {}
