"""One HIL and one obmd for many histories, with a bad road between them and deaths on demand; each gets its own node.

Everything is real and speaks over sockets, HIL's API excepted, which is called in this process (its threads and its
database are real). Time is one clock that only histories move, and obmd's may differ from HIL's by `skew`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from cryptography.fernet import Fernet

import hil.api.errand
from hil.core.secret import Secret
from hil.drivers.obmd_link import ObmdLink
from hil.obmd.store import ObmdStore
from hil.services.obm_key import obm_public_keys
from hil.store.keys import Keyring
from hil.store.unit import Store
from hil.worker.release import Releases
from tests.obm_side.road import Road
from tests.obm_side.watch import Books, Watch, Watched, WatchedServer
from tests.obm_side.world import ADMIN, QUICK, ObmWorld, open_obm_world
from tests.support.databases import CHEAP, KEYS

DIES: ContextVar[str] = ContextVar("dies", default="")
"""Where the process dies that serves this request: before or after obmd was asked, or before that is booked."""
LIMITS: Final = replace(QUICK, deadline=0.5)


class Crash(BaseException):
    """The process died here."""


def _asking(real: Any) -> Any:
    async def asked(*given: Any) -> Any:
        if DIES.get() == "before":
            raise Crash
        found = await real(*given)
        if DIES.get() == "after":
            raise Crash
        return found

    return asked


def _booking(real: Any) -> Any:
    def booked(*given: Any) -> Any:
        if DIES.get() == "books":
            raise Crash
        return real(*given)

    return booked


@contextmanager
def deadly() -> Iterator[None]:
    """Let processes die where `DIES` says."""
    with ExitStack() as stack:
        for verb in ("enable", "disable", "begin"):
            stack.enter_context(patch.object(ObmdLink, verb, _asking(getattr(ObmdLink, verb))))
        for place, name in (
            (hil.api.errand, "obm_enable_finish"),
            (hil.api.errand, "obm_disable_finish"),
            (Releases, "_book"),
        ):
            stack.enter_context(patch.object(place, name, _booking(getattr(place, name))))
        yield


class Stage:
    """`node` begins each history; `close` ends everything."""

    def __init__(self, url: str, directory: Path) -> None:
        self._stack = ExitStack()
        self._stack.enter_context(deadly())
        store = Store(url, KEYS, passwords=CHEAP)
        books = ObmdStore(f"sqlite:///{directory}/obmd.db", Keyring([Secret(Fernet.generate_key().decode())]))
        books.prepare()
        self.now, self.skew = time.time(), 0.0
        store.clock, books.clock = lambda: self.now, lambda: self.now + self.skew
        self.keys: list[str] = []
        self.world = open_obm_world(store, books, self._begin)
        self.watch = Watch(Books(url))
        self._nodes = 0
        for close in (store.close, books.close, self.watch.books.close, self.world.close):
            self._stack.callback(close)
        self.road = Road(lambda: None if self.world.site is None else self.world.address)
        self.run(self.road.be("open"))
        self._stack.callback(lambda: self.run(self.road.close()))

    def _begin(self, world: ObmWorld) -> None:
        world.limits = LIMITS
        self.world = world
        self.start()

    def run(self, work: Any) -> Any:
        return self.world.run(work)

    def start(self) -> None:
        """Start obmd, which believes from now on who HIL's keys are now."""
        self.keys = self.world.hil.store.change(obm_public_keys)
        self.world.start()

    def stop(self) -> None:
        if self.world.site is not None:
            self.world.stop()

    def node(self) -> Watched:
        """A fresh node with a machine behind obmd, free and settled."""
        self._nodes += 1
        name, world = f"n{self._nodes}", self.world
        machine = world.machines[name] = Watched(name, self.watch)
        server = world.servers[name] = self.run(world.bmcs.enter_async_context(WatchedServer(machine)))
        body = {"driver": "emulated", "config": {"address": server.address, "password": "pw", "timeout": 5.0}}
        headers = {"Authorization": f"Bearer {ADMIN}"}
        answer = self.run(world.obmd.http.put(f"/v1/nodes/{name}", json=body, headers=headers))
        assert answer.status_code == 201, answer.text
        world.hil.ok("POST", "/v1/nodes", {"name": name})
        world.hil.ok("PUT", f"/v1/nodes/{name}/obm", {"uri": self.road.url})
        world.work()
        return machine

    def past(self, url: str) -> str:
        """The way that tenants have to the same place."""
        return url.replace(self.road.url.partition("//")[2], self.world.address)

    def close(self) -> None:
        self._stack.close()


OpenStage = Callable[[str], Stage]
"""Opens a stage on a kind of database."""
