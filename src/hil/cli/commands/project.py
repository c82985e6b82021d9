"""`hil project`: who owns nodes and networks."""

from __future__ import annotations

from typing import Any

import click

from hil.cli import params
from hil.cli.lazy import Group
from hil.cli.output import emit, emit_one
from hil.cli.session import Session

project = Group("project", help="Projects: who owns nodes and networks.")
COLUMNS = "name enabled nodes quota_nodes networks quota_networks"


class Quota(click.ParamType[int]):
    """A number, or `none` for no limit (as -1)."""

    name = "number|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if value == "none":
            return -1
        if not (value.isascii() and value.isdigit()):
            self.fail(f"{value!r} is neither a number nor none", param, ctx)
        return int(value)


def _quota(value: int | None) -> int | None:
    return None if value == -1 else value


@project.verb("list", "hil project list")
@params.output
@click.pass_obj
def project_list(session: Session, output: str) -> None:
    """List the projects that you belong to; operators see all."""
    emit(session.client.projects.list(), COLUMNS, output)


@project.verb("show", "hil project show blue")
@params.argument("project")
@params.output
@click.pass_obj
def show(session: Session, project: str, output: str) -> None:
    """Show one project: what it holds and may hold."""
    emit_one(session.client.projects.get(project), COLUMNS, output)


@project.verb("create", "hil project create blue --quota-nodes 16")
@click.argument("name")
@click.option("--quota-nodes", type=Quota(), help="Most nodes it may hold.  [default: none]")
@click.option("--quota-networks", type=Quota(), help="Most networks it may own.  [default: none]")
@params.output
@click.pass_obj
def create(session: Session, name: str, quota_nodes: int | None, quota_networks: int | None, output: str) -> None:
    """Make a project. Operators only."""
    made = session.client.projects.create(name, quota_nodes=_quota(quota_nodes), quota_networks=_quota(quota_networks))
    emit_one(made, COLUMNS, output)


@project.verb("quota", "hil project quota blue --nodes 32 --networks none")
@params.argument("project")
@click.option("--nodes", type=Quota(), help="Most nodes it may hold.")
@click.option("--networks", type=Quota(), help="Most networks it may own.")
@params.output
@click.pass_obj
def quota(session: Session, project: str, nodes: int | None, networks: int | None, output: str) -> None:
    """Change how much a project may hold. Operators only."""
    given = {"quota_nodes": nodes, "quota_networks": networks}
    facts: dict[str, bool | int | None] = {key: _quota(value) for key, value in given.items() if value is not None}
    if not facts:
        raise click.UsageError("Say --nodes or --networks.", click.get_current_context())
    emit_one(session.client.projects.change(project, facts), COLUMNS, output)


@project.verb("enable", "hil project enable blue")
@params.argument("project")
@params.output
@click.pass_obj
def enable(session: Session, project: str, output: str) -> None:
    """Let a disabled project change things again. Operators only."""
    emit_one(session.client.projects.change(project, {"enabled": True}), COLUMNS, output)


@project.verb("disable", "hil project disable blue")
@params.argument("project")
@params.output
@click.pass_obj
def disable(session: Session, project: str, output: str) -> None:
    """Let a project keep what it has, and change nothing. Operators only."""
    emit_one(session.client.projects.change(project, {"enabled": False}), COLUMNS, output)


@project.verb("delete", "hil project delete blue")
@params.argument("project")
@click.pass_obj
def delete(session: Session, project: str) -> None:
    """Delete a project that holds neither nodes nor networks. Operators only."""
    session.client.projects.delete(project)
