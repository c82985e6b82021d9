"""The difference between a file and the books, as ordered steps. Pure: it asks nothing and changes nothing.

What stands in the file is described whole: what is left out there has its default (no label, not wired, not locked).
What does not stand in the file stays, unless it is to be pruned; a section that is missing says nothing at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Any

from hil.admin.inventory.books import Books, NicKey, NodeBooks, PortKey, SwitchBooks
from hil.admin.inventory.document import Document, NodeEntry, SwitchEntry
from hil.admin.inventory.yaml_nodes import Faults
from hil.core import names
from hil.core.errors import BadArgument
from hil.core.vlans import fold
from hil.drivers.registry import switch_spec
from hil.services.inventory import NewNic, NewNode, NewPort, Wire


class Kind(IntEnum):
    """What a step does; steps are taken in this order."""

    POOL_SET = auto()
    WIRE_REMOVE = auto()
    NIC_REMOVE = auto()
    NODE_REMOVE = auto()
    PORT_REMOVE = auto()
    SWITCH_REMOVE = auto()
    LABEL_REMOVE = auto()
    METADATA_REMOVE = auto()
    SWITCH_ADD = auto()
    SWITCH_CHANGE = auto()
    PORT_ADD = auto()
    PORT_LOCK = auto()
    NODE_ADD = auto()
    NODE_CHANGE = auto()
    NIC_ADD = auto()
    NIC_CHANGE = auto()
    WIRE_ADD = auto()

    @property
    def sign(self) -> str:
        return "+" if self.name.endswith("_ADD") else "-" if self.name.endswith("_REMOVE") else "~"


@dataclass(frozen=True, slots=True)
class Step:
    """`what` is for people; `given` is what the verb takes, and may hold secrets."""

    kind: Kind
    what: str
    given: Any = field(repr=False)

    def __str__(self) -> str:
        return f"{self.kind.sign} {self.what}"


@dataclass(slots=True)
class Plan:
    """`kept` counts what only pruning would remove; `refused` says what is in use."""

    steps: list[Step] = field(default_factory=list)
    kept: int = 0
    refused: list[str] = field(default_factory=list)


def compare(document: Document, books: Books, *, prune: bool) -> Plan:
    """Work out the steps that make the books what the file says. Raises BadArgument with a line for each fault."""
    comparison = _Comparison(document, books, prune)
    comparison.run()
    comparison.faults.tell()
    comparison.plan.steps.sort(key=lambda step: step.kind)
    return comparison.plan


class _Comparison:
    def __init__(self, document: Document, books: Books, prune: bool) -> None:
        self.document, self.books, self.prune = document, books, prune
        self.faults = Faults(document.path)
        self.plan = Plan()
        self.wanted: dict[NicKey, PortKey | None] = {}
        self.gone: set[NicKey] = set()
        """NICs that are removed or unwired: their ports are free for others."""

    def run(self) -> None:
        self.pool()
        for name, switch in (self.document.switches or {}).items():
            self.switch(name, switch)
        for name, node in (self.document.nodes or {}).items():
            self.node(name, node)
        if self.document.nodes is not None:
            for name in self.removed(self.books.nodes, self.document.nodes):
                self.node_gone(name)
        self.wiring()
        if self.document.switches is not None:
            for name in self.removed(self.books.switches, self.document.switches):
                self.switch_gone(name)
        self.wired_ports_stay()

    def step(self, kind: Kind, what: str, given: Any) -> None:
        self.plan.steps.append(Step(kind, what, given))

    def removed(self, have: Any, want: Any) -> Iterator[str]:
        """Names that are in the books and not in the file: to prune, or else only to be counted."""
        extra = [name for name in have if name not in want]
        if self.prune:
            yield from extra
        else:
            self.plan.kept += len(extra)

    def pool(self) -> None:
        wanted = self.document.pool
        if wanted is not None and wanted != self.books.pool:
            have = fold(self.books.pool) or "none"
            self.step(Kind.POOL_SET, f"vlan_pool {have} -> {fold(wanted) or 'none'}", wanted)

    def switch(self, name: str, entry: SwitchEntry) -> None:
        have = self.books.switches.get(name)
        given = {**entry.config, **entry.secrets}
        if have is not None and have.driver != entry.driver:
            words = f"switch {name} has the driver {have.driver}: it cannot change; remove the switch, then add it anew"
            return self.faults.add(entry.line, words)
        try:
            kept = {} if have is None else have.secrets
            checked = switch_spec(entry.driver).validate({**kept, **given})
        except BadArgument as error:
            return self.faults.of(entry.line, error, f"switch {name}: ")
        if have is None:
            self.step(Kind.SWITCH_ADD, f"switch {name} ({entry.driver})", (name, entry.driver, given, entry.audit))
        else:
            self.switch_changed(name, entry, have, checked, given)
        self.ports(name, entry, have)

    def switch_changed(
        self, name: str, entry: SwitchEntry, have: SwitchBooks, checked: dict[str, Any], given: dict[str, Any]
    ) -> None:
        said = [f"audit {have.audit} -> {entry.audit}"] if entry.audit != have.audit else []
        secret = switch_spec(entry.driver).secrets
        config = {key: value for key, value in checked.items() if key not in secret}
        for key in sorted(config.keys() | have.config.keys()):
            if _same(config.get(key), have.config.get(key)):
                continue
            said.append(f"{key} {_shown(have.config.get(key))} -> {_shown(config.get(key))}")
        said += [f"{key} (secret)" for key in sorted(entry.secrets) if have.secrets.get(key) != checked.get(key)]
        if said:
            self.step(Kind.SWITCH_CHANGE, f"switch {name}: {', '.join(said)}", (name, given, entry.audit))

    def ports(self, name: str, entry: SwitchEntry, have: SwitchBooks | None) -> None:
        known = {} if have is None else have.ports
        for port, locked in entry.ports.items():
            if port not in known:
                words = f"port {name}/{port}" + (" (locked)" if locked else "")
                self.step(Kind.PORT_ADD, words, NewPort(name, port, locked))
            elif known[port].locked != locked:
                words = f"port {name}/{port}: {'locked' if locked else 'unlocked'}"
                self.step(Kind.PORT_LOCK, words, (name, port, locked))
        for port in self.removed(known, entry.ports):
            self.port_gone(name, port)

    def node(self, name: str, entry: NodeEntry) -> None:
        have = self.books.nodes.get(name)
        if have is None:
            words = f"node {name}" + "".join(f" {key}={value}" for key, value in entry.labels.items())
            self.step(Kind.NODE_ADD, words, NewNode(name, entry.labels, entry.metadata))
        else:
            self.node_changed(name, entry, have)
        known = {} if have is None else have.nics
        for nic, said in entry.nics.items():
            self.wanted[name, nic] = self.resolved(f"NIC {name}/{nic}", said.line, said.port)
            if nic not in known:
                words = f"nic {name}/{nic} {said.macaddr}".rstrip()
                self.step(Kind.NIC_ADD, words, NewNic(name, nic, said.macaddr))
            elif known[nic].macaddr != said.macaddr:
                words = f"nic {name}/{nic}: macaddr {known[nic].macaddr or 'none'} -> {said.macaddr or 'none'}"
                self.step(Kind.NIC_CHANGE, words, NewNic(name, nic, said.macaddr))
        for nic in self.removed(known, entry.nics):
            self.nic_gone(name, nic)

    def node_changed(self, name: str, entry: NodeEntry, have: NodeBooks) -> None:
        labels = {key: value for key, value in entry.labels.items() if have.labels.get(key) != value}
        metadata = {
            key: value
            for key, value in entry.metadata.items()
            if key not in have.metadata or not _same(have.metadata[key], value)
        }
        if labels or metadata:
            said = [f"{key} {have.labels.get(key, 'none')} -> {value}" for key, value in labels.items()]
            said += [f"metadata {key}" for key in metadata]
            self.step(Kind.NODE_CHANGE, f"node {name}: {', '.join(said)}", (name, labels, metadata))
        for key in self.removed(have.labels, entry.labels):
            self.step(Kind.LABEL_REMOVE, f"label {key} of node {name}", (name, key))
        for key in self.removed(have.metadata, entry.metadata):
            self.step(Kind.METADATA_REMOVE, f"metadata {key} of node {name}", (name, key))

    def resolved(self, what: str, line: int, port: PortKey | None) -> PortKey | None:
        """The port under its driver's canonical name, if NICs may be wired to it."""
        if port is None:
            return None
        switch, written = port
        entry, have = (self.document.switches or {}).get(switch), self.books.switches.get(switch)
        if entry is None and (have is None or (self.prune and self.document.switches is not None)):
            self.faults.add(line, f"{what}: there is no switch {switch!a}")
            return None
        try:
            driver = entry.driver if entry is not None else have.driver if have is not None else ""
            name = switch_spec(driver).port_name(names.port_name(written))
        except BadArgument as error:
            self.faults.of(line, error, f"{what}: ")
            return None
        locked = self.locked(switch, name)
        if locked is None:
            self.faults.add(line, f"{what}: switch {switch} has no port {name!a}: add it to the switch's ports")
        elif locked:
            self.faults.add(line, f"{what}: port {switch}/{name} is locked as infrastructure")
        return switch, name

    def locked(self, switch: str, port: str) -> bool | None:
        """Whether a port will be locked; None if there will be none."""
        entry, have = (self.document.switches or {}).get(switch), self.books.switches.get(switch)
        if entry is not None and port in entry.ports:
            return entry.ports[port]
        if have is None or port not in have.ports or (entry is not None and self.prune):
            return None
        return have.ports[port].locked

    def wiring(self) -> None:
        claims: dict[PortKey, NicKey] = {}
        for nic, port in self.wanted.items():
            if port is not None and claims.setdefault(port, nic) != nic:
                line = (self.document.nodes or {})[nic[0]].nics[nic[1]].line
                self.faults.add(
                    line, f"NIC {_path(nic)}: port {_path(port)} is behind NIC {_path(claims[port])} already"
                )
        for nic, port in self.wanted.items():
            have = self.port_of(nic)
            if have is None or have == port:
                continue
            if port is not None or have in claims or self.prune:
                self.step(Kind.WIRE_REMOVE, f"wire {_path(have)} {_path(nic)}", (*have, *nic))
                self.unused(nic, f"wire {_path(have)} {_path(nic)}")
            else:
                self.plan.kept += 1
        for port, nic in claims.items():
            if self.port_of(nic) != port:
                self.wire(nic, port)

    def wire(self, nic: NicKey, port: PortKey) -> None:
        switch = self.books.switches.get(port[0])
        holder = switch.ports[port[1]].nic if switch is not None and port[1] in switch.ports else None
        if holder is not None and holder not in self.gone:
            line = (self.document.nodes or {})[nic[0]].nics[nic[1]].line
            words = f"port {_path(port)} is behind NIC {_path(holder)}, which the file does not mention"
            self.faults.add(line, f"NIC {_path(nic)}: {words}: take it from there first, or prune")
        self.step(Kind.WIRE_ADD, f"wire {_path(port)} {_path(nic)}", Wire(*port, *nic))

    def port_of(self, nic: NicKey) -> PortKey | None:
        node = self.books.nodes.get(nic[0])
        return node.nics[nic[1]].port if node is not None and nic[1] in node.nics else None

    def unused(self, nic: NicKey, what: str) -> None:
        """Take a NIC out of use; refuse if its node is somebody's."""
        self.gone.add(nic)
        node = self.books.nodes[nic[0]]
        if node.project is not None:
            self.plan.refused.append(f"- {what}: node {nic[0]} is in project {node.project}: release it first")

    def nic_gone(self, node: str, nic: str) -> None:
        self.step(Kind.NIC_REMOVE, f"nic {node}/{nic}", (node, nic))
        self.unused((node, nic), f"nic {node}/{nic}")

    def node_gone(self, name: str) -> None:
        for nic in self.books.nodes[name].nics:
            self.nic_gone(name, nic)
        self.step(Kind.NODE_REMOVE, f"node {name}", name)
        project = self.books.nodes[name].project
        if project is not None:
            self.plan.refused.append(f"- node {name}: it is in project {project}: release it first")

    def port_gone(self, switch: str, port: str) -> None:
        self.step(Kind.PORT_REMOVE, f"port {switch}/{port}", (switch, port))

    def wired_ports_stay(self) -> None:
        """Refuse to remove a port from behind a NIC that the file leaves where it is."""
        for step in self.plan.steps:
            if step.kind is not Kind.PORT_REMOVE:
                continue
            switch, port = step.given
            nic = self.books.switches[switch].ports[port].nic
            if nic is not None and nic not in self.gone:
                self.plan.refused.append(f"{step}: it is behind NIC {_path(nic)}: take it from there first")

    def switch_gone(self, name: str) -> None:
        for port in self.books.switches[name].ports:
            self.port_gone(name, port)
        self.step(Kind.SWITCH_REMOVE, f"switch {name}", name)


def _path(pair: tuple[str, str]) -> str:
    return "/".join(pair)


def _same(one: Any, other: Any) -> bool:
    """Compare JSON values; unlike Python's, 1 and true differ."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _shown(value: Any) -> str:
    return "none" if value is None else json.dumps(value)
