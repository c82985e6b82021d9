"""What a mock switch is told, as text: one line per port that changes, in the order of writing."""

from __future__ import annotations

from collections.abc import Iterable

from hil.core.model import PortChange, PortState
from hil.core.vlans import fold
from hil.drivers.switch.order import differing


def lines(batch: Iterable[PortChange]) -> list[str]:
    """Render a batch; what is already as it must be yields nothing."""
    return [line(change) for change in differing(batch)]


def line(change: PortChange) -> str:
    """Render one change: the whole of what the port becomes."""
    want = change.want
    if not want.enabled:
        return f"port {change.port} shutdown"
    native = "none" if want.native is None else str(want.native)
    return f"port {change.port} native {native} tagged {fold(want.tagged) or 'none'}"


def parking(want: PortState, parked: int | None) -> PortState:
    """What the device is told for `want`: on a port with tagged VLANs the parked one stands for no native."""
    if parked is None or want.native is not None or not want.tagged:
        return want
    return PortState(parked, want.tagged)
