"""What the database knows of who is calling, in one query.

What was read is remembered on PostgreSQL alone, and only while `hil.store.watch` vouches for it: a changed password, a
deleted user, a revoked key and a lost membership act at once in every process. Who is unknown is not remembered. It
judges no credential. SQLAlchemy Core without a session, since this is paid on many requests.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Executable, and_, bindparam, func, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hil.core.errors import Unavailable
from hil.core.model import Role
from hil.store.tables import ApiKey, Membership, Project, User
from hil.store.unit import Store, mapped
from hil.store.watch import Watch

T = TypeVar("T")
_REMEMBERED: Final = 4096
"""Accounts and keys remembered at most, in each process."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user with its roles; in a disabled project a role is capped at reader."""

    id: int
    name: str
    password_hash: str | None
    operator: bool
    roles: dict[int, Role]


@dataclass(frozen=True, slots=True)
class Key:
    """An API key with what it may now: `roles` and `operator` are cut down to its scope and to what its user has."""

    secret_hash: str
    expires_at: float | None
    user_id: int
    user: str
    operator: bool
    roles: dict[int, Role]


_BY_NAME = (
    select(User.id, User.password_hash, User.operator, Membership.project_id, Membership.role, Project.enabled)
    .outerjoin(Membership, Membership.user_id == User.id)
    .outerjoin(Project, Project.id == Membership.project_id)
    .where(User.name == bindparam("name"))
)
_IN_SCOPE = and_(
    Membership.user_id == User.id, or_(ApiKey.project_id.is_(None), ApiKey.project_id == Membership.project_id)
)
_BY_KEY = (
    select(
        ApiKey.secret_hash, ApiKey.expires_at, ApiKey.role.label("most"), ApiKey.operator.label("powers"),
        User.id, User.name, User.operator, Membership.project_id, Membership.role, Project.enabled,
    )
    .join(User, User.id == ApiKey.user_id)
    .outerjoin(Membership, _IN_SCOPE)
    .outerjoin(Project, Project.id == Membership.project_id)
    .where(ApiKey.public_id == bindparam("public_id"))
)  # fmt: skip
_HIGHEST = select(func.max(User.id)).scalar_subquery()
_SOME_HASH = select(User.password_hash).where(User.id >= bindparam("fraction") * _HIGHEST).order_by(User.id).limit(1)


class Accounts:
    """Reads accounts, and remembers them for as long as it may."""

    def __init__(self, store: Store) -> None:
        self._engine = store.reading
        self._watch = Watch(store.engine) if store.postgres else None
        self._known: OrderedDict[tuple[str, str], tuple[int, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()

    def by_name(self, name: str) -> Account | None:
        """The user of that name, as of now. Whoever gets it must not change it."""
        return self._remembered("name", name, self._by_name)

    def by_key(self, public_id: str) -> Key | None:
        """The key of that public id, as of now. Whoever gets it must not change it."""
        return self._remembered("key", public_id, self._by_key)

    def _remembered(self, kind: str, name: str, read: Callable[[str], T | None]) -> T | None:
        """Answer from memory while the era stands in which it was read; the era is looked at before the database."""
        era = self._watch.era if self._watch is not None else None
        if era is None:
            return read(name)
        with self._lock:
            then, known = self._known.get((kind, name), (None, None))
        if then == era:
            found: T | None = known
            return found
        if (fresh := read(name)) is not None:
            with self._lock:
                self._known[kind, name] = (era, fresh)
                self._known.move_to_end((kind, name))
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return fresh

    def _by_name(self, name: str) -> Account | None:
        rows = self._rows(_BY_NAME, {"name": name})
        if not rows:
            return None
        identity, stored, operator = rows[0][:3]
        return Account(identity, name, stored, operator, _roles((row[3:] for row in rows), Role.MANAGER))

    def _by_key(self, public_id: str) -> Key | None:
        rows = self._rows(_BY_KEY, {"public_id": public_id})
        if not rows:
            return None
        first = rows[0]
        scoped = ((row.project_id, row.role, row.enabled) for row in rows)
        roles = _roles(scoped, Role(first.most or Role.MANAGER))
        return Key(first.secret_hash, first.expires_at, first.id, first.name, first.operator and first.powers, roles)

    def some_hash(self, fraction: float) -> str | None:
        """The hash of the first user at or above this fraction of the ids; None if it has none."""
        rows = self._rows(_SOME_HASH, {"fraction": fraction})
        return rows[0][0] if rows else None

    def _rows(self, statement: Executable, values: dict[str, object]) -> Sequence[Any]:
        try:
            try:
                return self._ask(statement, values)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return self._ask(statement, values)
        except DBAPIError as error:
            raise mapped(error) from error
        except PoolTimeout as error:
            raise Unavailable("Too many requests wait for the database: try again.", detail=str(error)) from error

    def _ask(self, statement: Executable, values: dict[str, object]) -> Sequence[Any]:
        with self._engine.connect() as connection:
            return connection.execute(statement, values).all()


def _roles(rows: Iterable[Sequence[Any]], most: Role) -> dict[int, Role]:
    """Read (project, role, enabled) triples; a user without a membership has one row of nulls."""
    return {
        project: Role(min(role, most if enabled else Role.READER))
        for project, role, enabled in rows
        if project is not None and role is not None
    }
