"""What a caller may do to a machine through an obmd of ours: judged and signed here, verified there with no call back.

A capability is of the node's present epoch and lives for minutes. It is handed out while the node's OBM is enabled and
for what the caller may do now; whatever ends that (release, quarantine, disabling) raises the epoch. Who asked for a
change stands in the journal before the machine is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from hil.core.errors import Blocked, HilError
from hil.core.model import Role
from hil.core.policy import Act, Kind, Standing
from hil.core.secret import Secret
from hil.drivers.obmd_link import node_url
from hil.services.capability import Capability, Right
from hil.services.context import Context
from hil.services.obm import obm_under_way
from hil.services.obm_key import obm_signer
from hil.services.select import Selector
from hil.store.journal import Entry, Source
from hil.store.keys import Keyring
from hil.store.tables import Node, Project
from hil.store.unit import Store, Unit

CALL: Final = 60
"""Seconds that a capability lives with which HIL asks for its caller."""
CONSOLE: Final = 300
"""Seconds that one lives that is handed out for a console."""
MOST: Final = 1000
"""Nodes that one request may name or select."""


@dataclass(frozen=True, slots=True)
class Note:
    """A line of the journal: what was asked of the machine."""

    action: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A capability and where it holds. `expires` is in UTC seconds since 1970."""

    node: str
    uri: str
    token: Secret
    expires: int
    project_id: int | None
    source: Source
    note: Note | None

    def at(self, *path: str) -> str:
        return node_url(self.uri, self.node, *path)


def obm_grant(
    ctx: Context, store: Store, name: str, *rights: Right, act: Act, note: Note | None = None, life: int = CALL
) -> Grant:
    """Judge and sign. `act` is READ for who looks and MODIFY for who acts. Raises Blocked, Denied."""
    node = ctx.node(name, Act.READ)
    _judge(ctx, node, act)
    if node.obmd_uri is None:
        raise Blocked(f"Node {name!r} has no OBM: ask an operator to register its obmd.")
    if not node.obmd_own:
        raise Blocked(f"The OBMd of node {name!r} speaks the original protocol alone: use /v0 for it.")
    if node.obm_token is None:
        raise Blocked(f"The OBM of node {name!r} is not enabled: enable it first.")
    if note is not None:
        ctx.record(note.action, Kind.NODE, name, project_id=node.project_id, after=dict(note.facts))
    return _signed(ctx, store.keys, node, rights, int(store.clock()), life, note)


def _signed(
    ctx: Context, keys: Keyring, node: Node, rights: tuple[Right, ...], now: int, life: int, note: Note | None
) -> Grant:
    project = ctx.session.scalar(select(Project.name).where(Project.id == node.project_id)) or ""
    wanted = Capability(
        node=node.name, project=project, user=ctx.actor.name, epoch=node.obm_epoch, rights=frozenset(rights),
        issued=now, expires=now + life, project_id=node.project_id or 0,
    )  # fmt: skip
    token = obm_signer(ctx.session, keys).issue(wanted)
    return Grant(
        node=node.name, uri=node.obmd_uri or "", token=token, expires=wanted.expires, project_id=node.project_id,
        source=ctx.source, note=note,
    )  # fmt: skip


def _judge(ctx: Context, node: Node, act: Act) -> None:
    """A free node is everybody's to look at, but not its machine."""
    ctx.require(Act.ADMIN if node.project_id is None else act, Kind.NODE, Standing.of(ctx.actor, node.project_id))


def obm_failed(unit: Unit, grant: Grant, error: HilError) -> None:
    """Add to the journal that what was asked for was not done, or not surely."""
    if grant.note is not None:
        facts = {"asked": dict(grant.note.facts)}
        entry = Entry(
            action=f"{grant.note.action}_failed", kind=Kind.NODE, name=grant.node, project_id=grant.project_id,
            after=facts, outcome=error.type,
        )  # fmt: skip
        unit.record(grant.source, entry)


@dataclass(frozen=True, slots=True)
class ObmShown:
    """`settled` false: the OBMd has not yet said that what may be alive there is dead. `uri`: for operators."""

    kind: str | None
    enabled: bool
    settled: bool
    uri: str | None


def obm_show(ctx: Context, store: Store, name: str) -> ObmShown:
    """How the OBM of a node is, for its project and operators. Raises Denied."""
    node = ctx.node(name, Act.READ)
    _judge(ctx, node, Act.READ)
    enabled = node.obm_token is not None
    waits = (node.obm_revoke and not enabled) or obm_under_way(ctx.session, node.id, store.now(ctx.session))
    kind = None if node.obmd_uri is None else "obmd" if node.obmd_own else "original"
    return ObmShown(kind, enabled, not waits, node.obmd_uri if ctx.actor.operator else None)


def obm_selected(ctx: Context, selector: Selector) -> list[str]:
    """The nodes that match, whose machines the caller may change, and whose OBM is enabled, by name. Raises Blocked."""
    ctx.require(Act.LIST, Kind.NODE)
    query = select(Node.name).where(Node.obmd_own, Node.obm_token.is_not(None), *selector.clauses())
    if not ctx.actor.operator:
        mine = [project for project, role in ctx.actor.roles.items() if role >= Role.MEMBER]
        query = query.where(Node.project_id.in_(mine))
    found = list(ctx.session.scalars(query.order_by(Node.name).limit(MOST + 1)))
    if len(found) > MOST:
        raise Blocked(f"More than {MOST} nodes match: say more closely which.")
    return found
