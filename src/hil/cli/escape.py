"""The escape sequences of a console, as in ssh: a tilde after a new line, and what follows it. Pure: bytes to keys."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum


class Key(Enum):
    """What the person wants of this program, not of the machine."""

    LEAVE = b"."
    TAKE = b"t"
    GIVE = b"g"
    SIZE = b"s"
    HELP = b"?"


_KEYS = {key.value: key for key in Key}


class Escape:
    """Reads what is typed, piece by piece."""

    def __init__(self) -> None:
        self._fresh = True
        """Nothing stands on the line yet."""
        self._tilde = False

    def read(self, data: bytes) -> Iterator[bytes | Key]:
        """Split it into what goes to the machine and what is meant for us."""
        out = bytearray()
        for at in range(len(data)):
            sign = data[at : at + 1]
            if self._tilde:
                self._tilde = False
                if (key := _KEYS.get(sign)) is not None:
                    if out:
                        yield bytes(out)
                        out.clear()
                    self._fresh = True
                    yield key
                    continue
                out += b"" if sign == b"~" else b"~"
            elif self._fresh and sign == b"~":
                self._tilde = True
                continue
            out += sign
            self._fresh = sign in (b"\r", b"\n")
        if out:
            yield bytes(out)
