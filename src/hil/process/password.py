"""Where a password for a command on this machine comes from: the environment, a terminal, or standard input.

Never from the command line, which everybody on the machine can read.
"""

from __future__ import annotations

import os
import sys

import click

from hil.core.errors import BadArgument
from hil.core.secret import Secret

VARIABLE = "HIL_ADMIN_PASSWORD"


def read(whose: str) -> Secret:
    """Answer the password: HIL_ADMIN_PASSWORD, else asked for twice on a terminal, else a line of standard input."""
    if given := os.environ.get(VARIABLE):
        return Secret(given)
    if sys.stdin.isatty():
        return Secret(click.prompt(f"Password for {whose}", hide_input=True, confirmation_prompt=True, err=True))
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise BadArgument(f"No password was given: write it to standard input, or set {VARIABLE}.")
    return Secret(line)
