"""Brings releases to their end: ports read back as closed, tokens dead, power off, cleaned, free.

Each round looks at every waiting node afresh and does the first thing that is still to be done; it is told nothing and
remembers nothing that it relies on. What cannot be done leaves the node waiting with a reason that can be read. Time
never frees a node: past its deadline it waits for an operator, whose forced way out is quarantine. A round is over soon
whatever hangs: an OBMd that was silent is not waited for by the next node, and no node waits for another OBMd's.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from hil.core import guard
from hil.core.errors import DeviceError, Refused, Unreachable
from hil.core.model import NodeState
from hil.core.policy import Kind
from hil.drivers.obmd_link import BrieflyTrusted, EpochBehind, Reach, Silent
from hil.services.obm import obm_reach, obm_under_way
from hil.store.journal import Entry, Source
from hil.store.tables import Attachment, Nic, Node, Port, Project
from hil.store.unit import Store, Unit
from hil.worker.lane import Call
from hil.worker.power_off import PowerOff

TIMEOUT = 10.0
"""Seconds for each request to an OBMd, or to a service beside HIL."""
SIDE_BY_SIDE = 16
"""Nodes of one OBMd that are in hand at once."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A node that waits, as plain values: what is still to be done for it."""

    id: int
    name: str
    state: str
    release_id: str | None
    epoch: int
    ports: str
    """Why its ports are not known to carry nothing; empty if they are."""
    revoke: bool
    cleaned: bool
    notice: bool
    reach: Reach | None
    overdue: bool


