"""Users and their projects, where HIL keeps the users itself; all of it for operators.

A user of the original is a member or nothing: it joins a project with the role `member`. Passwords are taken as they
come, empty ones too, because the original's clients rely on it.
"""

from __future__ import annotations

from typing import Any

from hil.api.v0.call import Call
from hil.api.v0.failures import IllegalState
from hil.api.v0.shapes import Record, boolean, text
from hil.core import errors
from hil.core.model import Role
from hil.core.policy import Act, Kind
from hil.core.secret import Secret
from hil.services.context import Context
from hil.services.membership import member_add, member_remove
from hil.services.user import user_create, user_delete, user_list, user_set_operator

_ALL = 1_000_000


def list_users(ctx: Context) -> dict[str, Any]:
    ctx.require(Act.ADMIN, Kind.USER)
    users = user_list(ctx, limit=_ALL)
    return {user.name: {"is_admin": user.operator, "projects": sorted(user.projects)} for user in users}


def create(ctx: Context, user: str, password: str, is_admin: bool = False) -> None:
    user_create(ctx, user, Secret(password), operator=is_admin, allow_weak=True)


def set_admin(ctx: Context, user: str, is_admin: bool) -> None:
    try:
        user_set_operator(ctx, user, is_admin)
    except errors.IllegalState as error:
        raise IllegalState(error.message) from error


def delete(ctx: Context, user: str) -> None:
    user_delete(ctx, user)


def add_project(ctx: Context, user: str, project: str) -> None:
    _known(ctx, user)
    member_add(ctx, project, user, Role.MEMBER)


def remove_project(ctx: Context, user: str, project: str) -> None:
    _known(ctx, user)
    member_remove(ctx, project, user)


def _known(ctx: Context, user: str) -> None:
    """In the original these were the operator's, whoever manages the project here."""
    ctx.require(Act.ADMIN, Kind.USER)
    ctx.user(user, Act.READ)


_USER = "auth/basic/user/{user}"

CALLS = (
    Call(method="GET", path="auth/basic/users", work=list_users),
    Call(method="PUT", path=_USER, work=create, body=Record({"password": text}, {"is_admin": boolean})),
    Call(method="PATCH", path=_USER, work=set_admin, body=Record({"is_admin": boolean})),
    Call(method="DELETE", path=_USER, work=delete),
    Call(method="POST", path=f"{_USER}/add_project", work=add_project, body=Record({"project": text})),
    Call(method="POST", path=f"{_USER}/remove_project", work=remove_project, body=Record({"project": text})),
)
