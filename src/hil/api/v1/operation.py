"""Operations: what became of requests whose work a switch does."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from hil.api.v1 import cursor, replies, views
from hil.api.v1.door import Answer, Plain, Posted, noun, operation_shown, shown
from hil.api.v1.shapes import After, Limit, OperationId, Wait
from hil.services import operation as operations
from hil.services.context import Context
from hil.services.facts import project_names

routes = noun("operations")


@routes.get("/operations", response_model=replies.OperationPage)
def operation_list(call: Plain, after: After = None, limit: Limit = 100) -> Response:
    """Operations of the caller's projects, the newest first; all of them for an operator."""

    def work(ctx: Context) -> Answer:
        before, identity = cursor.moment(after)
        rows = operations.operations_list(ctx, before=before, before_id=identity, limit=limit + 1)
        names = project_names(ctx.session, [row.project_id for row in rows])
        operator = ctx.actor.operator
        page = cursor.page(
            rows, limit, lambda row: views.operation(row, names, operator=operator),
            lambda row: row.created_at, lambda row: row.id,
        )  # fmt: skip
        return shown(page)

    return call.read(work)


@routes.get("/operations/{operation}", response_model=replies.Operation)
async def operation_show(call: Plain, operation: OperationId, wait: Wait = 0) -> Response:
    """One operation; with `wait`, as soon as it has ended."""
    if wait:
        return shown(await call.settled(operation, wait)).render()
    return await run_in_threadpool(
        call.read, lambda ctx: shown(operation_shown(ctx, operations.operation_show(ctx, operation)))
    )


@routes.post("/operations/{operation}/cancel", response_model=replies.Operation)
def operation_cancel(call: Posted, operation: OperationId) -> Response:
    """Withdraw what has not been confirmed of connects; detaching is never undone."""

    def work(ctx: Context) -> Answer:
        return shown(operation_shown(ctx, operations.operation_cancel(ctx, operation)))

    return call.change(work)
