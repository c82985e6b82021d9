"""Out-of-band management through a foreign OBMd: where it is, and tokens that never outlive a node's owner.

Nothing here speaks to an OBMd. Whoever does that (`hil.api.v0.obm`) begins an errand in one transaction, asks the OBMd
with none open, and books the outcome in another. From the first commit on `Node.obm_revoke` says that a token may be
alive: a crash between any two lines leaves a node that cannot change hands before its OBMd was told to forget. A node
has one errand at a time. Its ticket (a `Chore`) runs out by itself after a crash, later than the request can last.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from hil.core.errors import BadArgument, Blocked, DeviceError, Refused, Unreachable
from hil.core.model import NodeState
from hil.core.policy import Act, Kind, Standing
from hil.core.secret import Secret
from hil.services.context import Context
from hil.store.journal import Entry, Source
from hil.store.keys import Keyring
from hil.store.tables import Chore, Node
from hil.store.unit import Unit

MARGIN: Final = 5.0
"""A ticket outlasts the deadline of its request by so many seconds."""
_URI: Final = re.compile(r"[!-~]{1,2000}")
_TOKEN: Final = re.compile(r"[!-~]{1,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What to ask of which OBMd, as plain values. `fresh`: before it, no token can have been alive."""

    node_id: int
    node: str
    project_id: int | None
    uri: str
    admin_token: Secret
    epoch: int
    ticket: str
    source: Source
    fresh: bool


def obmd_uri(text: str) -> str:
    """Check the URL of a node at its OBMd, to which `/token` and the like are appended. Raises BadArgument.

    >>> obmd_uri("https://obmd.example.org/obmd/node/x/")
    'https://obmd.example.org/obmd/node/x'
    """
    parts = _split(text) if _URI.fullmatch(text) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadArgument("The URI of an OBMd is like https://obmd.example.org:8443/node/NAME.")
    if parts.username is not None or parts.password is not None or "?" in text or "#" in text:
        raise BadArgument("The URI of an OBMd holds no user, password, query or fragment.")
    return text.rstrip("/")


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        return parts if parts.port != 0 else None
    except ValueError:  # a port that is none, half an IPv6 address
        return None


def node_obmd_set(ctx: Context, node: Node, uri: str, admin_token: Secret) -> None:
    """Say where a node's OBMd is; the token is encrypted at rest. Raises BadArgument, Blocked if a token may live."""
    ctx.require(Act.ADMIN, Kind.NODE)
    checked = obmd_uri(uri)
    if not _TOKEN.fullmatch(admin_token.reveal()):
        raise BadArgument("The admin token of an OBMd is 1 to 256 printable ASCII characters without spaces.")
    if node.obm_revoke:
        raise Blocked(f"An OBM token of node {node.name!r} may be alive at its old OBMd: disable its OBM first.")
    before = {"uri": node.obmd_uri}
    node.obmd_uri = checked
    node.obmd_admin_token = ctx.unit.store.keys.seal_up({"token": admin_token.reveal()})
    node.version += 1
    ctx.record("node_obmd_set", Kind.NODE, node.name, before=before, after={"uri": checked})


def obm_enable_begin(ctx: Context, name: str, within: float) -> Errand:
    """Begin to fetch a new token, which `within` seconds either comes or is given up. Raises Blocked."""
    node = ctx.node(name, Act.MODIFY)
    if node.obmd_uri is None:
        raise Blocked(f"Node {name!r} has no OBM: ask an operator to register its OBMd.")
    if node.state == NodeState.RELEASING:
        raise Blocked(f"Node {name!r} is being released.")
    errand = _errand(ctx, node, within, epoch=node.obm_epoch + 1, fresh=not node.obm_revoke)
    node.obm_epoch, node.obm_revoke = errand.epoch, True
    return errand


def obm_enable_finish(unit: Unit, errand: Errand, token: Secret) -> bool:
    """Keep the new token. False if the node has changed hands meanwhile: then nobody gets it, and it has to die."""
    node, held = _back(unit, errand)
    if node is None:
        return False
    node.obm_revoke = True
    if not held or node.obm_epoch != errand.epoch:
        return False
    node.obm_token = unit.store.keys.seal_up({"token": token.reveal()})
    _note(unit, errand, "node_obm_enable", "ok")
    return True


