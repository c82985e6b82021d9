"""Ports as Cisco's platforms have them: access mode, or a trunk with a list of allowed VLANs that is ALL at first.

A VLAN must exist to be carried, and the native one must be allowed. Whether a port is shut, bundled, routed or
negotiates is judged by the platform's own rule, before this.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from hil.core.model import CLOSED, PortState
from hil.core.vlans import unfold
from hil.drivers.switch.mock.device import Carried, Foreign, Held
from hil.lab.devices.model import Config, Mode, PortConfig

EVERY: Final = frozenset(range(1, 4095))


class AllowedRule:
    """What the data plane of such a port lets through."""

    def carried(self, config: Config, port: str) -> Carried:
        found = config.ports[port]
        if found.shut or found.mode is Mode.ROUTED or found.lag:
            return Carried(None, frozenset())
        if found.mode is Mode.ACCESS:
            return Carried(found.access if found.access in config.vlans else None, frozenset())
        allowed = (EVERY if found.allowed is None else found.allowed) & config.vlans
        native = found.native if found.native in allowed else None
        return Carried(native, frozenset(allowed - {native}), everything=found.allowed is None)


def held_open(found: PortConfig, raw: str) -> Held:
    """What a port is that is up and a switch port."""
    if found.mode is Mode.ACCESS:
        return PortState(found.access)
    if found.allowed is None:
        return Foreign("trunk of all VLANs", raw)
    if not found.allowed:
        return Foreign("open without a VLAN", raw, CLOSED)
    native = found.native if found.native in found.allowed else None
    return PortState(native, found.allowed - {native})


def listed(port: PortConfig, found: re.Match[str]) -> PortConfig:
    """`switchport trunk allowed vlan [add|remove|except] LIST`, or `all`, or `none`. Raises BadArgument."""
    how, text = (found[1] or "").strip().lower(), found[2].lower()
    now = EVERY if port.allowed is None else port.allowed
    if text in ("all", "none"):
        return replace(port, allowed=None if text == "all" else frozenset())
    vlans = unfold(text)
    new = {"": vlans, "add": now | vlans, "remove": now - vlans, "except": EVERY - vlans}[how]
    return replace(port, allowed=None if new == EVERY else frozenset(new))
