"""`hil key`: API keys."""

from __future__ import annotations

import click

from hil.cli import params
from hil.cli.explain import say
from hil.cli.lazy import Group
from hil.cli.output import emit, emit_one
from hil.cli.session import Session

_SSH = {"ssh": ("hil.cli.commands.ssh_key:ssh_key", "Your SSH keys, with which ssh opens consoles.")}
key = Group("key", help="API keys: tokens that act for a user.", lazy=_SSH)
COLUMNS = "id description project role operator created_at expires_at"


@key.verb("list", "hil key list")
@params.output
@click.pass_obj
def key_list(session: Session, output: str) -> None:
    """List your keys, without their tokens."""
    emit(session.client.keys.list(), COLUMNS, output)


@key.verb("create", "hil key create ci --project blue --role member --expires 30d")
@click.argument("description")
@params.option("project", "-p", "--project", help="Only for this project.  [default: all that you have]")
@click.option("--role", type=click.Choice(("reader", "member", "manager")), help="At most this role in it.")
@click.option("--expires", type=params.Duration(), help="After 12h, 30d, …  [default: never]")
@click.option("--operator", is_flag=True, help="With your power as an operator.")
@params.output
@click.pass_obj
def create(
    session: Session,
    description: str,
    project: str | None,
    role: str | None,
    expires: int | None,
    operator: bool,
    output: str,
) -> None:
    """Make a key and print its token, which is not shown again."""
    made = session.client.keys.create(description, project=project, role=role, expires_in=expires, operator=operator)
    if output == "table":
        click.echo(made.token)
        say(f"key {made.id} acts for you: keep its token, it is not shown again")
    else:
        emit_one(made, f"{COLUMNS} token", output)


@key.verb("delete", "hil key delete 3f9a2c")
@params.argument("key", "id")
@click.pass_obj
def delete(session: Session, id: str) -> None:
    """Revoke a key; it is dead at once."""
    session.client.keys.delete(id)
