"""The shapes of request bodies, checked as strictly as HIL's original API did: nothing is converted, nothing ignored.

`1` is no boolean, `5` is no string, `null` is not "absent", and a key that nobody asked for is an error. A shape is a
function of a value and of the words that name its place; it raises ValidationError or says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hil.core.errors import BadArgument, ValidationError
from hil.services.obm import obmd_uri

Shape = Callable[[Any, str], None]


def text(value: Any, where: str) -> None:
    """A string that a database and a log can hold: no NUL, no half of a surrogate pair."""
    if not isinstance(value, str):
        raise ValidationError(f"{where} must be a string.")
    if "\0" in value or not sendable(value):
        raise ValidationError(f"{where} holds characters that are no text.")


def sendable(value: str) -> bool:
    """Whether the string can be written as UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def boolean(value: Any, where: str) -> None:
    if not isinstance(value, bool):
        raise ValidationError(f"{where} must be true or false.")


def anything(value: Any, where: str) -> None:
    """Any JSON value, null included."""


def uri(value: Any, where: str) -> None:
    """The URL of a node at its OBMd."""
    text(value, where)
    try:
        obmd_uri(value)
    except BadArgument as error:
        raise ValidationError(f"{where}: {error.message}") from error


def entries(value: Any, where: str) -> None:
    """An object with any keys and any values."""
    if not isinstance(value, dict):
        raise ValidationError(f"{where} must be an object.")
    for key in value:
        text(key, f"A key of {where}")


@dataclass(frozen=True, slots=True)
class Record:
    """An object with exactly these keys; `rest` True lets others through, which the call then judges itself."""

    fields: Mapping[str, Shape] = field(default_factory=dict)
    optional: Mapping[str, Shape] = field(default_factory=dict)
    rest: bool = False

    def __call__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise ValidationError(f"{where} must be an object.")
        known = {**self.fields, **self.optional}
        for key in value:
            if key not in known and not self.rest:
                raise ValidationError(f"{where} has no field {key[:64]!a}; known are: {', '.join(known) or 'none'}.")
        for key in self.fields:
            if key not in value:
                raise ValidationError(f"{where} lacks the field {key!r}.")
        for key, entry in value.items():
            known.get(key, anything)(entry, f"The field {key[:64]!a}")


NOTHING: Final = Record()
"""No fields: an empty body, or `{}`."""
