"""The file, read and checked by itself: names, types, wiring that contradicts itself. It knows nothing of the database.

    vlan_pool: 100-199,300
    switches:
      leaf1:
        driver: ovs
        config: {bridge: br0, ovsdb: "tcp:10.0.0.7:6640"}
        ports: [p1, p2]
        locked: [uplink]
    nodes:
      node-01:
        labels: {cpu: 64}
        metadata: {serial: X1}
        nics:
          eth0: {macaddr: "52:54:00:12:34:56", port: leaf1/p1}

A secret of a switch is never written here: it is `{env: NAME}` or `{file: PATH}`, or is left out and stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from hil.admin.inventory import yaml_nodes as tree
from hil.admin.inventory.yaml_nodes import Faults
from hil.core import names
from hil.core.devices import SwitchSpec
from hil.core.errors import BadArgument
from hil.core.model import AuditMode
from hil.core.vlans import unfold
from hil.drivers.registry import switch_spec
from hil.services.nic import mac_is_meant

T = TypeVar("T")
PortKey = tuple[str, str]
_AUDITS: Final = ", ".join(AuditMode)


@dataclass(slots=True)
class SwitchEntry:
    """A switch as the file describes it; `locked` says of each port whether it is infrastructure."""

    line: int
    driver: str
    audit: str
    config: dict[str, Any]
    secrets: dict[str, str]
    ports: dict[str, bool]


@dataclass(slots=True)
class NicEntry:
    line: int
    macaddr: str
    port: PortKey | None


@dataclass(slots=True)
class NodeEntry:
    line: int
    labels: dict[str, str]
    metadata: dict[str, Any]
    nics: dict[str, NicEntry]


@dataclass(slots=True)
class Document:
    """The whole file. None: it says nothing about that."""

    pool: frozenset[int] | None = None
    switches: dict[str, SwitchEntry] | None = None
    nodes: dict[str, NodeEntry] | None = None
    path: str = ""


def read(path: Path, environ: Mapping[str, str] = os.environ) -> Document:
    """Read and check a file. Raises BadArgument with a line for each fault."""
    try:
        text = path.read_text()
    except OSError as error:
        raise BadArgument(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise BadArgument(f"{path}: is no text in UTF-8.") from error
    return parse(text, str(path), environ)


def parse(text: str, path: str, environ: Mapping[str, str] = os.environ) -> Document:
    faults = Faults(path)
    root = tree.compose(text, path)
    if root is None:
        raise BadArgument(f"{path}: is empty: write `switches:`, `nodes:` or `vlan_pool:`.")
    reader = _Reader(faults, environ, Path(path).parent)
    document = reader.document(root)
    document.path = path
    faults.tell()
    return document


def _port_name(spec: SwitchSpec, text: str) -> str:
    return spec.port_name(names.port_name(text))


class _Reader:
    """Turns nodes of the tree into entries; what is wrong it notes, and goes on."""

    def __init__(self, faults: Faults, environ: Mapping[str, str], directory: Path) -> None:
        self.faults = faults
        self.environ = environ
        self.directory = directory

    def checked(self, node: yaml.Node, check: Callable[[], T], about: str = "") -> T | None:
        try:
            return check()
        except BadArgument as error:
            self.faults.of(node, error, about)
            return None

    def document(self, root: yaml.Node) -> Document:
        found = tree.fields(self.faults, root, "inventory", ("vlan_pool", "switches", "nodes"))
        document = Document()
        if "vlan_pool" in found:
            ids = tree.text(self.faults, found["vlan_pool"], "vlan_pool", empty=True)
            document.pool = self.checked(found["vlan_pool"], partial(unfold, ids or ""), "vlan_pool: ")
        if "switches" in found:
            document.switches = {
                name: self.switch(name, key, value)
                for name, key, value in self.named("switch", found["switches"], "switches")
            }
        if "nodes" in found:
            document.nodes = {
                name: self.node(name, key, value) for name, key, value in self.named("node", found["nodes"], "nodes")
            }
        return document

    def named(self, kind: str, node: yaml.Node, what: str) -> tree.Pairs:
        found = tree.pairs(self.faults, node, what)
        for name, key, _ in found:
            self.checked(key, partial(names.name, kind, name))
        return found

    def switch(self, name: str, key: yaml.Node, node: yaml.Node) -> SwitchEntry:
        what = f"switch {name}"
        found = tree.fields(self.faults, node, what, ("driver", "audit", "config", "ports", "locked"))
        entry = SwitchEntry(key.start_mark.line + 1, "", AuditMode.HEAL, {}, {}, {})
        if "driver" not in found:
            self.faults.add(key, f"{what}: driver is missing")
            return entry
        entry.driver = tree.text(self.faults, found["driver"], f"{what}: driver") or ""
        spec = self.checked(found["driver"], partial(switch_spec, entry.driver), f"{what}: ")
        if "audit" in found:
            entry.audit = tree.text(self.faults, found["audit"], f"{what}: audit") or ""
            if entry.audit not in set(AuditMode):
                self.faults.add(found["audit"], f"{what}: audit: write one of {_AUDITS}")
        if spec is not None:
            self.config(what, entry, found.get("config"), spec)
            for part in ("ports", "locked"):
                self.ports(what, entry, found.get(part), spec, locked=part == "locked")
        return entry

    def config(self, what: str, entry: SwitchEntry, node: yaml.Node | None, spec: SwitchSpec) -> None:
        for name, _, value in [] if node is None else tree.pairs(self.faults, node, f"{what}: config"):
            where = f"{what}: config: {name}"
            if name not in spec.secrets:
                entry.config[name] = tree.value(self.faults, value, where)
            elif (secret := self.secret(where, value)) is not None:
                entry.secrets[name] = secret

    def secret(self, what: str, node: yaml.Node) -> str | None:
        if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
            self.faults.add(node, f"{what} is a secret: write {{env: NAME}} or {{file: PATH}} instead")
            return None
        for kind, value in tree.fields(self.faults, node, what, ("env", "file")).items():
            name = tree.text(self.faults, value, what) or ""
            found = self.environ.get(name) if kind == "env" else self.file(name)
            if not found:
                thing = f"the variable {name}" if kind == "env" else f"the file {name}"
                self.faults.add(value, f"{what}: {thing} holds no secret")
            return found
        return None

    def file(self, name: str) -> str | None:
        try:
            return (self.directory / name).read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            return None

    def ports(self, what: str, entry: SwitchEntry, node: yaml.Node | None, spec: SwitchSpec, *, locked: bool) -> None:
        for item in [] if node is None else tree.items(self.faults, node, f"{what}: ports"):
            written = tree.text(self.faults, item, f"{what}: a port")
            if written is None:
                continue
            port = self.checked(item, partial(_port_name, spec, written), f"{what}: ")
            if port is not None and port in entry.ports:
                self.faults.add(item, f"{what}: port {port!a} stands here twice")
            elif port is not None:
                entry.ports[port] = locked

    def node(self, name: str, key: yaml.Node, node: yaml.Node) -> NodeEntry:
        what = f"node {name}"
        found = tree.fields(self.faults, node, what, ("labels", "metadata", "nics"))
        entry = NodeEntry(key.start_mark.line + 1, {}, {}, {})
        if "labels" in found:
            self.labels(what, entry, found["labels"])
        if "metadata" in found:
            for word, _, value in self.named("metadata", found["metadata"], f"{what}: metadata"):
                entry.metadata[word] = tree.value(self.faults, value, f"{what}: metadata {word}")
        if "nics" in found:
            for nic, at, value in self.named("NIC", found["nics"], f"{what}: nics"):
                entry.nics[nic] = self.nic(name, nic, at, value)
        return entry

    def labels(self, what: str, entry: NodeEntry, node: yaml.Node) -> None:
        for key, at, value in tree.pairs(self.faults, node, f"{what}: labels"):
            text = tree.text(self.faults, value, f"{what}: label {key}", empty=True) or ""
            self.checked(at, partial(names.label, key, text), f"{what}: ")
            entry.labels[key] = text

    def nic(self, node: str, name: str, key: yaml.Node, value: yaml.Node) -> NicEntry:
        what = f"NIC {node}/{name}"
        found = tree.fields(self.faults, value, what, ("macaddr", "port"))
        entry = NicEntry(key.start_mark.line + 1, "", None)
        if "macaddr" in found:
            entry.macaddr = tree.text(self.faults, found["macaddr"], f"{what}: macaddr", empty=True) or ""
            self.checked(found["macaddr"], partial(mac_is_meant, entry.macaddr), f"{what}: ")
        if "port" in found and not tree.is_null(found["port"]):
            entry.port = self.wire(what, found["port"])
        return entry

    def wire(self, what: str, node: yaml.Node) -> PortKey | None:
        written = tree.text(self.faults, node, f"{what}: port")
        switch, slash, port = (written or "").partition("/")
        if not slash or not switch or not port:
            self.faults.add(node, f"{what}: port: write SWITCH/PORT, as in leaf1/gi1/0/1")
            return None
        return switch, port
