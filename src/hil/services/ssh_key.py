"""SSH public keys of users: who proves to hold the private half stands before a console as that user.

A key holds what the credential held that registered it, never operator power, and goes with it: what an API key
registers keeps within that key's project, role and expiry, and is removed when the key is revoked. Nothing is
remembered between requests, so a removed key, a lost membership and a deleted user act at once. HIL never checks a
signature: obmd does, and asks here what the key is good for (`hil.services.obm_ssh`).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, true
from sqlalchemy.orm import Session

from hil.core.errors import Duplicate, NotFound, QuotaExceeded
from hil.core.model import Actor, Role
from hil.core.policy import Act, Kind, Standing
from hil.services.context import Context
from hil.services.key import asking_key, key_limited
from hil.store.tables import Membership, Project, SshKey, User

MOST: Final = 50
"""Keys of one user."""
VIA: Final = "ssh:"
"""How the journal names such a credential, before the fingerprint."""


@dataclass(frozen=True, slots=True)
class SshKeyView:
    """A key as callers see it. `project` and `role` None: whatever the user has. Times: UTC seconds since 1970."""

    id: str
    user: str
    fingerprint: str
    line: str
    project: str | None
    role: Role | None
    description: str
    created_at: float
    expires_at: float | None


def ssh_key_add(ctx: Context, line: str, fingerprint: str, description: str = "") -> SshKeyView:
    """Register a public key for the caller. Raises Duplicate, QuotaExceeded, NotFound for who is no user of HIL's."""
    owner = ctx.user(ctx.actor.name, Act.MODIFY)
    mine = SshKey.user_id == owner.id
    if ctx.session.scalar(select(exists().where(mine, SshKey.fingerprint == fingerprint))):
        raise Duplicate(f"The key {fingerprint} is registered already.")
    if (ctx.session.scalar(select(func.count()).where(mine)) or 0) >= MOST:
        raise QuotaExceeded(f"User {owner.name!r} has {MOST} SSH keys: remove some first.")
    parent = asking_key(ctx)
    row = SshKey(
        public_id=secrets.token_hex(8), user_id=owner.id, fingerprint=fingerprint, line=line,
        project_id=parent.project_id if parent else None, role=parent.role if parent else None,
        parent_id=parent.id if parent else None, description=description, created_at=ctx.now,
        expires_at=parent.expires_at if parent else None,
    )  # fmt: skip
    ctx.session.add(row)
    ctx.session.flush()
    view = _views(ctx, [row], owner)[0]
    ctx.record("ssh_key_add", Kind.KEY, row.public_id, after=_facts(view))
    return view


def ssh_key_list(ctx: Context, user: str, *, after: str = "", limit: int) -> list[SshKeyView]:
    """One page of a user's keys, by id; a limited API key sees what it registered. Two or three queries."""
    owner = ctx.user(user, Act.READ)
    query = select(SshKey).where(SshKey.user_id == owner.id, SshKey.public_id > after, _reach(ctx))
    return _views(ctx, ctx.session.scalars(query.order_by(SshKey.public_id).limit(limit)).all(), owner)


def ssh_key_remove(ctx: Context, public_id: str) -> None:
    """Forget a key: consoles that it has opened end within minutes. Raises NotFound."""
    absent = f"There is no SSH key {public_id!r}."
    row = ctx.session.scalar(select(SshKey).where(SshKey.public_id == public_id, _reach(ctx)).with_for_update())
    itself = row is not None and row.user_id == ctx.actor.user_id
    ctx.require(Act.MODIFY, Kind.KEY, Standing(itself=itself), absent)
    if row is None:
        raise NotFound(absent)
    view = _views(ctx, [row], ctx.session.get_one(User, row.user_id))[0]
    ctx.session.execute(delete(SshKey).where(SshKey.id == row.id))
    ctx.record("ssh_key_remove", Kind.KEY, public_id, before=_facts(view))


def ssh_key_actors(session: Session, fingerprint: str, now: float) -> list[Actor]:
    """Everybody whose key this is, with what the key holds now, by id; nobody for a key that expired."""
    scope = and_(
        Membership.user_id == User.id, or_(SshKey.project_id.is_(None), SshKey.project_id == Membership.project_id)
    )
    query = (
        select(User.id, User.name, SshKey.role, Membership.project_id, Membership.role, Project.enabled)
        .join(User, User.id == SshKey.user_id)
        .join(Membership, scope)
        .join(Project, Project.id == Membership.project_id)
        .where(SshKey.fingerprint == fingerprint, or_(SshKey.expires_at.is_(None), SshKey.expires_at > now))
        .order_by(User.id)
    )
    found: dict[int, Actor] = {}
    for user_id, name, most, project, role, enabled in session.execute(query):
        actor = found.setdefault(user_id, Actor(name, user_id=user_id, via=VIA + fingerprint))
        actor.roles[project] = Role(min(role, most or Role.MANAGER, Role.MANAGER if enabled else Role.READER))
    return list(found.values())


def _reach(ctx: Context) -> ColumnElement[bool]:
    """Which keys a request may see and remove, of those that its user may."""
    asking = asking_key(ctx)
    return true() if asking is None or not key_limited(asking) else SshKey.parent_id == asking.id


def _views(ctx: Context, rows: Sequence[SshKey], owner: User) -> list[SshKeyView]:
    named = select(Project.id, Project.name).where(Project.id.in_({row.project_id for row in rows if row.project_id}))
    projects: dict[int | None, str] = {row.id: row.name for row in ctx.session.execute(named)}
    return [
        SshKeyView(
            row.public_id, owner.name, row.fingerprint, row.line, projects.get(row.project_id),
            None if row.role is None else Role(row.role), row.description, row.created_at, row.expires_at,
        )
        for row in rows
    ]  # fmt: skip


def _facts(view: SshKeyView) -> dict[str, Any]:
    role = None if view.role is None else str(view.role)
    facts = {"user": view.user, "fingerprint": view.fingerprint, "project": view.project, "role": role}
    return facts | {"description": view.description, "expires_at": view.expires_at}
