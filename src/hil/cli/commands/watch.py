"""What an operator looks at: `hil plan`, `hil trouble`, `hil journal`."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from hil.cli import params
from hil.cli.lazy import Command
from hil.cli.output import dump, emit, printable, table, text
from hil.cli.session import Session


@click.command("plan", cls=Command, examples=("hil plan", "hil plan -o json"))
@params.output
@click.pass_obj
def plan(session: Session, output: str) -> None:
    """Show what pending work would send to the switches. Nothing is sent. Operators only."""
    data = session.client.plan()
    if output in ("json", "yaml"):
        dump(data, output)
        return
    ports = [{"switch": entry["switch"], **port} for entry in data["switches"] for port in entry["ports"]]
    if output == "csv":
        emit(ports, "switch port have want", output)
        return
    if not data["switches"]:
        click.echo("Nothing is pending.")
    for entry in data["switches"]:
        _planned(entry)


def _planned(entry: dict[str, Any]) -> None:
    click.echo(printable(f"{entry['switch']} ({entry['driver']}; {entry['basis']})"))
    for port in entry["ports"]:
        click.echo(f"  {text(port['port'])}: {text(port['have'] or 'unknown')} -> {text(port['want'])}")
    for line in entry["lines"]:
        click.echo(f"    {printable(str(line))}")
    if entry.get("error"):
        click.echo(f"    {printable(str(entry['error']))}")


@click.command("trouble", cls=Command, examples=("hil trouble",))
@params.output
@click.pass_obj
def trouble(session: Session, output: str) -> None:
    """Show what does not settle: ports, switches, nodes that wait. Operators only."""
    data = session.client.trouble()
    if output in ("json", "yaml"):
        dump(data, output)
        return
    kinds = {kind: rows for kind, rows in data.items() if isinstance(rows, list)}
    if output == "csv":
        emit([{"what": kind, **row} for kind, rows in kinds.items() for row in rows], "what switch name error", output)
        return
    if not any(kinds.values()):
        click.echo("Everything is settled.")
    for kind, rows in kinds.items():
        if rows:
            click.echo(f"{kind}:")
            columns = [key for key in rows[0] if any(row.get(key) not in (None, False, "", [], {}) for row in rows)]
            table(columns, [[text(row.get(key)) for key in columns] for row in rows])


@click.command("journal", cls=Command, examples=("hil journal --name node07", "hil journal --actor alice --after 4711"))
@click.option("--after", metavar="SEQ", help="Begin behind this line.")
@click.option("--action", help="Only this action, as node_allocate.")
@click.option("--kind", help="Only about objects of this kind.")
@click.option("--name", help="Only about objects of this name.")
@click.option("--actor", help="Only what this user or worker did.")
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", default=1000, show_default=True, help="Most lines to show."
)
@params.output
@click.pass_obj
def journal(
    session: Session,
    after: str | None,
    action: str | None,
    kind: str | None,
    name: str | None,
    actor: str | None,
    limit: int,
    output: str,
) -> None:
    """Show the journal: who did what to what. The oldest line comes first. Operators only."""
    found = session.client.events.journal(after=after, action=action, kind=kind, name=name, actor=actor)
    emit(islice(found, limit), "seq at actor action kind name project outcome", output)
