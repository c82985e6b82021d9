"""`hil lab`: the virtual data centre on the command line.

Every command finds the lab by its directory: `--directory`, else HIL_LAB, else the user's own. Only `up` and `demo`
start anything; the others look at what runs, break it, or end it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from hil.cli import params
from hil.cli.exits import Exit
from hil.cli.lazy import Group
from hil.cli.output import dump, emit
from hil.cli.session import Fault
from hil.core.errors import BadArgument, HilError
from hil.core.vlans import fold, unfold
from hil.lab import life
from hil.lab.plane import attach, place_of, unknown
from hil.lab.site import OPERATOR, PROJECTS, Site

F = TypeVar("F", bound=Callable[..., Any])
PEOPLE = (OPERATOR, *PROJECTS)
_FORGOTTEN = ("HIL_ENDPOINT", "HIL_TOKEN", "HIL_USERNAME", "HIL_PASSWORD", "HIL_PROJECT", "HIL_CA_FILE")


class LabGroup(Group):
    """A group whose commands may raise errors of the lab: each becomes one line and a promised exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HilError as error:
            code = Exit.USAGE if isinstance(error, BadArgument) else Exit.UNREACHABLE
            raise Fault(error.message, code=code) from error


def site_option(function: F) -> F:
    """-d/--directory, as a Site."""
    return click.option(
        "-d",
        "--directory",
        "site",
        type=click.Path(path_type=Path, file_okay=False),
        callback=lambda ctx, option, value: Site.chosen(value),
        help="The lab's directory.  [default: HIL_LAB, else $XDG_STATE_HOME/hil-lab]",
    )(function)


class Named(click.ParamType[str]):
    """A name in this lab, which the shell completes from the lab's own facts: nodes, switches, or both."""

    def __init__(self, name: str, *kinds: str) -> None:
        self.name, self._kinds = name, kinds

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            wiring = (ctx.params.get("site") or Site.chosen(None)).facts.wiring
        except (HilError, Fault, OSError, ValueError):
            return []  # no lab, nothing to offer
        names = {"node": list(wiring), "switch": sorted({switch for switch, _ in wiring.values()})}
        return [CompletionItem(name) for kind in self._kinds for name in names[kind] if name.startswith(incomplete)]


NODE = Named("node", "node")
SWITCH = Named("switch", "switch")


def kind_options(function: F) -> F:
    """--ovs and --plain."""
    function = click.option(
        "--plain", "kind", flag_value="plain", help="Emulated switches and machines; nodes are only ports."
    )(function)
    return click.option("--ovs", "kind", flag_value="ovs", help="A real Open vSwitch; needs Linux and root.")(function)


lab = LabGroup(
    "lab",
    help="The virtual data centre: switches, machines and faults to try HIL on.",
    lazy={
        "fault": (
            "hil.lab.breaking:fault",
            "What can go wrong: break switches and controllers, reboot, change ports by hand.",
        ),
        "demo": ("hil.lab.demo.command:demo", "Watch two projects get machines and fail to hear each other."),
    },
    examples=("hil lab up", 'eval "$(hil lab env blue)"', "hil lab status", "hil lab ping node01 node02"),
)


@lab.verb("up", "hil lab up", "hil lab up --plain --nodes 12 -d ./lab")
@site_option
@kind_options
@click.option(
    "--nodes", type=click.IntRange(2, life.MOST_NODES), default=6, show_default=True, help="How many machines."
)
@click.option("--vlans", default="100-199", show_default=True, help="VLAN ids that HIL may hand out.")
def up(site: Site, kind: str | None, nodes: int, vlans: str) -> None:
    """Start a data centre with HIL, switches and machines, in one directory and in the background."""
    if site.up:
        click.echo(f"The lab in {site.directory} is up already.")
        return
    chosen, reason = life.choose_kind(kind)
    if reason:
        click.echo(f"Emulated switches, because for a real Open vSwitch: {reason}.")
    if sys.stderr.isatty():
        click.echo("Building it takes some seconds.", err=True)
    life.begin(site, chosen, nodes, fold(unfold(vlans)), lambda words: None)
    facts = site.facts
    if facts.no_guests:
        click.echo(f"Emulated machines, because for QEMU: {facts.no_guests}.")
    click.echo(f"{attach(site).title}, {len(facts.wiring)} machines and HIL at {facts.endpoint}, in {site.directory}")
    click.echo('Act as a tenant:    eval "$(hil lab env blue)"')


