"""From JSON to frozen dataclasses, by their own type hints.

It is strict about what a field means and tolerant about what it does not know: a missing or wrong field is an
`UnexpectedAnswer`, a new one is left in `raw`, so that a client outlives the server it was written for.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from typing import Any, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from hil.client.errors import UnexpectedAnswer

T = TypeVar("T", bound="Shape")
Decoder = Callable[[Any, str], Any]
Plan = tuple[tuple[str, Decoder, bool], ...]
"""For each field its name, how to read it, and whether it must be there."""
JSON = Any
"""Any JSON value, as `json.loads` gives it."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """An answer of HIL. `raw` is all of it, as it came; `etag` is its version, where the server gave one."""

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    etag: str = field(default="", repr=False, compare=False)

    @classmethod
    def of(cls, data: JSON, etag: str = "") -> Self:
        """Read one. Raises UnexpectedAnswer."""
        return _read(cls, data, cls.__name__, etag)


_PLANS: dict[type[Shape], Plan] = {}


def _read(cls: type[T], data: JSON, where: str, etag: str = "") -> T:
    if not isinstance(data, Mapping):
        raise UnexpectedAnswer(f"{where} is not an object")
    known: dict[str, Any] = {"raw": data, "etag": etag}
    for name, decode, needed in _plan(cls):
        if name in data:
            known[name] = decode(data[name], f"{where}.{name}")
        elif needed:
            raise UnexpectedAnswer(f"{where} has no {name!r}")
    return cls(**known)


def _plan(cls: type[Shape]) -> Plan:
    if cls not in _PLANS:
        _PLANS[cls] = _planned(cls)
    return _PLANS[cls]


def _planned(cls: type[Shape]) -> Plan:
    hints = get_type_hints(cls)
    return tuple(
        (entry.name, _decoder(hints[entry.name]), entry.default is MISSING and entry.default_factory is MISSING)
        for entry in fields(cls)
        if entry.name not in Shape.__dataclass_fields__ and not entry.name.startswith("_")
    )


def _decoder(hint: Any) -> Decoder:
    if get_origin(hint) in (Union, types.UnionType):
        inner = _decoder(next(part for part in get_args(hint) if part is not type(None)))
        return lambda value, where: None if value is None else inner(value, where)
    if get_origin(hint) is tuple:
        each = _decoder(get_args(hint)[0])
        return lambda value, where: tuple(each(part, where) for part in _expect(value, list, where))
    if get_origin(hint) is dict:
        part = _decoder(get_args(hint)[1])
        return lambda value, where: {
            key: part(inner, f"{where}.{key}") for key, inner in _expect(value, dict, where).items()
        }
    if isinstance(hint, type) and issubclass(hint, Shape):
        return lambda value, where: _read(hint, value, where)
    if hint is datetime:
        return _time
    if hint is Any:
        return lambda value, where: value
    return lambda value, where: _expect(value, hint, where)


def _expect(value: Any, kind: type, where: str) -> Any:
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise UnexpectedAnswer(f"{where} is {type(value).__name__}, not {kind.__name__}")
    return value


def _time(value: Any, where: str) -> datetime:
    """Read an RFC 3339 time; one without a zone would be ambiguous."""
    try:
        read = datetime.fromisoformat(_expect(value, str, where))
    except ValueError:
        raise UnexpectedAnswer(f"{where} is no RFC 3339 time") from None
    if read.tzinfo is None:
        raise UnexpectedAnswer(f"{where} has no time zone")
    return read
