"""Registrations of HIL's original API for switches that are reached by SSH: exactly these fields, nothing else.

The original could name no host key, so such a switch is trusted on first use; and it is of an age that needs old
algorithms. Whoever wants better registers it by the present API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hil.core.errors import BadArgument
from hil.drivers.ssh_settings import FIRST_USE, v0_address

_LOGIN: Final = ("hostname", "username", "password")


def original(fields: Mapping[str, Any], *more: str) -> dict[str, Any]:
    """Answer the settings of SSH that original fields mean; those named by `more` are only checked to be there.

    Raises BadArgument about the first field that is missing or not of this type of switch.
    """
    names = (*_LOGIN, *more)
    for name in names:
        if name not in fields:
            raise BadArgument(f"{name} is missing: a switch of this type needs it.")
    for name in fields:
        if name not in names:
            raise BadArgument(f"{name[:64]!a} is no field of this type of switch: use {', '.join(names)}.")
    own = {"username": fields["username"], "password": fields["password"]}
    return own | v0_address(fields["hostname"]) | {"host_key": FIRST_USE, "legacy_algorithms": True}
