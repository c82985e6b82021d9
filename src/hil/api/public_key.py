"""SSH public keys, as a line of an `id_….pub` file writes them: `TYPE BASE64 [COMMENT]`.

Refused are options before the type, certificates, DSA, and RSA keys that are too short to trust.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from hil.core.errors import BadArgument

LONGEST: Final = 8192
"""Characters of a public key with its comment."""
KINDS: Final = frozenset(
    {
        "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
        "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)  # fmt: skip
SHORTEST: Final = 2048
"""Bits of an RSA key."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The line without its comment, the fingerprint as `ssh-keygen -l` prints it, and the comment."""

    line: str
    fingerprint: str
    comment: str


def public_key(text: str) -> PublicKey:
    """Read a line. Raises BadArgument that says what is wrong with it."""
    if "PRIVATE KEY" in text:
        raise BadArgument("This is a private key: keep it, and give the file that ends in .pub.")
    kind, data, comment, *_ = *text.strip().split(None, 2), "", "", ""
    if kind not in KINDS or len(text) > LONGEST or not text.strip().isprintable():
        known = ", ".join(sorted(KINDS))
        raise BadArgument(f"An SSH public key is a line like `ssh-ed25519 AAAA… comment`; known: {known}.")
    try:
        loaded = load_ssh_public_key(f"{kind} {data}".encode())
        blob = base64.b64decode(data, validate=True)
    except (ValueError, RuntimeError, UnsupportedAlgorithm):  # a compressed point is a RuntimeError
        raise BadArgument(f"This {kind} key is damaged: copy the whole line of the .pub file.") from None
    if isinstance(loaded, RSAPublicKey) and loaded.key_size < SHORTEST:
        raise BadArgument(f"An RSA key of {loaded.key_size} bits is too short to trust: make one with `ssh-keygen`.")
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return PublicKey(f"{kind} {data}", f"SHA256:{digest}", comment)
