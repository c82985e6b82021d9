"""A lane: everything that this worker does to one switch, one step after the other.

A step claims (commits: tainted), drives the device with no transaction open, and settles. Nothing is carried from one
step to the next but a warm session, and that only while the lane is held; whoever takes the lane after a crash starts
from the books and the device alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from hil import telemetry
from hil.core import guard
from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceError, HilError, LeaseLost, LostReply, Unreachable
from hil.core.model import Observed
from hil.drivers.registry import open_session_function, switch_spec
from hil.store import lanes
from hil.store.audits import Audited, audit_pick, audit_settle
from hil.store.claims import claim, lane_failed, settle
from hil.store.journal import Source
from hil.store.lanes import Driven, Hold, boottime
from hil.store.unit import Store
from hil.worker.drive import drive, read_ports

T = TypeVar("T")
STEP_LIMIT = 600.0
"""Longest that one device session may take for a batch, in seconds; a driver's own time-outs are far shorter."""
log = logging.getLogger(__name__)


class Call(Protocol):
    """How store functions are run: in a thread, so that no lane waits for another's transaction."""

    def __call__(self, function: Callable[..., T], *arguments: Any) -> Awaitable[T]: ...


class Lane:
    """The lane of one switch in this worker. `owner` names the worker in leases and in the journal."""

    def __init__(self, store: Store, switch_id: int, owner: str, call: Call) -> None:
        self.store = store
        self.switch_id = switch_id
        self.owner = owner
        self.hold: Hold | None = None
        self.deadline = 0.0
        self.used_at = 0.0
        self._call = call
        self._wrote = False
        self._session: SwitchSession | None = None
        self._driven: Driven | None = None
        self._source = Source(f"worker {owner}", "worker")

    async def take(self) -> bool:
        """Hold the lane; True if it is ours now."""
        if self.hold is None or boottime() >= self.deadline:
            await self.close()
            self.hold = await self._call(lanes.lane_take, self.store, self.switch_id, self.owner)
            self.deadline = 0.0 if self.hold is None else self.hold.deadline
        return self.hold is not None

    def renewed(self, deadline: float) -> None:
        """The lease was prolonged to this `boottime`."""
        self.deadline = deadline

    async def leave(self) -> None:
        """Close the session and give the lane back."""
        await self.close()
        hold, self.hold = self.hold, None
        if hold is not None:
            await self._call(lanes.lane_leave, self.store, hold)

    async def close(self) -> None:
        """End the warm session; the lane stays ours."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(DeviceError, OSError):
                await session.close()

    async def step(self) -> bool:
        """Do one batch. True if there was one and the device answered, so that another may follow at once."""
        hold = self._held()
        batch = await self._call(self.store.change, lambda unit: claim(unit, hold, self._source))
        if not batch:
            return False
        began = time.monotonic()
        telemetry.BATCH_SIZE.observe(len(batch))
        writer = Writer(hold.fence, self._permit)
        try:
            async with asyncio.timeout(STEP_LIMIT):
                outcomes = await self._fresh(lambda session: drive(session, batch, writer))
        except (DeviceError, TimeoutError) as error:
            await self._failed(hold, error)
            return False
        finally:
            telemetry.DEVICE_SECONDS.observe(time.monotonic() - began)
        await self._call(self.store.change, lambda unit: settle(unit, hold, outcomes, self._source))
        return True

    async def audit(self) -> int:
        """Read every settled port and book the differences; answers how many had drifted."""
        hold = self._held()
        picked = await self._call(self.store.read, lambda session: audit_pick(session, self.switch_id))
        read: dict[int, tuple[Audited, Observed]] = {}
        seen: dict[str, Observed] = {}
        lost: dict[str, DeviceError] = {}
        try:
            async with asyncio.timeout(STEP_LIMIT):
                if picked:
                    seen, lost = await self._fresh(lambda session: read_ports(session, [each.port for each in picked]))
        except (DeviceError, TimeoutError) as error:
            await self._failed(hold, error)
            return 0
        for entry in picked:
            # A port that the switch does not have any more is not as it shall be, and hides none of the others.
            if entry.port in lost:
                seen[entry.port] = Observed(None, str(lost[entry.port]))
            if entry.port in seen:
                read[entry.port_id] = (entry, seen[entry.port])
        drifted: int = await self._call(self.store.change, lambda unit: audit_settle(unit, hold, read, self._source))
        telemetry.DRIFT.inc(drifted)
        return drifted

    def _held(self) -> Hold:
        if self.hold is None:
            raise LeaseLost("The lane is not held.")
        return self.hold

    async def _fresh(self, work: Callable[[SwitchSession], Awaitable[T]]) -> T:
        """Do the work in the warm session; if that turns out to be dead before anything was written, in a new one."""
        warm = self._session is not None
        self._wrote = False
        session = await self._open()
        try:
            return await work(session)
        except (Unreachable, LostReply):
            if not warm or self._wrote:
                raise
        await self.close()
        return await work(await self._open())

    def _permit(self) -> None:
        """Asked by the session immediately before every write."""
        if boottime() >= self.deadline - self.store.limits.lease_margin:
            raise LeaseLost("The lease of the lane is about to run out: nothing more is written under it.")
        self._wrote = True

    async def _open(self) -> SwitchSession:
        """The warm session, or a new one if there is none or the switch was changed in the books."""
        guard.device()
        driven = await self._call(lanes.switch_driven, self.store, self.switch_id)
        if driven is None:
            raise LeaseLost("The switch was deleted.")
        if self._session is not None and self._driven is not None and self._driven.version != driven.version:
            await self.close()
        if self._session is None:
            try:
                spec = switch_spec(driven.driver)
            except HilError as error:
                raise Unreachable(f"Driver {driven.driver!r} cannot be loaded: {error}") from error
            self._session = await open_session_function(spec)(driven.config)
            self._driven = driven
        self.used_at = time.monotonic()
        return self._session

    async def _failed(self, hold: Hold, error: DeviceError | TimeoutError) -> None:
        """Close the session and book why the switch could not be driven, as far as the lane is still ours.

        A device may refuse our fence though the books say that the lane is ours (they were set back to a backup): that
        is booked like any failure, so that somebody reads it. Raises LeaseLost if that is what it was.
        """
        await self.close()
        known = error if isinstance(error, DeviceError) else Unreachable("The switch took too long.")
        log.warning("switch %s: %s %s", self.switch_id, known.message, known.detail)
        with contextlib.suppress(LeaseLost):
            await self._call(self.store.change, lambda unit: lane_failed(unit, hold, known))
        if isinstance(error, LeaseLost):
            self.hold = None
            raise error
