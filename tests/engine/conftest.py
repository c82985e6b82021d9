"""A small site for tests of the engine, on both databases."""

from collections.abc import Iterator

import pytest

from hil.store.unit import Store
from tests.engine.site import Site


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.support.databases")


@pytest.fixture
def site(store: Store, request: pytest.FixtureRequest) -> Iterator[Site]:
    here = Site(store, request.node.name)
    yield here
    here.close()
