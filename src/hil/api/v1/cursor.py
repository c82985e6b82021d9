"""Pages: where the next one begins, as an opaque text that holds the key of the last item of this one.

Keys, not numbers of pages: whatever is added or removed meanwhile, no page repeats an item or leaves one out.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from hil.core.errors import BadArgument

T = TypeVar("T")
_END: Final = 1e18
"""A time after every other."""


def page(rows: Sequence[T], limit: int, show: Callable[[T], Any], *keys: Callable[[T], Any]) -> Any:
    """A page of at most `limit` items from rows that were asked for with one more."""
    kept = rows[:limit]
    last = [key(kept[-1]) for key in keys] if len(rows) > limit else None
    return {"items": [show(row) for row in kept], "next": None if last is None else encode(last)}


def encode(key: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def names(text: str | None, count: int = 1) -> list[str]:
    """The names in a cursor; empty ones for the first page. Raises BadArgument."""
    return [""] * count if text is None else [_name(part) for part in _decode(text, count)]


def moment(text: str | None) -> tuple[float, str]:
    """The time and identity in a cursor of a list that begins with the newest. Raises BadArgument."""
    if text is None:
        return _END, ""
    at, identity = _decode(text, 2)
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at <= _END:
        raise _bad()
    return float(at), _name(identity)


def number(text: str | None) -> int:
    """The number in a cursor of the journal, whose entries are numbered: it is that number. Raises BadArgument."""
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise _bad()
    return int(text)


def _decode(text: str, count: int) -> list[Any]:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        key = json.loads(raw.decode())
    except (binascii.Error, ValueError, RecursionError):
        raise _bad() from None
    if not isinstance(key, list) or len(key) != count:
        raise _bad()
    return key


def _name(part: Any) -> str:
    if not isinstance(part, str) or len(part) > 255 or not part.isprintable():
        raise _bad()
    return part


def _bad() -> BadArgument:
    return BadArgument("This cursor is none of ours: send back the `next` of the page before.")
