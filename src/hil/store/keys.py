"""Encryption at rest, and the key of the journal's seals.

One or more Fernet keys (AES-128-CBC with HMAC-SHA256; the `cryptography` package), newest first: the first encrypts,
all decrypt, so a rotation is *add a key in front, re-encrypt, drop the old one*. The sealing key is derived from a
key of its own file line, so rotation of the first does not break the chain.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from hil.core.errors import BadArgument, Unavailable
from hil.core.secret import Secret


class Keyring:
    """The keys of this installation. The last one, the oldest, also derives the sealing key and must be kept."""

    def __init__(self, keys: list[Secret]) -> None:
        if not keys:
            raise BadArgument("HIL needs an encryption key: set `secrets.key_file` or HIL_KEYS.")
        try:
            self._box = MultiFernet([Fernet(key.reveal()) for key in keys])
        except ValueError:
            raise BadArgument(
                "An encryption key is 32 bytes in URL-safe base64: make one with `hil-admin key new`."
            ) from None
        self.sealing = hmac.new(keys[-1].reveal().encode(), b"hil journal seal", hashlib.sha256).digest()
        self.check = hashlib.sha256(b"hil key check" + self.sealing).hexdigest()[:16]
        """Tells two installations' keys apart without saying anything of the key."""

    @classmethod
    def from_file(cls, path: Path) -> Keyring:
        """Read keys, one per line, newest first. Raises BadArgument if others may read the file."""
        if path.stat().st_mode & 0o077:
            raise BadArgument(f"{path} holds encryption keys and may be read by others: run `chmod 600 {path}`.")
        return cls([Secret(line.strip()) for line in path.read_text().splitlines() if line.strip()])

    @classmethod
    def made_at(cls, path: Path) -> Keyring:
        """Read the key file, or make it with one fresh key (mode 0600) if it does not exist."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(Fernet.generate_key().decode() + "\n")
                file.flush()
                os.fsync(file.fileno())
        return cls.from_file(path)

    def seal_up(self, values: dict[str, Any]) -> bytes | None:
        """Encrypt a JSON object; None for an empty one."""
        return self._box.encrypt(json.dumps(values).encode()) if values else None

    def open_up(self, blob: bytes | None) -> dict[str, Any]:
        """Decrypt what `seal_up` made. Raises Unavailable if no key fits."""
        if blob is None:
            return {}
        try:
            opened: dict[str, Any] = json.loads(self._box.decrypt(blob))
        except InvalidToken:
            raise Unavailable(
                "A stored secret cannot be decrypted: the key it was encrypted with is missing."
            ) from None
        return opened

    def renew(self, blob: bytes | None) -> bytes | None:
        """Re-encrypt under the newest key."""
        return None if blob is None else self._box.rotate(blob)
