"""What the parent says of a node, as slots and port states. Pure, and total: any JSON has an answer or a ValueError.

A slot is one network on one channel of a NIC (`vlan/native`, or `vlan/<id>` with the id that the parent puts on the
wire). A tagged network is a VLAN of the child only if both have the same id: the node sees the parent's tag. What is
on its way at the parent, and networks that stand for no VLAN here, are not representable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hil.core.errors import BadArgument
from hil.core.model import NATIVE, Observed, PortState, channel
from hil.drivers.switch.parent.names import vlan_of

ATTACHED = "attached"


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """One network of a NIC at the parent."""

    network: str
    channel: str
    state: str = ATTACHED

    @property
    def pending(self) -> bool:
        return self.state != ATTACHED


@dataclass(frozen=True, slots=True)
class Card:
    """A NIC of a node: what is on it."""

    slots: frozenset[Slot]

    @property
    def pending(self) -> bool:
        return any(slot.pending for slot in self.slots)


@dataclass(frozen=True, slots=True)
class Machine:
    """A node at the parent; `project` None: the caller may not know who holds it, or nobody does."""

    name: str
    project: str | None
    cards: Mapping[str, Card]


def machine(found: Any) -> Machine:
    """Read `GET /v1/nodes/{node}`. Raises ValueError."""
    match found:
        case {"name": str() as name, "project": (str() | None) as project, "nics": list() as nics}:
            return Machine(name, project, dict(_card(nic) for nic in nics))
    raise ValueError("not a node of a HIL")


def _card(found: Any) -> tuple[str, Card]:
    match found:
        case {"name": str() as name, "networks": list() as networks}:
            return name, Card(frozenset(_slot(each) for each in networks))
    raise ValueError("not a NIC of a HIL")


def _slot(found: Any) -> Slot:
    match found:
        case {"channel": str() as where, "network": str() as network, "state": str() as state}:
            try:
                return Slot(network, channel(where), state)
            except BadArgument as error:
                raise ValueError(error.message) from error
    raise ValueError("not a network of a NIC")


def observed(networks: str | Mapping[str, str], card: Card) -> Observed:
    """Judge what is on a NIC."""
    text = raw(card)
    native: int | None = None
    tagged: set[int] = set()
    for slot in sorted(card.slots):
        vlan = vlan_of(networks, slot.network)
        if slot.pending:
            return Observed(None, f"the parent has not finished {slot.state} network {slot.network}", text)
        if vlan is None:
            return Observed(None, f"it is on network {slot.network}, which stands for no VLAN here", text)
        if slot.channel == NATIVE:
            native = vlan
        elif slot.channel == f"vlan/{vlan}":
            tagged.add(vlan)
        else:
            return Observed(None, f"network {slot.network} is on {slot.channel}, and stands for VLAN {vlan}", text)
    if native in tagged:
        return Observed(None, f"VLAN {native} is native and tagged", text)
    return Observed(PortState(native, frozenset(tagged)), raw=text)


def raw(card: Card) -> str:
    """Show the NIC as the parent does, for people."""
    return "; ".join(f"{slot.channel} {slot.network} {slot.state}" for slot in sorted(card.slots)) or "no network"


@dataclass(frozen=True, slots=True)
class Operation:
    """An accepted request at the parent; `failed` says why, by port, for what did not come to be."""

    id: str
    pending: bool
    reason: str
    failed: Mapping[str, str]


def operation(found: Any) -> Operation:
    """Read an operation. Raises ValueError."""
    match found:
        case {
            "id": str() as identity,
            "status": "PENDING" | "DONE" | "ERROR" as status,
            "reason": (str() | None) as reason,
            "actions": list() as actions,
        }:
            failed = dict(pair for each in actions if (pair := _failed(each)) is not None)
            return Operation(identity, status == "PENDING", reason or "", failed)
    raise ValueError("not an operation of a HIL")


def _failed(action: Any) -> tuple[str, str] | None:
    match action:
        case {"node": str() as node, "nic": str() as nic, "status": "ERROR", "reason": (str() | None) as reason}:
            return f"{node}/{nic}", reason or "the parent gives no reason"
        case {"node": str(), "nic": str(), "status": str()}:
            return None
    raise ValueError("not an action of a HIL")


def role(found: Any, project: str) -> str | None:
    """Read from `GET /v1/whoami` what the caller is in a project. Raises ValueError."""
    match found:
        case {"projects": list() as roles}:
            named = [each for each in roles if isinstance(each, dict) and each.get("project") == project]
            return str(named[0].get("role")) if named else None
    raise ValueError("not a caller of a HIL")


def owner(found: Any) -> str | None:
    """Read whose a network is from `GET /v1/networks/{network}`. Raises ValueError."""
    match found:
        case {"name": str(), "owner": (str() | None) as project}:
            return project
    raise ValueError("not a network of a HIL")


def page(found: Any) -> tuple[list[Any], str | None]:
    """Read one page of a list: its items, and where the next one begins. Raises ValueError."""
    match found:
        case {"items": list() as items, "next": (str() | None) as after}:
            return items, after
    raise ValueError("not a list of a HIL")


def problem(text: str) -> tuple[str, str]:
    """Read an error's type and words (RFC 9457); what is none gives empty ones."""
    try:
        match json.loads(text):
            case {"type": str() as kind, "detail": str() as words}:
                return kind.rpartition("/")[2], words
    except (ValueError, RecursionError):
        pass
    return "", ""
