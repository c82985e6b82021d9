"""From an accepted operation to what the user sees of it: its id at once, or a bar and then what became of it."""

from __future__ import annotations

import click

from hil.cli.exits import Exit
from hil.cli.output import emit_one, table, text
from hil.cli.progress import bar
from hil.cli.session import Fault
from hil.client import Operation

FACTS = "id kind status reason node project actor created_at deadline"
ACTIONS = "node nic verb network channel status reason"


def settle(operation: Operation, *, doing: str, wait: bool, timeout: float, output: str) -> None:
    """Wait for an operation and print it; without `wait`, print only which one it is."""
    if not wait:
        if output == "table":
            click.echo(operation.id)
        else:
            emit_one(operation, FACTS, output)
        return
    show(finish(operation, doing, timeout), output)


def finish(operation: Operation, doing: str, timeout: float) -> Operation:
    """Wait with a bar. An interrupt ends the waiting and not the operation."""
    try:
        with bar(doing, max(1, len(operation.actions))) as advance:
            return operation.wait(timeout, lambda now: advance(now.finished, now.reason))
    except KeyboardInterrupt:
        hint = f"`hil operation wait {operation.id}`, or `hil operation cancel {operation.id}`"
        raise Fault(f"interrupted: operation {operation.id} goes on", hint, Exit.INTERRUPTED) from None


def show(operation: Operation, output: str) -> None:
    """Print an operation with its actions."""
    if output != "table":
        emit_one(operation, FACTS, output)
        return
    if operation.actions:
        columns = ACTIONS.split()
        if any(action.port for action in operation.actions):
            columns += ["switch", "port"]
        table(columns, [[text(action.raw.get(key)) for key in columns] for action in operation.actions])
    else:
        emit_one(operation, FACTS, output)
