"""What one run of `hil` knows: its settings, its client, and the names that a command line leaves unsaid.

Nothing is read or opened before a command asks for it, so that `--help` and `serve` need no profile.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import click

from hil.cli import noderange
from hil.cli.exits import Exit

if TYPE_CHECKING:
    from hil.client import Client, Settings


class Fault(click.ClickException):
    """An error of this program's own: what happened, what to do, and the exit code."""

    def __init__(self, message: str, hint: str = "", code: Exit = Exit.FAILURE) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


def connect(settings: Settings) -> Client:
    """Make the client of a run; tests put another in its place."""
    from hil.client import Client

    return Client(settings=settings)


class Session:
    """The object that every command gets."""

    def __init__(self, *, endpoint: str | None = None, profile: str | None = None, verbose: bool = False) -> None:
        self.endpoint = endpoint
        self.profile = profile
        self._hush = _show_requests() if verbose else None

    @cached_property
    def settings(self) -> Settings:
        """The settings, completed by a question for the password where a person is there to answer."""
        from dataclasses import replace

        from hil.client import Settings

        found = Settings.from_env(endpoint=self.endpoint, profile=self.profile)
        if found.lacks_password and sys.stdin.isatty():
            return replace(found, password=click.prompt(f"Password of {found.username}", hide_input=True, err=True))
        return found

    @cached_property
    def client(self) -> Client:
        return connect(self.settings)

    def close(self) -> None:
        """Close the client, if one was made, and show requests no more."""
        if "client" in self.__dict__:
            self.client.close()
        if self._hush is not None:
            self._hush()

    def project(self, given: str | None) -> str:
        """The project that a command is for: as given, else HIL_PROJECT or the profile's, else the only one."""
        chosen = given or self.settings.project
        if chosen:
            return chosen
        caller = self.client.whoami()
        mine = sorted(entry.project for entry in caller.projects)
        if len(mine) == 1:
            return mine[0]
        which = f"you are in {len(mine)} projects" if mine else f"{caller.user} is in no project"
        raise Fault(f"{which}: say which one is meant", "give --project, or set HIL_PROJECT", Exit.USAGE)

    def nodes(self, ranges: Sequence[str]) -> list[str]:
        """The nodes that noderanges mean, each once, in their order. Raises Fault for one that means nothing."""
        found: dict[str, None] = {}
        for text in ranges:
            found |= dict.fromkeys([text] if self._is_a_name(text) else self._expanded(text))
        if len(found) > noderange.MOST:
            raise Fault(f"{len(found)} nodes, and {noderange.MOST} is the most for one command", code=Exit.USAGE)
        return list(found)

    def _is_a_name(self, text: str) -> bool:
        """A node's exact name wins over what its commas would mean. The other special signs are in no name."""
        if "," not in text or any(sign in text for sign in "[]@\\"):
            return False
        return any(node.name == text for node in self.client.nodes.list(names=[text]))

    def _expanded(self, text: str) -> list[str]:
        try:
            items = noderange.parse(text)
        except noderange.BadRange as error:
            raise Fault(str(error), code=Exit.USAGE) from error
        found: list[str] = []
        for item in items:
            if isinstance(item, str):
                found.append(item)
                continue
            matches = [node.name for node in self.client.nodes.list(selector=item.selector)]
            if not matches:
                raise Fault(f"no node matches {item.selector!r}", "`hil node list` shows labels", Exit.NOT_FOUND)
            found += matches
        return found


def _show_requests() -> Callable[[], None]:
    """Write what the client logs to standard error; answers how to stop that."""
    import logging

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("hil: %(message)s"))
    log = logging.getLogger("hil.client")
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)

    def hush() -> None:
        log.removeHandler(handler)
        log.setLevel(before)

    return hush
