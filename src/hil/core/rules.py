"""What may happen to ports and networks: pure judgements over plain facts, each an error that says what to do.

They ask no database and hold no lock; whoever calls them holds the rows that the facts were read from.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hil.core.devices import Nativeless
from hil.core.errors import BadArgument, Blocked, IllegalState, ProjectMismatch
from hil.core.model import NATIVE, NodeState, PortState


@dataclass(frozen=True, slots=True)
class Slot:
    """One attachment of a NIC, as wished or as read back."""

    network: str
    channel: str
    vlan: int


def access(project_id: int | None, public: bool, guests: Collection[int], network: str) -> None:
    """A node may join a network that is public or names its project."""
    if project_id is None:
        raise ProjectMismatch("The node is in no project: allocate it first.")
    if not public and project_id not in guests:
        raise ProjectMismatch(f"The node's project has no access to network {network!r}.")


def node_can_change(name: str, state: str) -> None:
    """Only an allocated node's networks are changed by its tenant."""
    if state == NodeState.FREE:
        raise ProjectMismatch(f"Node {name!r} is free: allocate it to a project first.")
    if state != NodeState.ALLOCATED:
        raise IllegalState(f"Node {name!r} is {state}: its networks cannot be changed now.")


def channel_fits(channel: str, vlan: int) -> None:
    """The legal channels of a network are `vlan/native` and its own `vlan/<id>`."""
    if channel not in (NATIVE, f"vlan/{vlan}"):
        raise BadArgument(f"This network goes on channel vlan/native or vlan/{vlan}, not on {channel}.")


def slot_is_free(slots: Collection[Slot], network: str, channel: str) -> None:
    """On one NIC each network stands once and each channel is used once."""
    if there := next((slot for slot in slots if slot.network == network), None):
        raise Blocked(f"Network {network!r} is on this NIC already (channel {there.channel}).")
    if taken := next((slot for slot in slots if slot.channel == channel), None):
        raise Blocked(f"Channel {channel} of this NIC is in use by network {taken.network!r}.")


def native_first(nativeless: Nativeless, wished: Collection[Slot], switch: str) -> None:
    """Some switches cannot carry tagged networks without a native one: it comes first and leaves last."""
    channels = {slot.channel for slot in wished}
    if nativeless is Nativeless.NO and channels and NATIVE not in channels:
        raise Blocked(
            f"Switch {switch!r} carries tagged networks only beside a native one: connect that first, detach it last."
        )


def wish(slots: Collection[Slot]) -> PortState:
    """The port state in which exactly these attachments hold."""
    native = next((slot.vlan for slot in slots if slot.channel == NATIVE), None)
    return PortState(native, frozenset(slot.vlan for slot in slots if slot.channel != NATIVE))
