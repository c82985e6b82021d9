"""Out-of-band management of a node: where its OBMd is, and that nothing there outlives the node's owner.

An OBMd is an obmd of ours, which verifies HIL's capabilities, or a foreign one, which knows an admin token; both end
what lives when they are told to, and both are told on one road. Nothing here speaks to them. Whoever does that (the
API) begins an errand in one transaction, asks the OBMd with none open, and books the outcome in another. From the first
commit on `Node.obm_revoke` says that something may be alive: a crash between any two lines leaves a node that cannot
change hands before its OBMd was told (`hil.worker.release`). A node has one errand at a time. Its ticket (a `Chore`)
runs out by itself after a crash, later than the request can last.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from hil.core.errors import BadArgument, Blocked, DeviceError, Refused, Unavailable, Unreachable
from hil.core.model import NodeState
from hil.core.policy import Act, Kind, Standing
from hil.core.secret import Secret
from hil.drivers.obmd_link import EpochBehind, Reach
from hil.services.capability import Capability, Right
from hil.services.context import Context
from hil.services.obm_key import obm_key_made, obm_signer
from hil.store.journal import Entry, Source
from hil.store.keys import Keyring
from hil.store.tables import Chore, Node
from hil.store.unit import Store, Unit

MARGIN: Final = 5.0
"""A ticket outlasts the deadline of its request by so many seconds."""
HIL: Final = "hil"
"""The user in capabilities that HIL gives itself."""
_RETURN: Final = "obmd asks about a node"
_URI: Final = re.compile(r"[!-~]{1,2000}")
_TOKEN: Final = re.compile(r"[!-~]{1,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What to ask of which OBMd, as plain values. `fresh`: before it, nothing can have been alive there."""

    node_id: int
    project_id: int | None
    reach: Reach
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


def node_obmd_set(ctx: Context, node: Node, uri: str, admin_token: Secret | None) -> None:
    """Say where a node's OBMd is: a foreign one has an admin token, an obmd of ours has none.

    Raises BadArgument, Blocked if something may live at the old one. A new obmd of ours is heard before the node
    changes hands: HIL does not know what it was told before.
    """
    ctx.require(Act.ADMIN, Kind.NODE)
    checked = obmd_uri(uri)
    if admin_token is not None and not _TOKEN.fullmatch(admin_token.reveal()):
        raise BadArgument("The admin token of an OBMd is 1 to 256 printable ASCII characters without spaces.")
    before = {"uri": node.obmd_uri, "own": node.obmd_own}
    if node.obm_revoke and (node.obm_token is not None or before != {"uri": checked, "own": admin_token is None}):
        raise Blocked(f"{_alive(node)}: disable its OBM first.")
    node.obmd_uri, node.obmd_own = checked, admin_token is None
    node.obmd_admin_token = None
    if admin_token is not None:
        node.obmd_admin_token = ctx.unit.store.keys.seal_up({"token": admin_token.reveal()})
    else:
        obm_key_made(ctx.unit)
        node.obm_epoch, node.obm_revoke = node.obm_epoch + 1, True
        ctx.unit.rings.add("release")
    node.version += 1
    ctx.record("node_obmd_set", Kind.NODE, node.name, before=before, after={"uri": checked, "own": node.obmd_own})


def node_obmd_remove(ctx: Context, name: str, *, force: bool = False) -> None:
    """Forget where a node's OBMd is. Raises Blocked if something may live there.

    `force` is an operator's word that the OBMd is gone for good, or cut off; not for a node that somebody has.
    """
    node = ctx.node(name, Act.ADMIN)
    if node.obm_revoke and not force:
        raise Blocked(f"{_alive(node)}: disable its OBM first.")
    if node.obm_revoke and node.project_id is not None:
        raise Blocked(f"{_alive(node)}, and a project has the node: quarantine it first.")
    before = {"uri": node.obmd_uri, "own": node.obmd_own, "alive": node.obm_revoke}
    node.obmd_uri, node.obmd_admin_token, node.obm_token = None, None, None
    node.obmd_own = node.obm_revoke = False
    node.obm_epoch += 1
    node.version += 1
    ctx.record("node_obmd_remove", Kind.NODE, name, before=before)


def _alive(node: Node) -> str:
    return f"Something may be alive at the OBMd of node {node.name!r}"


def obm_enable_begin(ctx: Context, name: str, within: float) -> Errand:
    """Begin a new epoch, in which each request takes `within` seconds or is given up. Raises Blocked."""
    node = ctx.node(name, Act.MODIFY)
    if node.obmd_uri is None:
        raise Blocked(f"Node {name!r} has no OBM: ask an operator to register its OBMd.")
    if node.state == NodeState.RELEASING:
        raise Blocked(f"Node {name!r} is being released.")
    requests = 2 if node.obmd_own else 1  # the epoch, then the token
    errand = _errand(ctx, node, requests * within, epoch=node.obm_epoch + 1, fresh=not node.obm_revoke)
    node.obm_epoch, node.obm_revoke = errand.reach.epoch, True
    if node.obmd_own:
        node.obm_token = None  # the epoch that it belongs to ends now, or is ended by a worker
    return errand


def obm_enable_finish(unit: Unit, errand: Errand, token: Secret) -> bool:
    """Keep the new token. False if the node has changed hands meanwhile: then nobody gets it, and it has to die."""
    node, held = _back(unit, errand)
    if node is None:
        return False
    node.obm_revoke = True
    if not held or node.obm_epoch != errand.reach.epoch:
        return False
    node.obm_token = unit.store.keys.seal_up({"token": token.reveal()})
    _note(unit, errand, "node_obm_enable", "ok")
    return True


