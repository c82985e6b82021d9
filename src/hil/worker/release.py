"""Brings releases to their end: ports read back as closed, tokens dead, power off, cleaned, free.

Each round looks at every waiting node afresh and does the first thing that is still to be done; it is told nothing and
remembers nothing. What cannot be done leaves the node waiting with a reason that can be read. Time never frees a node:
past its deadline it waits for an operator, whose forced way out is quarantine.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from hil.core import guard
from hil.core.errors import DeviceError, Refused, Unreachable
from hil.core.model import NodeState
from hil.core.policy import Kind
from hil.services.obm import obm_under_way
from hil.store.journal import Entry, Source
from hil.store.tables import Attachment, Nic, Node, Port, Project
from hil.store.unit import Store, Unit
from hil.worker.lane import Call

TIMEOUT = 10.0
SIDE_BY_SIDE = 16
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A node that waits, as plain values: what is still to be done for it."""

    id: int
    name: str
    state: str
    epoch: int
    ports: str
    """Why its ports are not known to carry nothing; empty if they are."""
    revoke: bool
    cleaned: bool
    notice: bool
    obmd_uri: str | None
    obmd_token: str
    overdue: bool


class Releases:
    """The release step of one worker."""

    def __init__(self, store: Store, owner: str, call: Call) -> None:
        self.store = store
        self._call = call
        self._source = Source(f"worker {owner}", "worker")

    async def advance(self) -> None:
        """Do for every waiting node the next thing; nodes do not wait for one another."""
        waiting = await self._call(self.store.read, self._find)
        gate = asyncio.Semaphore(SIDE_BY_SIDE)

        async def one(node: Waiting) -> None:
            async with gate:
                await self._one(node)

        await asyncio.gather(*(one(node) for node in waiting))

    def _find(self, session: Session) -> list[Waiting]:
        held = (NodeState.RELEASING, NodeState.QUARANTINED)
        query = select(Node).where(or_(Node.state == held[0], (Node.state == held[1]) & Node.obm_revoke, Node.notice))
        return [self._waiting(session, node) for node in session.scalars(query.order_by(Node.id))]

    def _waiting(self, session: Session, node: Node) -> Waiting:
        token = self.store.keys.open_up(node.obmd_admin_token).get("token", "")
        overdue = node.deadline is not None and node.deadline < self.store.clock()
        return Waiting(
            node.id,
            node.name,
            node.state,
            node.obm_epoch,
            ports_reason(session, node.id),
            node.obm_revoke,
            node.cleaned,
            node.notice,
            node.obmd_uri,
            token,
            overdue,
        )

    async def _one(self, node: Waiting) -> None:
        try:
            if node.notice:
                await self._notify(node)
            if node.revoke:
                await self._revoke(node)
            if node.state != NodeState.RELEASING:
                return
            if node.ports:
                reason = node.ports
            else:
                reason = "" if node.cleaned else await self._clean(node)
        except DeviceError as error:
            reason = error.message
        if node.state == NodeState.RELEASING:
            await self._call(self.store.change, lambda unit: self._book(unit, node, reason))

    async def _revoke(self, node: Waiting) -> None:
        """Kill the token at the foreign OBMd; the node waits until that answers, and for a token under way to it."""
        if await self._call(self.store.read, lambda session: obm_under_way(session, node.id, self.store.now(session))):
            raise Unreachable(f"Another request to the OBMd of node {node.name} is under way.")
        if node.obmd_uri:
            await self._ask("DELETE", f"{node.obmd_uri}/token", f"OBMd of node {node.name}", admin=node.obmd_token)

        def booked(unit: Unit) -> None:
            row = unit.session.scalars(
                select(Node).where(Node.id == node.id).with_for_update(key_share=True)
            ).one_or_none()
            if row is not None and row.obm_epoch == node.epoch and row.obm_token is None:
                row.obm_revoke = False

        await self._call(self.store.change, booked)

    async def _clean(self, node: Waiting) -> str:
        """Power off and call the cleaning hook, as far as configured; answers why it is not done yet."""
        limits = self.store.limits
        if limits.power_off_on_release and node.obmd_uri:
            await self._power_off(node)
        if not limits.cleaning_url:
            return ""
        body = {"node": node.name, "epoch": node.epoch}
        answer = await self._ask("POST", limits.cleaning_url, "The cleaning service", body=body)
        return "being cleaned" if answer.status_code == 202 else ""

    async def _power_off(self, node: Waiting) -> None:
        what = f"OBMd of node {node.name}"
        made = await self._ask("POST", f"{node.obmd_uri}/token", what, admin=node.obmd_token)
        token = str(made.json().get("token", ""))
        try:
            await self._ask("POST", f"{node.obmd_uri}/power_off?token={token}", what)
        finally:
            await self._ask("DELETE", f"{node.obmd_uri}/token", what, admin=node.obmd_token)

    async def _notify(self, node: Waiting) -> None:
        """Tell the maintenance service, after the commit that gave it the node, until it answers."""
        url = self.store.limits.maintenance_url
        if url:
            await self._ask("POST", url, "The maintenance service", body={"node": node.name})

        def booked(unit: Unit) -> None:
            row = unit.session.scalars(
                select(Node).where(Node.id == node.id).with_for_update(key_share=True)
            ).one_or_none()
            if row is not None:
                row.notice = False

        await self._call(self.store.change, booked)

    async def _ask(
        self, method: str, url: str, what: str, *, admin: str = "", body: dict[str, Any] | None = None
    ) -> httpx.Response:
        """One HTTP call with a deadline. Raises Unreachable or Refused, without the URL, which may hold a token."""
        guard.device()
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT) as client:
                auth = httpx.BasicAuth("admin", admin) if admin else None
                answer = await client.request(method, url, json=body, auth=auth)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{what} does not answer ({type(error).__name__}).") from error
        if answer.status_code >= 400:
            raise Refused(f"{what} answered {answer.status_code}.")
        return answer

    def _book(self, unit: Unit, seen: Waiting, reason: str) -> None:
        """Free the node if nothing is left to do, judged again under its lock; else write down why it waits."""
        node = unit.session.scalars(
            select(Node).where(Node.id == seen.id).with_for_update(key_share=True)
        ).one_or_none()
        if node is None or node.state != NodeState.RELEASING or node.obm_epoch != seen.epoch:
            return
        if not reason and not node.cleaned:
            node.cleaned = True
        left = ports_reason(unit.session, node.id) or reason
        if not left and node.obm_revoke:
            left = "waiting for its OBMd to forget the token"
        if left:
            self._waits(
                unit, node, f"{left} (past the deadline: an operator may quarantine the node)" if seen.overdue else left
            )
            return
        self._free(unit, node)

    def _waits(self, unit: Unit, node: Node, reason: str) -> None:
        if node.reason == reason:
            return
        node.reason = reason
        node.version += 1
        facts = {"reason": reason}
        entry = Entry(
            action="node_release_waits", kind=Kind.NODE, name=node.name, project_id=node.project_id, after=facts
        )
        unit.record(self._source, entry)

    def _free(self, unit: Unit, node: Node) -> None:
        last, target = node.project_id, unit.store.limits.maintenance_project
        receiver = unit.session.scalar(select(Project).where(Project.name == target)) if target else None
        if target and receiver is None:
            self._waits(unit, node, f"the maintenance project {target!r} does not exist: create it")
            return
        node.release_id, node.deadline, node.reason = None, None, ""
        node.version += 1
        if receiver is not None and receiver.id != last:
            node.state, node.project_id, node.notice = NodeState.ALLOCATED, receiver.id, True
            unit.rings.add("release")
        else:
            node.state, node.project_id = NodeState.FREE, None
        entry = Entry(
            action="node_free",
            kind=Kind.NODE,
            name=node.name,
            project_id=last,
            after={"state": node.state, "to": target},
        )
        unit.record(self._source, entry)


def ports_reason(session: Session, node_id: int) -> str:
    """Why the ports of a node are not known, by read-back, to carry nothing; empty if they are.

    Its project reads this too, and is told of its NICs, never of switches and their ports.
    """
    unsettled = (Port.wanted > Port.applied) | Port.tainted | Port.quarantined | Port.drifted
    query = (
        select(Nic.name, Port.error)
        .join(Port, Port.nic_id == Nic.id)
        .where(Nic.node_id == node_id, unsettled)
        .order_by(Port.id)
        .limit(1)
    )
    row = session.execute(query).first()
    if row is not None:
        return f"the port of NIC {row[0]} is not read back as closed yet{': ' + row[1] if row[1] else ''}"
    left = select(Attachment.id).join(Nic, Nic.id == Attachment.nic_id).where(Nic.node_id == node_id).limit(1)
    return "a network is still attached" if session.scalar(left) is not None else ""
