"""Races are forced on PostgreSQL, where SQLite's single writer hides nothing."""

import pytest

from hil.store.unit import Store
from tests.races.arena import Arena


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.support.databases")


@pytest.fixture
def arena(postgres_store: Store) -> Arena:
    return Arena(postgres_store)
