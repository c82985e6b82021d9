"""`hil user`: people and programs that may log in."""

from __future__ import annotations

import click

from hil.cli import params, secrets
from hil.cli.lazy import Group
from hil.cli.output import emit, emit_one
from hil.cli.session import Session

user = Group("user", help="People and programs that may log in.")
COLUMNS = "name operator projects"


@user.verb("list", "hil user list")
@params.output
@click.pass_obj
def user_list(session: Session, output: str) -> None:
    """List users: you, or for operators everybody."""
    emit(session.client.users.list(), COLUMNS, output)


@user.verb("show", "hil user show alice")
@params.argument("user")
@params.output
@click.pass_obj
def show(session: Session, user: str, output: str) -> None:
    """Show one user."""
    emit_one(session.client.users.get(user), COLUMNS, output)


@user.verb("create", "hil user create alice", "pwgen 20 1 | hil user create alice --password-stdin")
@click.argument("name")
@click.option("--operator", is_flag=True, help="With power over everything.")
@params.password_stdin
@params.output
@click.pass_obj
def create(session: Session, name: str, operator: bool, password_stdin: bool, output: str) -> None:
    """Make a user. The password is asked for, or HIL_NEW_PASSWORD. Operators only."""
    password = secrets.password(f"Password for {name}", stdin=password_stdin, variable="HIL_NEW_PASSWORD", confirm=True)
    emit_one(session.client.users.create(name, password, operator=operator), COLUMNS, output)


@user.verb("password", "hil user password", "hil user password alice")
@click.argument("user", type=params.Live("user"), required=False)
@params.password_stdin
@click.pass_obj
def password(session: Session, user: str | None, password_stdin: bool) -> None:
    """Change your password, or as an operator somebody's.

    Your own needs the current one first: asked for, or HIL_PASSWORD, or the first of two lines of standard input.
    The new one is asked for, or HIL_NEW_PASSWORD, or the second line.
    """
    me = session.client.whoami().user
    name = user or me
    old = None
    if name == me:
        old = secrets.password("Current password", stdin=password_stdin, variable="HIL_PASSWORD")
    new = secrets.password(f"New password for {name}", stdin=password_stdin, variable="HIL_NEW_PASSWORD", confirm=True)
    session.client.users.set_password(name, new, old_password=old)


@user.verb("promote", "hil user promote alice")
@params.argument("user")
@params.output
@click.pass_obj
def promote(session: Session, user: str, output: str) -> None:
    """Make somebody an operator. Operators only."""
    emit_one(session.client.users.set_operator(user, True), COLUMNS, output)


@user.verb("demote", "hil user demote alice")
@params.argument("user")
@params.output
@click.pass_obj
def demote(session: Session, user: str, output: str) -> None:
    """Take an operator's power away; the last one keeps it. Operators only."""
    emit_one(session.client.users.set_operator(user, False), COLUMNS, output)


@user.verb("delete", "hil user delete alice")
@params.argument("user")
@click.pass_obj
def delete(session: Session, user: str) -> None:
    """Delete a user with their keys and memberships. Operators only."""
    session.client.users.delete(user)
