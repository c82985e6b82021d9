"""Where services deviate from the specification: names for it, and who is known to need which. Data.

A quirk is added only for hardware on which it was seen, with the source; everything that can be found out by asking
the service (allowed values, links, actions) is asked instead.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class Quirk(StrEnum):
    BOOT_MODE_ALWAYS = "boot-mode-always"
    """The boot override is taken only together with BootSourceOverrideMode."""
    MEDIA_FLAGS = "media-flags"
    """InsertMedia without Inserted and WriteProtected inserts nothing."""
    NO_ETAG = "no-etag"
    """Refuses every PATCH that carries If-Match."""
    ANY_ETAG = "any-etag"
    """Takes a PATCH only with If-Match: *."""


KNOWN: Final[tuple[tuple[str, str, frozenset[Quirk]], ...]] = (
    # X11 and X12, as Ironic 39 (redfish/management.py) and sushy 5.14 (manager/virtual_media.py) tell of them
    ("supermicro", "", frozenset({Quirk.BOOT_MODE_ALWAYS, Quirk.MEDIA_FLAGS})),
)
"""Manufacturer and model, as regular expressions that match anywhere and in any case; and what they need."""


def quirks_of(manufacturer: str, model: str) -> frozenset[Quirk]:
    found: frozenset[Quirk] = frozenset()
    for maker, kind, quirks in KNOWN:
        if re.search(maker, manufacturer, re.IGNORECASE) and re.search(kind, model, re.IGNORECASE):
            found |= quirks
    return found
