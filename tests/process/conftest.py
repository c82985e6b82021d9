"""What the tests of HIL's processes share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.process.serving import Hil


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.support.databases")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Hil]]:
    """Start `hil serve …` processes in a directory of their own; what still runs at the end is killed."""
    running: list[Hil] = []

    def starter(*arguments: str, **options: object) -> Hil:
        process = Hil(tmp_path, *arguments, **options)  # type: ignore[arg-type]  # handed on as they came
        running.append(process)
        return process

    yield starter
    for process in running:
        process.kill()
