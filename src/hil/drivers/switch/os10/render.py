"""The lines that make an OS10 port what it must become, in one transaction. Pure.

`switchport trunk allowed vlan` adds to the tagged VLANs and its `no` form removes; the access VLAN is the untagged one
of a trunk too. A VLAN may be on a port tagged or untagged, not both, so the stale ones leave first. A port of which
nothing is known, or that was closed, is an access port for a moment: that takes every tagged VLAN from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.cli.lists import pieces
from hil.drivers.switch.cli.steps import Step, flat
from hil.drivers.switch.order import differing

LONGEST_LIST: Final = 200
BEGIN: Final = "start transaction"
COMMIT: Final = "commit"
DISCARD: Final = "discard"
_TAGGED: Final = "switchport trunk allowed vlan"


def steps(config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[Step]:
    """Plan a batch that is in order and changes every port: VLANs are made first."""
    needed: dict[int, list[str]] = defaultdict(list)
    for change in batch:
        known = change.have.vlans if change.have else frozenset()
        for vlan in change.want.vlans - known if change.want.enabled else {config["parked"]}:
            needed[vlan].append(change.port)
    made = [Step(tuple(needed[vlan]), (f"interface vlan {vlan}", "exit")) for vlan in sorted(needed)]
    return [*made, *(Step((change.port,), (*_port(config, change), "exit")) for change in batch)]


def lines(config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
    """Everything that is sent for a batch, the transaction included; nothing if nothing changes."""
    planned = flat(steps(config, differing(batch)))
    return [BEGIN, "configure terminal", *planned, "end", COMMIT] if planned else []


def tagged_alone(change: PortChange) -> bool:
    """Whether the change asks for tagged VLANs without a native one, which no trunk of the platform can be."""
    return change.want.native is None and change.want.enabled


def interface(port: str) -> str:
    """The port as it is written after `interface`.

    >>> interface("ethernet1/1/5:2"), interface("port-channel12")
    ('ethernet 1/1/5:2', 'port-channel 12')
    """
    kind = port.rstrip("0123456789/:")
    return f"{kind} {port[len(kind) :]}"


def _port(config: Mapping[str, Any], change: PortChange) -> Iterator[str]:
    have, want = change.have, change.want
    yield f"interface {interface(change.port)}"
    if have is None or not want.enabled:
        yield "shutdown"
    if have is None or CLOSED in (have, want):
        yield "switchport mode access"
        yield f"switchport access vlan {want.native or config['parked']}"
        have = PortState(want.native)
    if want.enabled:
        yield from _difference(have, want)
        yield from _edge(config)
        if not (change.have and change.have.enabled):
            yield "no shutdown"


def _difference(have: PortState, want: PortState) -> Iterator[str]:
    yield "switchport mode trunk"
    for part in pieces(have.tagged - want.tagged, LONGEST_LIST):
        yield f"no {_TAGGED} {part}"
    if want.native != have.native:
        yield f"switchport access vlan {want.native}"
    for part in pieces(want.tagged - have.tagged, LONGEST_LIST):
        yield f"{_TAGGED} {part}"


def _edge(config: Mapping[str, Any]) -> Iterator[str]:
    if config.get("edge", True):
        yield "spanning-tree port type edge"
        yield "spanning-tree bpduguard enable"
    if (limit := config.get("storm_control")) is not None:
        yield f"storm-control broadcast {limit}"
