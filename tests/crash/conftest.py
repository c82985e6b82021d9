"""Real processes that are killed, on both databases, before real sockets of emulated switches."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.park import Park
from tests.crash.site import Site


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.support.databases")


@pytest.fixture
def park() -> Iterator[Park]:
    with Park(["s0", "s1"]) as here:
        yield here


@pytest.fixture
def site(database_url: str, tmp_path: Path, park: Park) -> Iterator[Site]:
    here = Site(database_url, tmp_path / "site", park)
    yield here
    here.close()


@pytest.fixture
def postgres_site(postgres_url: str, tmp_path: Path, park: Park) -> Iterator[Site]:
    here = Site(postgres_url, tmp_path / "site", park)
    yield here
    here.close()
