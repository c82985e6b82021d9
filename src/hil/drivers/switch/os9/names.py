"""Names of OS9 ports: as the switch writes them, as people do, and as HIL does. Pure.

HIL's name has no blank: TenGigabitEthernet0/1. The original API knew numbers alone and one kind of interface for a
whole switch, so that one with two kinds was registered twice: with `interface_type` ports of that kind are 0/1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hil.core.errors import BadArgument

KINDS: Final = (
    "GigabitEthernet",
    "TenGigabitEthernet",
    "twentyFiveGigE",
    "fortyGigE",
    "fiftyGigE",
    "hundredGigE",
    "Port-channel",
)
_SHORT: Final = {"gi": 0, "te": 1, "tf": 2, "fo": 3, "fi": 4, "hu": 5, "po": 6}
_NAMES: Final = {kind.lower(): kind for kind in KINDS} | {short: KINDS[place] for short, place in _SHORT.items()}
_PORT: Final = re.compile(r"([A-Za-z-]{2,20})? ?(\d{1,3}(?:/\d{1,3}){0,2}(?::\d{1,2})?)")
_WIDEST: Final = 256


def port_name(text: str) -> str:
    """Answer HIL's name. Raises BadArgument.

    >>> port_name("te 0/01"), port_name("Port-channel 7"), port_name("1/0/3")
    ('TenGigabitEthernet0/1', 'Port-channel7', '1/0/3')
    """
    found = _PORT.fullmatch(text) if text.isascii() else None
    kind = _NAMES.get((found[1] or "").lower(), "") if found else ""
    if found is None or bool(found[1]) != bool(kind) or (kind == "Port-channel") is ("/" in found[2]):
        raise BadArgument(f"{text[:40]!a} is no port of such a switch: write it as TenGigabitEthernet0/1, or 0/1.")
    return kind + re.sub(r"\d+", lambda number: str(int(number[0])), found[2])


def written(config: Mapping[str, Any], port: str) -> str:
    """The name as the switch is told it. Raises BadArgument for numbers alone where the kind is not known.

    >>> written({"interface_type": "GigabitEthernet"}, "1/3"), written({}, "fortyGigE0/48")
    ('GigabitEthernet 1/3', 'fortyGigE 0/48')
    """
    number = port.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-")
    kind = port[: len(port) - len(number)] or config.get("interface_type")
    if kind is None:
        raise BadArgument(
            f"{port} names no kind of interface: write it as TenGigabitEthernet0/1, or set interface_type."
        )
    return f"{kind} {number}"


def known(config: Mapping[str, Any], text: str) -> str:
    """HIL's name of what the switch writes; empty for what is no port."""
    try:
        name = port_name(text.strip())
    except BadArgument:
        return ""
    number = name.removeprefix(config.get("interface_type", "\0"))
    return name if number[:1].isalpha() else number


def expanded(config: Mapping[str, Any], text: str) -> Iterator[str]:
    """HIL's names of a list such as `TenGigabitEthernet 0/1-3,7`; what is none is left out."""
    kind, _, numbers = text.strip().partition(" ")
    slot = ""
    for part in numbers.split(","):
        found = re.fullmatch(r"\s*((?:\d+/)*)(\d{1,3})(?:-(\d{1,3}))?\s*", part)
        if found is None:
            yield from filter(None, [known(config, f"{kind} {part.strip()}")])
            continue
        slot = found[1] or slot
        first, last = int(found[2]), int(found[3] or found[2])
        for number in range(first, min(last, first + _WIDEST) + 1):
            yield from filter(None, [known(config, f"{kind} {slot}{number}")])
