"""Who belongs to a project, and as what. Managers of the project decide, and operators."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select, update

from hil.core.errors import Duplicate, NotFound
from hil.core.model import Role
from hil.core.policy import Act, Kind
from hil.services.context import Context
from hil.store.tables import Membership, Project, User


@dataclass(frozen=True, slots=True)
class MemberView:
    user: str
    role: Role


def member_add(ctx: Context, project: str, user: str, role: Role) -> MemberView:
    """Take a user into a project. Raises NotFound (project or user), Duplicate if it belongs there already."""
    row, person = _both(ctx, project, user)
    if _role(ctx, row, person) is not None:
        raise Duplicate(f"User {user!r} is a member of project {project!r} already.")
    ctx.session.add(Membership(user_id=person.id, project_id=row.id, role=role))
    _changed(ctx, "member_add", row, person, None, role)
    return MemberView(user, role)


def member_set(ctx: Context, project: str, user: str, role: Role) -> MemberView:
    """Change a member's role; its keys never hold more than that. Raises NotFound if it is no member."""
    row, person = _both(ctx, project, user)
    before = _present(_role(ctx, row, person), project, user)
    this = (Membership.user_id == person.id) & (Membership.project_id == row.id)
    ctx.session.execute(update(Membership).where(this).values(role=role))
    _changed(ctx, "member_set", row, person, before, role)
    return MemberView(user, role)


def member_remove(ctx: Context, project: str, user: str) -> None:
    """Put a user out of a project; its keys lose the project at once. Raises NotFound if it is no member."""
    row, person = _both(ctx, project, user)
    before = _present(_role(ctx, row, person), project, user)
    this = (Membership.user_id == person.id) & (Membership.project_id == row.id)
    ctx.session.execute(delete(Membership).where(this))
    _changed(ctx, "member_remove", row, person, before, None)


def member_list(ctx: Context, project: str, *, after: str = "", limit: int) -> list[MemberView]:
    """One page of a project's members, by user name; two queries, however many they are."""
    row = ctx.project(project, Act.READ)
    query = (
        select(User.name, Membership.role)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.project_id == row.id, User.name > after)
        .order_by(User.name)
        .limit(limit)
    )
    return [MemberView(name, Role(role)) for name, role in ctx.session.execute(query)]


def _both(ctx: Context, project: str, user: str) -> tuple[Project, User]:
    """Find and lock the project, then the user. Whoever may change members may name any user, not only itself."""
    row = ctx.project(project, Act.MEMBERS)
    person = ctx.session.scalar(select(User).where(User.name == user).with_for_update(key_share=True))
    if person is None:
        raise NotFound(f"There is no user {user!r}.")
    return row, person


def _role(ctx: Context, project: Project, user: User) -> Role | None:
    query = select(Membership.role).where(Membership.user_id == user.id, Membership.project_id == project.id)
    role = ctx.session.scalar(query)
    return None if role is None else Role(role)


def _present(role: Role | None, project: str, user: str) -> Role:
    if role is None:
        raise NotFound(f"User {user!r} is no member of project {project!r}.")
    return role


def _changed(ctx: Context, action: str, project: Project, user: User, before: Role | None, after: Role | None) -> None:
    user.version += 1  # a user's view lists its projects
    states = [None if role is None else {"user": user.name, "role": str(role)} for role in (before, after)]
    ctx.record(action, Kind.PROJECT, project.name, project_id=project.id, before=states[0], after=states[1])
