"""What the tests of authentication and of the people's verbs share."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hil.auth.database import DatabaseBackend
from hil.store.unit import Store

OpenBackend = Callable[..., DatabaseBackend]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.support.databases")


@pytest.fixture
def open_backend() -> Iterator[OpenBackend]:
    """Open database backends, each as in a process of its own."""
    opened: list[DatabaseBackend] = []

    def opener(store: Store, **config: Any) -> DatabaseBackend:
        backend = DatabaseBackend(config, store)
        opened.append(backend)
        return backend

    yield opener
    for backend in opened:
        backend.close()


@pytest.fixture
def backend(store: Store, open_backend: OpenBackend) -> DatabaseBackend:
    return open_backend(store)
