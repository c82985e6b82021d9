"""HIL's books as plain values, read beside HIL: every question of the watch is asked of one such copy."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field

from hil.core.model import NATIVE, PortState
from hil.drivers.switch.mock.device import Held


@dataclass(slots=True)
class Node:
    name: str
    state: str
    project: int | None
    nics: dict[str, Wire | None] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        """Somebody's, or quarantined from somebody: not free and not out of service."""
        return self.state in ("allocated", "releasing", "quarantined")


@dataclass(slots=True)
class Wire:
    """A port as booked. `wish` is what its attachments ask for; `may` are the VLANs that it may carry."""

    id: int
    switch: str
    port: str
    node: str | None
    nic: str | None
    wanted: int
    applied: int
    tainted: bool
    drifted: bool
    quarantined: bool
    locked: bool
    observed: PortState | None
    read: bool
    error: str
    wish: PortState = field(default_factory=PortState)
    may: set[int] = field(default_factory=set)
    attachments: list[tuple[str, str, str]] = field(default_factory=list)
    """Network, channel, state."""

    @property
    def key(self) -> tuple[str, str]:
        return self.switch, self.port

    @property
    def settled(self) -> bool:
        return self.wanted == self.applied and not self.tainted and not self.drifted


@dataclass(slots=True)
class Net:
    name: str
    owner: int | None
    public: bool
    vlan: int
    guests: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Books:
    nodes: dict[str, Node]
    wires: dict[tuple[str, str], Wire]
    networks: dict[str, Net]
    projects: dict[str, int]

    @property
    def by_vlan(self) -> dict[int, Net]:
        return {net.vlan: net for net in self.networks.values()}


_PORTS = """
SELECT p.id, s.name, p.name, n.name, c.name, p.wanted, p.applied, p.tainted, p.drifted, p.quarantined, p.locked,
  p.observed, p.read_at, p.error
FROM port p JOIN switch s ON s.id = p.switch_id LEFT JOIN nic c ON c.id = p.nic_id LEFT JOIN node n ON n.id = c.node_id
ORDER BY p.id
"""
_ATTACHMENTS = """
SELECT p.id, a.channel, a.state, w.name, v.id
FROM attachment a JOIN port p ON p.nic_id = a.nic_id JOIN network w ON w.id = a.network_id
JOIN vlan v ON v.network_id = w.id ORDER BY a.id
"""
_NETWORKS = """
SELECT w.name, w.owner_id, w.public, v.id FROM network w JOIN vlan v ON v.network_id = w.id ORDER BY w.id
"""


def read_books(raw: sqlite3.Connection) -> Books:
    """Copy what the watch needs."""
    nodes = {name: Node(name, state, project) for name, state, project in raw.execute(
        "SELECT name, state, project_id FROM node ORDER BY id")}  # fmt: skip
    by_id = {}
    for row in raw.execute(_PORTS):
        observed = None if row[11] is None else json.loads(row[11])
        state = (
            PortState(observed["native"], frozenset(observed["tagged"])) if observed and "tagged" in observed else None
        )
        flags = [bool(flag) for flag in row[7:11]]
        by_id[row[0]] = Wire(*row[:7], *flags, state, row[12] is not None, row[13])
    for port, vlan in raw.execute("SELECT port_id, vlan FROM port_vlan"):
        by_id[port].may.add(vlan)
    for port, channel, state, network, vlan in raw.execute(_ATTACHMENTS):
        by_id[port].attachments.append((network, channel, state))
        if state != "detaching" and not by_id[port].quarantined:
            by_id[port].wish = _with(by_id[port].wish, channel, vlan)
    networks = {row[0]: Net(row[0], row[1], bool(row[2]), row[3]) for row in raw.execute(_NETWORKS)}
    for name, project in raw.execute(
        "SELECT w.name, g.project_id FROM network_access g JOIN network w ON w.id = g.network_id"
    ):
        networks[name].guests.add(project)
    wires = {wire.key: wire for wire in by_id.values()}
    _wire(raw, nodes, wires)
    return Books(nodes, wires, networks, dict(raw.execute("SELECT name, id FROM project ORDER BY id")))


def _wire(raw: sqlite3.Connection, nodes: dict[str, Node], wires: dict[tuple[str, str], Wire]) -> None:
    for node, nic in raw.execute("SELECT n.name, c.name FROM nic c JOIN node n ON n.id = c.node_id ORDER BY c.id"):
        nodes[node].nics[nic] = None
    for wire in wires.values():
        if wire.node is not None and wire.nic is not None:
            nodes[wire.node].nics[wire.nic] = wire


def _with(wish: PortState, channel: str, vlan: int) -> PortState:
    if channel == NATIVE:
        return PortState(vlan, wish.tagged)
    return PortState(wish.native, wish.tagged | {vlan})


def plain(held: Held, parked: int | None) -> PortState | None:
    """A port's configuration in HIL's words: a parked native is none; None if HIL has no words for it."""
    if not isinstance(held, PortState):
        return None
    if parked is not None and held.native == parked:
        return PortState(None, held.tagged)
    return held
