"""Networks: `client.networks`, and the changes that put nodes on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hil.client.connection import Connection, path
from hil.client.decode import Shape
from hil.client.operations import Operation, operation_of
from hil.client.pages import pages

NATIVE = "vlan/native"


@dataclass(frozen=True, kw_only=True)
class Network(Shape):
    """One network. `owner` None: an operator's. `access`: the projects that may use it, as far as one may know."""

    name: str
    owner: str | None = None
    public: bool = False
    access: tuple[str, ...] = ()
    net_id: str = ""
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Attachment(Shape):
    """A NIC on a network; `state` is connecting, attached or detaching."""

    node: str
    nic: str
    channel: str
    state: str
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Connect or detach one network on one NIC. No channel: `vlan/native` to connect, whichever it is to detach."""

    action: str
    node: str
    nic: str
    network: str
    channel: str | None = None

    @classmethod
    def connect(cls, node: str, nic: str, network: str, channel: str | None = None) -> Change:
        return cls("connect", node, nic, network, channel)

    @classmethod
    def detach(cls, node: str, nic: str, network: str, channel: str | None = None) -> Change:
        return cls("detach", node, nic, network, channel)

    def body(self) -> dict[str, str]:
        """As the API wants it."""
        words = {"action": self.action, "node": self.node, "nic": self.nic, "network": self.network}
        return words | ({} if self.channel is None else {"channel": self.channel})


class Networks:
    """`client.networks`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Iterator[Network]:
        """The networks that one may see, by name."""
        return pages(self._connection, "/networks", Network)

    def get(self, network: str) -> Network:
        answer = self._connection.call("GET", path("networks", network))
        return Network.of(answer.data, answer.etag)

    def create(
        self,
        network: str,
        owner: str | None,
        *,
        public: bool = False,
        access: Iterable[str] = (),
        net_id: str | None = None,
    ) -> Network:
        """Make a network of project `owner`. Only operators may say None, `public`, or a `net_id` of their choice."""
        body: dict[str, object] = {"name": network, "owner": owner}
        optional = {"public": public, "access": [*access], "net_id": net_id}
        body |= {key: value for key, value in optional.items() if value}
        answer = self._connection.call("POST", "/networks", body=body)
        return Network.of(answer.data, answer.etag)

    def set_public(self, network: str, public: bool, *, if_match: str = "") -> Network:
        """Open an operator's network to every project, or close it again."""
        body = {"public": public}
        answer = self._connection.call("PATCH", path("networks", network), body=body, if_match=if_match)
        return Network.of(answer.data, answer.etag)

    def delete(self, network: str, *, if_match: str = "") -> None:
        """Delete a network that nothing is attached to."""
        self._connection.call("DELETE", path("networks", network), if_match=if_match)

    def grant(self, network: str, project: str) -> None:
        """Let another project's nodes join."""
        self._connection.call("PUT", path("networks", network, "access", project))

    def revoke(self, network: str, project: str) -> None:
        """Take that back; nodes of the project must have left the network."""
        self._connection.call("DELETE", path("networks", network, "access", project))

    def attachments(self, network: str) -> Iterator[Attachment]:
        """Who is on it: for its owner everybody, for others their own nodes."""
        return pages(self._connection, path("networks", network, "attachments"), Attachment)

    def change(self, changes: Iterable[Change]) -> Operation:
        """Ask for many changes at once: all are accepted or none is. Raises Conflict, NotFound, Denied, BadRequest."""
        body = {"changes": [change.body() for change in changes]}
        return operation_of(self._connection, self._connection.call("POST", "/network-changes", body=body))

    def connect(self, node: str, nic: str, network: str, channel: str | None = None) -> Operation:
        """Ask for one connection."""
        return self.change([Change.connect(node, nic, network, channel)])

    def detach(self, node: str, nic: str, network: str, channel: str | None = None) -> Operation:
        """Ask for one to end."""
        return self.change([Change.detach(node, nic, network, channel)])
