"""Ties an installation together: configuration and place become a store, a backend, an API, a worker.

What is wrong with the database is said before anything is served. Whatever is done from the machine itself, by
`hil serve` or `hil-admin`, is done as an operator and stands in the journal with the name of the Unix user.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from hil.config import Config
from hil.core.errors import BadArgument
from hil.core.model import Actor
from hil.core.secret import Secret
from hil.core.vlans import unfold
from hil.process.place import Place, user_name
from hil.services import pool, user
from hil.services.context import Context
from hil.services.obm_key import SETTING as SIGNING
from hil.services.obm_key import obm_key_made
from hil.store import migrate
from hil.store.journal import Source
from hil.store.tables import Setting, User, Vlan
from hil.store.unit import Store, Unit

T = TypeVar("T")
SEEDED: Final = "vlan_pool_seeded"


def open_store(config: Config, where: Place) -> Store:
    """Open the database with its keys; looks into neither."""
    keys = where.keyring()
    return Store(where.url.reveal(), keys, limits=config.limits(), pool_size=config.database.pool)


def usable(store: Store) -> None:
    """Raise BadArgument with everything that is wrong with the database; else see that it knows whose keys it has."""
    if faults := migrate.check(store.engine, store.keys):
        raise BadArgument("\n".join(faults))
    if store.read(lambda session: session.get(Setting, migrate.KEY_CHECK)) is None:
        migrate.claim_keys(store)
    if store.read(lambda session: session.get(Setting, SIGNING)) is None:
        store.change(lambda unit: obm_key_made(unit).kid)


def local(store: Store, name: str, work: Callable[[Context], T]) -> T:
    """Change something as the operator that sits at the machine; `name` is the program's."""
    actor = Actor(name, operator=True, via="local")
    source = Source(name, "local", user_name(os.getuid()))
    return store.change(lambda unit: work(Context.changing(unit, actor, source)))


def local_read(store: Store, name: str, work: Callable[[Context], T]) -> T:
    """Read as the operator that sits at the machine."""
    actor = Actor(name, operator=True, via="local")
    return store.read(lambda session: work(Context(session, actor, Source(name, "local", user_name(os.getuid())))))


def seed_pool(store: Store, ids: str) -> bool:
    """Give a database that never had a VLAN pool its first one; True if it happened."""
    wanted = unfold(ids)
    if not wanted or store.read(_had_pool):
        return False

    def work(ctx: Context) -> bool:
        if not _mark_seeded(ctx.unit):
            return False
        pool.pool_set(ctx, wanted)
        return True

    return local(store, "hil", work)


def has_pool(store: Store) -> bool:
    return bool(store.read(lambda session: session.scalar(select(exists().where(Vlan.pool)))))


def _had_pool(session: Session) -> bool:
    return bool(session.scalar(select(exists().where(Setting.name == SEEDED) | exists().where(Vlan.pool))))


def _mark_seeded(unit: Unit) -> bool:
    dialect = postgresql if unit.store.postgres else sqlite
    mark = dialect.insert(Setting).values(name=SEEDED, value="yes").on_conflict_do_nothing().returning(Setting.name)
    return unit.session.scalar(mark) is not None


def has_operator(store: Store) -> bool:
    return bool(store.read(lambda session: session.scalar(select(exists().where(User.operator)))))


def first_operator(store: Store, name: str, password: Secret) -> None:
    """Make the first operator. Raises Duplicate, BadArgument."""
    local(store, "hil", lambda ctx: user.user_create(ctx, name, password, operator=True))
