"""From an error to one line on standard error and a promised exit code. No traceback, unless HIL_DEBUG asks for it.

The line is `hil: what: what to do`. Whatever a server or a device said is kept from playing with the terminal.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback

import click

from hil.cli.exits import Exit
from hil.cli.session import Fault
from hil.client import errors


def explain(error: BaseException) -> int:
    """Say what went wrong, and answer the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        # Who reads our output has left; flushing at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILURE
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return Exit.USAGE
    say(*words(error))
    if os.environ.get("HIL_DEBUG"):
        traceback.print_exception(error)
    return code(error)


def say(what: str, hint: str = "") -> None:
    """Write one line for a person; above a progress bar, if there is one, which holds standard error meanwhile."""
    parts = [clean(part).strip().rstrip(".:") for part in (what, hint)]
    print("hil: " + ": ".join(part for part in parts if part), file=sys.stderr, flush=True)


def clean(text: str) -> str:
    """Make one line of a text, in which nothing controls the terminal."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in " ".join(text.split()))


def words(error: BaseException) -> tuple[str, str]:
    """What happened, and what to do."""
    match error:
        case errors.HilClientError():
            return error.message, error.hint
        case Fault():
            return error.message, error.hint
        case click.UsageError():
            helped = f"try `{error.ctx.command_path} --help`" if error.ctx else ""
            return error.format_message(), helped
        case click.ClickException():
            return error.format_message(), ""
        case click.Abort() | KeyboardInterrupt() | EOFError():
            return ("interrupted" if code(error) == Exit.INTERRUPTED else "aborted: there was no answer"), ""
        case _:
            return f"internal error: {type(error).__name__}: {error}", "set HIL_DEBUG=1 to see where, and report it"


def code(error: BaseException) -> int:
    """The exit code of an error."""
    match error:
        case Fault():
            return error.code
        case click.ClickException():
            return error.exit_code
        case KeyboardInterrupt():
            return Exit.INTERRUPTED
        case click.Abort():
            cause = error.__cause__ or error.__context__
            return Exit.FAILURE if isinstance(cause, EOFError) else Exit.INTERRUPTED
        case errors.NotFound():
            return Exit.NOT_FOUND
        case errors.Unauthenticated() | errors.Denied() | errors.RateLimited():
            return Exit.DENIED
        case errors.Conflict() | errors.PreconditionFailed():
            return Exit.CONFLICT
        case errors.BadRequest():
            return Exit.CONFLICT if error.type == "idempotency-mismatch" else Exit.USAGE
        case errors.SettingsError():
            return Exit.USAGE
        case errors.Unreachable() | errors.Unavailable():
            return Exit.UNREACHABLE
        case errors.OperationFailed():
            return Exit.OPERATION_FAILED
        case errors.WaitTimeout() | errors.PowerTimeout():
            return Exit.TIMED_OUT
        case _:
            return Exit.FAILURE
