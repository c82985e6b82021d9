"""One room with three machines for all tests of a process, all off before each test."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab_machines.rack import Rack, rack
from tests.ovs.hand import factory


@pytest.fixture(scope="session")
def built() -> Iterator[Rack]:
    with tempfile.TemporaryDirectory(prefix="hil-vm-") as name, rack(Path(name), 3) as found:
        yield found


@pytest.fixture
def machines(built: Rack) -> Rack:
    """node01 is behind IPMI, node02 behind Redfish, node03 behind IPMI; any two hear each other."""
    factory(built.centre)
    built.back()
    return built
