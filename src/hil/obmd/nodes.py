"""All nodes of this obmd: registering them, raising their epochs, and letting in whoever holds a capability.

What the database knows and what memory knows change together, under one lock for each node: memory closes first, then
the database is told, then the answer is given. Whatever fails in between leaves the node closed: it is read from the
database again before anybody is let in.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import defaultdict
from typing import Any

from hil.core import names
from hil.core.errors import Denied, Duplicate, HilError, NotFound, Unauthenticated, Unavailable
from hil.core.secret import Secret
from hil.drivers.obm_registry import obm_spec, open_obm_function
from hil.obmd.limits import ObmdLimits
from hil.obmd.node import Node, Tenure, Unusable
from hil.obmd.owner import Clock, Owner, Target
from hil.obmd.recording import Recordings
from hil.obmd.store import EpochBehind, ObmdStore, Pause, Record
from hil.obmd.tally import Tally
from hil.services.capability import Capability, Right

log = logging.getLogger(__name__)


class KeptPauses:
    """Refused log-ins, remembered in the database."""

    def __init__(self, store: ObmdStore) -> None:
        self._store = store

    async def load(self, controller: str) -> Pause:
        return await asyncio.to_thread(self._store.pause, controller)

    async def keep(self, controller: str, pause: Pause) -> None:
        await asyncio.to_thread(self._store.pause_set, controller, pause)


class _Entry:
    """What memory knows of one node. `node` is None while its driver cannot be used, with the reason in `fault`."""

    def __init__(self, record: Record, node: Node | None, fault: str) -> None:
        self.record, self.node, self.fault = record, node, fault


class Nodes:
    """Belongs to one event loop; `start` before use, `close` at the end."""

    def __init__(
        self, store: ObmdStore, limits: ObmdLimits, clock: Clock, recordings: Recordings | None = None
    ) -> None:
        self._store, self.limits, self.clock, self._recordings = store, limits, clock, recordings
        self.tally = Tally()
        self._entries: dict[str, _Entry] = {}
        self._owners: dict[str, Owner] = {}
        self._stopping = False
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def start(self) -> None:
        """Read what is registered. Raises Unavailable."""
        for record in await asyncio.to_thread(self._store.records):
            self._enter(record)

    async def close(self) -> None:
        """End every term, every console, every session."""
        await self.end_terms()
        await asyncio.gather(*(owner.close() for owner in self._owners.values()))

    async def end_terms(self) -> None:
        """End every term and console; nobody is let in any more."""
        self._stopping = True
        await asyncio.gather(*(node.end_terms() for node in self.all()))

    def all(self) -> list[Node]:
        return [entry.node for entry in self._entries.values() if entry.node is not None]

    def owners(self) -> list[Owner]:
        return [*self._owners.values()]

    def shown(self, name: str | None = None) -> list[dict[str, Any]]:
        """What an operator may see, of one node or of all, by name. Raises NotFound."""
        if name is not None and name not in self._entries:
            raise _unknown(name)
        chosen = sorted(self._entries) if name is None else [name]
        return [self._shown(self._entries[each]) for each in chosen]

    @staticmethod
    def _shown(entry: _Entry) -> dict[str, Any]:
        record = entry.record
        shown = {"name": record.name, "driver": record.driver, "epoch": record.epoch, "enabled": record.enabled}
        if entry.node is None:
            return shown | {"config": None, "fault": entry.fault}
        config = {key: value for key, value in record.config.items() if key not in entry.node.spec.secrets}
        return shown | {"config": config, "fault": None, **entry.node.shown()}

    async def put(self, name: str, driver: str, config: dict[str, Any], *, only_new: bool = False) -> bool:
        """Register a node, or change how it is reached; True if it is new. Raises BadArgument, Duplicate."""
        names.name("node", name)
        spec = obm_spec(driver)
        checked = spec.validate(config)
        open_obm_function(spec)
        async with self._locks[name]:
            before = self._entries.get(name)
            if before is not None and only_new:
                raise Duplicate(f"Node {name!r} is registered already.")
            if before is not None and (before.record.driver, before.record.config) == (driver, checked):
                return False
            await self._leave(name)
            try:
                record = await asyncio.to_thread(self._store.put, name, driver, checked)
            except HilError:
                if before is not None:
                    self._enter(before.record)
                raise
            self._enter(record)
            entered = self._entries[name].node
            if entered is not None:
                await entered.owner.forgive()
            return before is None

    async def delete(self, name: str) -> None:
        """Forget a node, once nobody uses it any more; one that is unknown is no error."""
        async with self._locks[name]:
            await self._leave(name)
            await asyncio.to_thread(self._store.delete, name)

    async def raise_epoch(self, name: str, epoch: int, *, enabled: bool, returned: str = "") -> None:
        """Begin an epoch: whatever was begun in an older one has ended when this returns.

        `returned` is kept for whoever asks HIL about this epoch (`returned`).
        Raises EpochBehind, and NotFound if a node that is not registered is to be enabled.
        """
        names.name("node", name)
        async with self._locks[name]:
            entry = self._entries.get(name)
            if entry is None and enabled:
                raise _unknown(name)
            if enabled and entry is not None and (entry.record.epoch, entry.record.enabled) == (epoch, True):
                return  # disabling is done over: what memory has as disabled may be enabled in the database
            if entry is not None and (epoch < entry.record.epoch or (enabled and epoch == entry.record.epoch)):
                raise EpochBehind(f"Node {name!r} is in epoch {entry.record.epoch} already.", entry.record.epoch)
            try:
                if entry is not None and entry.node is not None:
                    await entry.node.end_terms()
                await asyncio.to_thread(
                    lambda: self._store.raise_epoch(name, epoch, enabled=enabled, returned=returned)
                )
            finally:
                await self._again(name)

    async def returned(self, name: str) -> Secret:
        """What HIL gave with the node's epoch; empty if it gave nothing. Raises Unavailable."""
        return await asyncio.to_thread(self._store.returned, name)

    async def _again(self, name: str) -> None:
        """Make memory agree with the database; if that cannot be read, the node stays closed until it can."""
        entry = self._entries.get(name)
        if entry is None:
            return
        entry.record = Record(name, entry.record.driver, entry.record.config, entry.record.epoch, False)
        found = await asyncio.to_thread(self._store.record, name)
        if found is not None:
            entry.record = found
            if entry.node is not None and found.enabled:
                entry.node.tenure = entry.node.begin(found.epoch)

    def admit(self, name: str, capability: Capability, *rights: Right) -> tuple[Node, Tenure]:
        """Let the holder of a capability in. Raises Unauthenticated, Denied, Unavailable."""
        if self._stopping:
            raise Unavailable("This obmd is being stopped: ask again.")
        entry = self._entries.get(name)
        if capability.node != name or entry is None or capability.epoch != entry.record.epoch:
            raise Unauthenticated("The capability is not for this node as it is now: ask HIL for a new one.")
        if not entry.record.enabled:
            raise Unauthenticated("Out-of-band management of this node is disabled: enable it at HIL.")
        node = self._usable(entry)
        if not capability.rights & set(rights):
            raise Denied(f"The capability does not give the right {' or '.join(map(str, rights))}.")
        if node.tenure is None:
            raise Unauthenticated("The node is changing hands: ask HIL for a new capability.")
        node.tenure.claim(capability.project_id, capability.project)
        return node, node.tenure

    def node(self, name: str) -> Node:
        """A node for an operator. Raises NotFound, Unusable."""
        if (entry := self._entries.get(name)) is None:
            raise _unknown(name)
        return self._usable(entry)

    async def foreign_token(self, name: str, epoch: int | None = None) -> str:
        """Begin a term of the original protocol and answer its token; an older one ends.

        With an epoch, only if the node is enabled in it. Raises NotFound, Unauthenticated.
        """
        async with self._locks[name]:
            node = self.node(name)
            record = self._entries[name].record
            if epoch is not None and (epoch, True) != (record.epoch, record.enabled):
                raise Unauthenticated("The capability is not of the node's present epoch.")
            await self._end_foreign(node)
            node.foreign = (secrets.token_hex(16), node.begin_foreign(self._entries[name].record.epoch))
            return node.foreign[0]

    async def foreign_end(self, name: str) -> None:
        """End the term of the original protocol, if there is one. Raises NotFound."""
        async with self._locks[name]:
            await self._end_foreign(self.node(name))

    @staticmethod
    async def _end_foreign(node: Node) -> None:
        held, node.foreign = node.foreign, None
        if held is not None:
            await held[1].term.end()

    @staticmethod
    def _usable(entry: _Entry) -> Node:
        if entry.node is None:
            raise Unusable(f"The driver of node {entry.record.name!r} cannot be used: ask an operator.")
        return entry.node

    def _enter(self, record: Record) -> None:
        """Take a record into memory; one whose driver is gone stays closed and is told of."""
        try:
            node, fault = self._made(record), ""
        except HilError as error:
            log.warning("Node %s cannot be used: %s", record.name, error.message)
            node, fault = None, error.message
        self._entries[record.name] = _Entry(record, node, fault)
        if node is not None and record.enabled:
            node.tenure = node.begin(record.epoch)

    def _made(self, record: Record) -> Node:
        spec = obm_spec(record.driver)
        target = Target(record.name, record.config, open_obm_function(spec))
        controller = f"{record.driver} {spec.controller(record.config)}"
        owner = self._owners.get(controller)
        if owner is None:
            most = spec.capabilities.max_sessions
            owner = Owner(controller, self.limits, KeptPauses(self._store), self.clock, most)
            self._owners[controller] = owner
        return Node(record.name, spec, target, owner, self.limits, self.clock, self.tally, self._recordings)

    async def _leave(self, name: str) -> None:
        """Take a node out of memory; a controller without nodes loses its owner."""
        entry = self._entries.pop(name, None)
        if entry is None or entry.node is None:
            return
        owner = entry.node.owner
        await entry.node.leave()
        if all(other.owner is not owner for other in self.all()):
            self._owners.pop(owner.controller, None)
            await owner.close()


def _unknown(name: str) -> NotFound:
    return NotFound(f"There is no node {name[:64]!a} here.")
