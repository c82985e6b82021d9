"""From what is on a NIC at the parent to what shall be: the list of changes for one request, or for two. Pure.

The parent accepts a list whole or not at all, but will not take a network off a NIC and put it back in one request. So
a network that only changes its channel is detached by a request before; every other change is in the second. The
first only takes away, and the second detaches before it connects: no step carries what is neither old nor new.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hil.core.model import NATIVE, PortChange, PortState
from hil.drivers.switch.order import differing
from hil.drivers.switch.parent.names import network_of, port_of
from hil.drivers.switch.parent.parse import Slot

Change = dict[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What leads one port to its state: `first` only detaches, and must be done before `then` is asked."""

    first: tuple[Change, ...]
    then: tuple[Change, ...]


def slots_of(networks: str | Mapping[str, str], state: PortState) -> frozenset[Slot]:
    """What is on a NIC in this state. Raises KeyError for a VLAN that no network stands for."""
    found = set()
    for vlan in state.vlans:
        if (name := network_of(networks, vlan)) is None:
            raise KeyError(vlan)
        found.add(Slot(name, NATIVE if vlan == state.native else f"vlan/{vlan}"))
    return frozenset(found)


def plan(port: str, have: Collection[Slot], want: Collection[Slot]) -> Plan:
    """Lead a NIC from these slots to those."""
    leaving, coming = sorted(set(have) - set(want)), sorted(set(want) - set(have))
    moved = {slot.network for slot in leaving} & {slot.network for slot in coming}
    return Plan(
        tuple(change("detach", port, slot) for slot in leaving if slot.network in moved),
        (
            *(change("detach", port, slot) for slot in leaving if slot.network not in moved),
            *(change("connect", port, slot) for slot in coming),
        ),
    )


def change(action: str, port: str, slot: Slot) -> Change:
    node, nic = port_of(port)
    return {"action": action, "node": node, "nic": nic, "network": slot.network, "channel": slot.channel}


def body(changes: Iterable[Change]) -> dict[str, Any]:
    return {"changes": list(changes)}


def lines(networks: str | Mapping[str, str], batch: Iterable[PortChange]) -> list[str]:
    """The requests of a batch as text. What is on a port that was not representable is found out when it is written."""
    plans = []
    unknown = []
    for each in differing(batch):
        if each.have is None:
            unknown.append(f"GET /v1/nodes/{port_of(each.port)[0]}, and detach everything from {each.port}")
        have = slots_of(networks, each.have) if each.have is not None else frozenset()
        plans.append(plan(each.port, have, slots_of(networks, each.want)))
    parts = ([step for each in plans for step in each.first], [step for each in plans for step in each.then])
    return unknown + [f"POST /v1/network-changes {json.dumps(body(part))}" for part in parts if part]
