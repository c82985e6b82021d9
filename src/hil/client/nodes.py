"""Nodes: `client.nodes`. What only an operator may do says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hil.client.connection import Connection, path
from hil.client.decode import JSON, Shape
from hil.client.operations import Operation, operation_of
from hil.client.pages import pages


@dataclass(frozen=True, kw_only=True)
class Attached(Shape):
    """A network on one channel of a NIC; `state` is connecting, attached or detaching."""

    network: str
    channel: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Nic(Shape):
    """A network card. `switch` and `port`, what is at the other end of its cable, are told to operators only."""

    name: str
    macaddr: str
    switch: str | None = None
    port: str | None = None
    networks: tuple[Attached, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NodeSummary(Shape):
    """What a list says of a node. `project` is None as well when the caller may not know it."""

    name: str
    state: str
    project: str | None = None
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Node(NodeSummary):
    """One node. `reason` and `deadline` are those of a state that waits; None where the caller may not know."""

    reason: str | None = None
    deadline: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    nics: tuple[Nic, ...] = ()


class Nodes:
    """`client.nodes`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self,
        *,
        state: str | None = None,
        project: str | None = None,
        selector: str | None = None,
        names: Iterable[str] = (),
        limit: int | None = None,
    ) -> Iterator[NodeSummary]:
        """Nodes in the order of their names: all of them, or those for which everything given holds.

        `selector` is `cpu=64,gpu,!ssd,rack!=r1`, `limit` the size of a page, `names` are a thousand at most.
        """
        query = {"state": state, "project": project, "selector": selector, "name": [*names] or None}
        return pages(self._connection, "/nodes", NodeSummary, query if limit is None else {**query, "limit": limit})

    def get(self, node: str) -> Node:
        """One node, with its metadata and NICs. Raises Denied for another project's."""
        answer = self._connection.call("GET", path("nodes", node))
        return Node.of(answer.data, answer.etag)

    def allocate(self, project: str, nodes: Iterable[str]) -> tuple[Node, ...]:
        """Give free nodes to a project, all of them or none. Raises Conflict."""
        return self._allocate(project, {"nodes": [*nodes]})

    def allocate_matching(self, project: str, selector: str, count: int) -> tuple[Node, ...]:
        """Give `count` free nodes that match a selector to a project, all or none. Raises Conflict (`exhausted`)."""
        return self._allocate(project, {"selector": selector, "count": count})

    def _allocate(self, project: str, body: JSON) -> tuple[Node, ...]:
        answer = self._connection.call("POST", path("projects", project, "allocations"), body=body)
        return tuple(Node.of(node) for node in answer.data.get("nodes", []))

    def release(self, node: str, *, if_match: str = "") -> Operation:
        """Begin the whole way out of its project: networks, console, power, cleaning; then it is free."""
        answer = self._connection.call("POST", path("nodes", node, "release"), if_match=if_match)
        return operation_of(self._connection, answer)

    def register(
        self,
        node: str,
        *,
        labels: Mapping[str, str] | None = None,
        metadata: Mapping[str, JSON] | None = None,
        obmd: Mapping[str, str] | None = None,
    ) -> Node:
        """Make a node without NICs; `obmd` is `{"uri": …, "admin_token": …}`. Operators only."""
        optional = {"labels": dict(labels or {}), "metadata": dict(metadata or {}), "obmd": dict(obmd or {})}
        body = {"name": node} | {key: value for key, value in optional.items() if value}
        return Node.of(self._connection.call("POST", "/nodes", body=body).data)

    def delete(self, node: str, *, if_match: str = "") -> None:
        """Forget a free node without NICs. Operators only."""
        self._connection.call("DELETE", path("nodes", node), if_match=if_match)

    def label(self, node: str, key: str, value: str) -> None:
        """Set a label. Operators only."""
        self._connection.call("PUT", path("nodes", node, "labels", key), body={"value": value})

    def unlabel(self, node: str, key: str) -> None:
        """Remove a label. Operators only."""
        self._connection.call("DELETE", path("nodes", node, "labels", key))

    def set_metadata(self, node: str, key: str, value: JSON) -> None:
        """Set a metadata entry to any JSON value. Operators only."""
        self._connection.call("PUT", path("nodes", node, "metadata", key), body={"value": value})

    def remove_metadata(self, node: str, key: str) -> None:
        """Remove a metadata entry. Operators only."""
        self._connection.call("DELETE", path("nodes", node, "metadata", key))

    def add_nic(self, node: str, nic: str, macaddr: str) -> Nic:
        """Describe a NIC. Operators only."""
        body = {"name": nic, "macaddr": macaddr}
        return Nic.of(self._connection.call("POST", path("nodes", node, "nics"), body=body).data)

    def delete_nic(self, node: str, nic: str) -> None:
        """Forget a NIC that no port is wired to. Operators only."""
        self._connection.call("DELETE", path("nodes", node, "nics", nic))

    def quarantine(self, node: str, reason: str) -> Node:
        """Force a node out of whatever it waits in: nobody's, not free, its ports closed. Operators only."""
        return self._state(node, "quarantine", {"reason": reason})

    def maintenance(self, node: str, reason: str) -> Node:
        """Take a free node out of service. Operators only."""
        return self._state(node, "maintenance", {"reason": reason})

    def put_back(self, node: str) -> Node:
        """Return a node from maintenance or quarantine to the free ones. Operators only."""
        return self._state(node, "return", None)

    def _state(self, node: str, verb: str, body: JSON) -> Node:
        answer = self._connection.call("POST", path("nodes", node, verb), body=body)
        return Node.of(answer.data, answer.etag)
