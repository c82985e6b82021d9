"""What a request carries to say who sends it, taken apart once, at the edge, before any backend sees it.

It checks nothing but the form. A request carries one credential: the `Authorization` header (Basic or Bearer), or
`X-Auth-Token` where there is no such header. Nothing is ever read from the URL, which proxies log.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from hil.core.errors import Unauthenticated
from hil.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Credentials:
    """`user` and `password` of HTTP Basic, or a `token`; neither in an anonymous request.

    `headers` has lower-case names and is for backends that trust what a proxy in front adds. `remote` is the caller's
    address as the edge knows it.
    """

    user: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    remote: str = ""

    @classmethod
    def of(cls, headers: Mapping[str, str], remote: str) -> Credentials:
        """Read them from headers with lower-case names. Raises Unauthenticated if they are garbled."""
        header = headers.get("authorization")
        if header is None:
            token = headers.get("x-auth-token")
            return cls(token=None if token is None else Secret(token), headers=headers, remote=remote)
        scheme, _, value = header.strip().partition(" ")
        match scheme.lower():
            case "basic":
                user, password = _basic(value.strip())
                return cls(user=user, password=password, headers=headers, remote=remote)
            case "bearer":
                return cls(token=Secret(value.strip()), headers=headers, remote=remote)
            case _:
                raise Unauthenticated(
                    "The Authorization header has a scheme that HIL does not know: use Basic or Bearer."
                )


def _basic(value: str) -> tuple[str, Secret]:
    """Decode RFC 7617, section 2. UTF-8, else Latin-1, which is what older HTTP libraries send."""
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Unauthenticated("The Authorization header is not Basic as in RFC 7617.") from None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    user, colon, password = text.partition(":")
    if not colon:
        raise Unauthenticated("The Authorization header is not Basic as in RFC 7617.")
    return user, Secret(password)
