"""The lines that make a Nexus port what it must become. Pure.

Each port is written in stages. An interface that is told many lines at once may go on after one that it refuses, so
within a stage any of the lines may fail without the others carrying too much, and the next stage is only begun after
all of the one before was accepted: first the lists (and, if the port is to be closed or nothing is known of it,
`shutdown` before everything else), then the mode, then `no shutdown`. `no switchport trunk allowed vlan`, which would
mean all, is never said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from hil.core.model import PortChange
from hil.drivers.switch.cli.lists import pieces
from hil.drivers.switch.cli.steps import Step, flat, new_vlans
from hil.drivers.switch.order import differing

LONGEST_LIST: Final = 200
"""Characters of a VLAN list: lines above about 220 are refused, and shown cut into `add` lines."""


def steps(config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[Step]:
    """Plan a batch that is in order and changes every port: VLANs are made first, as they must exist to be carried."""
    made = [Step(ports, (f"vlan {part}", "exit")) for ports, part in new_vlans(batch, LONGEST_LIST)]
    ports = [
        Step((change.port,), (f"interface {change.port}", *stage))
        for change in batch
        for stage in _stages(config, change)
    ]
    return [*made, *ports]


def lines(config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
    """Everything that is sent for a batch, `configure` and `end` included; nothing if nothing changes."""
    planned = flat(steps(config, differing(batch)))
    return ["configure terminal", *planned, "end"] if planned else []


def _stages(config: Mapping[str, Any], change: PortChange) -> Iterator[tuple[str, ...]]:
    want, fresh = change.want, change.have is None
    if fresh or not want.enabled:
        yield ("shutdown",)
    if fresh:
        yield ("switchport", "shutdown")  # a routed port that becomes a switch port may come up again
    first, *rest = [*pieces(want.vlans, LONGEST_LIST)] or ["none"]
    yield (
        f"switchport trunk allowed vlan {first}",
        *(f"switchport trunk allowed vlan add {part}" for part in rest),
        f"switchport trunk native vlan {config['parked'] if want.native is None else want.native}",
    )
    yield ("switchport mode trunk", *_edge(config))
    if want.enabled and not (change.have and change.have.enabled):
        yield ("no shutdown",)


def _edge(config: Mapping[str, Any]) -> Iterator[str]:
    if config.get("edge", True):
        yield "spanning-tree port type edge trunk"
        yield "spanning-tree bpduguard enable"
    if (limit := config.get("storm_control")) is not None:
        yield f"storm-control broadcast level {limit:.2f}"
