"""Capabilities: what HIL hands out so that obmd, which knows no user, can tell what somebody may do to a node.

A token is `hilcap1.<base64url of JSON>.<base64url of an Ed25519 signature>`, both without padding; the signature (RFC
8032) is over the first two parts. There is one way to write each token, and anything else is refused: parts are decoded
strictly, and the JSON must be the very bytes that this module writes. Keys are named by a hash of the public key, so a
rotation is *give obmd both public keys, sign with the new one, take the old one away*. It holds no state and looks
nothing up: that the epoch is the node's present one is for obmd to check.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hil.core.errors import BadArgument, Unauthenticated
from hil.core.secret import Secret

PREFIX: Final = "hilcap1"
SKEW: Final = 30.0
"""Seconds by which the clocks of HIL and obmd may differ."""
LONGEST_LIFE: Final = 3600
"""Seconds: what lives longer is refused, whoever signed it."""
LONGEST: Final = 4096
"""Characters of a token."""


class Right(StrEnum):
    """What a capability permits. `epoch` is HIL's own, and permits nothing else."""

    READ = "read"
    """Power state, boot device, sensors, event log, media and firmware, to look at."""
    POWER = "power"
    BOOT = "boot"
    SENSORS = "sensors"
    MEDIA = "media"
    IDENTIFY = "identify"
    WATCH = "watch"
    """See the console."""
    CONSOLE = "console"
    """See the console and type on it."""
    EPOCH = "epoch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """Who may do what to which node. `issued` and `expires` are UTC seconds since 1970.

    `project_id` tells the project from an earlier one of the same name: no number is given twice. 0: no project.
    """

    node: str
    project: str
    project_id: int = 0
    user: str
    epoch: int
    rights: frozenset[Right]
    issued: int
    expires: int


class Signer:
    """HIL's private key: 32 bytes in base64url, as `new_key` makes them."""

    def __init__(self, key: Secret) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(_key_bytes(key.reveal(), "private"))
        self.public = _encode(self._key.public_key().public_bytes_raw())
        self.kid = key_id(self.public)

    def issue(self, capability: Capability) -> Secret:
        """Write the token. Raises BadArgument if nobody would accept it."""
        if not 0 < capability.expires - capability.issued <= LONGEST_LIFE:
            raise BadArgument(f"A capability lives at least 1 and at most {LONGEST_LIFE} seconds.")
        signed = f"{PREFIX}.{_encode(_payload(capability, self.kid))}"
        token = f"{signed}.{_encode(self._key.sign(signed.encode()))}"
        if len(token) > LONGEST:
            raise BadArgument("The names in a capability are too long.")
        return Secret(token)


class Verifier:
    """Public keys, any of which may have signed. Raises BadArgument for what is no key."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = {
            key_id(key): Ed25519PublicKey.from_public_bytes(_key_bytes(key, "public"))
            for key in (given.strip() for given in keys)
        }

    def verify(self, token: str, now: float) -> Capability:
        """Answer what the token permits at `now`. Raises Unauthenticated, which says no more than that."""
        try:
            return self._verified(token, now)
        except (ValueError, KeyError, TypeError, InvalidSignature, RecursionError) as error:
            raise Unauthenticated(
                "The capability is not valid: ask HIL for a new one.", detail=type(error).__name__
            ) from None

    def _verified(self, token: str, now: float) -> Capability:
        prefix, payload, signature = token.split(".") if len(token) <= LONGEST else ("", "", "")
        if prefix != PREFIX:
            raise ValueError("another format")
        text = _decode(payload)
        found = json.loads(text)
        self._keys[found["kid"]].verify(_decode(signature), f"{prefix}.{payload}".encode())
        capability = _capability(found)
        if _payload(capability, found["kid"]) != text:
            raise ValueError("not as we write it")
        if not capability.issued - SKEW <= now < capability.expires + SKEW:
            raise ValueError("not now")
        if not 0 < capability.expires - capability.issued <= LONGEST_LIFE:
            raise ValueError("too long a life")
        return capability


def new_key() -> Secret:
    """A fresh private key."""
    return Secret(_encode(Ed25519PrivateKey.generate().private_bytes_raw()))


def key_id(public: str) -> str:
    """The name of a key: 16 hexadecimal digits of the SHA-256 of its public half."""
    return hashlib.sha256(_key_bytes(public, "public")).hexdigest()[:16]


def _payload(capability: Capability, kid: str) -> bytes:
    shown = {
        "epoch": capability.epoch,
        "exp": capability.expires,
        "iat": capability.issued,
        "kid": kid,
        "node": capability.node,
        "project": capability.project,
        "rights": sorted(str(right) for right in capability.rights),
        "user": capability.user,
    }
    if capability.project_id:
        shown["pid"] = capability.project_id
    return json.dumps(shown, separators=(",", ":"), ensure_ascii=True, sort_keys=True).encode()


def _capability(found: dict[str, Any]) -> Capability:
    node, project, user = found["node"], found["project"], found["user"]
    numbers = (found["epoch"], found["iat"], found["exp"], found.get("pid", 0))
    rights = found["rights"]
    if not all(isinstance(text, str) for text in (node, project, user)) or not isinstance(rights, list):
        raise ValueError("text expected")
    if any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError("numbers expected")
    epoch, issued, expires, project_id = numbers
    return Capability(
        node=node, project=project, user=user, epoch=epoch, rights=frozenset(Right(right) for right in rights),
        issued=issued, expires=expires, project_id=project_id,
    )  # fmt: skip


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    """Decode base64url without padding; there is one text for each value (RFC 4648, section 3.5)."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encode(data) != text:
        raise ValueError("another spelling")
    return data


def _key_bytes(text: str, kind: str) -> bytes:
    try:
        data = _decode(text)
    except (ValueError, binascii.Error):
        data = b""
    if len(data) != 32:
        raise BadArgument(
            f"A {kind} key for capabilities is 32 bytes in base64url: `hil-admin obm public-key` prints HIL's."
        )
    return data
