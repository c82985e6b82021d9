"""`hil member`: who belongs to a project."""

from __future__ import annotations

import click

from hil.cli import params
from hil.cli.lazy import Group
from hil.cli.output import emit
from hil.cli.session import Session

member = Group("member", help="Who belongs to a project, and as what.")
ROLES = ("reader", "member", "manager")


@member.verb("list", "hil member list -p blue")
@params.project
@params.output
@click.pass_obj
def member_list(session: Session, project: str | None, output: str) -> None:
    """List the members of a project and their roles."""
    emit(session.client.projects.members(session.project(project)), "user role", output)


@member.verb("set", "hil member set alice manager -p blue")
@params.argument("user")
@click.argument("role", type=click.Choice(ROLES))
@params.project
@click.pass_obj
def member_set(session: Session, user: str, role: str, project: str | None) -> None:
    """Add somebody to a project, or give them another role. Managers and operators."""
    session.client.projects.set_member(session.project(project), user, role)


@member.verb("remove", "hil member remove alice -p blue")
@params.argument("member", "user")
@params.project
@click.pass_obj
def remove(session: Session, user: str, project: str | None) -> None:
    """Take somebody out of a project. Managers and operators."""
    session.client.projects.remove_member(session.project(project), user)
