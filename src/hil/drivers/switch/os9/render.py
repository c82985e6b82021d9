"""The lines that make an OS9 port what it must become. Pure.

A port is told its mode, and each VLAN its ports: what is written is the difference between the VLANs that a port is in
and those that it shall be in, leaving before joining. Unless the default VLAN is disabled a port falls into it between
two untagged VLANs: it is shut meanwhile. A closed port is in no VLAN and no switch port. How one stands that is to be
opened, or of which nothing is known, must be looked up (`Standing`): there is no word for leaving every VLAN.
`portmode hybrid`, which lets a port be tagged and untagged, is taken only by a port that is no switch port
(Dell OS9 configuration guide, VLANs, native VLANs).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.cli.steps import Step, flat
from hil.drivers.switch.order import differing
from hil.drivers.switch.os9.names import written


@dataclass(frozen=True, slots=True)
class Standing:
    """How a port stands on the switch, open or shut: its mode, and the VLANs that list it."""

    switchport: bool = False
    hybrid: bool = False
    untagged: frozenset[int] = frozenset()
    tagged: frozenset[int] = frozenset()


UNKNOWN: Final = "! it also leaves every VLAN in which it is found"


def steps(
    config: Mapping[str, Any], batch: Sequence[PortChange], standing: Mapping[str, Standing] | None = None
) -> list[Step]:
    """Plan a batch that is in order and changes every port."""
    return [Step((change.port,), tuple(_port(config, change, standing))) for change in batch]


def lines(config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
    """Everything that is sent for a batch, for people; for what must be looked up first a remark stands."""
    planned = flat(steps(config, differing(batch)))
    return ["configure terminal", *planned, "end"] if planned else []


def tagged_alone(change: PortChange) -> bool:
    """Whether the change asks for tagged VLANs without a native one."""
    return change.want.native is None and change.want.enabled


def looked_up(change: PortChange) -> bool:
    """Whether what was read does not tell all the VLANs that list the port."""
    return change.have in (None, CLOSED)


def _port(config: Mapping[str, Any], change: PortChange, standing: Mapping[str, Standing] | None) -> Iterator[str]:
    have, want, port = change.have, change.want, written(config, change.port)
    opening, closing = looked_up(change) and want.enabled, not want.enabled
    falls = not config.get("default_vlan_disabled") and have is not None and have.native not in (None, want.native)
    if have is None or closing or falls:
        yield from (f"interface {port}", "shutdown")
    if looked_up(change) and standing is None:
        yield UNKNOWN
        here = Standing(switchport=True)
    elif looked_up(change) and standing is not None:
        here = standing.get(change.port, Standing())
        yield from _left(port, here.untagged - {config.get("default_vlan", 1)}, here.tagged)
    else:
        here = Standing(True, True)
    if hardened := [*(_mode(here) if opening else ()), *(_edge(config) if want.enabled else ())]:
        yield from (f"interface {port}", *hardened)
    old = CLOSED if have is None else have
    yield from _moved(port, old, want)
    if closing and here.switchport:
        yield from (f"interface {port}", "no switchport")
    if opening or (falls and not closing):
        yield from (f"interface {port}", "no shutdown")


def _moved(port: str, old: PortState, new: PortState) -> Iterator[str]:
    gone = frozenset() if old.native in (None, new.native) else frozenset({old.native})
    yield from _left(port, gone, old.tagged - new.tagged)
    for vlan in sorted(new.tagged - old.tagged):
        yield from (f"interface vlan {vlan}", f"tagged {port}")
    if new.native not in (None, old.native):
        yield from (f"interface vlan {new.native}", f"untagged {port}")


def _left(port: str, untagged: frozenset[int], tagged: frozenset[int]) -> Iterator[str]:
    for vlan in sorted(untagged):
        yield from (f"interface vlan {vlan}", f"no untagged {port}")
    for vlan in sorted(tagged):
        yield from (f"interface vlan {vlan}", f"no tagged {port}")


def _mode(here: Standing) -> Iterator[str]:
    if here.switchport and here.hybrid:
        return
    if here.switchport:
        yield "no switchport"
    if not here.hybrid:
        yield "portmode hybrid"
    yield "switchport"


def _edge(config: Mapping[str, Any]) -> Iterator[str]:
    if config.get("edge", True):
        yield f"spanning-tree {config.get('spanning_tree', 'rstp')} edge-port bpduguard shutdown-on-violation"
    if (limit := config.get("storm_control")) is not None:
        yield f"storm-control broadcast {limit} in"
