"""VLAN ids and sets of them, in the notation that people and switches share: `10,20-22`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hil.core.errors import BadArgument

FIRST, LAST = 1, 4094
"""Usable ids; 0 and 4095 are reserved by IEEE 802.1Q-2018, table 9-2."""


def vlan_id(text: str | int) -> int:
    """Read one id in canonical form. Raises BadArgument for `007`, ` 7 `, `0`, `4095` and anything else.

    >>> vlan_id("100")
    100
    """
    if isinstance(text, bool) or not isinstance(text, str | int):
        raise BadArgument(f"A VLAN id is a number from {FIRST} to {LAST}.")
    word = str(text)
    if not (word.isascii() and word.isdigit()) or word != str(int(word)) or not FIRST <= int(word) <= LAST:
        raise BadArgument(f"{word[:20]!r} is no VLAN id: give a number from {FIRST} to {LAST}, without leading zeros.")
    return int(word)


def fold(ids: Iterable[int]) -> str:
    """Write a set as a sorted list of ranges.

    >>> fold({20, 22, 21, 10})
    '10,20-22'
    """
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in _runs(ids))


def _runs(ids: Iterable[int]) -> Iterator[tuple[int, int]]:
    low = high = None
    for number in sorted(set(ids)):
        if low is None or high is None:
            low = high = number
        elif number == high + 1:
            high = number
        else:
            yield low, high
            low = high = number
    if low is not None and high is not None:
        yield low, high


def unfold(text: str) -> frozenset[int]:
    """Read a list of ids and ranges. Raises BadArgument; an empty text is an empty set.

    >>> sorted(unfold("10, 20-22"))
    [10, 20, 21, 22]
    """
    found: set[int] = set()
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        low, dash, high = part.partition("-")
        first, last = vlan_id(low.strip()), vlan_id(high.strip() if dash else low.strip())
        if last < first:
            raise BadArgument(f"The range {part!r} runs backwards.")
        found.update(range(first, last + 1))
    return frozenset(found)
