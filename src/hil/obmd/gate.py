"""Who is calling, and what they sent: the admin token, capabilities, and JSON bodies of a known shape.

Credentials come in the Authorization header (for a browser's WebSocket, among its subprotocols), never in a URL.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import HTTPConnection, Request

from hil.core.errors import BadArgument, Denied, Unauthenticated, ValidationError
from hil.core.secret import Secret
from hil.obmd.node import Node, Tenure
from hil.obmd.nodes import Nodes
from hil.obmd.problem import TooLarge
from hil.obmd.trust import Trust
from hil.services.capability import PREFIX, Capability, Right

if TYPE_CHECKING:
    from hil.obmd.ssh_way import SshAddress

LARGEST: Final = 64 * 2**10
"""Bytes of a request's body."""
_MISSING: Final = object()


class Gate:
    """The credentials that this obmd accepts, and where SSH takes them. An empty admin token opens nothing."""

    def __init__(self, nodes: Nodes, trust: Trust, admin_token: Secret) -> None:
        self.nodes = nodes
        self._trust, self._admin = trust, admin_token
        self.ssh: SshAddress | None = None

    def is_admin(self, given: str) -> bool:
        expected = self._admin.reveal()
        return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())

    def admin(self, request: HTTPConnection) -> None:
        """Let an operator in. Raises Unauthenticated."""
        if not self.is_admin(bearer(request)):
            raise Unauthenticated("This needs obmd's admin token.")

    def capability(self, connection: HTTPConnection, token: str | None = None) -> Capability:
        """Answer what the caller holds. Raises Unauthenticated."""
        return self.verified(token or bearer(connection) or offered(connection))

    def verified(self, token: str) -> Capability:
        """Answer what a capability permits now. Raises Unauthenticated."""
        return self._trust.verify(token)

    def admitted(self, connection: HTTPConnection, *rights: Right) -> tuple[Node, Tenure]:
        """Let the holder of a capability for the path's node in. Raises Unauthenticated, Denied."""
        return self.nodes.admit(connection.path_params["node"], self.capability(connection), *rights)

    def epoch(self, request: Request) -> Capability:
        """Let HIL itself in, for the path's node. Raises Unauthenticated, Denied."""
        capability = self.capability(request)
        if capability.node != request.path_params["node"]:
            raise Unauthenticated("The capability is for another node.")
        if Right.EPOCH not in capability.rights:
            raise Denied("Only HIL itself raises an epoch.")
        return capability


def bearer(connection: HTTPConnection) -> str:
    """The token of the Authorization header; empty if there is none."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def offered(connection: HTTPConnection) -> str:
    """A capability among the subprotocols of a WebSocket: the one place where a browser can put it."""
    found = connection.headers.get("sec-websocket-protocol", "")
    return next((word.strip() for word in found.split(",") if word.strip().startswith(f"{PREFIX}.")), "")


async def raw_body(request: Request) -> bytes:
    """The request's body. Raises TooLarge."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > LARGEST:
            raise TooLarge(f"A request has at most {LARGEST} bytes.")
    return bytes(data)


async def body(request: Request, known: Mapping[str, type | tuple[type, ...]], *optional: str) -> dict[str, Any]:
    """The body as a JSON object of these keys and types, all there but the `optional`. Raises ValidationError."""
    data = await raw_body(request)
    try:
        found = json.loads(data) if data else {}
    except (ValueError, RecursionError):
        raise ValidationError("The body is not JSON.") from None
    if not isinstance(found, dict):
        raise ValidationError("The body is not a JSON object.")
    if unknown := sorted(found.keys() - known.keys()):
        raise ValidationError(f"{str(unknown[0])[:40]!a} is unknown: use {', '.join(known)}.")
    for key, kind in known.items():
        value = found.get(key, _MISSING)
        if value is _MISSING:
            if key not in optional:
                raise ValidationError(f"{key} is missing.")
        elif not isinstance(value, kind) or (isinstance(value, bool) and not _allows_bool(kind)):
            raise ValidationError(f"{key} is of the wrong type.")
    return found


def _allows_bool(kind: type | tuple[type, ...]) -> bool:
    return bool in (kind if isinstance(kind, tuple) else (kind,))


def number(request: Request, name: str, default: float, most: float) -> float:
    """A number of the query. Raises BadArgument."""
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= most:
        raise BadArgument(f"{name} is a number from 0 to {most:g}.")
    return found
