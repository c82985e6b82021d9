"""The lines that make a Catalyst port what it must become. Pure.

The allowed list is replaced before the native VLAN: what was native is then either allowed or cut off, and the new
native is already allowed, so that no line carries what is neither old nor new. A list too long for one line is
replaced by its first part and grows by `add`. `no switchport trunk allowed vlan`, which would mean all, is never said.
A port of which nothing is known, or that carries nothing, is shut until its last line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from hil.core.model import PortChange, PortState
from hil.drivers.switch.cli.lists import pieces
from hil.drivers.switch.cli.steps import Step, flat, new_vlans
from hil.drivers.switch.order import differing

LONGEST_LIST: Final = 200
"""Characters of a VLAN list: lines above about 220 are answered with `Bad VLAN list` (cisco.ios issue 1061)."""


def steps(config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[Step]:
    """Plan a batch that is in order and changes every port: VLANs are made first, as they must exist to be carried."""
    made = [Step(ports, (f"vlan {part}", "exit")) for ports, part in new_vlans(batch, LONGEST_LIST)]
    return [*made, *(Step((change.port,), tuple(_port(config, change))) for change in batch)]


def lines(config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
    """Everything that is sent for a batch, `configure` and `end` included; nothing if nothing changes."""
    planned = flat(steps(config, differing(batch)))
    return ["configure terminal", *planned, "end"] if planned else []


def _port(config: Mapping[str, Any], change: PortChange) -> Iterator[str]:
    yield f"interface {change.port}"
    if change.have is None or not change.want.enabled:
        yield "shutdown"
    if change.have is None:
        if config.get("layer3", True):
            yield "switchport"
            yield "shutdown"  # a routed port that becomes a switch port may come up again
        yield "no switchport voice vlan"
    yield from _vlans(config["parked"], change.want)
    if config.get("encapsulation"):
        yield "switchport trunk encapsulation dot1q"
    yield "switchport mode trunk"
    yield "switchport nonegotiate"
    yield from _edge(config)
    if change.want.enabled and not (change.have and change.have.enabled):
        yield "no shutdown"


def _vlans(parked: int, want: PortState) -> Iterator[str]:
    first, *rest = [*pieces(want.vlans, LONGEST_LIST)] or ["none"]
    yield f"switchport trunk allowed vlan {first}"
    for part in rest:
        yield f"switchport trunk allowed vlan add {part}"
    yield f"switchport trunk native vlan {parked if want.native is None else want.native}"


def _edge(config: Mapping[str, Any]) -> Iterator[str]:
    if config.get("edge", True):
        yield f"spanning-tree {config.get('edge_command', 'portfast trunk')}"
        yield "spanning-tree bpduguard enable"
    if (limit := config.get("storm_control")) is not None:
        yield f"storm-control broadcast level {limit:.2f}"
