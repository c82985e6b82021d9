"""Verbs run as somebody, log-ins, and passwords that count what they cost."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hil.auth.credentials import Credentials
from hil.auth.database import DatabaseBackend
from hil.core.errors import Unauthenticated
from hil.core.model import Actor, Role
from hil.core.secret import Secret
from hil.services.context import Context
from hil.services.membership import member_add
from hil.services.project import project_create
from hil.services.user import user_create
from hil.store.journal import Source
from hil.store.passwords import Passwords
from hil.store.tables import Journal, User
from hil.store.unit import Store
from tests.support.asked import asked

ROOT = Actor("root", operator=True)
PASSWORD = Secret("correct horse")
NEW = Secret("another password")


def do(store: Store, verb: Callable[..., Any], *args: Any, actor: Actor = ROOT, **options: Any) -> Any:
    """Run a changing verb in a transaction of its own."""
    source = Source(actor.name, via=actor.via)
    return store.change(lambda unit: verb(Context.changing(unit, actor, source), *args, **options))


def see(store: Store, verb: Callable[..., Any], *args: Any, actor: Actor = ROOT, **options: Any) -> Any:
    """Run a reading verb."""
    return store.read(lambda session: verb(Context(session, actor, Source(actor.name)), *args, **options))


def person(store: Store, name: str, *, operator: bool = False, password: Secret = PASSWORD, **roles: Role) -> None:
    """Make a user and its memberships, and the projects that do not exist yet."""
    do(store, user_create, name, password, operator=operator)
    for project, role in roles.items():
        join(store, name, project, role)


def join(store: Store, name: str, project: str, role: Role) -> None:
    do(store, member_add, project, name, role)


def projects(store: Store, *names: str) -> list[int]:
    return [do(store, project_create, name).id for name in names]


def basic(user: str, password: Secret | str, remote: str = "192.0.2.1") -> Credentials:
    text = f"{user}:{password.reveal() if isinstance(password, Secret) else password}"
    return Credentials.of({"authorization": "Basic " + base64.b64encode(text.encode()).decode()}, remote)


def bearer(token: Secret | str, remote: str = "192.0.2.1") -> Credentials:
    text = token.reveal() if isinstance(token, Secret) else token
    return Credentials.of({"authorization": f"Bearer {text}"}, remote)


def login(backend: DatabaseBackend, user: str, password: Secret | str = PASSWORD) -> Actor:
    return backend.authenticate(basic(user, password))


def journal(store: Store) -> list[Journal]:
    def lines(session: Session) -> list[Journal]:
        return list(session.scalars(select(Journal).order_by(Journal.seq)))

    return store.read(lines)


class Counting(Passwords):
    """Cheap passwords that remember which hashes were verified and how many were made."""

    def __init__(self, **options: int) -> None:
        super().__init__(**{"time_cost": 1, "memory_kib": 8} | options)
        self.verified: list[str] = []
        self.hashed = 0

    def verify(self, stored: str, password: Secret) -> bool:
        self.verified.append(stored)
        return super().verify(stored, password)

    def hash(self, password: Secret) -> str:
        self.hashed += 1
        return super().hash(password)


def queries(store: Store, work: Callable[[], object]) -> list[str]:
    """List the statements that `work` sends."""
    with asked(store) as sent:
        work()
    return sent


def refused(backend: DatabaseBackend, user: str, password: Secret | str = PASSWORD) -> str:
    """Try to log in; the words of the refusal."""
    with pytest.raises(Unauthenticated) as refusal:
        login(backend, user, password)
    return refusal.value.message


def stored_hash(store: Store, name: str) -> str | None:
    return store.read(lambda session: session.scalar(select(User.password_hash).where(User.name == name)))


def set_hash(store: Store, name: str, stored: str | None) -> None:
    store.change(lambda unit: unit.session.execute(update(User).where(User.name == name).values(password_hash=stored)))
