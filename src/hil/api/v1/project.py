"""Projects, and nodes allocated to them."""

from __future__ import annotations

from starlette.responses import Response

from hil.api.v1 import cursor, replies, views
from hil.api.v1.door import Answer, Conditional, Plain, Posted, created, gone, noun, shown
from hil.api.v1.shapes import After, AllocationByName, AllocationBySelector, InPath, Limit, ProjectChange, ProjectNew
from hil.core.policy import Act
from hil.services import node as nodes
from hil.services import project as projects
from hil.services.context import Context
from hil.services.facts import project_holdings
from hil.services.select import Selector
from hil.store.tables import Project

routes = noun("projects")


def _shown(ctx: Context, row: Project) -> Answer:
    return shown(views.project(row, project_holdings(ctx.session, [row.id])[row.id]), row.version)


@routes.get("/projects", response_model=replies.ProjectPage)
def project_list(call: Plain, after: After = None, limit: Limit = 100) -> Response:
    """The projects that the caller belongs to, by name; all of them for an operator."""

    def work(ctx: Context) -> Answer:
        rows = projects.projects_list(ctx, after=cursor.names(after)[0], limit=limit + 1)
        held = project_holdings(ctx.session, [row.id for row in rows])
        return shown(cursor.page(rows, limit, lambda row: views.project(row, held[row.id]), lambda row: row.name))

    return call.read(work)


@routes.post("/projects", response_model=replies.Project, status_code=201)
def project_create(call: Posted, body: ProjectNew) -> Response:
    """Make a project. For operators."""

    def work(ctx: Context) -> Answer:
        quotas = {"quota_nodes": body.quota_nodes, "quota_networks": body.quota_networks}
        row = projects.project_create(ctx, body.name, **quotas)
        return created(views.project(row), "projects", row.name, version=row.version)

    return call.change(work)


@routes.get("/projects/{project}", response_model=replies.Project)
def project_show(call: Plain, project: InPath) -> Response:
    """One project that the caller belongs to."""
    return call.read(lambda ctx: _shown(ctx, ctx.project(project, Act.READ)))


@routes.patch("/projects/{project}", response_model=replies.Project)
def project_update(call: Conditional, project: InPath, body: ProjectChange) -> Response:
    """Enable or disable a project, or set its quotas; null lifts one. For operators."""
    given = body.given()
    quotas = {name.removeprefix("quota_"): value for name, value in given.items() if name.startswith("quota_")}

    def work(ctx: Context) -> Answer:
        enabled = given.get("enabled")
        return _shown(ctx, projects.project_update(ctx, project, enabled=enabled, quotas=quotas, version=call.version))

    return call.change(work)


@routes.delete("/projects/{project}", status_code=204)
def project_delete(call: Conditional, project: InPath) -> Response:
    """Delete a project that holds nothing. For operators."""

    def work(ctx: Context) -> Answer:
        projects.project_delete(ctx, project, call.version)
        return gone()

    return call.change(work)


@routes.post("/projects/{project}/allocations", response_model=replies.NodeList)
def project_allocate(call: Posted, project: InPath, body: AllocationByName | AllocationBySelector) -> Response:
    """Give free nodes to a project, by name or as many as asked for that match a selector: all of them or none."""

    def work(ctx: Context) -> Answer:
        if isinstance(body, AllocationByName):
            taken = nodes.nodes_take(ctx, project, body.nodes)
        else:
            taken = nodes.nodes_allocate(ctx, project, Selector.parse(body.selector), body.count)
        ctx.session.flush()
        rows = nodes.nodes_loaded(ctx, taken)
        return shown({"nodes": [views.node(row, inside=True) for row in rows]})

    return call.change(work)
