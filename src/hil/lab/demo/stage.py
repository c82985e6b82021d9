"""Where a story is told: it types commands, shows what they answer, and keeps what was claimed with the evidence.

Every command that is shown is run, in a process of its own, as the person before the prompt. A claim is never what a
command said of itself: it is a fact that the story found out elsewhere, and one that does not hold ends it badly.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import click

from hil.client import Client
from hil.core.vlans import unfold
from hil.lab import view
from hil.lab.hearing import Hearing
from hil.lab.plane import Plane
from hil.lab.server import command
from hil.lab.site import Site, clean_environment

T = TypeVar("T")
PATIENCE: Final = 60.0
_GLANCE: Final = 0.05
_WIDTH: Final = 96
_ADMIN: Final = (sys.executable, "-P", "-c", "from hil.admin import main; main()")


class Broken(Exception):
    """The story cannot go on: something did not happen that must."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that was found out: whether it holds, in figures, and what was seen if it does not."""

    words: str
    holds: bool
    figure: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str


@dataclass
class Stage:
    """A lab, the people in it, and everything claimed so far. `quiet` keeps the terminal clean."""

    site: Site
    plane: Plane
    quiet: bool = False
    claims: list[Claim] = field(default_factory=list)
    frames: int = 0
    acts: int = 0

    # Telling.

    def act(self, title: str, words: str) -> None:
        """Begin a part of the story."""
        self.acts += 1
        self.say("")
        self.say(f"{self.acts}. {title}", bold=True)
        for line in textwrap.wrap(" ".join(words.split()), _WIDTH):
            self.say(line)

    def say(self, line: str, *, fg: str | None = None, bold: bool | None = None, dim: bool | None = None) -> None:
        if not self.quiet:
            click.secho(line, fg=fg, bold=bold, dim=dim)

    def claim(self, words: str, holds: bool, figure: str = "", evidence: object = "") -> bool:
        """Keep a claim and show whether it holds."""
        self.claims.append(Claim(words, holds, figure, "" if holds else str(evidence)))
        sign, colour = ("✓", "green") if holds else ("✗", "red")
        self.say(f"  {sign} {words}" + (f": {figure}" if figure else ""), fg=colour)
        if not holds and evidence:
            self.say(f"    seen: {evidence}", fg=colour)
        return holds

    # Doing.

    def hil(self, who: str, *words: str, expect: Sequence[int] = (0,), mute: bool = False) -> Said:
        """Type `hil …` as one of the lab's people; `mute` leaves its answer out.

        Raises Broken at an exit code that was not expected.
        """
        return self._run(who, "hil", command(*words), words, expect, mute)

    def admin(self, *words: str, expect: Sequence[int] = (0,)) -> Said:
        """Type `hil-admin …` at the machine itself."""
        return self._run("operator", "hil-admin", [*_ADMIN, *words], words, expect, False)

    def machine(self, node: str) -> dict[str, Any]:
        """What a machine and its controller say themselves."""
        found: dict[str, Any] = self.site.ask("machines")[node]
        return found

    def client(self, who: str = "operator") -> Client:
        return view.client(self.site, who)

    def hearing(self) -> Hearing:
        """Find out who hears whom now, on every VLAN that HIL may hand out."""
        heard = self.plane.hearing(unfold(self.plane.facts.vlans))
        self.frames += heard.frames
        return heard

    def show(self, heard: Hearing) -> None:
        for line in view.hearing_lines(heard):
            self.say(f"    {line}", dim=True)

    def until(self, found: Callable[[], T], what: str) -> T:
        """Look again and again until there is something to find. Raises Broken after `PATIENCE` seconds."""
        if not (value := self.within(PATIENCE, found)):
            raise Broken(f"{what} did not happen within {PATIENCE:g} s")
        return value

    def within(self, seconds: float, found: Callable[[], T]) -> T:
        """Look again and again for so long; answers what was found at last, which may be nothing."""
        end = time.monotonic() + seconds
        while not (value := found()) and time.monotonic() < end:
            time.sleep(_GLANCE)
        return value

    def _run(
        self, who: str, program: str, argv: Sequence[str], words: Sequence[str], expect: Sequence[int], mute: bool
    ) -> Said:
        self.say(f"  {who}$ {program} {' '.join(map(_typed, words))}", fg="cyan")
        done = subprocess.run(
            argv,
            cwd=self.site.directory,
            env={**dict(clean_environment()), **self.site.environment(who), "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * PATIENCE,
        )
        for line in (done.stdout + done.stderr).splitlines() if not mute else ():
            self.say(f"    {line}", dim=True)
        if done.returncode not in expect:
            wanted = " or ".join(map(str, expect))
            raise Broken(
                f"`{program} {' '.join(words)}` ended with {done.returncode} instead of {wanted}: "
                f"{(done.stderr or done.stdout).strip()[-500:]}"
            )
        return Said(done.returncode, done.stdout, done.stderr)


def _typed(word: str) -> str:
    """A word as a person would have to type it, where that is not the word itself."""
    return word if word and not set(word) & set(" '\"$&|<>();*?#") else json.dumps(word)
