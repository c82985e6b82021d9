"""What the tests of the original API share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.store.unit import Store
from tests.api_v0.world import World, open_world


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.support.databases")


def lent(store: Store) -> Iterator[World]:
    world = open_world(store)
    yield world
    world.backend.close()
    world.api.runner.close()


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    """A fresh world on each kind of database."""
    yield from lent(store)


@pytest.fixture
def small_world(sqlite_url: str, open_store: Callable[[str], Store]) -> Iterator[World]:
    """A fresh world on SQLite, for what no database can change."""
    yield from lent(open_store(sqlite_url))


@pytest.fixture(scope="module")
def standing_world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world that all tests of a module share, who therefore change nothing in it."""
    from tests.support.databases import CHEAP, KEYS  # the plugin must be loaded as one before anything imports it

    path = tmp_path_factory.mktemp("standing") / "hil.db"
    path.write_bytes(sqlite_template.read_bytes())
    store = Store(f"sqlite:///{path}", KEYS, passwords=CHEAP)
    yield from lent(store)
    store.close()
