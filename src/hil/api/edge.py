"""The edge between HTTP and the services: who is calling, one transaction, one commit, one kind of error.

Every request, of either API, ends in `Edge.read` or `Edge.change`. Both authenticate and then run one function of a
`Context` in one transaction. A refused attempt to change something is written to the journal in a transaction of its
own, after the first one was rolled back. Handlers are synchronous and run in worker threads: nothing blocks the loop.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hil.auth.backend import Backend
from hil.auth.credentials import Credentials
from hil.core import names
from hil.core.errors import Denied, HilError, Unauthenticated
from hil.core.model import ANONYMOUS, Actor
from hil.core.policy import Kind
from hil.services.context import Context
from hil.store.journal import Entry, Source
from hil.store.unit import Store

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """What the HTTP layer knows of a request before anybody has judged it."""

    credentials: Credentials
    remote: str
    request_id: str
    what: str
    """Method and route, as in `POST /v1/networks`: names the attempt in the journal if it is denied."""

    def source(self, actor: Actor) -> Source:
        return Source(actor.name, actor.via, self.remote, self.request_id)


class Edge:
    """The door that both APIs share."""

    def __init__(self, store: Store, backend: Backend) -> None:
        self.store = store
        self.backend = backend

    def read(self, caller: Caller, work: Callable[[Context], T]) -> T:
        """Run `work` in one reading transaction."""
        actor = self.backend.authenticate(caller.credentials)
        return self.store.read(lambda session: work(Context(session, actor, caller.source(actor))))

    def change(self, caller: Caller, work: Callable[[Context], T]) -> T:
        """Run `work` in one transaction and commit it. A denied attempt leaves a line in the journal."""
        actor = self._authenticated(caller)
        source = caller.source(actor)
        try:
            return self.store.change(lambda unit: work(Context.changing(unit, actor, source)))
        except Denied as error:
            self._note(source, caller.what, error)
            raise

    def unasked(self, caller: Caller, work: Callable[[Context], T], *, changes: bool) -> T:
        """Run `work` without asking who calls: it finds out by itself, and its context may do nothing before that."""
        source = caller.source(ANONYMOUS)
        if changes:
            return self.store.change(lambda unit: work(Context.changing(unit, ANONYMOUS, source)))
        return self.store.read(lambda session: work(Context(session, ANONYMOUS, source)))

    def _authenticated(self, caller: Caller) -> Actor:
        try:
            return self.backend.authenticate(caller.credentials)
        except Unauthenticated as error:
            claimed = caller.credentials.user
            if claimed and len(claimed) <= names.LONGEST and claimed.isprintable():
                self._note(Source(claimed, "claimed", caller.remote, caller.request_id), caller.what, error)
            raise

    def _note(self, source: Source, what: str, error: HilError) -> None:
        entry = Entry(action="denied", kind=Kind.JOURNAL, name=what, outcome=error.type)
        with contextlib.suppress(HilError):  # the answer matters more than the note, and the note is logged as well
            self.store.change(lambda unit: unit.record(source, entry))
        log.info("denied %s to %s from %s: %s", what, source.actor, source.remote, error.type)
