"""Users, their passwords and their API keys, where HIL keeps the users itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from hil.api.public_key import public_key
from hil.api.v1 import cursor, replies, replies_obm, views
from hil.api.v1.door import Answer, Conditional, Plain, Posted, created, gone, noun, shown
from hil.api.v1.shapes import (
    After,
    KeyId,
    KeyNew,
    Limit,
    PasswordSet,
    SshKeyNew,
    UserChange,
    UserInPath,
    UserName,
    UserNew,
)
from hil.core.model import Role
from hil.core.secret import Secret
from hil.services import key as keys
from hil.services import ssh_key as ssh_keys
from hil.services import user as users
from hil.services.context import Context

routes = noun("users")
OfUser = Annotated[UserName | None, Query(description="Whose keys; left out, the caller's own.")]


@routes.get("/users", response_model=replies.UserPage)
def user_list(call: Plain, after: After = None, limit: Limit = 100) -> Response:
    """Every user by name, for operators; others see themselves."""

    def work(ctx: Context) -> Answer:
        rows = users.user_list(ctx, after=cursor.names(after)[0], limit=limit + 1)
        return shown(cursor.page(rows, limit, views.user, lambda row: row.name))

    return call.read(work)


@routes.post("/users", response_model=replies.User, status_code=201)
def user_create(call: Posted, body: UserNew) -> Response:
    """Make a user. For operators."""

    def work(ctx: Context) -> Answer:
        seen = users.user_create(ctx, body.name, Secret(body.password), operator=body.operator)
        return created(views.user(seen), "users", seen.name, version=seen.version)

    return call.change(work)


@routes.get("/users/{user}", response_model=replies.User)
def user_show(call: Plain, user: UserInPath) -> Response:
    """One user: oneself, or any for operators."""

    def work(ctx: Context) -> Answer:
        seen = users.user_get(ctx, user)
        return shown(views.user(seen), seen.version)

    return call.read(work)


@routes.patch("/users/{user}", response_model=replies.User)
def user_update(call: Conditional, user: UserInPath, body: UserChange) -> Response:
    """Make a user an operator, or none. For other operators."""

    def work(ctx: Context) -> Answer:
        seen = users.user_set_operator(ctx, user, body.operator, call.version)
        return shown(views.user(seen), seen.version)

    return call.change(work)


@routes.delete("/users/{user}", status_code=204)
def user_delete(call: Conditional, user: UserInPath) -> Response:
    """Delete a user with its keys. For operators; one of them always remains."""

    def work(ctx: Context) -> Answer:
        users.user_delete(ctx, user, call.version)
        return gone()

    return call.change(work)


@routes.put("/users/{user}/password", status_code=204)
def user_password_change(call: Plain, user: UserInPath, body: PasswordSet) -> Response:
    """Set a password: one's own with the old one, any other's as an operator. Keys stay as they are."""
    old = None if body.old_password is None else Secret(body.old_password)

    def work(ctx: Context) -> Answer:
        users.user_password_change(ctx, user, Secret(body.password), old)
        return gone()

    return call.change(work)


@routes.get("/keys", response_model=replies.KeyPage)
def key_list(call: Plain, user: OfUser = None, after: After = None, limit: Limit = 100) -> Response:
    """The API keys of a user, without their secrets."""

    def work(ctx: Context) -> Answer:
        rows = keys.key_list(ctx, user or ctx.actor.name, after=cursor.names(after)[0], limit=limit + 1)
        return shown(cursor.page(rows, limit, views.key, lambda row: row.id))

    return call.read(work)


@routes.post("/keys", response_model=replies.KeyCreated, status_code=201)
def key_create(call: Posted, body: KeyNew) -> Response:
    """Make an API key of one's own, limited as asked for. Its token is shown in this answer and never again."""
    role = None if body.role is None else Role.parse(body.role)

    def work(ctx: Context) -> Answer:
        ends = None if body.expires_in is None else ctx.now + body.expires_in
        seen, token = keys.key_create(
            ctx, ctx.actor.name, project=body.project, role=role, operator=body.operator, expires_at=ends,
            description=body.description,
        )  # fmt: skip
        return created({**views.key(seen), "token": token.reveal()}, "keys", seen.id)

    return call.change(work)


@routes.delete("/keys/{key}", status_code=204)
def key_revoke(call: Plain, key: KeyId) -> Response:
    """Revoke a key, and those that were made with it, at once."""

    def work(ctx: Context) -> Answer:
        keys.key_revoke(ctx, key)
        return gone()

    return call.change(work)


@routes.get("/ssh-keys", response_model=replies_obm.SshKeyPage)
def ssh_key_list(call: Plain, user: OfUser = None, after: After = None, limit: Limit = 100) -> Response:
    """The SSH keys with which a user opens consoles."""

    def work(ctx: Context) -> Answer:
        rows = ssh_keys.ssh_key_list(ctx, user or ctx.actor.name, after=cursor.names(after)[0], limit=limit + 1)
        return shown(cursor.page(rows, limit, views.ssh_key, lambda row: row.id))

    return call.read(work)


@routes.post("/ssh-keys", response_model=replies_obm.SshKey, status_code=201)
def ssh_key_add(call: Posted, body: SshKeyNew) -> Response:
    """Register an SSH key of one's own. It may do what the credential may that registers it, and ends with it."""
    key = public_key(body.public_key)

    def work(ctx: Context) -> Answer:
        seen = ssh_keys.ssh_key_add(ctx, key.line, key.fingerprint, body.description or key.comment[:255])
        return created(views.ssh_key(seen), "ssh-keys", seen.id)

    return call.change(work)


@routes.delete("/ssh-keys/{key}", status_code=204)
def ssh_key_remove(call: Plain, key: KeyId) -> Response:
    """Forget an SSH key: nobody logs in with it any more, and consoles that it opened end within minutes."""

    def work(ctx: Context) -> Answer:
        ssh_keys.ssh_key_remove(ctx, key)
        return gone()

    return call.change(work)
