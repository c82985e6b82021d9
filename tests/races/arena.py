"""Two transactions made to meet: the first has done its work and not committed when the second one begins.

Nothing is left to luck. The second runs until it either has to wait for a lock of the first, as PostgreSQL itself says,
or is through; only then may the first commit.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from sqlalchemy import text

from hil.core.errors import HilError
from hil.core.model import Actor
from hil.services import network, nic, node, pool, port, project, switch
from hil.services.context import Context
from hil.store.journal import Source
from hil.store.unit import Store, Unit

OPERATOR = Actor("operator", operator=True)
Work = Callable[[Context], Any]
_BLOCKED = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
DEADLINE = 30.0


class Arena:
    """Projects `red` and `blue` with a network each, a public one; nodes `n0`..`n2`, settled, behind switch `s`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.do(self._build)
        store.change(lambda unit: unit.session.execute(text("UPDATE port SET applied = wanted")))

    def _build(self, ctx: Context) -> None:
        pool.pool_set(ctx, frozenset({100, 101, 102, 103}))
        switch.switch_register(ctx, "s", "mock", {"hostname": "race", "username": "u", "password": "p"})
        for name in ("red", "blue"):
            project.project_create(ctx, name)
            network.network_create(ctx, f"{name}-net", owner=name)
        network.network_create(ctx, "open", owner=None, public=True)
        for index in range(3):
            node.node_register(ctx, f"n{index}", {"rack": "r1"}, {})
            nic.nic_register(ctx, f"n{index}", "e0", "")
            port.port_register(ctx, "s", f"gi1/0/{index}")
            port.port_connect_nic(ctx, "s", f"gi1/0/{index}", f"n{index}", "e0")

    def do(self, work: Work) -> Any:
        return self.store.change(lambda unit: work(Context.changing(unit, OPERATOR, Source("test"))))

    def see(self, work: Work) -> Any:
        return self.store.read(lambda session: work(Context(session, OPERATOR, Source("test"))))

    def meet(self, first: Work, second: Work) -> tuple[HilError | None, HilError | None]:
        """Let `second` run into `first`; answers how each ended: None if it was committed."""
        done, go = threading.Event(), threading.Event()

        def held(unit: Unit) -> None:
            first(Context.changing(unit, OPERATOR, Source("first")))
            done.set()
            assert go.wait(DEADLINE)

        with ThreadPoolExecutor(2) as threads:
            one = threads.submit(self._ended, lambda: self.store.change(held), done)
            assert done.wait(DEADLINE)
            two = threads.submit(self._ended, lambda: self.do(second))
            self._until_blocked(two)
            go.set()
            return one.result(DEADLINE), two.result(DEADLINE)

    def _until_blocked(self, other: "Future[HilError | None]") -> None:
        end = time.monotonic() + DEADLINE
        while not other.done() and time.monotonic() < end:
            if self.store.read(lambda session: session.scalar(_BLOCKED)):
                return
            time.sleep(0.005)

    @staticmethod
    def _ended(work: Callable[[], object], always: threading.Event | None = None) -> HilError | None:
        try:
            work()
        except HilError as error:
            return error
        finally:
            if always is not None:
                always.set()
        return None
