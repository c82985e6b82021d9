"""VLAN lists as command lines take and print them: cut into pieces that fit a line, and joined again. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from hil.core.errors import BadArgument
from hil.core.vlans import fold, unfold


def pieces(vlans: Iterable[int], longest: int) -> Iterator[str]:
    """Fold a set into lists of at most `longest` characters each; nothing for an empty set.

    >>> list(pieces({1, 3, 5, 6}, 5))
    ['1,3', '5-6']
    """
    room = ""
    for part in filter(None, fold(vlans).split(",")):
        if room and len(room) + 1 + len(part) > longest:
            yield room
            room = part
        else:
            room = f"{room},{part}" if room else part
    if room:
        yield room


def listed(text: str) -> frozenset[int]:
    """Read a list that may be wrapped over lines or have blanks in it. Raises ValueError for what is no list."""
    squeezed = re.sub(r"\s*([,-])\s*", r"\1", text.strip())
    try:
        return unfold(",".join(squeezed.split()))
    except BadArgument as error:
        raise ValueError(error.message) from None


def unwrapped(text: str) -> list[str]:
    """Join to each line the indented ones after it that go on with a list, as in `1,111,130,` and `   200,201`.

    >>> unwrapped("VLANs: 1-3,\\n     7,9\\nMode: trunk")
    ['VLANs: 1-3,7,9', 'Mode: trunk']
    """
    lines: list[str] = []
    for line in text.splitlines():
        goes_on = lines and line[:1].isspace() and re.fullmatch(r"[\s\d,-]*\d[\s\d,-]*", line)
        if goes_on and re.search(r"[\d,-]\s*$", lines[-1]):
            joint = "" if lines[-1].rstrip()[-1] in ",-" or line.strip()[0] in ",-" else ","
            lines[-1] = lines[-1].rstrip() + joint + line.strip()
        else:
            lines.append(line)
    return lines