class Releases:
    """The release step of one worker; an OBMd gets `timeout` seconds for each request."""

    def __init__(self, store: Store, owner: str, call: Call, timeout: float = TIMEOUT) -> None:
        self.store, self._timeout = store, timeout
        self._call = call
        self._source = Source(f"worker {owner}", "worker")
        self._in_hand: dict[int, asyncio.Task[None]] = {}
        self._last: set[int] = set()
        """Nodes whose OBMd was silent: they come last, so that they never keep the others from their turn."""

    async def advance(self, within: float | None = None) -> None:
        """Do for every waiting node the next thing; answers after `within` seconds, though some may be in hand."""
        waiting = await self._call(self.store.read, self._find)
        links: defaultdict[str, BrieflyTrusted] = defaultdict(self._link)
        begun = []
        for node in sorted(waiting, key=lambda each: each.id in self._last):
            if node.id not in self._in_hand:
                link = links["" if node.reach is None else node.reach.obmd]
                self._in_hand[node.id] = asyncio.create_task(self._in_turn(node, link))
                begun.append(self._in_hand[node.id])
        if begun:
            done, late = await asyncio.wait(begun, timeout=within)
            for task in late:
                task.add_done_callback(_tell)
            await asyncio.gather(*done)

    async def close(self) -> None:
        """Drop what is in hand, as a crash would: the next worker's first round takes it up."""
        dropped = [*self._in_hand.values()]
        for task in dropped:
            task.cancel()
        await asyncio.gather(*dropped, return_exceptions=True)

    def _link(self) -> BrieflyTrusted:
        return BrieflyTrusted(self._timeout, self.store.limits.obmd_ca_file, SIDE_BY_SIDE)

    async def _in_turn(self, node: Waiting, link: BrieflyTrusted) -> None:
        try:
            async with link.turn:
                await self._one(node, link)
        finally:
            del self._in_hand[node.id]

    def _find(self, session: Session) -> list[Waiting]:
        """Nodes on their way out, and nodes whose OBM was not settled by whoever began to change it."""
        unsettled = Node.obm_revoke & Node.obm_token.is_(None)
        query = select(Node).where(or_(Node.state == NodeState.RELEASING, unsettled, Node.notice))
        return [self._waiting(session, node) for node in session.scalars(query.order_by(Node.id))]

    def _waiting(self, session: Session, node: Node) -> Waiting:
        overdue = node.deadline is not None and node.deadline < self.store.clock()
        return Waiting(
            node.id,
            node.name,
            node.state,
            node.release_id,
            node.obm_epoch,
            ports_reason(session, node.id),
            node.obm_revoke,
            node.cleaned,
            node.notice,
            obm_reach(self.store, session, node),
            overdue,
        )

    async def _one(self, node: Waiting, link: BrieflyTrusted) -> None:
        self._last.discard(node.id)
        try:
            if node.notice:
                await self._notify(node)
            if node.revoke:
                await self._revoke(node, link)
            if node.state != NodeState.RELEASING:
                return
            if node.ports:
                reason = node.ports
            else:
                reason = "" if node.cleaned else await self._clean(node, link)
        except DeviceError as error:
            if isinstance(error, Silent):
                self._last.add(node.id)
            log.debug("node %s: %s %s", node.name, error.message, error.detail)
            reason = error.message
        if node.state == NodeState.RELEASING:
            await self._call(self.store.change, lambda unit: self._book(unit, node, reason))

    async def _revoke(self, node: Waiting, link: BrieflyTrusted) -> None:
        """End at the OBMd whatever lives; the node waits until that answers, and for an errand under way to it."""
        if await self._call(self.store.read, lambda session: obm_under_way(session, node.id, self.store.now(session))):
            raise Unreachable(f"Another request to the OBMd of node {node.name} is under way.")
        if node.reach is not None:
            try:
                await link.disable(node.reach)
            except EpochBehind as error:
                await self._call(self.store.change, partial(_learn, node, error.epoch))
                raise

        def booked(unit: Unit) -> None:
            row = _locked(unit, node.id)
            if row is not None and row.obm_epoch == node.epoch and row.obm_token is None:
                row.obm_revoke = False

        await self._call(self.store.change, booked)

    async def _clean(self, node: Waiting, link: BrieflyTrusted) -> str:
        """Power off and call the cleaning hook, as far as configured; answers why it is not done yet."""
        limits = self.store.limits
        if limits.power_off_on_release and node.reach is not None:
            power = PowerOff(self.store, link, self._call)
            await (power.own(node.id, node.epoch) if node.reach.own else power.foreign(node.reach))
        if not limits.cleaning_url:
            return ""
        body = {"node": node.name, "epoch": node.epoch}
        answer = await self._ask("POST", limits.cleaning_url, "The cleaning service", body)
        return "being cleaned" if answer.status_code == 202 else ""

    async def _notify(self, node: Waiting) -> None:
        """Tell the maintenance service, after the commit that gave it the node, until it answers."""
        url = self.store.limits.maintenance_url
        if url:
            await self._ask("POST", url, "The maintenance service", body={"node": node.name})

        def booked(unit: Unit) -> None:
            row = _locked(unit, node.id)
            if row is not None:
                row.notice = False

        await self._call(self.store.change, booked)

    async def _ask(self, method: str, url: str, what: str, body: dict[str, Any]) -> httpx.Response:
        """One HTTP call with a deadline. Raises Unreachable or Refused, without the URL, which may hold a token."""
        guard.device()
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT) as client:
                answer = await client.request(method, url, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{what} does not answer ({type(error).__name__}).") from error
        if answer.status_code >= 400:
            raise Refused(f"{what} answered {answer.status_code}.")
        return answer

    def _book(self, unit: Unit, seen: Waiting, reason: str) -> None:
        """Free the node if nothing is left to do, judged again under its lock; else write down why it waits."""
        node = _locked(unit, seen.id)
        if node is None or node.state != NodeState.RELEASING or node.release_id != seen.release_id:
            return
        if not reason and not node.cleaned:
            node.cleaned = True
        left = ports_reason(unit.session, node.id) or reason
        if not left and node.obm_revoke:
            left = "waiting for its OBMd to end what may be alive there"
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


def _tell(task: asyncio.Task[None]) -> None:
    """Log what became of a node after its round was over."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a release failed", exc_info=error)


def _locked(unit: Unit, node_id: int) -> Node | None:
    query = select(Node).where(Node.id == node_id).with_for_update(key_share=True)
    return unit.session.scalars(query).one_or_none()


def _learn(seen: Waiting, known: int, unit: Unit) -> None:
    """Go on above the epoch that the obmd knows: the next round ends that one."""
    row = _locked(unit, seen.id)
    if row is not None and row.obm_epoch == seen.epoch:
        row.obm_epoch = known + 1


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
