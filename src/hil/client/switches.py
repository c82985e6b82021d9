"""Switches, their ports, and the VLAN pool, all of which are an operator's: `client.switches`, `.ports`, `.pool`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hil.client.connection import Connection, path
from hil.client.decode import JSON, Shape
from hil.client.operations import Operation, operation_of
from hil.client.pages import page, pages


@dataclass(frozen=True, kw_only=True)
class Switch(Shape):
    """A switch. `lane` says how its worker fares, `config` has no secrets."""

    name: str
    driver: str
    audit: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    lane: dict[str, Any] = field(default_factory=dict)
    capabilities: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Port(Shape):
    """A port. `wish` is what it shall carry, `observed` what the switch last said; None: never read."""

    switch: str
    name: str
    node: str | None = None
    nic: str | None = None
    locked: bool = False
    quarantined: bool = False
    drifted: bool = False
    tainted: bool = False
    wanted: int = 0
    applied: int = 0
    wish: dict[str, Any] | None = None
    observed: dict[str, Any] | None = None
    read_at: datetime | None = None
    error: str = ""
    networks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Driver(Shape):
    """A kind of switch that this HIL can configure, and the JSON schema of its `config`."""

    name: str
    title: str = ""
    capabilities: dict[str, Any] = field(default_factory=dict)
    config_schema: dict[str, Any] | None = None
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pool(Shape):
    """VLAN ids as ranges: those that may be handed out, and what has become of them.

    `draining` ids belong to no network any more, and a port may still carry them.
    """

    pool: str
    used: str = ""
    reserved: str = ""
    draining: str = ""
    free: str = ""


class Switches:
    """`client.switches`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Iterator[Switch]:
        return pages(self._connection, "/switches", Switch)

    def get(self, switch: str) -> Switch:
        return self._read("GET", path("switches", switch))

    def drivers(self) -> tuple[Driver, ...]:
        """The drivers that this HIL has."""
        items, _ = page(self._connection.call("GET", "/drivers").data)
        return tuple(map(Driver.of, items))

    def register(self, switch: str, driver: str, config: Mapping[str, JSON], *, audit: str | None = None) -> Switch:
        """Make a switch known; `audit` (report, heal, quarantine) says what happens about drift."""
        body = {"name": switch, "driver": driver, "config": dict(config)} | ({"audit": audit} if audit else {})
        return self._read("POST", "/switches", body)

    def change(
        self,
        switch: str,
        *,
        config: Mapping[str, JSON] | None = None,
        audit: str | None = None,
        if_match: str = "",
    ) -> Switch:
        """Replace its configuration, or what happens about drift."""
        body = ({} if config is None else {"config": dict(config)}) | ({} if audit is None else {"audit": audit})
        return self._read("PATCH", path("switches", switch), body, if_match)

    def delete(self, switch: str, *, if_match: str = "") -> None:
        """Forget a switch without ports."""
        self._connection.call("DELETE", path("switches", switch), if_match=if_match)

    def _read(self, method: str, where: str, body: JSON = None, if_match: str = "") -> Switch:
        answer = self._connection.call(method, where, body=body, if_match=if_match)
        return Switch.of(answer.data, answer.etag)


class Ports:
    """`client.ports`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, switch: str) -> Iterator[Port]:
        return pages(self._connection, path("switches", switch, "ports"), Port)

    def get(self, switch: str, port: str) -> Port:
        return self._port("GET", path("switches", switch, "ports", port))

    def register(self, switch: str, port: str) -> Port:
        """Make a port known, under its driver's canonical name, which the answer holds."""
        return self._port("POST", path("switches", switch, "ports"), {"name": port})

    def delete(self, switch: str, port: str, *, force: bool = False) -> None:
        """Forget an unwired port; `force` is the caller's word that it carries nothing, because the switch is gone."""
        params = {"force": "true"} if force else {}
        self._connection.call("DELETE", path("switches", switch, "ports", port), params=params)

    def wire(self, switch: str, port: str, node: str, nic: str) -> Port:
        """Say which NIC is behind a port."""
        return self._patch(switch, port, {"nic": {"node": node, "nic": nic}})

    def unwire(self, switch: str, port: str) -> Port:
        """Forget that again; the node must be free."""
        return self._patch(switch, port, {"nic": None})

    def lock(self, switch: str, port: str, locked: bool) -> Port:
        """Declare a port infrastructure, which HIL never writes, or take that back."""
        return self._patch(switch, port, {"locked": locked})

    def end_quarantine(self, switch: str, port: str) -> Port:
        """Let HIL make a quarantined port what is wished again."""
        return self._patch(switch, port, {"quarantined": False})

    def revert(self, switch: str, port: str) -> Operation:
        """Ask that a wired port carry nothing."""
        answer = self._connection.call("POST", path("switches", switch, "revert"), body={"port": port})
        return operation_of(self._connection, answer)

    def give_up(self, switch: str, port: str, reason: str) -> Port:
        """Forget the wiring of a port whose switch is gone for good; its node must be quarantined before."""
        return self._port("POST", path("switches", switch, "give-up"), {"port": port, "reason": reason})

    def _patch(self, switch: str, port: str, facts: JSON) -> Port:
        return self._port("PATCH", path("switches", switch, "ports", port), facts)

    def _port(self, method: str, where: str, body: JSON = None) -> Port:
        answer = self._connection.call(method, where, body=body)
        return Port.of(answer.data, answer.etag)


class Pools:
    """`client.pool`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self) -> Pool:
        return Pool.of(self._connection.call("GET", "/pools/vlan").data)

    def set(self, ids: str) -> Pool:
        """Replace the pool by ranges like `100-199,300`. Raises Conflict that names what still uses a removed id."""
        return Pool.of(self._connection.call("PUT", "/pools/vlan", body={"ids": ids}).data)
