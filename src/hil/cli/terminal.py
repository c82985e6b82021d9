"""A terminal whose every key goes through, or to which something foreign is shown; as it was afterwards."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

PLAIN: Final = (
    "\x1b[?1049l\x1b[!p"  # the usual screen, and a soft reset: cursor, margins, origin, keys, letters, typing over
    "\x1b7\x1b[r\x1b8\x1b[0m\x1b[?25h\x1b[?7h\x1b(B\x0f\x1b[?1l\x1b>\x1b[4l"  # the same where there is no soft reset
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1004l"  # no reports of mouse, pastes, focus
    "\r\n"
)
"""Takes back what output can do to a terminal (xterm's control sequences, ECMA-48), without clearing it."""


@contextmanager
def raw(fd: int) -> Iterator[None]:
    """Put a terminal into raw mode; whatever is none is left alone."""
    if not os.isatty(fd):
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def size_command(fd: int) -> bytes:
    """What tells a shell on the machine how large this terminal is, which no serial line carries; empty if unknown."""
    columns, rows = os.get_terminal_size(fd) if os.isatty(fd) else (0, 0)
    return f"stty rows {rows} cols {columns}\r".encode() if rows and columns else b""


@contextmanager
def resized(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` whenever the window changes its size; it must do little, since it interrupts whatever runs."""
    before = signal.signal(signal.SIGWINCH, lambda number, frame: tell())
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


@contextmanager
def shielded() -> Iterator[None]:
    """Let output do to the terminal what it likes; afterwards it is plain, and what it answered is thrown away.

    Output can ask a terminal questions, and the answer comes as if it were typed: the shell must never get it.
    """
    screen = sys.stdout.isatty()
    try:
        with deaf(keyboard() if screen else None):
            try:
                yield
            finally:
                if screen:
                    sys.stdout.write(PLAIN)
                    sys.stdout.flush()
    finally:
        sys.stdout.flush()


def keyboard() -> int | None:
    """Standard input, if it is a terminal."""
    there = sys.stdin is not None and sys.stdin.isatty()  # whoever closed it, as cron does, has none
    return sys.stdin.fileno() if there else None


@contextmanager
def deaf(fd: int | None) -> Iterator[None]:
    """Neither show nor keep what is typed, or what the terminal answers to output; Ctrl-C goes on working."""
    if fd is None:
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSAFLUSH, before)
