"""kill -9 of API, worker and obmd while two tenants use machines: nobody reaches one that is not theirs.

The judges are the emulated controllers, which ask the books at each command, and every byte that every viewer got.
`HIL_SOAK=1` kills much more often. `HIL_STORM` is the seed of another storm: what is asked and who is killed when; the
processes answer in an order of their own.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from hil.obmd.store import ObmdStore
from hil.store.journal import verify
from hil.store.keys import Keyring
from tests.obm_side.watch import PEOPLE, Books, Watch
from tests.process.storm import ADMIN, BMC_PASSWORD, PASSWORD, Site
from tests.process.tenants import NODES, Tenants

pytestmark = [pytest.mark.net, pytest.mark.timeout(1500)]
KILLS: Final = 150 if os.environ.get("HIL_SOAK") else 6
SEED: Final = os.environ.get("HIL_STORM", "1")
PATIENCE: Final = 90.0
LAST: Final = 12
NEVER_DULL: Final = ("alice heard", "bob heard", "alice type", "bob type", "alice power-set", "bob power-set")
MUTATIONS: Final = {"viewers are not put out": "sqlite", "obmd forgets to ask for the epoch": "postgresql"}
"""What is gone (`tests/obm_side/mutations.py`), and where it is looked for."""


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    url = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    here = Site(url, tmp_path / "site")
    yield here
    here.close()


async def storm(tenants: Tenants, site: Site) -> list[str]:
    """Kill and start again, at random instants under load; answers who was killed when."""
    chance, killed = random.Random(f"{SEED} kills"), []
    async with tenants.busy():
        for number in range(KILLS):
            role = site.roles[number % len(site.roles)]
            await tenants.go_on(4)
            await asyncio.sleep(chance.uniform(0, 0.15))
            killed.append(f"{role} after {len(tenants.done)} answers")
            await asyncio.to_thread(site.kill, role)
            await asyncio.sleep(chance.uniform(0, 0.3))
            await asyncio.to_thread(site.start, role)
        await tenants.go_on(8, *NEVER_DULL)
    return killed


async def exposed(tenants: Tenants, site: Site) -> bool:
    """Kill obmd until somebody was seen where they may not be; False if nobody was."""
    last = site.roles[-1]
    async with tenants.busy():
        for _ in range(KILLS):
            await tenants.go_on(12)
            tenants.judge()
            if tenants.watch.violations:
                return True
            await asyncio.to_thread(site.kill, last)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(site.start, last)
    return False


async def taken_back(tenants: Tenants) -> list[str]:
    """Give every node back; answers those that are stuck."""
    left: dict[str, Any] = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                for name in NODES:
                    truth = tenants.watch.books.of(name)
                    left[name] = truth
                    if truth.state == "allocated":
                        await tenants.ask("root", "POST", f"/v1/nodes/{name}/release")
                if all(truth.state == "free" and not truth.revoke for truth in left.values()):
                    return []
                await asyncio.sleep(0.1)
    except TimeoutError:
        shown = [(await tenants.ask("root", "GET", f"/v1/nodes/{name}")).json() for name in NODES]
        return [f"{each['name']} {each['state']}: {each.get('reason')}" for each in shown]


async def everything_tried(tenants: Tenants) -> None:
    """Everybody uses what they were given last, of which much has not expired; no node is anybody's."""
    before = len(tenants.seats)
    for who in PEOPLE:
        for back in range(min(LAST, sum(kept.who == who for kept in tenants.kept))):
            await tenants.do(who, "use", NODES[0], back)
    assert not any(seat.socket is not None and seat.open for _, seat in tenants.seats[before:])


async def recordings_judged(tenants: Tenants) -> None:
    """Each tenant in turn sees what was recorded for its project, and nothing else."""
    for who in PEOPLE:
        assert await tenants.do(who, "allocate", "n0") == "200"
        assert await tenants.do(who, "enable", "n0") == "200"
        assert await tenants.do(who, "keep", "n0") == "in"
        heard = await tenants.recorded(who, "n0")
        assert not tenants.foreign(who, "n0", heard)
        assert await tenants.do(who, "release", "n0") == "202"
        assert await taken_back(tenants) == []


def secrets_kept(tenants: Tenants, site: Site) -> None:
    """No log and no database holds a password or what tenants were given."""
    databases = [path.read_bytes() for path in site.directory.rglob("*.db*")]
    kept = [each.ticket or each.url.rpartition("token=")[2] for each in tenants.kept]
    everything = "\n".join(site.said).encode() + b"".join(databases)
    assert site.said
    for secret in (PASSWORD, BMC_PASSWORD, ADMIN, *kept):
        assert secret.encode() not in everything


def books_agree(site: Site) -> None:
    """obmd's own books hold nothing that HIL does not know of, and HIL's journal is whole."""
    keys = Keyring.from_file(site.directory / "state" / "obmd" / "keys")
    with closing(ObmdStore(f"sqlite:///{site.directory}/state/obmd/obmd.db", keys)) as store:
        records = {record.name: record for record in store.records()}
    books = Books(site.url)
    assert set(records) == set(NODES)
    assert not any(record.enabled for record in records.values())
    assert all(record.epoch <= books.of(name).epoch for name, record in records.items())
    books.close()
    assert not site.store.read(lambda session: verify(session, site.store.keys.sealing)).fault


@pytest.mark.soak
def test_nobody_reaches_a_machine_that_is_not_theirs_however_often_a_process_is_killed(site: Site) -> None:
    watch = Watch(Books(site.url))
    tenants = Tenants(site, watch, SEED)

    async def work() -> list[str]:
        async with tenants.there():
            killed = await storm(tenants, site)
            assert await taken_back(tenants) == [], killed
            await everything_tried(tenants)
            await recordings_judged(tenants)
            tenants.judge()
            return killed

    for role in reversed(site.roles):
        site.start(role)
    killed = asyncio.run(work())
    for role in site.roles:
        site.kill(role)
    watch.books.close()
    story = "\n".join([f"HIL_STORM={SEED}", *killed, *tenants.done[-60:]])
    assert not watch.violations, "\n".join([*watch.violations[:5], story])
    secrets_kept(tenants, site)
    books_agree(site)
    dull = [what for what in NEVER_DULL if not watch.counts[what]]
    assert not dull, f"{dull} never happened, which proves nothing: {watch.counts} {tenants.answers}"


@pytest.mark.parametrize("gone", MUTATIONS)
def test_it_is_found_out_if(gone: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The processes themselves are started with the fault in them."""
    kind = MUTATIONS[gone]
    url = request.getfixturevalue("sqlite_url" if kind == "sqlite" else "postgres_url")
    site = Site(url, tmp_path / "site", fault=gone)
    watch = Watch(Books(url))
    tenants = Tenants(site, watch, SEED)

    async def work() -> bool:
        async with tenants.there():
            return await exposed(tenants, site)

    with closing(site), closing(watch.books):
        for role in reversed(site.roles):
            site.start(role)
        assert asyncio.run(work()), f"nothing was noticed though {gone}: {tenants.answers}"
