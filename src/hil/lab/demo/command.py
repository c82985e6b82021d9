"""`hil lab demo`: builds a lab of its own, tells the story on it, takes it down, and says what was proved."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from hil.cli.lazy import Command
from hil.cli.session import Fault
from hil.client import HilClientError
from hil.core.errors import HilError
from hil.lab import life
from hil.lab.command import kind_options
from hil.lab.demo.consoles import unanswered, watched
from hil.lab.demo.partings import journal, next_tenant, release
from hil.lab.demo.scenes import NODES, VLANS, allocate, connect, plugged_in, trunk
from hil.lab.demo.secrecy import secrecy
from hil.lab.demo.stage import Broken, Claim, Stage
from hil.lab.demo.storms import crash, drift
from hil.lab.plane import attach
from hil.lab.site import Site

SCENES: Final[tuple[Callable[[Stage], None], ...]] = (
    plugged_in,
    allocate,
    connect,
    watched,
    trunk,
    unanswered,
    crash,
    drift,
    release,
    next_tenant,
    journal,
    secrecy,
)


@click.command(
    "demo",
    cls=Command,
    examples=("hil lab demo", "hil lab demo --plain"),
    help="Watch two projects get machines and fail to hear each other.",
)
@kind_options
def demo(kind: str | None) -> None:
    """Tell the story. Exit code 1, with the evidence, if a claim does not hold."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            stream.reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]  # not every stream can
    began = time.monotonic()
    chosen, reason = life.choose_kind(kind)
    stage = _told(Site(Path(tempfile.mkdtemp(prefix="hil-demo-"))), chosen, reason)
    _ending(stage, time.monotonic() - began)


def _told(site: Site, kind: str, reason: str) -> Stage:
    """Build the lab, play the scenes, take it down."""
    click.secho("HIL: two projects share machines, and fail to hear each other", bold=True)
    if reason:
        click.echo(f"On emulated switches; for real frames on Open vSwitch: {reason}.")
    click.echo(f"Building a data centre in {site.directory}. Nothing else of this machine is touched.")
    before = _interfaces()
    process = life.begin(site, kind, NODES, VLANS, lambda words: None, tethered=True)
    stage = Stage(site, attach(site))
    if stage.plane.facts.no_guests:
        click.echo(f"The machines are emulated; for QEMU: {stage.plane.facts.no_guests}.")
    try:
        _play(stage)
    finally:
        pids = _processes(site, stage)
        life.end(site)
        _close(process)
    left = [pid for pid in pids if life.alive(pid)]
    clean = not left and not site.directory.exists() and _interfaces() == before
    stage.act("The end", "The lab is taken down.")
    stage.claim("nothing of it is left", clean, f"{len(pids)} processes, one directory", left or site.directory)
    return stage


def _play(stage: Stage) -> None:
    for scene in SCENES:
        try:
            scene(stage)
        except (Broken, HilError, HilClientError, Fault, OSError, subprocess.SubprocessError) as error:
            stage.claim(f"the scene {scene.__name__!r} comes to its end", False, evidence=error)
            return


def _processes(site: Site, stage: Stage) -> Collection[int]:
    with suppress(HilError):
        told = site.ask("status")
        programs = [pid for _, pid, _ in stage.plane.programs()]
        machines = [pid for each in site.ask("machines").values() for pid in each["pids"]]
        return [pid for pid in (told["lab"], told["hil"], *programs, *machines) if pid]
    return []


def _close(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.wait(life.PATIENCE)


def _interfaces() -> list[str]:
    with suppress(OSError):
        return sorted(os.listdir("/sys/class/net"))
    return []


def _ending(stage: Stage, seconds: float) -> None:
    """Say what was proved, or what was not, and leave with the exit code that says so too."""
    wrong = [claim for claim in stage.claims if not claim.holds]
    frames = f"{stage.frames} frames" if stage.frames else "no frame sent"
    click.echo()
    click.secho(f"What was proved, on {stage.plane.title} ({frames}, {seconds:.0f} s)", bold=True)
    for words, claims in _grouped(stage.claims).items():
        figure = claims[0].figure if len(claims) == 1 else f"{len(claims)} times"
        holds = all(claim.holds for claim in claims)
        line = f"  {'✓' if holds else '✗'} {words}" + (f" ({figure})" if figure else "")
        click.secho(line, fg=None if holds else "red")
    if wrong:
        click.secho(f"\n{len(wrong)} of {len(stage.claims)} claims do not hold:", fg="red", bold=True)
        for claim in wrong:
            click.secho(f"  {claim.words}: {claim.evidence or 'see above'}", fg="red")
        raise click.exceptions.Exit(1)
    click.echo(f"All {len(stage.claims)} claims hold.")


def _grouped(claims: Iterable[Claim]) -> dict[str, list[Claim]]:
    found: dict[str, list[Claim]] = {}
    for claim in claims:
        found.setdefault(claim.words, []).append(claim)
    return found
