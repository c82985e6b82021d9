"""The client: one connection to one HIL, as one caller, with what can be asked grouped by noun.

It is a plain tenant's or operator's view and knows nothing that the API does not say; services on top of HIL are built
on it and on nothing else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from hil.client.connection import Answer, Connection, Retry
from hil.client.decode import JSON, Shape
from hil.client.events import Events
from hil.client.networks import Networks
from hil.client.nodes import Nodes
from hil.client.operations import Operations
from hil.client.power import Obms, Power
from hil.client.projects import Keys, Membership, Projects, SshKeys, Users
from hil.client.recordings import Recordings
from hil.client.settings import Settings
from hil.client.switches import Pools, Ports, Switches


@dataclass(frozen=True, kw_only=True)
class Caller(Shape):
    """Who HIL takes the caller for; `via` is the credential that said so."""

    user: str
    operator: bool = False
    via: str = ""
    projects: tuple[Membership, ...] = ()


@dataclass(frozen=True, kw_only=True)
class About(Shape):
    """What answers at the endpoint."""

    name: str
    version: str


class Client:
    """One caller's way to HIL. Close it, or use it in a `with`; threads may share it.

    Without arguments it is anonymous, which only a server for development accepts.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        username: str = "",
        password: str = "",
        token: str = "",
        ca_file: str = "",
        settings: Settings | None = None,
        timeout: float = 30.0,
        retry: Retry | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        given = {"endpoint": endpoint and endpoint.rstrip("/"), "username": username, "password": password}
        given |= {"token": token, "ca_file": ca_file}
        self.settings = dataclasses.replace(
            settings or Settings(), **{name: value for name, value in given.items() if value}
        )
        self._connection = Connection(self.settings, timeout, retry or Retry(), transport)
        self.nodes = Nodes(self._connection)
        self.power = Power(self._connection)
        self.obm = Obms(self._connection)
        self.recordings = Recordings(self._connection, self.power)
        self.projects = Projects(self._connection)
        self.networks = Networks(self._connection)
        self.switches = Switches(self._connection)
        self.ports = Ports(self._connection)
        self.pool = Pools(self._connection)
        self.users = Users(self._connection)
        self.keys = Keys(self._connection)
        self.ssh_keys = SshKeys(self._connection)
        self.operations = Operations(self._connection)
        self.events = Events(self._connection)

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] | None = None, *, endpoint: str | None = None, profile: str | None = None
    ) -> Self:
        """Make one from the environment and the profile file; `hil.client.settings` says in which order."""
        return cls(settings=Settings.from_env(environ, endpoint=endpoint, profile=profile))

    def __repr__(self) -> str:
        who = self.settings.username or ("a token" if self.settings.token else "nobody")
        return f"Client({self.settings.endpoint!r} as {who})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._connection.close()

    def _call(self, method: str, path: str, **how: Any) -> Answer:
        """Send any request of the API; for what has no method of its own. See `Connection.call`."""
        return self._connection.call(method, path, **how)

    def about(self) -> About:
        """The name and version of what answers."""
        return About.of(self._call("GET", "").data)

    def whoami(self) -> Caller:
        """Who HIL takes this client for. Raises Unauthenticated."""
        return Caller.of(self._call("GET", "/whoami").data)

    def plan(self) -> JSON:
        """What would be sent to each switch for pending work, without sending it. Operators only."""
        return self._call("GET", "/plan").data

    def trouble(self) -> JSON:
        """Ports that do not settle, switches in error, nodes that wait. Operators only."""
        return self._call("GET", "/trouble").data
