"""One data centre for all tests of a process, back to factory before each; a directory that sockets fit into."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.lab.ovs.datacentre import DataCentre, wire
from tests.ovs.hand import factory


@pytest.fixture
def short_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hil-ovs-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def built() -> Iterator[DataCentre]:
    machines = {f"node{number}": ["eth0", "eth1"] for number in range(1, 4)}
    with (
        tempfile.TemporaryDirectory(prefix="hil-ovs-") as name,
        DataCentre.start(Path(name), wire(machines)) as centre,
    ):
        yield centre


@pytest.fixture
def centre(built: DataCentre) -> DataCentre:
    """Three machines with two NICs: eth0 of node1 and node3 are on sw1, of node2 on sw2; eth1 the other way round."""
    factory(built)
    return built
