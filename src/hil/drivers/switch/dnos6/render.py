"""The lines that make an N-series port what it must become. Pure.

The allowed list is replaced before the native VLAN: what was native is then either allowed or cut off, and the new
native is allowed already, as the platform asks (it drops untagged frames of a trunk that does not allow its native:
Dell N2200 user guide, page 885). To lose its native VLAN a port must for a moment allow the parked one, which all such
ports share: it is shut meanwhile. So is a port of which nothing is known, since it enters trunk mode with whatever list
it has, and that is all VLANs at first. A closed port keeps the parked VLAN alone, never an empty list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from hil.core.model import PortChange
from hil.core.vlans import fold
from hil.drivers.switch.cli.lists import pieces
from hil.drivers.switch.cli.steps import Step, flat, new_vlans
from hil.drivers.switch.order import differing

LONGEST_LIST: Final = 200
"""Characters of a VLAN list; the platform takes longer lines, but how much longer differs by firmware."""


def steps(config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[Step]:
    """Plan a batch that is in order and changes every port: VLANs are made first, as they must exist to be allowed."""
    everyone = tuple(change.port for change in batch)
    made = [Step(everyone, (f"vlan {fold({config['parked']})}", "exit"))] if batch else []
    made += [Step(ports, (f"vlan {part}", "exit")) for ports, part in new_vlans(batch, LONGEST_LIST)]
    if open_ones := tuple(change.port for change in batch if change.want.enabled and config.get("edge", True)):
        made.append(Step(open_ones, ("spanning-tree bpdu-protection",)))  # one switch for all edge ports, and no others
    return [*made, *(Step((change.port,), (*_port(config, change), "exit")) for change in batch)]


def lines(config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
    """Everything that is sent for a batch, `configure` and `end` included; nothing if nothing changes."""
    planned = flat(steps(config, differing(batch)))
    return ["configure", *planned, "end"] if planned else []


def interface(port: str) -> str:
    """The port as it is written after `interface`.

    >>> interface("gi1/0/5"), interface("po3")
    ('gi1/0/5', 'port-channel 3')
    """
    return f"port-channel {port[2:]}" if port.startswith("po") else port


def shuts(change: PortChange) -> bool:
    """Whether the port is shut while it changes. (A closed one already is.)"""
    if change.have is None or not change.want.enabled:
        return True
    return change.want.native is None and change.have.native is not None


def _opens(change: PortChange) -> bool:
    closed = change.have is not None and not change.have.enabled
    return change.want.enabled and (shuts(change) or closed)


def _port(config: Mapping[str, Any], change: PortChange) -> Iterator[str]:
    want, parked = change.want, config["parked"]
    yield f"interface {interface(change.port)}"
    if shuts(change):
        yield "shutdown"
    if shuts(change) or _opens(change):
        yield "switchport mode trunk"
        if want.native is None:
            yield f"switchport trunk allowed vlan {parked}"
            yield f"switchport trunk native vlan {parked}"
    if not want.enabled:
        return
    first, *rest = pieces(want.vlans, LONGEST_LIST)
    yield f"switchport trunk allowed vlan {first}"
    yield from (f"switchport trunk allowed vlan add {part}" for part in rest)
    if want.native is not None:
        yield f"switchport trunk native vlan {want.native}"
    yield from _edge(config)
    if _opens(change):
        yield "no shutdown"


def _edge(config: Mapping[str, Any]) -> Iterator[str]:
    if config.get("edge", True):
        yield "spanning-tree portfast"
    if (limit := config.get("storm_control")) is not None:
        yield f"storm-control broadcast level {limit}"
        yield "storm-control broadcast"
