"""Who belongs to a project."""

from __future__ import annotations

from starlette.responses import Response

from hil.api.v1 import cursor, replies
from hil.api.v1.door import Answer, Plain, gone, noun, shown
from hil.api.v1.shapes import After, InPath, Limit, RoleSet, UserInPath
from hil.core.errors import NotFound
from hil.core.model import Role
from hil.services import membership
from hil.services.context import Context
from hil.services.membership import MemberView

routes = noun("members")


def _view(member: MemberView) -> dict[str, str]:
    return {"user": member.user, "role": str(member.role)}


@routes.get("/projects/{project}/members", response_model=replies.MemberPage)
def member_list(call: Plain, project: InPath, after: After = None, limit: Limit = 100) -> Response:
    """The members of a project that the caller belongs to, by user name."""

    def work(ctx: Context) -> Answer:
        rows = membership.member_list(ctx, project, after=cursor.names(after)[0], limit=limit + 1)
        return shown(cursor.page(rows, limit, _view, lambda row: row.user))

    return call.read(work)


@routes.put("/projects/{project}/members/{user}", response_model=replies.Member)
def member_set(call: Plain, project: InPath, user: UserInPath, body: RoleSet) -> Response:
    """Take a user into a project, or change its role there. For the project's managers."""

    def work(ctx: Context) -> Answer:
        role = Role.parse(body.role)
        try:
            return shown(_view(membership.member_set(ctx, project, user, role)))
        except NotFound:
            return shown(_view(membership.member_add(ctx, project, user, role)))

    return call.change(work)


@routes.delete("/projects/{project}/members/{user}", status_code=204)
def member_remove(call: Plain, project: InPath, user: UserInPath) -> Response:
    """Put a user out of a project; its keys lose the project at once. For the project's managers."""

    def work(ctx: Context) -> Answer:
        membership.member_remove(ctx, project, user)
        return gone()

    return call.change(work)
