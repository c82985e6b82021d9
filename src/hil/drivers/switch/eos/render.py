"""What an Arista switch is told, as lines of its configuration: whole port states, in an order that never widens.

A configuration session takes effect as a whole, so the order matters only to whoever types the lines by hand; it is
kept all the same. Every port is a trunk: its list of VLANs is replaced, never added to, and never left to the default,
which is ALL. Untagged frames are dropped by parking the native VLAN outside that list, or by tagging it
(`switchport trunk native vlan tag`). VLANs are created beside the port that needs them, so that a refusal has an owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hil.core.model import PortChange
from hil.core.vlans import fold

EDGE = ("spanning-tree portfast", "spanning-tree bpduguard enable")
"""A server's port: forwards at once, and goes down if somebody speaks spanning tree on it. EOS has no DTP."""


def port_lines(config: Mapping[str, Any], change: PortChange) -> list[str]:
    """Render one change: VLANs, then the whole of what the port becomes."""
    want = change.want
    tag = config["nativeless"] == "tagged"
    native = str(want.native or ("tag" if tag else config["parked"]))
    shut = change.have is None or not want.enabled
    return [
        *([f"vlan {fold(want.vlans)}"] if want.enabled else []),
        f"interface {change.port}",
        *(["shutdown"] if shut else []),
        "switchport",
        "no switchport trunk group",
        f"switchport trunk allowed vlan {fold(want.vlans) or 'none'}",
        f"switchport trunk native vlan {native}",
        "switchport mode trunk",
        *(_edge(config) if want.enabled else []),
        *(["no shutdown"] if want.enabled else []),
    ]


def _edge(config: Mapping[str, Any]) -> list[str]:
    level = config.get("storm_control")
    storm = [] if level is None else [f"storm-control {kind} level {level:g}" for kind in ("broadcast", "multicast")]
    return [*(EDGE if config["edge"] else ()), *storm]


def batch_lines(config: Mapping[str, Any], changes: Iterable[PortChange]) -> list[tuple[str, str]]:
    """Render changes in the order given, as pairs of port and line."""
    return [(change.port, line) for change in changes for line in port_lines(config, change)]


def timer(seconds: int) -> str:
    """Write a time as EOS reads it.

    >>> timer(90)
    '00:01:30'
    """
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
