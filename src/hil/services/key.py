"""API keys: a user's credentials for programs, each cut down to a scope, shown once, revocable.

A key is made by its user or by an operator, and never holds more than whoever makes it: what was made with a key keeps
within that key's project, role and expiry, and is revoked with it. What a key holds is worked out anew for each request
(`hil.auth`), so it never outlives its user's own rights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, true

from hil.core.errors import BadArgument, Denied, NotFound, QuotaExceeded, Unauthenticated
from hil.core.model import Role
from hil.core.policy import Act, Kind, Standing
from hil.core.secret import Secret
from hil.services.context import Context
from hil.store import tokens
from hil.store.tables import ApiKey, Membership, Project, User

MOST: Final = 100
"""Keys of one user, expired ones included."""


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as callers see it. `project` and `role` None: whatever the user has. Times: UTC seconds since 1970."""

    id: str
    user: str
    project: str | None
    role: Role | None
    operator: bool
    description: str
    created_at: float
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class _Scope:
    project: Project | None
    role: Role | None
    operator: bool
    expires_at: float | None


def key_create(
    ctx: Context, user: str, *, project: str | None = None, role: Role | None = None, operator: bool = False,
    expires_at: float | None = None, description: str = "",
) -> tuple[KeyView, Secret]:  # fmt: skip
    """Make a key; the token is answered here and never again. Limits left out are those of the key that asks.

    Raises NotFound, BadArgument, Denied for more than the user or the asking key has, QuotaExceeded.
    """
    owner = ctx.user(user, Act.MODIFY)
    if len(description) > 255 or not description.isprintable():
        raise BadArgument("A description has at most 255 printable characters.")
    parent = asking_key(ctx)
    named = None if project is None else ctx.project(project, Act.READ)
    scope = _within(parent, _Scope(named, role, operator, expires_at), ctx)
    _judge(ctx, owner, scope, role)
    if (ctx.session.scalar(select(func.count()).where(ApiKey.user_id == owner.id)) or 0) >= MOST:
        raise QuotaExceeded(f"User {user!r} has {MOST} keys: revoke some first.")
    public_id, token, digest = tokens.make()
    key = ApiKey(
        public_id=public_id, secret_hash=digest, user_id=owner.id, parent_id=parent.id if parent else None,
        project_id=scope.project.id if scope.project else None, role=scope.role, operator=scope.operator,
        description=description, created_at=ctx.now, expires_at=scope.expires_at,
    )  # fmt: skip
    ctx.session.add(key)
    ctx.session.flush()
    view = _view(key, owner.name, scope.project.name if scope.project else None)
    ctx.record("key_create", Kind.KEY, public_id, after=_facts(view))
    return view, token


def key_list(ctx: Context, user: str, *, after: str = "", limit: int) -> list[KeyView]:
    """One page of a user's keys, by id; a limited key sees itself and what was made with it. Two or three queries."""
    owner = ctx.user(user, Act.READ)
    query = _keys().where(ApiKey.user_id == owner.id, ApiKey.public_id > after, _reach(asking_key(ctx)))
    rows = ctx.session.execute(query.order_by(ApiKey.public_id).limit(limit))
    return [_view(key, owner_name, project) for key, owner_name, project in rows]


def key_revoke(ctx: Context, public_id: str) -> None:
    """Revoke a key and all that were made with it, at once and in every process. Raises NotFound."""
    absent = f"There is no key {public_id!r}."
    query = _keys().where(ApiKey.public_id == public_id, _reach(asking_key(ctx))).with_for_update(of=ApiKey)
    row = ctx.session.execute(query).first()
    ctx.require(Act.MODIFY, Kind.KEY, Standing(itself=row is not None and row[0].user_id == ctx.actor.user_id), absent)
    if row is None:
        raise NotFound(absent)
    view = _view(*row)
    ctx.session.execute(delete(ApiKey).where(ApiKey.public_id == public_id))
    ctx.record("key_revoke", Kind.KEY, public_id, before=_facts(view))


def _keys() -> Select[ApiKey, str, str | None]:
    name = cast("ColumnElement[str | None]", Project.name)
    joined = select(ApiKey, User.name, name).join(User, User.id == ApiKey.user_id)
    return joined.outerjoin(Project, Project.id == ApiKey.project_id)


def asking_key(ctx: Context) -> ApiKey | None:
    """The key that this request came with."""
    public_id = tokens.public_id(ctx.actor.via)
    if public_id is None:
        return None
    key = ctx.session.scalar(select(ApiKey).where(ApiKey.public_id == public_id))
    if key is None:
        raise Unauthenticated("The key that asks was revoked meanwhile.")
    return key


def key_limited(key: ApiKey) -> bool:
    """Whether a key holds less than its user."""
    return key.project_id is not None or key.role is not None


def _reach(asking: ApiKey | None) -> ColumnElement[bool]:
    """Which keys a request may see and revoke, of those that its user may."""
    if asking is None or not key_limited(asking):
        return true()
    return or_(ApiKey.id == asking.id, ApiKey.parent_id == asking.id)


def _within(parent: ApiKey | None, wanted: _Scope, ctx: Context) -> _Scope:
    """Keep a new key within the one that asks for it: what was left open becomes the limit, an excess is Denied."""
    if parent is None:
        return wanted
    project = wanted.project
    if parent.project_id is not None:
        project = project or ctx.session.get_one(Project, parent.project_id)
    role = wanted.role if wanted.role is not None or parent.role is None else Role(parent.role)
    expires_at = parent.expires_at if wanted.expires_at is None else wanted.expires_at
    exceeds = (
        (parent.project_id is not None and project is not None and project.id != parent.project_id)
        or (parent.role is not None and role is not None and role > parent.role)
        or (parent.expires_at is not None and expires_at is not None and expires_at > parent.expires_at)
        or (wanted.operator and not parent.operator)
    )
    if exceeds:
        raise Denied("A key cannot make a key with more than it has: another project, a higher role or a later expiry.")
    return _Scope(project, role, wanted.operator, expires_at)


def _judge(ctx: Context, owner: User, scope: _Scope, role: Role | None) -> None:
    """Hold a scope, and the `role` that was asked for, against what the key's user has.

    Operators too are held to their memberships: else a key without operator power could make one that has, in some
    project, more than itself.
    """
    if scope.expires_at is not None and scope.expires_at <= ctx.now:
        raise BadArgument("The key would have expired already: choose a time to come.")
    if scope.operator:
        if scope.project is not None or scope.role is not None:
            raise BadArgument("A key with operator power is limited to no project and no role: leave them out.")
        if not (ctx.actor.operator and owner.operator):
            raise Denied("Only an operator makes a key with operator power, and only for an operator.")
    elif scope.project is not None:
        mine = (Membership.user_id == owner.id) & (Membership.project_id == scope.project.id)
        held = ctx.session.scalar(select(Membership.role).where(mine))
        if held is None or (role is not None and role > held):
            raise Denied(f"User {owner.name!r} does not have that role in project {scope.project.name!r}.")


def _view(key: ApiKey, user: str, project: str | None) -> KeyView:
    role = None if key.role is None else Role(key.role)
    return KeyView(
        key.public_id, user, project, role, key.operator, key.description, key.created_at, key.expires_at
    )  # fmt: skip


def _facts(view: KeyView) -> dict[str, Any]:
    role = None if view.role is None else str(view.role)
    facts = {"user": view.user, "project": view.project, "role": role, "operator": view.operator}
    return facts | {"description": view.description, "expires_at": view.expires_at}
