"""What the tests of HIL's side of out-of-band management share: a HIL, an obmd beside it, and emulated machines."""

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


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.support.databases")


@pytest.fixture
def obmd_store(tmp_path: Path) -> Iterator[ObmdStore]:
    store = ObmdStore(f"sqlite:///{tmp_path}/obmd.db", Keyring([Secret(Fernet.generate_key().decode())]))
    store.prepare()
    yield store
    store.close()


@pytest.fixture
def world(store: Store, obmd_store: ObmdStore) -> Iterator[ObmWorld]:
    """On each kind of database."""
    made = open_obm_world(store, obmd_store)
    yield made
    made.close()


@pytest.fixture
def small_world(sqlite_url: str, open_store: object, obmd_store: ObmdStore) -> Iterator[ObmWorld]:
    """On SQLite alone, for what no database decides."""
    assert callable(open_store)
    made = open_obm_world(open_store(sqlite_url), obmd_store)
    yield made
    made.close()
