"""What a port of a Q-BRIDGE switch forwards, from its objects.

Factory ports are in VLAN 1 untagged, take any frame, and do not filter by VLAN on ingress (the MIB's defaults). The
fields of a port: `native` is its PVID, `allowed` the VLANs whose egress list names it, and the rest are `lines`:
`untagged N` for each list of untagged ports, `frames N` as dot1qPortAcceptableFrameTypes, `filter` for ingress
filtering.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hil.core.model import CLOSED, PortState
from hil.core.vlans import fold
from hil.drivers.switch.mock.device import Carried, Foreign, Held
from hil.lab.devices.model import Config, Mode, PortConfig

FACTORY: Final = PortConfig(
    mode=Mode.HYBRID, native=1, allowed=frozenset({1}), lines=frozenset({"untagged 1", "frames 1"})
)
LAG_INDEX: Final = 1000
"""ifIndex of the first aggregator."""


def untagged(port: PortConfig) -> frozenset[int]:
    return frozenset(int(line.split()[1]) for line in port.lines if line.startswith("untagged "))


def frames(port: PortConfig) -> int:
    return next((int(line.split()[1]) for line in port.lines if line.startswith("frames ")), 1)


def egress(port: PortConfig) -> frozenset[int]:
    return port.allowed or frozenset()


def with_untagged(port: PortConfig, vlan: int, member: bool) -> PortConfig:
    line = f"untagged {vlan}"
    return replace(port, lines=port.lines | {line} if member else port.lines - {line})


def with_egress(port: PortConfig, vlan: int, member: bool) -> PortConfig:
    """Whoever leaves a VLAN leaves its list of untagged ports too."""
    changed = replace(port, allowed=egress(port) | {vlan} if member else egress(port) - {vlan})
    return changed if member else with_untagged(changed, vlan, False)


def with_frames(port: PortConfig, value: int) -> PortConfig:
    kept = frozenset(line for line in port.lines if not line.startswith("frames "))
    return replace(port, lines=kept | {f"frames {value}"})


class QBridgeRule:
    """A port takes an untagged frame into its PVID's VLAN; without the filter it takes any tagged frame too."""

    def carried(self, config: Config, port: str) -> Carried:
        entry = config.ports[port]
        if entry.shut:
            return Carried(None, frozenset())
        member = egress(entry) & config.vlans
        if "filter" not in entry.lines and frames(entry) != 3:
            return Carried(entry.native, member, everything=True)
        takes = frames(entry) != 2 and (entry.native in member or "filter" not in entry.lines)
        # Who only sends untagged hears that VLAN all the same: it is carried.
        leaves = untagged(entry) & member
        native = entry.native if takes else min(leaves, default=None)
        return Carried(native, member - {native})

    def held(self, config: Config, port: str) -> Held:
        entry = config.ports[port]
        if entry.lag:
            return Foreign(f"member of LAG {entry.lag}", "dot3adAggPortAttachedAggID")
        member, plain = egress(entry), untagged(entry)
        carries = PortState(None, member)
        raw = f"PVID {entry.native}, egress {fold(member)}, untagged {fold(plain)}, {sorted(entry.lines)}"
        if entry.shut:
            return Foreign("shut, but in VLANs", raw, carries) if member else CLOSED
        if "filter" not in entry.lines:
            return Foreign("no ingress filtering", raw)
        if not member:
            return Foreign("up, but in no VLAN", raw, CLOSED)
        if frames(entry) == 2 and not plain:
            return carries
        if frames(entry) != 2 and plain == {entry.native} and (frames(entry) == 1 or member == plain):
            return PortState(entry.native, member - {entry.native})
        return Foreign("untagged frames come from one VLAN and go to another", raw, carries)

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        entry = replace(config.ports[port], lag="")
        if isinstance(held, Foreign) and held.carries is None:
            every = frozenset(config.vlans)
            return replace(entry, shut=False, native=1, allowed=every, lines=frozenset({"untagged 1", "frames 1"}))
        want = held if isinstance(held, PortState) else held.carries or CLOSED
        lines = {"filter", "frames 2" if want.native is None else "frames 1"}
        if want.native is not None:
            lines.add(f"untagged {want.native}")
        shut = not want.enabled
        return replace(entry, shut=shut, native=want.native or 1, allowed=want.vlans, lines=frozenset(lines))
