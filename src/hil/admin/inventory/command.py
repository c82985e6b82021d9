"""`hil-admin inventory`: diff, apply, export."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import click

from hil.admin.here import NAME, Here
from hil.admin.inventory import books, document, export
from hil.admin.inventory.carry_out import carry_out
from hil.admin.inventory.changes import Plan, compare
from hil.admin.inventory.document import Document
from hil.cli.lazy import Group
from hil.core.errors import BadArgument, Blocked, Conflict
from hil.process import compose
from hil.services.context import Context
from hil.store import migrate
from hil.store.unit import Store

_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
_PRUNE = click.option("--prune", is_flag=True, help="Remove what the file does not mention.")


@click.group("inventory", cls=Group)
def inventory() -> None:
    """Describe switches, ports, nodes, NICs and wiring in one YAML file."""


@inventory.verb("diff", "hil-admin inventory diff site.yaml")
@_FILE
@_PRUNE
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there is a difference.")
@click.pass_obj
def diff(here: Here, file: Path, prune: bool, exit_code: bool) -> None:
    """Show what `apply` would do, and do nothing."""
    read = document.read(file)
    with here.store() as store:
        plan = _plan(store, read, prune)
    _show(plan)
    if plan.refused or (exit_code and plan.steps):
        raise click.exceptions.Exit(1)


@inventory.verb("apply", "hil-admin inventory apply site.yaml", "hil-admin inventory apply site.yaml --prune")
@_FILE
@_PRUNE
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def apply(here: Here, file: Path, prune: bool, yes: bool) -> None:
    """Make HIL's books what FILE says: all of it in one transaction, or nothing.

    Shows the difference and asks. Without --prune nothing is removed; what is in use is never removed.
    """
    read = document.read(file)
    with here.store() as store:
        plan = _plan(store, read, prune)
        _show(plan)
        if plan.refused:
            raise Blocked("Nothing was changed: what is in use cannot be removed.")
        if not plan.steps:
            return
        _ask(yes)
        compose.local(store, NAME, lambda ctx: _carry_out(ctx, read, prune, plan))
    click.echo("done")


@inventory.verb("export", "hil-admin inventory export site.yaml", "hil-admin inventory export -")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.pass_obj
def write(here: Here, file: Path) -> None:
    """Write the inventory to FILE, or - for standard output, without the secrets of switches.

    Applying it changes nothing.
    """
    with here.database() as store:
        if faults := migrate.check(store.engine):  # not the keys: this is what is left if they are lost
            raise BadArgument("\n".join(faults))
        text = export.written(compose.local_read(store, NAME, books.read))
    if str(file) == "-":
        return click.echo(text, nl=False)
    try:
        file.write_text(text)
    except OSError as error:
        raise BadArgument(f"{file}: cannot be written ({error.strerror}).") from error


def _plan(store: Store, read: Document, prune: bool) -> Plan:
    return compose.local_read(store, NAME, lambda ctx: compare(read, books.read(ctx, store.keys), prune=prune))


def _carry_out(ctx: Context, read: Document, prune: bool, shown: Plan) -> None:
    """Take the steps that were shown, and no others."""
    if compare(read, books.read(ctx, ctx.unit.store.keys), prune=prune) != shown:
        raise Conflict("The books were changed since the difference was shown: nothing was done, look again.")
    carry_out(ctx, shown.steps)


def _show(plan: Plan) -> None:
    click.echo("".join(f"{step}\n" for step in plan.steps), nl=False)
    for reason in plan.refused:
        click.echo(f"! {reason}", err=True)
    counts = Counter(step.kind.sign for step in plan.steps)
    words = ((counts["+"], "to add"), (counts["~"], "to change"), (counts["-"], "to remove"))
    click.echo(", ".join(f"{count} {what}" for count, what in words if count) or "no difference")
    if plan.kept:
        click.echo(f"{plan.kept} more that the file does not mention stay: --prune removes them")


def _on_terminal() -> bool:
    return sys.stdin.isatty()


def _ask(yes: bool) -> None:
    if yes:
        return
    if not _on_terminal():
        raise BadArgument("Nobody can be asked here: give --yes to apply this.")
    click.confirm("Apply this?", abort=True)
