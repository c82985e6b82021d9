"""SHA-512 crypt, the `$6$` password hashes of HIL's original, to check an imported password once.

It only verifies: nothing new is ever hashed this way, and the first successful log-in replaces such a hash. It is
written out here, after U. Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6 (the step numbers below),
because Python lost its `crypt` module with 3.13 and no kept-up library offers this one function without thirty
others. The published test vectors and glibc's own answers are in tests/auth.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

_SHAPE: Final = re.compile(r"\$6\$(?:rounds=([0-9]{1,9})\$)?([^$]{0,16})\$([./0-9A-Za-z]{86})")
_ALPHABET: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DEFAULT_ROUNDS: Final = 5_000
_FEWEST: Final = 1_000
_MOST: Final = 5_000_000
"""The specification allows 999,999,999: an hour of a core for one log-in. HIL's original wrote 656,000."""


def parameters(stored: str) -> tuple[int, str] | None:
    """Read rounds and salt out of a hash; None if it is none that can be verified here."""
    found = _SHAPE.fullmatch(stored)
    if found is None:
        return None
    rounds = _DEFAULT_ROUNDS if found[1] is None else max(_FEWEST, int(found[1]))
    return (rounds, found[2]) if rounds <= _MOST else None


def verify(stored: str, password: bytes) -> bool:
    """Say whether `password` has this hash. False for text that is no such hash."""
    known = parameters(stored)
    if known is None:
        return False
    rounds, salt = known
    digest = _encode(_crypt(password, salt.encode(), rounds))
    return hmac.compare_digest(stored.rpartition("$")[2], digest)


def _crypt(password: bytes, salt: bytes, rounds: int) -> bytes:
    sha = hashlib.sha512
    alternate = sha(password + salt + password).digest()  # steps 4-8
    mixed = password + salt + _stretch(alternate, len(password))  # 1-3, 9, 10
    length = len(password)
    while length:  # 11
        mixed += alternate if length & 1 else password
        length >>= 1
    digest = sha(mixed).digest()  # 12
    p = _stretch(sha(password * len(password)).digest(), len(password))  # 13-16
    s = _stretch(sha(salt * (16 + digest[0])).digest(), len(salt))  # 17-20
    return _rounds(digest, p, s, rounds)


def _rounds(digest: bytes, p: bytes, s: bytes, rounds: int) -> bytes:
    """Step 21. What a round mixes in depends on its number mod 2, 3 and 7, so the pattern repeats after 42 rounds."""
    sha = hashlib.sha512
    between = [(s if number % 3 else b"") + (p if number % 7 else b"") for number in range(42)]
    pairs = [(between[even] + p, p + between[even + 1]) for even in range(0, 42, 2)]
    for number in range(rounds // 2):
        after, before = pairs[number % 21]
        digest = sha(before + sha(digest + after).digest()).digest()
    if rounds % 2:
        digest = sha(digest + pairs[rounds // 2 % 21][0]).digest()
    return digest


def _stretch(digest: bytes, length: int) -> bytes:
    return (digest * (length // len(digest) + 1))[:length]


def _encode(digest: bytes) -> str:
    """Step 22: bytes in threes, in an order that rotates, as base64 with the low bits first."""
    letters = []
    a, b, c = 0, 21, 42
    for _ in range(21):
        letters.append(_letters(digest[a] << 16 | digest[b] << 8 | digest[c], 4))
        a, b, c = b + 1, c + 1, a + 1
    return "".join(letters) + _letters(digest[63], 2)


def _letters(number: int, count: int) -> str:
    return "".join(_ALPHABET[number >> 6 * place & 63] for place in range(count))
