"""How a platform talks: its prompts, pager, questions and refusals, as data.

Patterns are searched for in what a screen would show (`screen`). A platform overrides what it does differently; the
defaults are those of the family that most vendors copied.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from re import Pattern
from typing import Final

Answers = Sequence[tuple[Pattern[str], str]]
"""Questions at the end of the output, and what is sent for each, the end of line included where one is needed."""

ANY_PROMPT: Final = re.compile(r"(?P<host>[A-Za-z0-9][\w.@:/~+-]{0,63})(?:\([^()\r\n]{1,60}\))?[>#]")
"""A prompt of a device whose name is not known yet, as a whole line without the blanks at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a shell must know of a platform."""

    refused: Pattern[str]
    """In the output of a command: the device did not do it."""
    busy: Pattern[str] | None = None
    """Likewise: another session holds the configuration. Looked for before `refused`."""
    tolerated: Pattern[str] | None = None
    """Lines that mean nothing though `refused` is found in them."""
    quiet: tuple[str, ...] = ("terminal length 0", "terminal width 511")
    """Sent after the log-in, so that nothing is paged or wrapped; may be refused."""
    pager: Pattern[str] = re.compile(r"--\s?More\s?--|\bMore: <space>", re.IGNORECASE)
    pager_key: str = " "
    prompt: Pattern[str] = ANY_PROMPT
    enable: str | None = None
    """The command that leads from `>` to `#`; None where the log-in does."""
    configure: str = "configure terminal"
    leave: str = "end"
    asks_user: Pattern[str] = re.compile(r"(?:user ?name|login)\s?:\s*$", re.IGNORECASE)
    asks_password: Pattern[str] = re.compile(r"password\s?:\s*$", re.IGNORECASE)
    login_failed: Pattern[str] = re.compile(
        r"authentication (?:failed|failure)|login (?:invalid|incorrect)|access denied|bad (?:password|secrets)",
        re.IGNORECASE,
    )
    greetings: Answers = ()
    """Questions before the first prompt, beside name and password."""
    questions: Answers = ()
    """Questions that any command may ask."""
    sync: str = "!"
    """Begins a line that the platform takes without doing anything, whatever else stands in it."""
    newline: str = "\n"
    terminal: str = "vt100"


def prompt_of(host: str) -> Pattern[str]:
    """The prompts of a device of this name, as a whole line; in configuration modes it may be cut to 16 signs."""
    return re.compile(
        rf"{re.escape(host)}(?:\([^()\n]{{1,60}}\))?[>#]|{re.escape(host[:16])}[\w.-]*\([^()\n]{{1,60}}\)#"
    )
