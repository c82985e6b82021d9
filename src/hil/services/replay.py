"""Answers kept for a day under the caller's Idempotency-Key, so that a lost answer can be asked for again.

The key is claimed by a conditional write in the transaction that does the work, and the answer is kept in it too: both
happen or neither. A second request with the key waits for the first and gets its answer. Kept answers are encrypted,
since one may hold a token that is shown only once.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from hil.core.errors import IdempotencyMismatch
from hil.core.model import Actor
from hil.services.context import Context
from hil.store.tables import Idempotency
from hil.store.unit import Store

_UNFINISHED: Final = 0


def fingerprint(store: Store, parts: Iterable[bytes]) -> str:
    """What tells one request from another. Keyed, because a body may hold a password."""
    digest = hmac.new(store.keys.sealing, b"hil replay", hashlib.sha256)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def replay_claim(ctx: Context, key: str, fingerprint: str) -> dict[str, Any] | None:
    """Claim a key for this request; answers what was kept for it before. Raises IdempotencyMismatch."""
    insert = postgresql.insert if ctx.unit.store.postgres else sqlite.insert
    owner = _owner(ctx.actor)
    row = {"fingerprint": fingerprint, "status": _UNFINISHED, "body": "", "created_at": ctx.now}
    claim = insert(Idempotency).values(actor=owner, key=key, **row).on_conflict_do_nothing()
    if ctx.session.scalar(claim.returning(Idempotency.key)) is not None:
        return None
    kept = ctx.session.scalars(select(Idempotency).where(Idempotency.actor == owner, Idempotency.key == key)).one()
    if not hmac.compare_digest(kept.fingerprint, fingerprint):
        raise IdempotencyMismatch("This Idempotency-Key was used for another request: choose a new one.")
    return ctx.unit.store.keys.open_up(kept.body.encode())


def replay_keep(ctx: Context, key: str, status: int, answer: dict[str, Any]) -> None:
    """Keep the answer under the key that was claimed."""
    sealed = ctx.unit.store.keys.seal_up(answer) or b""
    mine = (Idempotency.actor == _owner(ctx.actor), Idempotency.key == key)
    ctx.session.execute(update(Idempotency).where(*mine).values(status=status, body=sealed.decode()))


def _owner(actor: Actor) -> str:
    """A key of the caller is its own name space: an API key never gets what was answered to another credential."""
    return f"{actor.name}#{actor.user_id or 0}#{actor.via}"
