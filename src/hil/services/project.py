"""Projects: the tenants. Disabling one keeps what it has and lets it change nothing."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, exists, select

from hil.core import names
from hil.core.errors import BadArgument, Blocked, Duplicate
from hil.core.policy import Act, Kind
from hil.services.context import Context
from hil.store.tables import Grant, Network, Node, Project


def project_create(
    ctx: Context, name: str, *, quota_nodes: int | None = None, quota_networks: int | None = None
) -> Project:
    """Make a project. Quotas are the most nodes and networks it may hold; None: no limit. Raises Duplicate."""
    ctx.require(Act.ADMIN, Kind.PROJECT)
    names.name("project", name)
    _check_quotas(quota_nodes, quota_networks)
    if ctx.session.scalar(select(exists().where(Project.name == name))):
        raise Duplicate(f"Project {name!r} exists already.")
    project = Project(name=name, quota_nodes=quota_nodes, quota_networks=quota_networks)
    ctx.session.add(project)
    ctx.session.flush()
    ctx.record("project_create", Kind.PROJECT, name, project_id=project.id, after=_facts(project))
    return project


def project_delete(ctx: Context, name: str, version: int | None = None) -> None:
    """Delete a project that holds nothing; its members and keys lose it. Raises Blocked naming what it still holds."""
    project = ctx.project(name, Act.ADMIN, version)
    holdings = (
        ("nodes", Node.project_id, "release them"),
        ("networks", Network.owner_id, "delete them"),
        ("access to networks", Grant.project_id, "revoke it"),
    )
    for what, column, remedy in holdings:
        if ctx.session.scalar(select(exists().where(column == project.id))):
            raise Blocked(f"Project {name!r} still has {what}: {remedy} first.")
    ctx.session.execute(delete(Project).where(Project.id == project.id))
    ctx.record("project_delete", Kind.PROJECT, name, before=_facts(project))


def project_update(
    ctx: Context, name: str, *, enabled: bool | None = None, quotas: dict[str, int | None] | None = None,
    version: int | None = None,
) -> Project:  # fmt: skip
    """Enable, disable or set quotas (`nodes`, `networks`; None lifts one). One below what is held only stops growth."""
    project = ctx.project(name, Act.ADMIN, version)
    before = _facts(project)
    chosen = quotas or {}
    _check_quotas(chosen.get("nodes"), chosen.get("networks"))
    if enabled is not None:
        project.enabled = enabled
    if "nodes" in chosen:
        project.quota_nodes = chosen["nodes"]
    if "networks" in chosen:
        project.quota_networks = chosen["networks"]
    project.version += 1
    ctx.record("project_update", Kind.PROJECT, name, project_id=project.id, before=before, after=_facts(project))
    return project


def projects_list(ctx: Context, *, after: str, limit: int) -> Sequence[Project]:
    """One page of the projects that the caller may know of, by name."""
    ctx.require(Act.LIST, Kind.PROJECT)
    query = select(Project).where(Project.name > after).order_by(Project.name).limit(limit)
    if not ctx.actor.operator:
        query = query.where(Project.id.in_(list(ctx.actor.roles)))
    return ctx.session.scalars(query).all()


def _check_quotas(*quotas: int | None) -> None:
    if any(quota is not None and not 0 <= quota <= 1_000_000 for quota in quotas):
        raise BadArgument("A quota is a number from 0 to 1000000, or null for none.")


def _facts(project: Project) -> dict[str, object]:
    return {
        "enabled": project.enabled,
        "quota_nodes": project.quota_nodes,
        "quota_networks": project.quota_networks,
    }
