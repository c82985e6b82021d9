"""Times and sizes by which obmd treats controllers; seconds, where nothing else is said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ObmdLimits:
    deadline: float = 30.0
    """From a request to its answer, the wait for others included."""
    queue: int = 64
    """Requests that may wait for one controller."""
    per_second: float = 10.0
    """Requests to one controller, in the mean of a few."""
    logins_per_minute: int = 20
    sessions: int = 4
    """With one controller, if its driver knows no smaller number; consoles count."""
    warm: float = 60.0
    """How long a session is kept after its last use."""
    power_age: float = 2.0
    """A power state that was read so recently is not read again, unless the caller asks for a fresh one."""
    pause_first: float = 600.0
    """After the first refused log-in; doubled after each further one."""
    pause_most: float = 3600.0
    scrollback: int = 64 * 2**10
    """Bytes of a console that a viewer sees who comes later."""
    backlog: int = 2**20
    """Bytes that a slow viewer may be behind before it loses some."""
    viewers: int = 32
    """Of one console."""
    linger: float = 300.0
    """How long a console stays open, and is remembered, without a viewer."""
