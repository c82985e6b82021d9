"""Passwords: asked for without an echo, or read from standard input or the environment. Never from the command line."""

from __future__ import annotations

import os
import sys

import click

from hil.cli.exits import Exit
from hil.cli.session import Fault


def password(prompt: str, *, stdin: bool, variable: str = "", confirm: bool = False) -> str:
    """Get a password: from standard input if asked to, from a variable if it is set, else from the person."""
    if stdin:
        text = sys.stdin.readline().rstrip("\r\n")
        if not text:
            raise Fault("standard input holds no password", "write it as the first line", Exit.USAGE)
        return text
    if variable and os.environ.get(variable):
        return os.environ[variable]
    if not sys.stdin.isatty():
        where = f" or set {variable}" if variable else ""
        raise Fault("there is nobody to ask for the password", f"use --password-stdin{where}", Exit.USAGE)
    return str(click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))