def obm_disable_begin(ctx: Context, name: str, within: float) -> Errand | None:
    """Begin to end what lives, known or not; None if the node has no OBM.

    At a foreign OBMd the token works until that forgets it. For ours, HIL issues nothing more from now on, and should
    this errand be lost, a worker ends it.
    """
    node = ctx.node(name, Act.MODIFY)
    if node.obmd_uri is None:
        return None
    epoch = node.obm_epoch + 1 if node.obmd_own else node.obm_epoch
    errand = _errand(ctx, node, within, epoch=epoch, fresh=False)
    if node.obmd_own:
        node.obm_epoch, node.obm_revoke, node.obm_token = epoch, True, None
    return errand


def obm_disable_finish(unit: Unit, errand: Errand) -> bool:
    """Forget the token, which is dead at the OBMd. False if something else has happened to the node meanwhile."""
    node, held = _back(unit, errand)
    if node is None or not held or node.obm_epoch != errand.reach.epoch:
        return False
    node.obm_token, node.obm_revoke = None, False
    node.obm_epoch += 1
    _note(unit, errand, "node_obm_disable", "ok")
    return True


def obm_errand_failed(unit: Unit, errand: Errand, error: DeviceError) -> None:
    """Book that the OBMd did not do it; what was enabled stays so. Only a clear no proves that nothing was made."""
    node, held = _back(unit, errand)
    if node is not None and held and node.obm_epoch == errand.reach.epoch:
        _learned(node, errand, error)
    _note(unit, errand, "node_obm_errand", error.type)


def _learned(node: Node, errand: Errand, error: DeviceError) -> None:
    if isinstance(error, EpochBehind):
        node.obm_epoch = error.epoch + 1
    elif errand.fresh and isinstance(error, Refused | Unreachable) and not errand.reach.own:
        node.obm_revoke = False  # at an obmd of ours the epoch may have begun all the same: a worker ends it


def obm_under_way(session: Session, node_id: int, now: float) -> bool:
    """Whether an errand may still reach the node's OBMd: then a token killed now could be followed by another."""
    query = select(exists().where(Chore.name == _ticket_name(node_id), Chore.expires_at > now))
    return bool(session.scalar(query))


def obm_reach(store: Store, session: Session, node: Node, *, life: float = 300.0) -> Reach | None:
    """How HIL itself reaches the node's OBMd, in the node's present epoch; None if it has none."""
    if node.obmd_uri is None:
        return None
    if not node.obmd_own:
        secret = Secret(store.keys.open_up(node.obmd_admin_token).get("token", ""))
    else:
        secret = hil_capability(store, session, node.name, node.obm_epoch, Right.EPOCH, life=life)
    return Reach(node=node.name, uri=node.obmd_uri, own=node.obmd_own, epoch=node.obm_epoch, secret=secret)


def _return(keys: Keyring, node: Node, epoch: int) -> Secret:
    """What an obmd of ours shows when it asks HIL about this node in this epoch: nobody else can."""
    sealed = keys.seal_up({"for": _RETURN, "node": node.id, "epoch": epoch})
    return Secret((sealed or b"").decode())


def obm_returned(keys: Keyring, node: Node, given: Secret) -> bool:
    """Whether this is what the node's obmd was given with the present epoch."""
    try:
        words = keys.open_up(given.reveal().encode())
    except Unavailable:  # nothing that we sealed, or with a key that is gone
        return False
    return words == {"for": _RETURN, "node": node.id, "epoch": node.obm_epoch}


def hil_capability(store: Store, session: Session, node: str, epoch: int, *rights: Right, life: float) -> Secret:
    """A capability for HIL itself."""
    now = int(store.clock())
    wanted = Capability(
        node=node, project="", user=HIL, epoch=epoch, rights=frozenset(rights), issued=now, expires=now + int(life)
    )
    return obm_signer(session, store.keys).issue(wanted)


def obm_url(ctx: Context, keys: Keyring, name: str, operation: str) -> str:
    """The URL at which the node's OBMd does this operation, token included: a secret. Raises Blocked if not enabled."""
    node = ctx.node(name, Act.READ)
    ctx.require(Act.MODIFY, Kind.NODE, Standing.of(ctx.actor, node.project_id))
    if node.obm_token is None or node.obmd_uri is None:
        raise Blocked(f"The OBM of node {name!r} is not enabled: enable it first.")
    place = f"{node.obmd_uri}/node/{quote(node.name, safe='')}" if node.obmd_own else node.obmd_uri
    return f"{place}/{operation}?token={keys.open_up(node.obm_token)['token']}"


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
    store = ctx.unit.store
    if node.obmd_own:
        secret = hil_capability(store, ctx.session, node.name, epoch, Right.EPOCH, life=within + MARGIN)
    else:
        secret = Secret(store.keys.open_up(node.obmd_admin_token).get("token", ""))
    reach = Reach(
        node=node.name, uri=node.obmd_uri or "", own=node.obmd_own, epoch=epoch, secret=secret,
        returned=_return(store.keys, node, epoch),
    )  # fmt: skip
    return Errand(
        node_id=node.id, project_id=node.project_id, reach=reach, ticket=ticket, source=ctx.source, fresh=fresh
    )


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
        Entry(action=action, kind=Kind.NODE, name=errand.reach.node, project_id=errand.project_id, outcome=outcome),
    )
