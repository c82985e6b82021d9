"""Takes the power from a node that is being released, through its OBMd.

At an obmd of ours it is an epoch of HIL's own: booked before it begins, ended before the node is free, so that a crash
between any two lines leaves an epoch that the release step ends. The power is off when the controller says so.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from hil.core.errors import DeviceError, HilError, Refused
from hil.core.model import NodeState
from hil.core.secret import Secret
from hil.drivers.obmd_link import ObmdLink, Reach
from hil.services.capability import Right
from hil.services.obm import hil_capability, obm_reach
from hil.store.tables import Node
from hil.store.unit import Store, Unit
from hil.worker.lane import Call


class PowerOff:
    """Whoever calls it has seen that nothing of the last project is alive at the OBMd."""

    def __init__(self, store: Store, link: ObmdLink, call: Call) -> None:
        self.store, self._link, self._call = store, link, call

    async def foreign(self, reach: Reach) -> None:
        """Raises DeviceError."""
        token = await self._link.enable(reach)
        try:
            await self._link.power_off_with_token(reach, token)
        finally:
            await self._link.disable(reach)

    async def own(self, node_id: int, epoch: int) -> None:
        """Raises DeviceError; the node waits on, in whatever epoch it then is."""
        begun = await self._call(self.store.change, lambda unit: self._begin(unit, node_id, epoch))
        if begun is None:
            raise Refused("the node has changed meanwhile")
        reach, capability = begun
        try:
            await self._link.begin(reach)
            await self._off(reach, capability)
        finally:
            await self._link.disable(reach)
        if not await self._call(self.store.change, lambda unit: self._end(unit, node_id, reach.epoch)):
            raise Refused("the node has changed meanwhile")

    async def _off(self, reach: Reach, capability: Secret) -> None:
        url, fresh = reach.at("power"), {"max_age": 0}
        try:
            for last in (False, True):
                seen = await self._link.ask("GET", url, reach.node, capability, params=fresh)
                if isinstance(seen, dict) and seen.get("power") == "off":
                    return
                if not last:
                    await self._link.ask("POST", url, reach.node, capability, body={"action": "off"})
        except HilError as error:
            raise error if isinstance(error, DeviceError) else Refused(error.message) from error
        raise Refused(f"node {reach.node} was told to power off and is still on")

    def _begin(self, unit: Unit, node_id: int, epoch: int) -> tuple[Reach, Secret] | None:
        node = self._held(unit.session, node_id, epoch)
        if node is None:
            return None
        node.obm_epoch, node.obm_revoke = epoch + 1, True
        reach = obm_reach(self.store, unit.session, node)
        assert reach is not None, "a node without an OBMd is not powered off"
        return reach, hil_capability(self.store, unit.session, node.name, node.obm_epoch, Right.POWER, life=300.0)

    def _end(self, unit: Unit, node_id: int, epoch: int) -> bool:
        node = self._held(unit.session, node_id, epoch)
        if node is None:
            return False
        node.obm_revoke = False
        return True

    @staticmethod
    def _held(session: Session, node_id: int, epoch: int) -> Node | None:
        query = select(Node).where(Node.id == node_id, Node.obm_epoch == epoch, Node.state == NodeState.RELEASING)
        return session.scalars(query.with_for_update(key_share=True)).one_or_none()
