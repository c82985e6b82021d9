"""`hil operation`: accepted changes."""

from __future__ import annotations

from itertools import islice

import click

from hil.cli import params
from hil.cli.lazy import Group
from hil.cli.output import emit, emit_one
from hil.cli.session import Session
from hil.cli.waiting import FACTS, finish, show

operation = Group("operation", help="Accepted changes: watch, wait for, cancel.")
COLUMNS = "id kind status reason project actor created_at"


@operation.verb("list", "hil operation list --pending")
@click.option("--pending", is_flag=True, help="Only those that are not done.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    default=100,
    show_default=True,
    help="Look at so many, newest first.",
)
@params.output
@click.pass_obj
def operation_list(session: Session, pending: bool, limit: int, output: str) -> None:
    """List operations, newest first."""
    found = islice(session.client.operations.list(), limit)
    emit((entry for entry in found if entry.pending or not pending), COLUMNS, output)


@operation.verb("show", "hil operation show 0193cafe")
@params.argument("operation", "id")
@params.output
@click.pass_obj
def operation_show(session: Session, id: str, output: str) -> None:
    """Show one operation and what became of each of its actions."""
    found = session.client.operations.get(id)
    emit_one(found, FACTS, output)
    if output == "table" and found.actions:
        click.echo()
        show(found, output)


@operation.verb("wait", "hil operation wait 0193cafe --timeout 5m")
@params.argument("operation", "id")
@click.option("--timeout", type=params.Duration(), default="15m", show_default=True, help="How long to wait.")
@params.output
@click.pass_obj
def operation_wait(session: Session, id: str, timeout: int, output: str) -> None:
    """Wait until an operation is no longer pending."""
    show(finish(session.client.operations.get(id), f"waiting for {id}", timeout), output)


@operation.verb("cancel", "hil operation cancel 0193cafe")
@params.argument("operation", "id")
@params.output
@click.pass_obj
def operation_cancel(session: Session, id: str, output: str) -> None:
    """Withdraw an operation's pending connects; detaching is never undone."""
    show(session.client.operations.cancel(id), output)
