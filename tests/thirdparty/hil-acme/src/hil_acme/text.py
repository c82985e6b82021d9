"""What is said to an Acme switch and what it answers. Pure.

`set a7 100 200,300-302` gives a port its untagged and its tagged VLANs, `-` for none; `show` answers the same for each
port, or `a7 lag 3` for a member of a link aggregation.
"""

from __future__ import annotations

from collections.abc import Iterable

from hil.core.errors import BadArgument
from hil.core.model import Observed, PortChange, PortState
from hil.core.vlans import fold, unfold, vlan_id
from hil.drivers.switch.order import differing


def commands(batch: Iterable[PortChange]) -> list[tuple[str, str]]:
    """Port and command, in the order of writing; what is as it must be has none."""
    return [(change.port, f"set {change.port} {written(change.want)}") for change in differing(batch)]


def written(state: PortState) -> str:
    return f"{state.native or '-'} {fold(state.tagged) or '-'}"


def observed(text: str) -> Observed:
    """Read what follows a port's name; whatever is no state is not representable."""
    match text.split(" "):
        case ["lag", number]:
            return Observed(None, f"member of LAG {number}", text)
        case [native, tagged]:
            try:
                return Observed(state(native, tagged))
            except (BadArgument, ValueError):
                pass
    return Observed(None, "the switch says what this driver does not know", text)


def state(native: str, tagged: str) -> PortState:
    """Raises BadArgument, ValueError."""
    return PortState(
        None if native == "-" else vlan_id(native), frozenset() if tagged == "-" else frozenset(unfold(tagged))
    )
