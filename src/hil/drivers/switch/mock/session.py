"""A session with an emulated switch, whatever carries it: memory for `mock`, TCP for `emulated`.

It writes what differs, port by port in the safe order, and asks the lease immediately before each write. It
never retries: after any error but a refusal it is closed, and the worker decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from hil import __version__
from hil.core import guard
from hil.core.devices import Atomicity, Capabilities, SwitchSession, Writer
from hil.core.errors import DeviceError, LostReply, Refused, Unreachable
from hil.core.model import CLOSED, Observed, PortChange, PortState
from hil.core.vlans import fold
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.mock.device import EmulatedSwitch, switch_at
from hil.drivers.switch.mock.render import parking
from hil.drivers.switch.mock.spec import CAPABILITIES
from hil.drivers.switch.order import differing, foreign_vlans


class Talk(Protocol):
    """What carries a session: the device's own conversation, or one over a wire. Raises DeviceError."""

    @property
    def atomicity(self) -> Atomicity: ...

    async def read(self, ports: Collection[str] | None) -> dict[str, Observed]: ...

    async def write(self, changes: Mapping[str, PortState], fence: int) -> dict[str, Refused | None]:
        """Raises Unreachable if the conversation had ended before anything was sent."""
        ...

    async def save(self, fence: int) -> None: ...

    async def neighbours(self) -> dict[str, list[Neighbour]]: ...

    async def macs(self) -> dict[str, list[Mac]]: ...

    def close(self) -> None: ...


class EmulatedSession:
    """Speak the contract of `SwitchSession` to a `Talk`; a native `parked` stands for none."""

    def __init__(self, talk: Talk, capabilities: Capabilities = CAPABILITIES, parked: int | None = None) -> None:
        self._talk, self._capabilities, self._parked = talk, capabilities, parked

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        guard.device()
        with self._closing():
            found = await self._talk.read(ports)
        if self._parked is None:
            return found
        return {port: self._unparked(observed) for port, observed in found.items()}

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> dict[str, DeviceError | None]:
        guard.device()
        answers: dict[str, DeviceError | None] = {change.port: None for change in batch}
        writes: dict[str, PortState] = {}
        for change in differing(batch):
            if wrong := foreign_vlans(self._capabilities, self._own, change):
                answers[change.port] = Refused(f"Port {change.port}: this switch cannot carry VLAN {fold(wrong)}.")
            else:
                writes[change.port] = parking(change.want, self._parked)
        with self._closing():
            await self._write(writes, writer, answers)
        return answers

    async def save(self, writer: Writer) -> None:
        guard.device()
        with self._closing():
            writer.check()
            await self._talk.save(writer.fence)

    async def about(self) -> About:
        """It is HIL itself: its version stands for the firmware's."""
        guard.device()
        return About("emulated switch", __version__)

    async def neighbours(self) -> dict[str, list[Neighbour]]:
        guard.device()
        with self._closing():
            return await self._talk.neighbours()

    async def macs(self) -> dict[str, list[Mac]]:
        guard.device()
        with self._closing():
            return await self._talk.macs()

    async def close(self) -> None:
        self._talk.close()

    async def _write(
        self, writes: dict[str, PortState], writer: Writer, answers: dict[str, DeviceError | None]
    ) -> None:
        whole = self._talk.atomicity is Atomicity.SWITCH
        sent = False
        for part in [writes] if whole and writes else [{port: want} for port, want in writes.items()]:
            writer.check()
            try:
                answers.update(await self._talk.write(part, writer.fence))
            except Unreachable as error:
                if not sent:
                    raise
                raise LostReply(f"Between two ports: {error.message}", detail=error.detail) from error
            sent = True

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """Close after anything but a refusal, a crash and a cancellation included."""
        try:
            yield
        except Refused:
            raise
        except BaseException:
            self._talk.close()
            raise

    @property
    def _own(self) -> tuple[int, ...]:
        return () if self._parked is None else (self._parked,)

    def _unparked(self, observed: Observed) -> Observed:
        """Read a parked native as none; a port that holds nothing else carries nothing."""
        state = observed.state
        if state is None or state.native != self._parked:
            return observed
        return Observed(PortState(None, state.tagged) if state.tagged else CLOSED)


async def open_on(device: EmulatedSwitch, username: str, password: str) -> SwitchSession:
    """Open a session on a device in this process, parking natives where the device does."""
    guard.device()
    return EmulatedSession(await device.login(username, password), parked=device.parked)


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Open a session on this process's switch of that hostname. Raises LoginRefused, Unreachable."""
    return await open_on(switch_at(config["hostname"]), config["username"], config["password"])
