"""What a terminal would show: control sequences, backspaces and carriage returns applied to what a device sent.

It knows the few that switches use to erase a pager's question or to draw a prompt; any other is dropped. Pure.
"""

from __future__ import annotations

import re
from typing import Final

_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][0-9A-Za-z]|\x1b[=>78DEHM]|[\x00\x07]")
_ERASES: Final = re.compile(r"\x1b\[0?K")
_ERASE: Final = "\x1c"
"""Stands for what erases the rest of the line; devices do not send it, and it is dropped if one does."""
_LONGEST_LINE: Final = 4096
"""Columns up to which a line is redrawn; what is longer was never written for a terminal."""


def shown(raw: bytes | bytearray) -> str:
    """Answer the text that a screen of endless height would show, lines ended by a newline alone.

    >>> shown(b"one\\r\\n --More-- \\r          \\rtwo\\r\\n")
    'one\\ntwo\\n'
    """
    text = _ERASES.sub(_ERASE, raw.decode("utf-8", "replace").replace(_ERASE, ""))
    text = _CONTROL.sub("", text)
    text = re.sub(r"\r+\n|\n\r", "\n", text)
    if "\r" not in text and "\b" not in text:
        return text.replace(_ERASE, "")
    return "\n".join(
        _redrawn(line) if "\r" in line or "\b" in line else line.replace(_ERASE, "") for line in text.split("\n")
    )


def _redrawn(line: str) -> str:
    cells: list[str] = []
    column = 0
    for sign in line[:_LONGEST_LINE]:
        if sign == "\r":
            column = 0
        elif sign == "\b":
            column = max(0, column - 1)
        elif sign == _ERASE:
            del cells[column:]
        else:
            cells[column : column + 1] = [sign]
            column += 1
    return "".join(cells).rstrip()
