"""Writes the books as an inventory file: applying it changes nothing. Secrets of switches never leave the database."""

from __future__ import annotations

import re
from typing import Any

import yaml

from hil.admin.inventory.books import Books, NicBooks, NodeBooks, SwitchBooks
from hil.core.vlans import fold

HEAD = "# The inventory of HIL. Secrets of switches are not in it; what is left out of `config` stays as it is.\n"


def written(books: Books) -> str:
    """The file as text."""
    content: dict[str, Any] = {
        "vlan_pool": fold(books.pool),
        "switches": {name: _switch(switch) for name, switch in books.switches.items()},
        "nodes": {name: _node(node) for name, node in books.nodes.items()},
    }
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    body = yaml.dump(content, None, dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    return HEAD + str(body)


def _switch(switch: SwitchBooks) -> dict[str, Any]:
    found: dict[str, Any] = {"driver": switch.driver, "audit": switch.audit, "config": switch.config}
    for key, locked in (("ports", False), ("locked", True)):
        if ports := [name for name, port in switch.ports.items() if port.locked is locked]:
            found[key] = sorted(ports, key=_counted)
    return found


def _counted(name: str) -> list[tuple[int, str]]:
    """Sort gi1/0/2 before gi1/0/10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _node(node: NodeBooks) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if node.labels:
        found["labels"] = node.labels
    if node.metadata:
        found["metadata"] = node.metadata
    if node.nics:
        found["nics"] = {name: _nic(nic) for name, nic in node.nics.items()}
    return found


def _nic(nic: NicBooks) -> dict[str, Any]:
    found = {"macaddr": nic.macaddr} if nic.macaddr else {}
    return found | ({"port": "/".join(nic.port)} if nic.port is not None else {})
