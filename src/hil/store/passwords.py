"""Passwords at rest: argon2id, and the `$6$` hashes that an import from HIL's original brings along.

It hashes and verifies and knows no user. It never says why a verification failed, and it takes no shortcut for an
account that does not exist: `decoy` makes a hash that costs the same and that no password opens.

Parameters: memory (64 MiB), passes (3), salt (128 bits) and tag (256 bits) are those of RFC 9106, section 4, second
recommended option. The lanes are 1 and not 4: the work and the memory stay the same, but one log-in keeps one core
busy instead of four. This is above the minimum of OWASP's Password Storage Cheat Sheet (19 MiB, 2 passes, 1 lane).
"""

from __future__ import annotations

import base64
import logging
import secrets
from typing import Final

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError, VerifyMismatchError

from hil.core.errors import BadArgument, Unavailable
from hil.core.secret import Secret
from hil.store import sha512crypt, tokens

SHORTEST: Final = 8
"""NIST SP 800-63B, section 5.1.1.2."""
LONGEST: Final = 1024
"""In bytes; a limit at all, because the cost of a `$6$` hash grows with the password."""
log = logging.getLogger(__name__)


class Passwords:
    """The one way in which this installation hashes passwords."""

    def __init__(self, *, time_cost: int = 3, memory_kib: int = 65536, parallelism: int = 1) -> None:
        self._hasher = PasswordHasher(time_cost, memory_kib, parallelism, hash_len=32, salt_len=16, type=Type.ID)

    def hash(self, password: Secret) -> str:
        """Hash a password that `check` let through. Raises Unavailable without memory for it."""
        try:
            return self._hasher.hash(_bytes(password))
        except Argon2Error as error:
            raise Unavailable("The password cannot be hashed now: try again.", detail=str(error)) from error

    def verify(self, stored: str, password: Secret) -> bool:
        """Say whether `password` belongs to the stored hash. Raises Unavailable without memory for it."""
        given = _bytes(password)
        if len(given) > LONGEST:
            return False
        if stored.startswith("$6$"):
            return sha512crypt.verify(stored, given)
        try:
            extract_parameters(stored)
            return self._hasher.verify(stored, given)
        except VerifyMismatchError:
            return False
        except InvalidHashError:
            log.warning("a stored password hash is of no known kind: set that user's password anew")
            return False
        except Argon2Error as error:
            raise Unavailable("The password cannot be checked now: try again.", detail=str(error)) from error

    def outdated(self, stored: str) -> bool:
        """Say whether a hash is not of the present kind and parameters."""
        return stored.startswith("$6$") or self._hasher.check_needs_rehash(stored)

    def decoy(self, like: str | None) -> str:
        """Make a hash that costs as much to verify as `like` (None or unreadable: as a new one) and never fits."""
        old = None if like is None else sha512crypt.parameters(like)
        if old is not None:
            return f"$6$rounds={old[0]}${secrets.token_hex(8)}${secrets.token_hex(43)}"
        shape = self._hasher
        try:
            known = extract_parameters(like or "")
            time, memory, lanes = known.time_cost, known.memory_cost, known.parallelism
        except InvalidHashError:
            time, memory, lanes = shape.time_cost, shape.memory_cost, shape.parallelism
        return f"$argon2id$v=19$m={memory},t={time},p={lanes}${_random(16)}${_random(32)}"


def check(password: Secret, *, allow_weak: bool = False) -> None:
    """Refuse a new password that is too short or too long, or that could be taken for an API key. Raises BadArgument.

    `allow_weak` lets short ones pass, as HIL's original API does. Nothing else is asked of a password: rules of
    composition make passwords worse (NIST SP 800-63B, appendix A).
    """
    if len(password.reveal()) < SHORTEST and not allow_weak:
        raise BadArgument(f"A password has at least {SHORTEST} characters.")
    if len(_bytes(password)) > LONGEST:
        raise BadArgument(f"A password has at most {LONGEST} bytes.")
    if tokens.parse(password.reveal()) is not None:
        raise BadArgument("This password has the form of an API key: choose another.")


def _bytes(password: Secret) -> bytes:
    # JSON may smuggle in lone surrogates; they must not become an internal error.
    return password.reveal().encode("utf-8", "surrogatepass")


def _random(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")
