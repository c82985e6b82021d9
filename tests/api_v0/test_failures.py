"""Errors: each of ours has a name of the original's, and what nobody meant says nothing."""

import logging
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette

from hil.api.v0 import failures
from hil.api.v0.call import Call, Table
from hil.api.v0.desk import Desk
from hil.api.v0.door import Original
from hil.core import errors
from hil.services.context import Context
from tests.api_v0.world import Api, World

ORIGINAL = {
    "ValidationError", "BadArgumentError", "AuthorizationError", "NotFoundError", "DuplicateError", "BlockedError",
    "ProjectMismatchError", "IllegalStateError", "AllocationError", "OBMError",
}  # fmt: skip
OURS = {"InternalError", "MethodNotAllowedError", "RateLimitedError", "UnavailableError"}


def below(kind: type[errors.HilError]) -> Iterator[type[errors.HilError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from below(child)


def made(kind: type[errors.HilError]) -> errors.HilError:
    if issubclass(kind, errors.RateLimited):
        return kind("words", retry_after=1.0)
    return kind("words")


@pytest.mark.parametrize("kind", list(below(errors.HilError)), ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_a_name_that_clients_can_index(kind: type[errors.HilError]) -> None:
    status, name = failures.named(made(kind))
    assert name in ORIGINAL | OURS
    assert status != 403
    assert 400 <= status <= 503


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.Denied("x"), (401, "AuthorizationError")),
        (errors.Unauthenticated("x"), (401, "AuthorizationError")),
        (errors.Pending("x"), (409, "BlockedError")),
        (errors.QuotaExceeded("x"), (409, "BlockedError")),
        (errors.IllegalState("x"), (409, "BlockedError")),
        (failures.IllegalState("x"), (409, "IllegalStateError")),
        (failures.Settling("x"), (409, "BlockedError")),
        (errors.Exhausted("x"), (409, "AllocationError")),
        (errors.ProjectMismatch("x"), (409, "ProjectMismatchError")),
        (errors.Unavailable("x"), (503, "UnavailableError")),
        (errors.Refused("x"), (500, "OBMError")),
    ],
)
def test_the_names_are_those_of_the_contract(error: errors.HilError, expected: tuple[int, str]) -> None:
    assert failures.named(error) == expected


def failing(world: World, error: Exception) -> Api:
    def fail(ctx: Context) -> None:
        raise error

    api = Api(world.api.edge, runner=world.api.runner)
    calls = Table([Call(method="GET", path="boom", work=fail)])
    api.app = Starlette(routes=[Original(Desk(api.edge, api.settings), calls)])
    return api


def test_an_exception_that_nobody_meant_says_nothing_but_where_to_look(
    standing_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = failing(standing_world, ZeroDivisionError("the password is hunter2")).send("GET", "/boom")
    assert answer.short == "500 InternalError"
    assert answer.headers["content-type"] == "application/json"
    assert "hunter2" not in answer.json["msg"]
    assert answer.json["msg"].rpartition(" ")[2].rstrip(".") in caplog.text


def test_an_error_keeps_its_detail_to_itself(standing_world: World) -> None:
    error = errors.Unavailable("Try again.", detail="host=db password=hunter2")
    answer = failing(standing_world, error).send("GET", "/boom")
    assert answer.short == "503 UnavailableError"
    assert answer.json["msg"] == "Try again."


def test_a_caller_who_hangs_up_is_answered_nothing(standing_world: World) -> None:
    async def hang_up() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "method": "PUT", "path": "/v0/project/x", "raw_path": b"/v0/project/x", "headers": []}
    route = standing_world.api.app.routes[0]
    standing_world.api.runner.run(route.handle(scope, hang_up, send))