@lab.verb("down", "hil lab down")
@site_option
def down(site: Site) -> None:
    """End the lab and remove everything of it."""
    existed = life.end(site)
    click.echo(f"Nothing is left of the lab in {site.directory}." if existed else f"No lab is up in {site.directory}.")


@lab.verb("status", "hil lab status", "hil lab status -o json")
@site_option
@params.output
def status(site: Site, output: str) -> None:
    """Show processes, switches, nodes, their machines, faults, and who hears whom."""
    from hil.lab import view

    seen = view.look(site, attach(site))
    if output == "csv":
        rows = [{**node, **machine} for node, machine in zip(seen.nodes, seen.machines, strict=True)]
        emit(rows, "node state project switch port mac address power controller boots", output)
    elif output == "table":
        view.show(seen)
    else:
        dump(seen.raw(), output)


@lab.verb("hears", "hil lab hears")
@site_option
@params.output
def hears(site: Site, output: str) -> None:
    """Find out who hears whom: by frames on Open vSwitch, else by the devices' state."""
    from hil.lab import view

    plane = attach(site)
    hearing = plane.hearing(view.vlans_in_use(site, plane))
    if output == "table":
        view.show_hearing(hearing)
    else:
        emit([entry._asdict() for entry in sorted(hearing.heard)], "receiver sender how", output)


@lab.verb("ping", "hil lab ping node01 node02")
@click.argument("one", type=NODE)
@click.argument("other", type=NODE)
@site_option
def ping(one: str, other: str, site: Site) -> None:
    """Ask whether one node has an answer of another, untagged. Exit code 1 if not."""
    answered, words = attach(site).ping(one, other)
    click.echo(words)
    if not answered:
        raise click.exceptions.Exit(Exit.FAILURE)


@lab.verb(
    "shell",
    "hil lab shell node01",
    "hil lab shell node01 -- ip address",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("node", type=NODE)
@click.argument("program", nargs=-1, type=click.UNPROCESSED)
@site_option
def shell(node: str, program: tuple[str, ...], site: Site) -> None:
    """Step into a node, or run a program in it."""
    words = attach(site).shell(node, program)
    os.execvp(words[0], words)  # noqa: S606 - the person becomes the shell, without another one in between


@lab.verb("netboot", "hil lab netboot node02", "hil lab netboot node02 --off")
@click.argument("node", type=NODE)
@click.option("--off", is_flag=True, help="End the service.")
@site_option
def netboot(node: str, off: bool, site: Site) -> None:
    """Let machines that reach a node boot from it over the network."""
    place_of(site.facts, node)
    site.ask("netboot", node=node, on=not off, patience=life.PATIENCE)
    click.echo(f"{node} serves network boots{' no more' if off else ''}.")


@lab.verb("say", "hil lab say node01 'kernel panic'")
@click.argument("node", type=NODE)
@click.argument("words")
@site_option
def say(node: str, words: str, site: Site) -> None:
    """Have a machine say something on its serial line, whoever listens."""
    place_of(site.facts, node)
    site.ask("say", node=node, text=words)


@lab.verb("env", 'eval "$(hil lab env blue)"')
@click.argument("person", default=OPERATOR)
@site_option
def env(person: str, site: Site) -> None:
    """Print what points this shell's `hil` at the lab, as its operator, blue or green."""
    if person not in PEOPLE:
        unknown(person, "person", PEOPLE)
    if not site.up:
        raise Fault(f"no lab is up in {site.directory}", "`hil lab up` starts one", Exit.UNREACHABLE)
    click.echo(f"unset {' '.join(_FORGOTTEN)}")
    click.echo("export " + " ".join(f"{name}={quote(value)}" for name, value in site.environment(person).items()))
