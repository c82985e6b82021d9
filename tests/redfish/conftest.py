"""What the tests of `/redfish` share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from hil.core.secret import Secret
from hil.obmd.store import ObmdStore
from hil.store.keys import Keyring
from hil.store.unit import Store
from tests.obm_side.world import ObmWorld, open_obm_world
from tests.redfish.world import Tenant, furnish


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.support.databases")


@pytest.fixture
def world(sqlite_url: str, open_store: object, tmp_path: Path) -> Iterator[ObmWorld]:
    """Projects `p` and `q` of tests.api_v1.world with one node each, both enabled, and a free node."""
    store = ObmdStore(f"sqlite:///{tmp_path}/obmd.db", Keyring([Secret(Fernet.generate_key().decode())]))
    store.prepare()
    assert callable(open_store)
    made = open_obm_world(open_store(sqlite_url), store)
    furnish(made)
    yield made
    made.close()
    store.close()


@pytest.fixture
def either_world(store: Store, tmp_path: Path) -> Iterator[ObmWorld]:
    """The same on each kind of database."""
    of_obmd = ObmdStore(f"sqlite:///{tmp_path}/obmd.db", Keyring([Secret(Fernet.generate_key().decode())]))
    of_obmd.prepare()
    made = open_obm_world(store, of_obmd)
    furnish(made)
    yield made
    made.close()
    of_obmd.close()


@pytest.fixture
def redfish(world: ObmWorld) -> Tenant:
    return Tenant(world)
