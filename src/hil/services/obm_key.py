"""HIL's signing key for capabilities: made once, sealed in the database, and changed without a gap.

Two keys at most: the first signs; the second, if there, waits until every obmd has its public half. Nothing is kept in
memory, so that a change holds at once in every process. Neither key ever leaves the database but to sign.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from hil.core.errors import IllegalState, Unavailable
from hil.core.policy import Act, Kind
from hil.core.secret import Secret
from hil.services.capability import Signer, new_key
from hil.services.context import Context
from hil.store.keys import Keyring
from hil.store.tables import Setting
from hil.store.unit import Unit

SETTING: Final = "obm_signing_keys"


def obm_key_made(unit: Unit) -> Signer:
    """The signing key, made if there is none yet; two who make it at once get the same."""
    if (known := _keys(unit.session, unit.store.keys)) is None:
        dialect = postgresql if unit.store.postgres else sqlite
        sealed = unit.store.keys.seal_up({"keys": [new_key().reveal()]})
        fresh = dialect.insert(Setting).values(name=SETTING, value="", sealed=sealed).on_conflict_do_nothing()
        unit.session.execute(fresh)
        known = _keys(unit.session, unit.store.keys)
    assert known
    return Signer(known[0])


def obm_signer(session: Session, keyring: Keyring) -> Signer:
    """What signs now. Raises Unavailable if no key was made yet."""
    known = _keys(session, keyring)
    if not known:
        raise Unavailable(
            "HIL has no key to sign capabilities with yet: start it once, or run `hil-admin obm public-key`."
        )
    return Signer(known[0])


def obm_public_keys(unit: Unit) -> list[str]:
    """The public halves that every obmd is to believe: of the key that signs, then of the next one, if there is."""
    obm_key_made(unit)
    return obm_known_keys(unit.session, unit.store.keys)


def obm_known_keys(session: Session, keyring: Keyring) -> list[str]:
    """The same, without making any; empty if there is none yet."""
    return [Signer(key).public for key in _keys(session, keyring) or ()]


def obm_key_rotate(ctx: Context, *, switch: bool) -> str:
    """Make the next key, or with `switch` sign with it from now on; answers its public half. Raises IllegalState."""
    ctx.require(Act.ADMIN, Kind.KEY)
    obm_key_made(ctx.unit)
    row = ctx.session.scalars(select(Setting).where(Setting.name == SETTING).with_for_update()).one()
    known: list[str] = ctx.unit.store.keys.open_up(row.sealed)["keys"]
    if switch and len(known) < 2:
        raise IllegalState(
            "There is no next key: run this without --switch first, and give every obmd its public half."
        )
    changed = known[1:] if switch else [known[0], new_key().reveal()]
    row.sealed = ctx.unit.store.keys.seal_up({"keys": changed})
    public = Signer(Secret(changed[-1])).public
    ctx.record("obm_key_rotate", Kind.KEY, "capabilities", after={"public": public, "signs": switch})
    return public


def _keys(session: Session, keyring: Keyring) -> list[Secret] | None:
    sealed = session.scalar(select(Setting.sealed).where(Setting.name == SETTING))
    return None if sealed is None else [Secret(key) for key in keyring.open_up(sealed)["keys"]]
