"""`hil event`: what happens, as it happens."""

from __future__ import annotations

import json

import click

from hil.cli.lazy import Group
from hil.cli.output import text
from hil.cli.session import Session

event = Group("event", help="What happens, as it happens.")


@event.verb("follow", "hil event follow", "hil event follow --after 4711 -o json | jq .name")
@click.option(
    "--after", type=click.IntRange(0), metavar="SEQ", help="Begin behind this number.  [default: from now on]"
)
@click.option(
    "-o", "--output", type=click.Choice(("table", "json")), default="table", help="json: one object on each line."
)
@click.pass_obj
def follow(session: Session, after: int | None, output: str) -> None:
    """Show events until interrupted; a lost connection is made again and nothing is missed."""
    for found in session.client.events.follow(after):
        if output == "json":
            click.echo(json.dumps(dict(found.raw), ensure_ascii=False))
        else:
            at = found.at.strftime("%Y-%m-%d %H:%M:%SZ") if found.at else "-"
            facts = (found.seq, at, found.action, found.kind, found.name, found.project)
            click.echo("  ".join(map(text, facts)))
