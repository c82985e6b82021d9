"""The OpenAPI document of v1, as the application makes it: what clients are generated from, and reviewed as a diff."""

import json

from cryptography.fernet import Fernet

from hil.api.app import create_app
from hil.auth.database import DatabaseBackend
from hil.core.secret import Secret
from hil.store.keys import Keyring
from hil.store.unit import Store

OUTPUT = "tests/api_v1/openapi.json"


def text() -> str:
    store = Store("sqlite://", Keyring([Secret(Fernet.generate_key().decode())]))
    backend = DatabaseBackend({}, store)
    try:
        return json.dumps(create_app(store, backend).openapi(), indent=1, sort_keys=True) + "\n"
    finally:
        backend.close()
        store.close()
