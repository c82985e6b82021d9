"""One request of Redfish: who asks, for what, and the ways from there to the books and to the machine.

The machine is asked as v1 asks it: judged and signed in one short transaction, asked with none open, each change in the
journal before it is asked. Here a node that is not the caller's does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from hil.api.edge import Caller
from hil.api.redfish.words import Elsewhere, Refusal
from hil.api.v1.door import Desk
from hil.api.wrap import REQUEST_ID
from hil.auth.credentials import Credentials
from hil.core.errors import Denied, HilError, LostReply, NotFound
from hil.core.policy import Act, Kind, Standing
from hil.services.capability import Right
from hil.services.context import Context
from hil.services.inside import Inside, node_inside
from hil.services.obm_grant import Grant, Note, obm_failed, obm_grant

T = TypeVar("T")
ROOT: Final = "/redfish/v1"


@dataclass(frozen=True, slots=True)
class Shown:
    """What to send back; a body that is text is XML."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Visit:
    """One request. `names` are the parts of its path that vary."""

    def __init__(self, request: Request, names: Mapping[str, str], route: str) -> None:
        scope = request.scope
        self.request, self.names, self.path = request, names, scope["path"]
        self.desk: Desk = request.app.state.desk
        self.remote = scope["client"][0] if scope.get("client") else ""
        self._what = f"{scope['method']} {route}"

    @property
    def node(self) -> str:
        return self.names["node"]

    def caller(self, credentials: Credentials | None = None) -> Caller:
        """Who asks, as the headers say, or by other credentials. Raises Unauthenticated for garbled headers."""
        if credentials is None:
            raw = reversed(self.request.scope["headers"])
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
            if "x-auth-token" in headers:  # DSP0266, "Session authentication": a token goes before Basic
                headers.pop("authorization", None)
            credentials = Credentials.of(headers, self.remote)
        return Caller(credentials, self.remote, self.request.scope[REQUEST_ID], self._what)

    async def body(self) -> dict[str, Any]:
        """The JSON object that was sent. Raises Refusal."""
        try:
            found = json.loads(await self.request.body())
        except (ValueError, RecursionError):
            raise Refusal(400, "MalformedJSON") from None
        if not isinstance(found, dict):
            raise Refusal(400, "MalformedJSON")
        return found

    async def read(self, work: Callable[[Context], T]) -> T:
        return await run_in_threadpool(self.desk.edge.read, self.caller(), work)

    async def change(self, work: Callable[[Context], T]) -> T:
        return await run_in_threadpool(self.desk.edge.change, self.caller(), work)

    async def look(self, machine: bool = True) -> Look:
        """The node as the books have it and, if its OBM is enabled, a capability to look at its machine.

        Whoever came to change something is judged as such, so that a denial stands in the journal.
        """

        def work(ctx: Context) -> Look:
            seen = ctx_mine(ctx, self.node)
            if not machine:
                return Look(self, seen)
            try:
                return Look(self, seen, obm_grant(ctx, self.desk.edge.store, self.node, Right.READ, act=Act.READ))
            except Denied:
                raise
            except HilError as error:
                return Look(self, seen, None, error)

        looks = self.request.method in ("GET", "HEAD")
        return await (self.read(work) if looks else self.change(work))

    async def act(self, right: Right, note: Note, method: str, *path: str, body: Any = None) -> None:
        """Have the machine do something, with a line in the journal; a second one if it was not surely done."""
        edge = self.desk.edge

        def work(ctx: Context) -> Grant:
            ctx_mine(ctx, self.node)
            return obm_grant(ctx, edge.store, self.node, right, act=Act.MODIFY, note=note)

        grant = await self.change(work)
        try:
            await self.desk.machines.ask(method, grant.at(*path), self.node, grant.token, body=body)
        except HilError as error:
            failed = error
        else:
            return
        await run_in_threadpool(edge.store.change, lambda unit: obm_failed(unit, grant, failed))
        raise failed


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a node. `trouble` says why its machine cannot be asked."""

    visit: Visit
    seen: Inside
    grant: Grant | None = None
    trouble: HilError | None = None

    async def ask(self, *path: str) -> dict[str, Any]:
        """What the machine says. Raises HilError."""
        if self.grant is None:
            raise self.trouble or LostReply("The machine was not asked.")
        found = await self.visit.desk.machines.ask("GET", self.grant.at(*path), self.visit.node, self.grant.token)
        if not isinstance(found, dict):
            raise LostReply("The obmd answered something that is no JSON object.")
        return found


def ctx_mine(ctx: Context, name: str) -> Inside:
    """Find a node whose machine the caller may look at. Raises NotFound, and Elsewhere for what is not the caller's."""
    try:
        seen = node_inside(ctx, name)
        act = Act.ADMIN if seen.project_id is None else Act.READ
        ctx.require(act, Kind.NODE, Standing.of(ctx.actor, seen.project_id))
    except Denied as error:
        raise Elsewhere(error.message) from None
    return seen


def absent() -> NotFound:
    """What the path names is not there."""
    return NotFound("There is no such resource.")
