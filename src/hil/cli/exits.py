"""Exit codes: a promise to scripts, written out in docs/users/cli.md. A number here never changes its meaning."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What `hil` tells the shell."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    CONFLICT = 5
    UNREACHABLE = 6
    OPERATION_FAILED = 7
    TIMED_OUT = 8
    INTERRUPTED = 130


MEANINGS: dict[Exit, str] = {
    Exit.OK: "done",
    Exit.FAILURE: "failed in a way that has no code of its own; also several nodes that failed in different ways",
    Exit.USAGE: "the command line, a setting or a value in them cannot be meant",
    Exit.NOT_FOUND: "no such object, or none that the caller may know of",
    Exit.DENIED: "not authenticated, or not allowed",
    Exit.CONFLICT: "the state of the world does not allow it now",
    Exit.UNREACHABLE: "HIL does not answer",
    Exit.OPERATION_FAILED: "an operation was accepted and ended in ERROR",
    Exit.TIMED_OUT: "an operation was accepted and is still pending after `--timeout`",
    Exit.INTERRUPTED: "interrupted by the user; accepted operations go on",
}
