"""Where a node's console is over SSH, and how this obmd proves there who it is.

It is told over TLS to the holder of a capability, so that `ssh` need not trust a host key at first sight. The host is
not told where the address says *everywhere*: it is then the one under which the caller reached obmd.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hil.core.errors import NotFound
from hil.obmd.gate import Gate
from hil.services.capability import Right


@dataclass(frozen=True, slots=True)
class SshAddress:
    """`host` empty: as the caller reached obmd. `host_key` as in a known_hosts file, without the host."""

    host: str
    port: int
    host_key: str


class SshWay:
    """The endpoint `/v1/nodes/{node}/ssh`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def routes(self) -> list[Route]:
        return [Route("/v1/nodes/{node}/ssh", self.shown, methods=["GET"])]

    async def shown(self, request: Request) -> Response:
        """`{"host": … | null, "port": N, "host_keys": ["ssh-ed25519 …"]}`. Raises NotFound where no SSH is served."""
        self._gate.admitted(request, Right.WATCH, Right.CONSOLE)
        address = self._gate.ssh
        if address is None:
            raise NotFound("This obmd serves no consoles over SSH.")
        shown = {"host": address.host or None, "port": address.port, "host_keys": [address.host_key]}
        return JSONResponse(shown, headers={"Cache-Control": "no-store"})
