"""What a Cumulus switch is told: two patches of one revision, the first of which takes every port out of the bridge.

A patch merges, and the order of setting and unsetting inside one is undefined (NVUE API guide), so what a port was is
unset first (`null`) and what it becomes is set by a second patch. A port that is a member of the bridge without VLANs
of its own inherits all of the bridge's and PVID 1: `untagged` and `vlan` are therefore always written together, and
`untagged: none` drops untagged frames. VLANs are not added to the bridge itself: a port with a list of its own does
not need them there, and every port that inherits would get them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from hil.core.model import PortChange, PortState
from hil.core.vlans import fold

EDGE: Final = {"bpdu-guard": "on", "admin-edge": "on"}
"""A server's port: forwards at once, and goes down if somebody speaks spanning tree on it."""


def cleared(config: Mapping[str, Any], changes: Iterable[PortChange]) -> dict[str, Any]:
    """Render the first patch of `/interface`: no port of the batch is a member of the bridge."""
    return {change.port: {"bridge": {"domain": {config["bridge"]: None}}} for change in changes}


def written(config: Mapping[str, Any], changes: Iterable[PortChange]) -> dict[str, Any]:
    """Render the second patch of `/interface`: the whole of what the ports become."""
    return {change.port: _port(config, change.want) for change in changes}


def _port(config: Mapping[str, Any], want: PortState) -> dict[str, Any]:
    if not want.enabled:
        return {"link": {"state": "down"}}
    member: dict[str, Any] = {"access": want.native}
    if want.tagged:
        untagged = "none" if want.native is None else want.native
        member = {"untagged": untagged, "vlan": {part: {} for part in fold(want.tagged).split(",")}}
    if config["edge"]:
        member["stp"] = dict(EDGE)
    return {"link": {"state": "up"}, "bridge": {"domain": {config["bridge"]: member}}}


def lines(config: Mapping[str, Any], changes: list[PortChange]) -> list[str]:
    """Write both patches for people."""
    if not changes:
        return []
    patches = (cleared(config, changes), written(config, changes))
    return [f"PATCH /interface {json.dumps(patch, separators=(',', ':'))}" for patch in patches]
