"""What obmd counts of consoles, for its metrics: plain numbers since the process began, of all nodes together.

No number has a node's or a person's name, since whoever reads metrics may not be told who looks at what.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """`way` is how somebody came: websocket, ssh, original, recording. A refusal's reason is the error's type."""

    attached: Counter[str] = field(default_factory=Counter)
    """By way."""
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Who was not let in, or was put out, by way and reason."""
    input_refused: Counter[str] = field(default_factory=Counter)
    """Input that was not taken: not-writing (somebody else types), watching (it may not type at all)."""
    writers: int = 0
    """How often the line went to somebody."""
    said: int = 0
    """Bytes from machines."""
    typed: int = 0
    """Bytes to machines."""
    lost: int = 0
    """Bytes that viewers did not see, since they did not keep up."""
    ssh_connections: int = 0
    """Open now."""
    ssh_logins: Counter[str] = field(default_factory=Counter)
    """By outcome: ok, or the error's type."""
