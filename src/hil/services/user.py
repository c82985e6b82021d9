"""Users: who may log in, and who is an operator. There is always one operator left.

Only the database backend has users. No view and no journal line ever holds a password or its hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, exists, select

from hil.core import names
from hil.core.errors import Blocked, Denied, Duplicate, IllegalState
from hil.core.model import Role
from hil.core.policy import Act, Kind
from hil.core.secret import Secret
from hil.services.context import Context
from hil.store import passwords, tokens
from hil.store.tables import ApiKey, Membership, Project, User


@dataclass(frozen=True, slots=True)
class UserView:
    """A user as callers see it; `projects` are those that the caller may know of, by name, with the user's role."""

    name: str
    operator: bool
    projects: dict[str, Role]
    version: int


def user_create(
    ctx: Context, name: str, password: Secret, *, operator: bool = False, allow_weak: bool = False
) -> UserView:
    """Make a user. `allow_weak` takes any password, as HIL's original API does. Raises Duplicate, BadArgument."""
    ctx.require(Act.ADMIN, Kind.USER)
    names.user_name(name)
    passwords.check(password, allow_weak=allow_weak)
    if ctx.session.scalar(select(exists().where(User.name == name))):
        raise Duplicate(f"User {name!r} exists already.")
    user = User(name=name, password_hash=ctx.unit.store.passwords.hash(password), operator=operator)
    ctx.session.add(user)
    ctx.session.flush()
    ctx.record("user_create", Kind.USER, name, after={"operator": operator})
    return UserView(name, operator, {}, user.version)


def user_delete(ctx: Context, name: str, version: int | None = None) -> None:
    """Delete a user with its memberships and keys. Raises NotFound, and Blocked for the last operator."""
    operators = _operators(ctx)
    user = ctx.user(name, Act.ADMIN, version)
    _keep_one(operators, user)
    before = _view(ctx, [user])[0]
    ctx.session.execute(delete(User).where(User.id == user.id))
    projects = {project: str(role) for project, role in before.projects.items()}
    ctx.record("user_delete", Kind.USER, name, before={"operator": user.operator, "projects": projects})


def user_set_operator(ctx: Context, name: str, operator: bool, version: int | None = None) -> UserView:
    """Make a user an operator, or none. Raises IllegalState on oneself, Blocked for the last operator.

    Who stops being an operator loses the keys with operator scope for good.
    """
    operators = _operators(ctx)
    user = ctx.user(name, Act.ADMIN, version)
    if user.id == ctx.actor.user_id:
        raise IllegalState("You cannot change your own operator power: ask another operator.")
    before = {"operator": user.operator}
    if not operator:
        _keep_one(operators, user)
        ctx.session.execute(delete(ApiKey).where(ApiKey.user_id == user.id, ApiKey.operator))
    user.operator = operator
    user.version += 1
    ctx.record("user_set_operator", Kind.USER, name, before=before, after={"operator": operator})
    return _view(ctx, [user])[0]


def user_password_change(
    ctx: Context, name: str, new: Secret, old: Secret | None = None, *, allow_weak: bool = False
) -> None:
    """Set a password: one's own with the old one, any other's as an operator. API keys stay as they are.

    Raises NotFound, BadArgument, and Denied for a wrong old password or a caller that came with an API key.
    """
    user = ctx.user(name, Act.MODIFY)
    hasher = ctx.unit.store.passwords
    if user.id == ctx.actor.user_id:
        # With a stolen key, the old password could be guessed here, unthrottled.
        if tokens.public_id(ctx.actor.via) is not None:
            raise Denied("An API key cannot change its user's password: log in with the password.")
        if old is None or user.password_hash is None or not hasher.verify(user.password_hash, old):
            raise Denied("To change your password, give the present one; this is not it.")
    passwords.check(new, allow_weak=allow_weak)
    user.password_hash = hasher.hash(new)
    ctx.record("user_password_change", Kind.USER, name)


def user_get(ctx: Context, name: str) -> UserView:
    """One user: oneself, or any as an operator. Raises NotFound."""
    return _view(ctx, [ctx.user(name, Act.READ)])[0]


def user_list(ctx: Context, *, after: str = "", limit: int) -> list[UserView]:
    """One page of the users that the caller may know of, by name; two queries, however many they are."""
    ctx.require(Act.LIST, Kind.USER)
    query = select(User).where(User.name > after).order_by(User.name).limit(limit)
    if not ctx.actor.operator:
        query = query.where(User.id == ctx.actor.user_id)
    return _view(ctx, ctx.session.scalars(query).all())


def _operators(ctx: Context) -> set[int]:
    """Lock every operator, in the order of their ids, before any other user: two such requests then take turns.

    Whoever waited sees what the other left, so the last two operators cannot remove each other.
    """
    ctx.require(Act.ADMIN, Kind.USER)
    query = select(User.id).where(User.operator).order_by(User.id).with_for_update(key_share=True)
    return set(ctx.session.scalars(query))


def _keep_one(operators: set[int], user: User) -> None:
    if operators == {user.id}:
        raise Blocked(f"User {user.name!r} is the last operator: make another user one first.")


def _view(ctx: Context, users: Sequence[User]) -> list[UserView]:
    projects: dict[int, dict[str, Role]] = {user.id: {} for user in users}
    query = (
        select(Membership.user_id, Project.name, Membership.role)
        .join(Project, Project.id == Membership.project_id)
        .where(Membership.user_id.in_(projects))
        .order_by(Project.name)
    )
    if not ctx.actor.operator:
        query = query.where(Project.id.in_(list(ctx.actor.roles)))  # a key does not see past its scope
    for user_id, project, role in ctx.session.execute(query):
        projects[user_id][project] = Role(role)
    return [UserView(user.name, user.operator, projects[user.id], user.version) for user in users]
