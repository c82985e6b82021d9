"""The data centres in which histories begin: two switches, five nodes, three projects, three VLAN ids.

`left` is as poor as switches get: no fence, no atomic batch. `right` cannot carry tagged networks without a native one,
either truly or for want of a parked VLAN. In one of the variants no port was ever read, so that all are as the factory
made them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hil.core.devices import Atomicity, Nativeless
from hil.core.model import Actor
from hil.drivers.switch.mock.device import EmulatedSwitch
from hil.services import nic, node, port, project, switch
from hil.services.context import Context
from hil.store.journal import Source
from tests.isolation.lineage import Lineage
from tests.isolation.stage import PARKED, Stage, device

PROJECTS: Final = ("a", "b", "c")
WIRING: Final = {
    ("n0", "e0"): ("left", "p0"),
    ("n0", "e1"): ("right", "p0"),
    ("n1", "e0"): ("left", "p1"),
    ("n2", "e0"): ("right", "p1"),
    ("n2", "e1"): ("left", "p2"),
    ("n3", "e0"): ("right", "p2"),
    ("n4", "e0"): ("left", "p3"),
}
SPARE: Final = (("left", "p4"), ("right", "p3"))
"""Ports with no cable yet."""
PORTS: Final = {"left": 5, "right": 4}


@dataclass(frozen=True, slots=True)
class Layout:
    """What distinguishes a variant."""

    nativeless: Nativeless
    atomicity: Atomicity
    fenced: bool
    settled: bool
    busy: bool = True
    """Tenants have nodes and networks from the beginning."""


LAYOUTS: Final = (
    Layout(Nativeless.PARKED, Atomicity.NONE, fenced=True, settled=True),
    Layout(Nativeless.NO, Atomicity.SWITCH, fenced=True, settled=True),
    Layout(Nativeless.PARKED, Atomicity.PORT, fenced=True, settled=False, busy=False),
    Layout(Nativeless.NO, Atomicity.NONE, fenced=False, settled=True),
    Layout(Nativeless.PARKED, Atomicity.NONE, fenced=False, settled=True),
)
TENANTS: Final = (
    ("allocate", ["a", "n0"]),
    ("allocate", ["a", "n1"]),
    ("allocate", ["b", "n2"]),
    ("allocate", ["c", "n3"]),
    ("network_create", ["x", "a", False, "", []]),
    ("network_create", ["y", "b", False, "", []]),
    ("grant", ["x", "b"]),
    ("grant", ["y", "c"]),
    ("change", [[["n0", "e0", "x", "", True]]]),
    ("change", [[["n2", "e0", "x", "", True]]]),
)
"""How a busy data centre came to be: two tenants share a network, one has shared another with a third."""


class Variant:
    """A layout with its books, ready to be copied."""

    def __init__(self, stage: Stage, layout: Layout) -> None:
        self.layout = layout
        stage.reset(stage.blank)
        build(stage, self.settings())
        self.books: sqlite3.Connection = stage.copy()
        self.startup: dict[str, dict[str, Any]] = {}

    def settings(self) -> dict[str, dict[str, Any]]:
        """What the books say of each switch, beside its address."""
        nativeless = self.layout.nativeless
        parked = {"parked": PARKED} if nativeless is Nativeless.PARKED else {}
        return {"left": {}, "right": {"nativeless": str(nativeless), **parked}}

    def switches(self, stage: Stage) -> dict[str, EmulatedSwitch]:
        """Fresh devices, configured as they were when this variant was kept."""
        parked = PARKED if self.layout.nativeless is Nativeless.PARKED else None
        right = device(
            stage,
            "right",
            ports=ports("right"),
            nativeless=self.layout.nativeless,
            parked=parked,
            atomicity=self.layout.atomicity,
            fenced=self.layout.fenced,
        )
        found = {"left": device(stage, "left", ports=ports("left")), "right": right}
        for name, states in self.startup.items():
            for port_name, state in states.items():
                found[name]._running[port_name] = found[name]._startup[port_name] = state
        return found

    def settle(self, lineages: Mapping[str, Lineage]) -> None:
        """What was settled before the history began is HIL's doing."""
        for name, states in self.startup.items():
            for port_name, state in states.items():
                if state != lineages[name].device.factory:
                    lineages[name].accepted(port_name)
            lineages[name].startup = dict(lineages[name].running)


def ports(name: str) -> list[str]:
    return [f"p{number}" for number in range(PORTS[name])]


def build(stage: Stage, settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Register everything, as an operator does."""
    actor, source = Actor("operator", operator=True), Source("operator")

    def change(verb: Any, *arguments: Any, **options: Any) -> None:
        stage.store.change(lambda unit: verb(Context.changing(unit, actor, source), *arguments, **options))

    for name in PROJECTS:
        change(project.project_create, name)
    for name in PORTS:
        config = {"address": f"{name}.lab:9000", "username": "hil", "password": "secret", **settings[name]}
        change(switch.switch_register, name, "emulated", config)
        for port_name in ports(name):
            change(port.port_register, name, port_name)
    for number, name in enumerate(["n0", "n1", "n2", "n3", "n4"]):
        change(node.node_register, name, {"kind": "big" if number % 2 else "small"}, {})
    for (name, card), (at, port_name) in WIRING.items():
        change(nic.nic_register, name, card, "")
        change(port.port_connect_nic, at, port_name, name, card)
    change(nic.nic_register, "n4", "e1", "")
