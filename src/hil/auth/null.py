"""The backend for development: everybody is the operator `null`.

It refuses nobody, which is why `check_listen` refuses to serve it where another machine could reach it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hil.auth.credentials import Credentials
from hil.core.errors import BadArgument
from hil.core.model import Actor
from hil.store.unit import Store


class NullBackend:
    loopback_only = True
    has_users = False
    challenge = ""

    def __init__(self, config: Mapping[str, Any], store: Store) -> None:
        if config:
            raise BadArgument(f"The authentication backend null has no setting {next(iter(config))!a}: remove it.")

    def authenticate(self, credentials: Credentials) -> Actor:
        return Actor("null", operator=True, via="null")

    def close(self) -> None:
        return


BACKEND = NullBackend
