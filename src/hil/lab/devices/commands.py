"""Commands that the command lines of several emulated platforms have, to the letter. What they print is the platform's.

A command that a platform only seems to share (saving, making VLANs, what is refused and in which words) is not here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from hil.core.devices import SwitchSpec
from hil.core.errors import BadArgument
from hil.lab.devices.model import PortConfig
from hil.lab.devices.shell import Command, Handler, Terminal, command

Change = Callable[[PortConfig, "re.Match[str]"], PortConfig]


def enters(mode: str) -> Handler:
    """A command that does nothing but lead into a mode."""

    async def enter(terminal: Terminal, found: re.Match[str]) -> str:
        terminal.mode = mode
        return ""

    return enter


async def nothing(terminal: Terminal, found: re.Match[str]) -> str:
    return ""


async def page_length(terminal: Terminal, found: re.Match[str]) -> str:
    terminal.page = int(found[1])
    return ""


async def goodbye(terminal: Terminal, found: re.Match[str]) -> str:
    terminal.done = True
    return ""


def port_named(terminal: Terminal, spec: SwitchSpec, text: str) -> str | None:
    """The port of this name, in any spelling that the driver's spec knows; None if the device has none."""
    try:
        port = spec.port_name(text)
    except BadArgument:
        return None
    return port if port in terminal.device.config.ports else None


def line(pattern: str, change: Change) -> Command:
    """A line of an interface that changes its configuration."""

    async def does(terminal: Terminal, found: re.Match[str]) -> str:
        return await terminal.change(terminal.place, lambda config: change(config, found))

    return command("if", pattern, does)


def own(port: PortConfig, found: re.Match[str]) -> PortConfig:
    """Keep the line as it was typed."""
    return replace(port, lines=port.lines | {" ".join(found[0].split())})


def without(port: PortConfig, found: re.Match[str]) -> PortConfig:
    """Drop the lines that begin with what follows `no`."""
    gone = " ".join(found[1].split())
    return replace(port, lines=frozenset(line for line in port.lines if not line.startswith(gone)))
