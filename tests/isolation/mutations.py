"""Faults planted in HIL on purpose: the proof must find each of them, or it proves nothing.

Each takes one protection away, as a careless change could; `MUTATIONS` names what is gone. They replace a name in the
module that uses it and leave everything else as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final
from unittest.mock import patch

from sqlalchemy import delete, false, select, update

import hil.services.network
import hil.services.node
import hil.services.operation
import hil.services.pool
import hil.store.audits
import hil.store.claims
import hil.store.lanes
import hil.worker.lane
import hil.worker.release
from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceError
from hil.core.model import AttachmentState, Observed, PortChange
from hil.store.claims import Claimed, Outcome
from hil.store.tables import Attachment, Lane, Nic, Node, Port, PortVlan

Mutation = Callable[[], AbstractContextManager[Any]]


def _claim_forgetting(*, taint: bool, vlans: bool) -> AbstractContextManager[Any]:
    """Claim as ever, then take back what was written down before the device is touched."""
    real = hil.store.claims.claim

    def claim(unit: Any, hold: Any, source: Any) -> list[Claimed]:
        tainted = dict(unit.session.execute(select(Port.id, Port.tainted)).all())
        carried = {(at, vlan) for at, vlan in unit.session.execute(select(PortVlan.port_id, PortVlan.vlan))}
        batch = real(unit, hold, source)
        unit.session.flush()
        for entry in batch:
            if taint:
                unit.session.execute(
                    update(Port).where(Port.id == entry.port_id).values(tainted=tainted[entry.port_id])
                )
            for vlan in entry.want.vlans if vlans else ():
                if (entry.port_id, vlan) not in carried:
                    mine = (PortVlan.port_id == entry.port_id, PortVlan.vlan == vlan)
                    unit.session.execute(delete(PortVlan).where(*mine))
        return batch

    return patch.object(hil.worker.lane, "claim", claim)


@contextmanager
def vlan_freed_early() -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(patch.object(hil.services.pool, "_carried", false))
        stack.enter_context(patch.object(hil.services.pool, "_carriers", lambda ctx, vlan: []))
        yield


def command_believed() -> AbstractContextManager[Any]:
    async def drive(session: SwitchSession, batch: Sequence[Claimed], writer: Writer) -> list[Outcome]:
        seen = await session.read([entry.port for entry in batch])
        wrong = [entry for entry in batch if seen[entry.port].state != entry.want]
        errors: dict[str, DeviceError | None] = {}
        if wrong:
            changes = [PortChange(entry.port, seen[entry.port].state, entry.want) for entry in wrong]
            errors = await session.apply(changes, writer)
            seen |= {entry.port: Observed(entry.want) for entry in wrong}
        await session.save(writer)
        return [Outcome(entry, seen[entry.port], errors.get(entry.port)) for entry in batch]

    return patch.object(hil.worker.lane, "drive", drive)


def save_forgotten() -> AbstractContextManager[Any]:
    """What reads as wanted is not saved."""
    real = hil.worker.lane.drive

    async def drive(session: Any, batch: Sequence[Claimed], writer: Writer) -> list[Outcome]:
        seen = await session.read([entry.port for entry in batch])
        if all(seen[entry.port].state == entry.want for entry in batch):
            return [Outcome(entry, seen[entry.port]) for entry in batch]
        return await real(session, batch, writer)

    return patch.object(hil.worker.lane, "drive", drive)


def release_unwaiting() -> AbstractContextManager[Any]:
    return patch.object(hil.worker.release, "ports_reason", lambda session, node_id: "")


@contextmanager
def lease_ignored() -> Iterator[None]:
    def locked(unit: Any, hold: Any) -> Lane:
        lane: Lane = unit.session.scalars(select(Lane).where(Lane.switch_id == hold.switch_id)).one()
        return lane

    def permit(lane: Any) -> None:
        lane._wrote = True

    with ExitStack() as stack:
        stack.enter_context(patch.object(hil.worker.lane.Lane, "_permit", permit))
        for module in (hil.store.claims, hil.store.audits):
            stack.enter_context(patch.object(module, "lane_locked", locked))
        yield


def fence_ignored() -> AbstractContextManager[Any]:
    """The books take whatever a worker that lost its lane says; the lease is still asked before each write."""

    def locked(unit: Any, hold: Any) -> Lane:
        lane: Lane = unit.session.scalars(select(Lane).where(Lane.switch_id == hold.switch_id)).one()
        return lane

    return patch.object(hil.store.claims, "lane_locked", locked)


class _Without:
    """A module with one name replaced."""

    def __init__(self, module: Any, **replaced: Any) -> None:
        self._module = module
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def cancel_unbumped() -> AbstractContextManager[Any]:
    wish = _Without(hil.services.operation.wish, bump=lambda ctx, ports: {})
    return patch.object(hil.services.operation, "wish", wish)


def release_unbumped() -> AbstractContextManager[Any]:
    def bump(ctx: Any, ports: Any) -> dict[int, int]:
        return {port.id: port.wanted for port in ports}

    return patch.object(hil.services.node, "wish", _Without(hil.services.node.wish, bump=bump))


def _users_only(*states: AttachmentState) -> AbstractContextManager[Any]:
    def users(ctx: Any, network: Any, project_id: int | None = None, *, others: bool = False) -> str | None:
        query = select(Node.name).join(Nic, Nic.node_id == Node.id).join(Attachment, Attachment.nic_id == Nic.id)
        query = query.where(Attachment.network_id == network.id, Attachment.state.in_(states))
        if project_id is not None:
            query = query.where(Node.project_id == project_id)
        found: str | None = ctx.session.scalar(query.limit(1)) if not others else None
        return found

    return patch.object(hil.services.network, "_users", users)


def generation_ignored() -> AbstractContextManager[Any]:
    """A settlement counts for the newest wish and not for the one that was claimed."""

    return patch.object(hil.store.claims, "_reached", lambda applied, generation, wanted: wanted)


def lost_lane_renewed() -> AbstractContextManager[Any]:
    """Whoever the books name is prolonged, whether it still drives the lane or not."""
    real = hil.store.lanes.lanes_renew

    def renew(store: Any, owner: str, held: Any) -> Any:
        kept, deadline = real(store, owner, store.read(lambda session: list(session.scalars(select(Lane.switch_id)))))
        return kept & set(held), deadline

    return patch.object(hil.store.lanes, "lanes_renew", renew)


def unclean_given() -> AbstractContextManager[Any]:
    """A free node is handed out whatever its ports are known to carry."""
    return patch.object(hil.services.node, "_ready", lambda ctx, node: None)


MUTATIONS: Final[dict[str, Mutation]] = {
    "ports are neither tainted nor booked before they are touched": lambda: _claim_forgetting(taint=True, vlans=True),
    "ports are not tainted before they are touched": lambda: _claim_forgetting(taint=True, vlans=False),
    "VLANs are not booked before they are sent": lambda: _claim_forgetting(taint=False, vlans=True),
    "a VLAN is free as soon as its network is deleted": vlan_freed_early,
    "a command is believed": command_believed,
    "what reads as wanted is not saved": save_forgotten,
    "a release does not wait for ports": release_unwaiting,
    "neither lease nor fence is asked": lease_ignored,
    "a worker that lost its lane still settles": fence_ignored,
    "a lane that was given up is renewed": lost_lane_renewed,
    "a cancelled connect keeps its generation": cancel_unbumped,
    "a release keeps the generation": release_unbumped,
    "revoke sees only what is attached": lambda: _users_only(AttachmentState.ATTACHED),
    "revoke sees only what is booked as attached or wished": lambda: _users_only(*AttachmentState),
    "a settlement counts for the newest wish": generation_ignored,
    "a node is handed out unread": unclean_given,
}
