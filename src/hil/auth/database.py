"""The backend whose users HIL keeps itself: passwords by HTTP Basic, and API keys.

A key is accepted as Bearer token, as X-Auth-Token, and as the Basic password with its user's name or `key`. Unknown
user and wrong password are the same in words, in what they cost an attacker and in the time that they take. It refuses
to say why anything was refused; the log does.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import update

from hil.auth.accounts import Account, Accounts
from hil.auth.credentials import Credentials
from hil.auth.throttle import Gate, Rate, Throttle
from hil.auth.verifier import Verifier
from hil.core.errors import BadArgument, HilError, Unauthenticated
from hil.core.model import Actor
from hil.core.policy import Kind
from hil.core.secret import Secret
from hil.store import tokens
from hil.store.journal import Entry, Source
from hil.store.tables import User
from hil.store.unit import Store, Unit

_REFUSED: Final = "These credentials are not accepted."
_KEY_USER: Final = "key"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The backend's table in the configuration."""

    cache_size: int = 4096
    """Verified passwords remembered, in each process."""
    hash_slots: int = max(1, (os.cpu_count() or 2) // 2)
    """Password hashes computed at once; each keeps one core and 64 MiB busy."""
    hash_queue: int = 16
    """Log-ins that may wait for a slot."""
    user_burst: int = 10
    user_pause: int = 6
    """Failures of one user from one remote: a burst, then one every `user_pause` seconds."""
    remote_burst: int = 60
    remote_pause: int = 1
    """The same for one remote, whatever users it tries."""

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Settings:
        known = {field.name for field in fields(cls)}
        for name, value in config.items():
            if name not in known:
                raise BadArgument(
                    f"The authentication backend database has no setting {name!a}: {', '.join(sorted(known))}."
                )
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
                raise BadArgument(
                    f"The setting {name} of the authentication backend is a whole number from 1 to 1000000."
                )
        return cls(**config)


class DatabaseBackend:
    loopback_only = False
    has_users = True
    challenge = 'Basic realm="HIL", charset="UTF-8"'

    def __init__(self, config: Mapping[str, Any], store: Store) -> None:
        settings = Settings.read(config)
        self._store = store
        self._accounts = Accounts(store)
        self._verifier = Verifier(settings.cache_size)
        self._gate = Gate(settings.hash_slots, settings.hash_queue)
        self._throttle = Throttle(
            Rate(settings.user_burst, settings.user_pause), Rate(settings.remote_burst, settings.remote_pause)
        )

    def authenticate(self, credentials: Credentials) -> Actor:
        """Answer the caller. Raises Unauthenticated, RateLimited, Unavailable."""
        if credentials.token is not None:
            return self._by_key(credentials, credentials.token)
        if credentials.user is None or credentials.password is None:
            raise Unauthenticated("This needs credentials: a user name with password, or an API key.")
        if tokens.parse(credentials.password.reveal()) is not None:
            return self._by_key(credentials, credentials.password)
        return self._by_password(credentials.user, credentials.password, credentials.remote)

    def close(self) -> None:
        self._accounts.close()

    def _by_password(self, name: str, password: Secret, remote: str) -> Actor:
        self._throttle.check(name, remote)
        account = self._account(name)
        digest = self._digest(account, name, password)
        if account is None or not self._verifier.remembers(digest):
            self._verifier.once(digest, lambda: self._verify(account, name, password, remote))
        if account is None:  # never so: no password opens a decoy
            raise _refused(name, remote, "unknown user")
        return Actor(account.name, operator=account.operator, roles=account.roles, user_id=account.id, via="basic")

    def _account(self, name: str) -> Account | None:
        """Look the name up, unless it is one that no user can have and the database might choke on."""
        return None if "\0" in name or len(name) > 255 else self._accounts.by_name(name)

    def _digest(self, account: Account | None, name: str, password: Secret) -> bytes:
        identity, stored = (0, "") if account is None else (account.id, account.password_hash or "")
        return self._verifier.digest(identity, name.replace("\0", ""), stored, password.reveal())

    def _verify(self, account: Account | None, name: str, password: Secret, remote: str) -> None:
        """Pay for a guess and judge it. The decoy is made for every guess, so that it gives nobody away."""
        with self._throttle.attempt(name, remote):
            passwords = self._store.passwords
            decoy = passwords.decoy(self._accounts.some_hash(self._fraction(name)))
            stored = decoy if account is None else account.password_hash or decoy
            with self._gate.slot():
                right = passwords.verify(stored, password)
            if account is None or not right:
                raise _refused(name, remote, "unknown user" if account is None else "wrong password")
        self._verifier.remember(self._digest(account, name, password))
        if passwords.outdated(stored):
            self._renew(account, password, remote)

    def _fraction(self, name: str) -> float:
        """Choose, always the same for one name, a user whose kind of hash an unknown name pretends to have.

        Imported hashes cost more than new ones. Were every unknown name to cost the same, an imported user would show.
        """
        key = hashlib.sha256(b"hil decoy" + self._store.keys.sealing).digest()
        return int.from_bytes(hmac.digest(key, name.encode("utf-8", "surrogatepass"), "sha256")[:4], "big") / 2**32

    def _renew(self, account: Account, password: Secret, remote: str) -> None:
        """Replace a hash of an old kind or with old parameters. A log-in never fails for it."""

        def work(unit: Unit, new: str) -> None:
            same = (User.id == account.id) & (User.password_hash == account.password_hash)
            changed = unit.session.execute(update(User).where(same).values(password_hash=new).returning(User.id))
            if changed.first() is not None:
                source = Source(account.name, via="basic", remote=remote)
                unit.record(source, Entry(action="user_password_rehash", kind=Kind.USER, name=account.name))

        try:
            with self._gate.slot():
                new = self._store.passwords.hash(password)
            self._store.change(lambda unit: work(unit, new))
        except HilError as error:
            log.warning("the password hash of %a could not be renewed: %s", account.name, error.detail or error)
        else:
            self._verifier.remember(self._verifier.digest(account.id, account.name, new, password.reveal()))

    def _by_key(self, credentials: Credentials, token: Secret) -> Actor:
        """Judge a key. 256 bits are not guessed, so only failures are limited: nobody can shut out a right key."""
        name, remote = credentials.user, credentials.remote
        parsed = tokens.parse(token.reveal())
        if parsed is None:
            raise _refused(name or "", remote, "a token that is no API key")
        public_id, secret = parsed
        via = tokens.via(public_id)
        key = self._accounts.by_key(public_id)
        expired = key is not None and key.expires_at is not None and key.expires_at <= self._store.clock()
        fits = tokens.fits(secret, key.secret_hash if key else "")
        stranger = key is not None and name not in (None, _KEY_USER, key.user)
        if key is None or not fits or expired or stranger:
            with self._throttle.attempt(via, remote):
                raise _refused(via, remote, "expired key" if expired and fits else "unknown, revoked or another's key")
        return Actor(key.user, operator=key.operator, roles=key.roles, user_id=key.user_id, via=via)


def _refused(name: str, remote: str, why: str) -> Unauthenticated:
    log.info("log-in refused: %a from %a: %s", name, remote, why)
    return Unauthenticated(_REFUSED, detail=why)


BACKEND = DatabaseBackend
