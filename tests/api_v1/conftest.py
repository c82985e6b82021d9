"""What the tests of v1 share."""

from collections.abc import Callable, Iterator

import pytest

from hil.store.unit import Store
from tests.api_v1.world import World, open_world


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.support.databases")


def lent(store: Store) -> Iterator[World]:
    world = open_world(store)
    yield world
    world.close()


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    """A fresh world on each kind of database."""
    yield from lent(store)


@pytest.fixture
def small_world(sqlite_url: str, open_store: Callable[[str], Store]) -> Iterator[World]:
    """A fresh world on SQLite, for what no database can change."""
    yield from lent(open_store(sqlite_url))
