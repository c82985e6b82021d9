"""The lines that make a PowerConnect 5500 port what it must become. Pure.

The platform only adds to and removes from the allowed VLANs, so the difference to what was read is written: the old
native VLAN is let go, stale VLANs are removed, new ones added, the new native VLAN is set. The native VLAN is taken
for carried whether or not it is allowed, and is therefore the first to go. A port of which nothing is known, or that
was closed, is emptied and filled while it is shut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.cli.lists import pieces
from hil.drivers.switch.cli.steps import Step, flat, new_vlans
from hil.drivers.switch.order import differing

LONGEST_LIST: Final = 120
"""Characters of a VLAN list: the command line of such switches holds 160."""
_TRUNK: Final = "switchport trunk"


def steps(config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[Step]:
    """Plan a batch that is in order and changes every port: VLANs are made first, in the VLAN database."""
    made = [Step(ports, ("vlan database", f"vlan {part}", "exit")) for ports, part in new_vlans(batch, LONGEST_LIST)]
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


def _port(config: Mapping[str, Any], change: PortChange) -> Iterator[str]:
    have, want = change.have, change.want
    yield f"interface {interface(change.port)}"
    if have is None or not want.enabled:
        yield "shutdown"
    if have is None or CLOSED in (have, want):
        yield from ("switchport mode trunk", f"{_TRUNK} native vlan none", f"{_TRUNK} allowed vlan none")
        have = CLOSED
    yield from _difference(have, want)
    if want.enabled:
        yield from _edge(config)
        if have == CLOSED:
            yield "no shutdown"


def _difference(have: PortState, want: PortState) -> Iterator[str]:
    if have.native is not None and have.native != want.native:
        yield f"{_TRUNK} native vlan none"
    for part in pieces(have.vlans - want.vlans, LONGEST_LIST):
        yield f"{_TRUNK} allowed vlan remove {part}"
    for part in pieces(want.vlans - have.vlans, LONGEST_LIST):
        yield f"{_TRUNK} allowed vlan add {part}"
    if want.native not in (None, have.native):
        yield f"{_TRUNK} native vlan {want.native}"


def _edge(config: Mapping[str, Any]) -> Iterator[str]:
    if config.get("edge", True):
        yield "spanning-tree portfast"
        yield "spanning-tree bpduguard enable"
    if (limit := config.get("storm_control")) is not None:
        yield f"storm-control broadcast level kbps {limit}"
        yield "storm-control broadcast enable"
