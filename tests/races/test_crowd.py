"""A crowd: verbs of every kind at the same time, by luck this time, and many. Everybody gets an answer of ours.

What the forced races prove one by one is looked for here where nobody thought of it: no raw exception, no deadlock that
reaches a caller, no attachment without the right to it, and a journal that holds.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest
from sqlalchemy import func, or_, select

import hil.store.unit
from hil.core.errors import HilError
from hil.core.limits import Limits
from hil.core.model import Observed
from hil.services import attach, network, nic, node, operation, pool, port
from hil.services.attach import Change
from hil.services.context import Context
from hil.services.select import Selector
from hil.store.claims import Claimed, Outcome, claim, settle
from hil.store.journal import Source, verify
from hil.store.lanes import lane_take
from hil.store.tables import Attachment, Grant, Lane, Network, Nic, Node, Operation
from tests.races.arena import Arena, Work

pytestmark = pytest.mark.net  # several threads before one PostgreSQL
ASKERS: Final = 5
ASKED: Final = 2000 if os.environ.get("HIL_SOAK") else 120
NODES: Final = ("n0", "n1", "n2")
NETS: Final = ("red-net", "blue-net", "open", "x", "y")
OWNERS: Final = ("red", "blue")
RACK: Final = Selector.parse("rack=r1")


def _cancel(ctx: Context, chance: random.Random) -> None:
    newest = select(Operation.id).order_by(Operation.created_at.desc()).limit(4)
    found = ctx.session.scalars(newest).all()
    if found:
        operation.operation_cancel(ctx, chance.choice(found))


def _change(ctx: Context, chance: random.Random) -> None:
    chosen = chance.sample(NODES, chance.choice([1, 1, 2]))
    attach.network_change(ctx, [Change(each, "e0", chance.choice(NETS), "", chance.random() < 0.7) for each in chosen])


VERBS: Final[tuple[Callable[[Context, random.Random], Any], ...]] = (
    lambda ctx, chance: node.node_allocate(ctx, chance.choice(OWNERS), chance.choice(NODES)),
    lambda ctx, chance: node.nodes_allocate(ctx, chance.choice(OWNERS), RACK, chance.choice([1, 3])),
    lambda ctx, chance: node.node_release(ctx, chance.choice(NODES)),
    lambda ctx, chance: node.node_free(ctx, chance.choice(OWNERS), chance.choice(NODES)),
    lambda ctx, chance: node.node_quarantine(ctx, chance.choice(NODES), "crowd"),
    lambda ctx, chance: node.node_return(ctx, chance.choice(NODES)),
    _change, _change, _change, _change, _cancel,
    lambda ctx, chance: attach.port_revert(ctx, "s", f"gi1/0/{chance.randrange(3)}"),
    lambda ctx, chance: network.network_create(ctx, chance.choice("xy"), owner=chance.choice(OWNERS)),
    lambda ctx, chance: network.network_delete(ctx, chance.choice("xy")),
    lambda ctx, chance: network.network_grant(ctx, chance.choice(NETS), chance.choice(OWNERS)),
    lambda ctx, chance: network.network_revoke(ctx, chance.choice(NETS), chance.choice(OWNERS)),
    lambda ctx, chance: network.network_set_public(ctx, chance.choice(NETS), chance.random() < 0.5),
    lambda ctx, chance: pool.pool_set(ctx, frozenset(range(100, chance.choice([103, 104, 105])))),
    lambda ctx, chance: port.port_detach_nic(ctx, "s", f"gi1/0/{chance.randrange(3)}"),
    lambda ctx, chance: port.port_connect_nic(ctx, "s", f"gi1/0/{chance.randrange(3)}", chance.choice(NODES), "e0"),
    lambda ctx, chance: nic.nic_register(ctx, chance.choice(NODES), "e1", ""),
    lambda ctx, chance: nic.nic_delete(ctx, chance.choice(NODES), "e1"),
)  # fmt: skip


class Crowd:
    """Threads that ask for anything, and one that settles whatever was asked."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.answers: Counter[str] = Counter()
        self.raw: list[BaseException] = []
        self._done = threading.Event()
        self._start = threading.Barrier(ASKERS + 1)

    def run(self) -> None:
        askers = [threading.Thread(target=self._asker, args=(number,)) for number in range(ASKERS)]
        worker = threading.Thread(target=self._worker)
        for thread in [*askers, worker]:
            thread.start()
        for thread in askers:
            thread.join()
        self._done.set()
        worker.join()

    def _asker(self, number: int) -> None:
        chance = random.Random(number)
        self._start.wait(30)
        for _ in range(ASKED):
            verb = chance.choice(VERBS)
            self._answered(lambda ctx, verb=verb: verb(ctx, chance))

    def _answered(self, work: Work) -> None:
        try:
            self.arena.do(work)
            self.answers["done"] += 1
        except HilError as refusal:
            self.answers[refusal.type] += 1
            if refusal.status >= 500:
                self.raw.append(refusal)
        except BaseException as error:
            self.raw.append(error)

    def _worker(self) -> None:
        identity = self.arena.store.read(lambda session: session.scalar(select(Lane.switch_id))) or 0
        lane = lane_take(self.arena.store, identity, "w")
        assert lane is not None
        source = Source("w")
        batch: list[Claimed] = []

        def take(ctx: Context) -> None:
            batch[:] = claim(ctx.unit, lane, source)

        self._start.wait(30)
        while not self._done.is_set():
            self._answered(take)
            outcomes = [Outcome(entry, Observed(entry.want)) for entry in batch]
            if outcomes:
                self._answered(lambda ctx, done=outcomes: settle(ctx.unit, lane, done, source))


@pytest.mark.soak
def test_a_crowd_gets_answers_and_leaves_the_books_in_order(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    again: list[Exception] = []
    worth = hil.store.unit._worth_retrying

    def counted(error: Any) -> bool:
        if worth(error):
            again.append(error)
        return worth(error)

    monkeypatch.setattr(hil.store.unit, "_worth_retrying", counted)
    arena.store.limits = Limits(lease=3600.0, connect_deadline=0.01)
    crowd = Crowd(arena)
    crowd.run()
    assert crowd.raw == []
    assert crowd.answers["done"] > ASKERS * ASKED // 5, crowd.answers
    assert again == [], "locks are taken in one order: nobody deadlocks"
    listed = select(Grant.id).where(Grant.network_id == Network.id, Grant.project_id == Node.project_id).exists()
    strangers = (
        select(func.count())
        .select_from(Attachment)
        .join(Network, Network.id == Attachment.network_id)
        .join(Nic, Nic.id == Attachment.nic_id)
        .join(Node, Node.id == Nic.node_id)
        .where(Attachment.state != "detaching", or_(Node.state != "allocated", ~(Network.public | listed)))
    )
    assert arena.store.read(lambda session: session.scalar(strangers)) == 0
    assert not arena.store.read(lambda session: verify(session, arena.store.keys.sealing)).fault
