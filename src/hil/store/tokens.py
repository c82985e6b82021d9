"""API keys as text: `hil_<public id>_<secret>`.

The public id finds the row and may be shown and logged. The secret is 256 random bits, so a plain SHA-256 of it is
stored: there is nothing to guess that a slow hash would protect. The fixed form lets scanners for leaked secrets find
one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final

from hil.core.secret import Secret

_SHAPE: Final = re.compile(r"hil_([0-9a-f]{16})_([0-9a-f]{64})")
_VIA: Final = "key:"


def make() -> tuple[str, Secret, str]:
    """Make a key: its public id, the whole token and the hash to store."""
    public_id, secret = secrets.token_hex(8), secrets.token_hex(32)
    return public_id, Secret(f"hil_{public_id}_{secret}"), _digest(secret)


def parse(text: str) -> tuple[str, Secret] | None:
    """Split a token into public id and secret; None if the text is no token."""
    found = _SHAPE.fullmatch(text)
    return None if found is None else (found[1], Secret(found[2]))


def fits(secret: Secret, stored: str) -> bool:
    """Compare a secret with a stored hash, in constant time."""
    return hmac.compare_digest(_digest(secret.reveal()), stored)


def via(public_id: str) -> str:
    """Name the key as the journal does, and as an Actor carries it."""
    return _VIA + public_id


def public_id(via: str) -> str | None:
    """Answer the key that an Actor came with; None if it came with none."""
    return via.removeprefix(_VIA) if via.startswith(_VIA) else None


def _digest(secret: str) -> str:
    return hashlib.sha256(bytes.fromhex(secret)).hexdigest()
