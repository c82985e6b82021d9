"""A hand on an emulated switch, as the conformance check wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from hil.core.model import PortState
from hil.core.wiring import Mac, Neighbour
from hil.drivers.switch.mock.device import Carried, Command, EmulatedSwitch, Foreign, Held
from hil.drivers.switch.mock.faults import Fault, FaultKind, Faults, Op
from hil.testing.case import Control, Notes


class Emulated(Protocol):
    """The face that every emulated switch has: faults, what was written, what its ports let through, its steps."""

    faults: Faults
    neighbours: dict[str, list[Neighbour]]
    macs: dict[str, list[Mac]]
    on_step: Callable[[str], None] | None

    def carried(self, port: str) -> Carried: ...

    def set_by_hand(self, port: str, held: Held) -> None: ...

    def writes(self) -> list[Command]: ...

    def reboot(self) -> None: ...


class Hand:
    """What can be done to any emulated switch. It knows neither aggregations nor edge ports: those are a platform's."""

    def __init__(self, device: Emulated) -> None:
        self._device = device

    def control(self, **more: Any) -> Control:
        """All of it, and what a platform has besides."""
        return Control(
            refuse=self.refuse,
            lose_reply=self.lose_reply,
            reboot=self.reboot,
            make_foreign=self.make_foreign,
            writes=self.writes,
            busy=self.busy,
            fail_save=self.fail_save,
            carries=self.carries,
            watch=self.watch,
            plug=self.plug,
            **more,
        )

    async def refuse(self, port: str, words: str) -> None:
        self._device.faults.add(Fault(kind=FaultKind.REFUSE, port=port, words=words))

    async def lose_reply(self) -> None:
        self._device.faults.add(Fault(kind=FaultKind.LOSE_REPLY, op=Op.WRITE))

    async def reboot(self) -> None:
        self._device.reboot()

    async def make_foreign(self, port: str) -> None:
        self._device.set_by_hand(port, Foreign("trunk of all VLANs", f"port {port} trunk allowed all"))

    async def writes(self) -> int:
        return len(self._device.writes())

    async def busy(self) -> None:
        self._device.faults.add(Fault(kind=FaultKind.BUSY, op=Op.WRITE))

    async def fail_save(self, words: str) -> None:
        self._device.faults.add(Fault(kind=FaultKind.FAIL_SAVE, words=words))

    async def carries(self, port: str) -> PortState | None:
        return self._let_through([port])[port]

    async def plug(self, port: str, mac: str) -> None:
        self._device.macs = {port: [Mac(mac, 1)]}
        self._device.neighbours = {port: [Neighbour(mac, mac, "node-01")]}

    def watch(self, ports: Sequence[str]) -> Notes:
        before = self._device.on_step
        notes = [self._let_through(ports)]

        def note(step: str) -> None:
            notes.append(self._let_through(ports))
            if before is not None:
                before(step)

        def end() -> Sequence[dict[str, PortState | None]]:
            self._device.on_step = before
            return [*notes, self._let_through(ports)]

        self._device.on_step = note
        return end

    def _let_through(self, ports: Sequence[str]) -> dict[str, PortState | None]:
        found = {port: self._device.carried(port) for port in ports}
        return {port: None if each.everything else PortState(each.native, each.tagged) for port, each in found.items()}


def control_of(device: EmulatedSwitch) -> Control:
    """Everything that a test can do to a device, done to this one."""
    return Hand(device).control()