def obm_disable_begin(ctx: Context, name: str, within: float) -> Errand | None:
    """Begin to kill the token, known or not; None if the node has no OBM. The token works until its OBMd forgets it."""
    node = ctx.node(name, Act.MODIFY)
    if node.obmd_uri is None:
        return None
    return _errand(ctx, node, within, epoch=node.obm_epoch, fresh=False)


def obm_disable_finish(unit: Unit, errand: Errand) -> bool:
    """Forget the token, which is dead at the OBMd. False if something else has happened to the node meanwhile."""
    node, held = _back(unit, errand)
    if node is None or not held or node.obm_epoch != errand.epoch:
        return False
    node.obm_token, node.obm_revoke = None, False
    node.obm_epoch += 1
    _note(unit, errand, "node_obm_disable", "ok")
    return True


def obm_errand_failed(unit: Unit, errand: Errand, error: DeviceError) -> None:
    """Book that the OBMd did not do it; what was enabled stays so. Only a clear no proves that no token was made."""
    node, held = _back(unit, errand)
    nothing_made = errand.fresh and isinstance(error, Refused | Unreachable)
    if node is not None and held and nothing_made and node.obm_epoch == errand.epoch:
        node.obm_revoke = False
    _note(unit, errand, "node_obm_errand", error.type)


def obm_under_way(session: Session, node_id: int, now: float) -> bool:
    """Whether an errand may still reach the node's OBMd: then a token killed now could be followed by another."""
    query = select(exists().where(Chore.name == _ticket_name(node_id), Chore.expires_at > now))
    return bool(session.scalar(query))


def obm_url(ctx: Context, keys: Keyring, name: str, operation: str) -> str:
    """The URL at which the node's OBMd does this operation, token included: a secret. Raises Blocked if not enabled."""
    node = ctx.node(name, Act.READ)
    ctx.require(Act.MODIFY, Kind.NODE, Standing.of(ctx.actor, node.project_id))
    if node.obm_token is None or node.obmd_uri is None:
        raise Blocked(f"The OBM of node {name!r} is not enabled: enable it first.")
    return f"{node.obmd_uri}/{operation}?token={keys.open_up(node.obm_token)['token']}"


def node_obm_use(ctx: Context, name: str, operation: str) -> str:
    """`obm_url` for an operation that changes the machine or shows its console: who did it goes into the journal."""
    url = obm_url(ctx, ctx.unit.store.keys, name, operation)
    ctx.record(f"node_{operation}", Kind.NODE, name, project_id=ctx.node(name, Act.READ).project_id)
    return url


def _errand(ctx: Context, node: Node, within: float, *, epoch: int, fresh: bool) -> Errand:
    """Take the ticket of a node whose row is locked. Raises Blocked while another errand has it."""
    now, name = ctx.unit.store.now(ctx.session), _ticket_name(node.id)
    if obm_under_way(ctx.session, node.id, now):
        raise Blocked(f"Another request to the OBMd of node {node.name!r} is under way: try again.")
    ticket = uuid.uuid4().hex
    ctx.session.merge(Chore(name=name, owner=ticket, expires_at=now + within + MARGIN))
    token = ctx.unit.store.keys.open_up(node.obmd_admin_token).get("token", "")
    return Errand(
        node_id=node.id, node=node.name, project_id=node.project_id, uri=node.obmd_uri or "",
        admin_token=Secret(token), epoch=epoch, ticket=ticket, source=ctx.source, fresh=fresh,
    )  # fmt: skip


def _back(unit: Unit, errand: Errand) -> tuple[Node | None, bool]:
    """Lock the node again and hand in the ticket; False if it had run out and was taken, so others may have begun."""
    query = select(Node).where(Node.id == errand.node_id).with_for_update(key_share=True)
    node = unit.session.scalars(query).one_or_none()
    mine = (Chore.name == _ticket_name(errand.node_id), Chore.owner == errand.ticket)
    return node, unit.session.scalar(delete(Chore).where(*mine).returning(Chore.name)) is not None


def _ticket_name(node_id: int) -> str:
    return f"obm {node_id}"


def _note(unit: Unit, errand: Errand, action: str, outcome: str) -> None:
    unit.record(
        errand.source,
        Entry(action=action, kind=Kind.NODE, name=errand.node, project_id=errand.project_id, outcome=outcome),
    )
