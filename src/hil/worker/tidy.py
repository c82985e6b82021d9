"""Removes what has been kept long enough: ended operations and stored answers. The journal is never shortened here."""

from __future__ import annotations

from sqlalchemy import delete, exists, select

from hil.store.tables import Action, Idempotency, Node, Operation, Port
from hil.store.unit import Store, Unit

ANSWERS_KEPT = 86400.0
_MOST = 1000


def tidy(store: Store) -> int:
    """Delete operations older than the retention that have ended, and answers older than a day; answers how many."""

    def work(unit: Unit) -> int:
        now = store.clock()
        old = delete(Idempotency).where(Idempotency.created_at < now - ANSWERS_KEPT)
        unit.session.execute(old)
        waiting = (
            exists()
            .where(Action.operation_id == Operation.id, Action.port_id == Port.id)
            .where(~Action.withdrawn, Action.generation > Port.applied)
        )
        releasing = exists().where(Node.release_id == Operation.id)
        ended = (
            select(Operation.id)
            .where(Operation.created_at < now - store.limits.operation_retention, ~waiting, ~releasing)
            .limit(_MOST)
        )
        ids = list(unit.session.scalars(ended))
        unit.session.execute(delete(Operation).where(Operation.id.in_(ids)))
        return len(ids)

    return store.change(work)
