"""`hil-admin user`: users of the `database` backend."""

from __future__ import annotations

import click

from hil.admin.here import Here, as_json, table
from hil.cli.lazy import Group
from hil.process import password
from hil.services import user as users
from hil.services.context import Context
from hil.services.user import UserView

_PAGE = 500


@click.group("user", cls=Group)
def user() -> None:
    """Make users, list them, set a lost password.

    A password is asked for on a terminal, or is a line of standard input, or HIL_ADMIN_PASSWORD; never an argument.
    """


@user.verb("create", "hil-admin user create ann --operator")
@click.argument("name")
@click.option("--operator", is_flag=True, help="May do everything.")
@click.pass_obj
def create(here: Here, name: str, operator: bool) -> None:
    """Make a user."""
    with here.store():
        given = password.read(name)
    here.change(lambda ctx: users.user_create(ctx, name, given, operator=operator))
    click.echo(f"made {'operator' if operator else 'user'} {name}")


@user.verb("password", "hil-admin user password ann")
@click.argument("name")
@click.pass_obj
def set_password(here: Here, name: str) -> None:
    """Set the password of a user that forgot it. API keys stay valid."""
    here.read(lambda ctx: users.user_get(ctx, name))
    given = password.read(name)
    here.change(lambda ctx: users.user_password_change(ctx, name, given))
    click.echo(f"set the password of {name}")


@user.verb("list", "hil-admin user list")
@click.option("--json", "json_", is_flag=True, help="For programs.")
@click.pass_obj
def listing(here: Here, json_: bool) -> None:
    """List all users with their projects."""
    found = here.read(_all)
    if json_:
        rows = [
            {
                "name": view.name,
                "operator": view.operator,
                "projects": {project: str(role) for project, role in view.projects.items()},
            }
            for view in found
        ]
        return as_json(rows)
    table(
        ("NAME", "OPERATOR", "PROJECTS"),
        [(view.name, "yes" if view.operator else "", _projects(view)) for view in found],
    )


def _all(ctx: Context) -> list[UserView]:
    found: list[UserView] = []
    while page := users.user_list(ctx, after=found[-1].name if found else "", limit=_PAGE):
        found += page
    return found


def _projects(view: UserView) -> str:
    return ", ".join(f"{project} ({role})" for project, role in view.projects.items())
