"""Sessions: who logs in gets a token for some time, and may end it.

A session is an API key of its user with an end: so it never holds more than what it was made with, dies with the key
that it was made with, and ends at once in every process. It is not prolonged by use. Where HIL keeps no users there are
no sessions, and clients use HTTP Basic.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from hil.api.redfish import shapes
from hil.api.redfish.door import Shown, Visit, absent
from hil.api.redfish.words import Refusal
from hil.auth.credentials import Credentials
from hil.core.errors import QuotaExceeded
from hil.core.secret import Secret
from hil.services.context import Context
from hil.services.key import MOST, KeyView, key_create, key_list, key_revoke
from hil.store import tokens

LIFE: Final = 3600
"""Seconds that a session lives."""
MARK: Final = "Redfish session"
"""The description by which a session is told from other keys."""
_SESSIONS: Final = ("SessionService", "Sessions")


async def service_show(visit: Visit) -> Shown:
    await visit.read(_mine)
    made = shapes.head("SessionService.v1_1_6.SessionService", _SESSIONS[:1], "SessionService", "Session service")
    status = {"State": "Enabled" if visit.desk.edge.backend.has_users else "Disabled"}
    return Shown(made | {
        "ServiceEnabled": visit.desk.edge.backend.has_users, "Status": status, "SessionTimeout": LIFE,
        "Sessions": shapes.link(*_SESSIONS),
    })  # fmt: skip


def _mine(ctx: Context) -> list[KeyView]:
    """The caller's own living sessions, as far as the key that asks may see them."""
    if ctx.actor.user_id is None:
        return []
    now = datetime.now(UTC).timestamp()
    found = key_list(ctx, ctx.actor.name, limit=MOST)
    return [key for key in found if key.description == MARK and (key.expires_at or 0) > now]


async def session_list(visit: Visit) -> Shown:
    found = await visit.read(_mine)
    return Shown(shapes.collection("SessionCollection", "Sessions", _SESSIONS, [key.id for key in found]))


async def session_show(visit: Visit) -> Shown:
    for key in await visit.read(_mine):
        if key.id == visit.names["session"]:
            return Shown(_session(key))
    raise absent()


def _session(key: KeyView) -> shapes.Resource:
    made = shapes.head("Session.v1_4_0.Session", (*_SESSIONS, key.id), key.id, f"Session of {key.user}")
    created = datetime.fromtimestamp(int(key.created_at), UTC).isoformat().replace("+00:00", "Z")
    return made | {"UserName": key.user, "SessionType": "Redfish", "CreatedTime": created, "Password": None}


async def session_create(visit: Visit) -> Shown:
    """Log in with a password or an API key."""
    if not visit.desk.edge.backend.has_users:
        raise absent()
    user, password = _log_in(await visit.body())
    caller = visit.caller(Credentials(user=user, password=password, headers={}, remote=visit.remote))
    key, token = await run_in_threadpool(visit.desk.edge.change, caller, _begin)
    headers = {"X-Auth-Token": token.reveal(), "Location": shapes.at(*_SESSIONS, key.id)}
    return Shown(_session(key), 201, headers)


def _log_in(body: dict[str, Any]) -> tuple[str, Secret]:
    for name in ("UserName", "Password"):
        if name not in body:
            raise Refusal(400, "PropertyMissing", name, at=[name])
        if not isinstance(body[name], str):
            raise Refusal(400, "PropertyValueTypeError", name, at=[name])
    for name in body.keys() - {"UserName", "Password"}:
        raise Refusal(400, "PropertyUnknown", name[:64], at=[name[:64]])
    try:
        (body["UserName"] + body["Password"]).encode()
    except UnicodeEncodeError:  # half of a surrogate pair: nobody is called so
        raise Refusal(401, "NoValidSession") from None
    return body["UserName"], Secret(body["Password"])


def _begin(ctx: Context) -> tuple[KeyView, Secret]:
    """Make the key, and clear away sessions of the same user that are over. Raises QuotaExceeded."""
    if ctx.actor.user_id is None:
        raise absent()
    for key in key_list(ctx, ctx.actor.name, limit=MOST):
        if key.description == MARK and (key.expires_at or 0) <= ctx.now:
            key_revoke(ctx, key.id)
    end = min([ctx.now + LIFE, *_ends(ctx)])
    try:
        return key_create(
            ctx, ctx.actor.name, operator=ctx.actor.operator, expires_at=end, description=MARK
        )  # fmt: skip
    except QuotaExceeded as error:
        raise QuotaExceeded("This user has too many keys and sessions: end some first.") from error


def _ends(ctx: Context) -> list[float]:
    """When the key ends that asks, if it does."""
    asking = tokens.public_id(ctx.actor.via)
    mine = [key for key in key_list(ctx, ctx.actor.name, limit=MOST) if key.id == asking]
    return [key.expires_at for key in mine if key.expires_at is not None]


async def session_end(visit: Visit) -> Shown:
    """Log out."""

    def work(ctx: Context) -> None:
        if visit.names["session"] not in {key.id for key in _mine(ctx)}:
            raise absent()
        key_revoke(ctx, visit.names["session"])

    await visit.change(work)
    return Shown(None, 204)
