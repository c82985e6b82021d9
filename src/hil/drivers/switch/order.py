"""The order in which a batch is written, and which VLANs may be in it: the same on every platform.

Close, narrow, change, widen, open: whenever a batch ends half-way, less is connected than before or after,
never more. A driver whose device takes the whole batch at once may ignore the order, not the check.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import IntEnum

from hil.core.devices import Capabilities
from hil.core.errors import BadArgument
from hil.core.model import PortChange
from hil.core.vlans import fold


class Step(IntEnum):
    """What a change does to the VLANs of its port; lower goes first."""

    CLOSE = 0
    NARROW = 1
    CHANGE = 2
    WIDEN = 3
    OPEN = 4


def step(change: PortChange) -> Step:
    """Judge one change. A port that was not representable may have carried anything: writing it narrows."""
    if not change.want.enabled:
        return Step.CLOSE
    if change.have is None:
        return Step.NARROW
    old, new = change.have.vlans, change.want.vlans
    if not old:
        return Step.OPEN
    if new < old:
        return Step.NARROW
    return Step.WIDEN if new > old else Step.CHANGE


def differing(batch: Iterable[PortChange]) -> list[PortChange]:
    """Leave out what is as it must be, and put the rest in the order of `Step`; ties keep theirs."""
    return sorted((change for change in batch if change.have != change.want), key=step)


def foreign_vlans(capabilities: Capabilities, parked: Collection[int], change: PortChange) -> frozenset[int]:
    """Answer the VLANs of a change that this switch must not be told to carry."""
    first, last = capabilities.vlans
    allowed = range(first, last + 1)
    return frozenset(
        vlan for vlan in change.want.vlans if vlan not in allowed or vlan in capabilities.reserved or vlan in parked
    )


def check_vlans(capabilities: Capabilities, parked: Collection[int], batch: Sequence[PortChange]) -> None:
    """Raise BadArgument if a change would carry a VLAN that this switch cannot or must not carry."""
    for change in batch:
        if wrong := foreign_vlans(capabilities, parked, change):
            raise BadArgument(f"Port {change.port}: this switch cannot carry VLAN {fold(wrong)}; choose another id.")
