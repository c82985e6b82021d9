"""What the tests of obmd share: an empty database of each kind, a store, and a driver that needs no network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from cryptography.fernet import Fernet

from hil.core.errors import BadArgument
from hil.core.secret import Secret
from hil.drivers.obm_registry import OpenObm
from hil.obmd import nodes
from hil.obmd.store import ObmdStore
from hil.store.keys import Keyring
from tests.drivers.obm_memory import SPEC, Controller, MemorySpec, opener
from tests.obmd.answers import OnSite
from tests.obmd.serving import QUICK, Site, site
from tests.obmd.ssh_desk import AtDesk, FakeHil, Work, desk, granted

if TYPE_CHECKING:
    from tests.support.databases import Cluster

KEYS = Keyring([Secret(Fernet.generate_key().decode())])


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.support.databases")


@pytest.fixture
def empty_postgres(postgres: Cluster) -> Iterator[str]:
    """An empty PostgreSQL database."""
    name = f"obmd_{postgres.create()}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def obmd_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/obmd.db"
    url: str = request.getfixturevalue("empty_postgres")
    return url


@pytest.fixture
def each_store(obmd_url: str) -> Iterator[ObmdStore]:
    """A store on each kind of database."""
    made = ObmdStore(obmd_url, KEYS)
    made.prepare()
    yield made
    made.close()


@pytest.fixture
def obmd_store(tmp_path: Path) -> Iterator[ObmdStore]:
    """A store in a file."""
    made = ObmdStore(f"sqlite:///{tmp_path}/obmd.db", KEYS)
    made.prepare()
    yield made
    made.close()


@pytest.fixture
def controller(monkeypatch: pytest.MonkeyPatch) -> Controller:
    """A controller in memory, reached through the driver `memory`, which no other driver stands beside."""
    found = Controller()

    def spec(name: str) -> MemorySpec:
        if name != SPEC.name:
            raise BadArgument(f"{name!a} is no out-of-band driver: use one of memory.")
        return SPEC

    def open_function(spec: object) -> OpenObm:
        return opener(found)

    monkeypatch.setattr(nodes, "obm_spec", spec)
    monkeypatch.setattr(nodes, "open_obm_function", open_function)
    return found


@pytest.fixture
def on_site(obmd_store: ObmdStore) -> OnSite:
    """Run a test's coroutine on a running obmd."""

    def run(work: Callable[[Site], Coroutine[Any, Any, None]], limits: Any = QUICK, **settings: Any) -> None:
        async def inner() -> None:
            async with site(obmd_store, limits, **settings) as found:
                await work(found)

        asyncio.run(inner())

    return run


@pytest.fixture
def at_desk(obmd_store: ObmdStore, tmp_path: Path) -> AtDesk:
    """Run a test's coroutine at a desk, with a HIL that answers so."""

    def run(work: Work, answer: Callable[..., tuple[int, dict[str, Any]]] = granted, url: str = "") -> None:
        async def inner() -> None:
            async with asyncio.timeout(60), desk(obmd_store, tmp_path, FakeHil(answer, url=url)) as found:
                await work(found)

        asyncio.run(inner())

    return run
