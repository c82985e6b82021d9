"""Labs for tests: each in a short directory of its own, ended with the test process however that ends."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hil.lab import life
from hil.lab.plane import Plane, attach
from hil.lab.site import Site
from tests.lab.terminal import KINDS

NODES = 8


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory that sockets fit into; it is gone afterwards, whatever happened in it."""
    path = Path(tempfile.mkdtemp(prefix="hil-lab-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def standing(kind: str, nodes: int = NODES, vlans: str = "100-109") -> Iterator[Site]:
    """A lab that stands."""
    path = Path(tempfile.mkdtemp(prefix="hil-lab-"))
    site = Site(path)
    process = life.begin(site, kind, nodes, vlans, lambda words: None, tethered=True)
    with process:
        try:
            yield site
        finally:
            life.end(site)


@pytest.fixture(scope="module", params=KINDS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A lab of each kind, for all tests of a module: they leave it as they found it."""
    with standing(request.param) as found:
        yield found


@pytest.fixture
def plane(site: Site) -> Plane:
    return attach(site)
