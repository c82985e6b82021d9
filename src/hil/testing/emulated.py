"""A hand on the emulated switch, as the conformance check wants it."""

from __future__ import annotations

from hil.drivers.switch.mock.device import EmulatedSwitch, Foreign
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.testing.case import Control


def control_of(device: EmulatedSwitch) -> Control:
    """Everything that a test can do to a device, done to this one."""

    async def refuse(port: str, words: str) -> None:
        device.faults.add(Fault(kind=FaultKind.REFUSE, port=port, words=words))

    async def lose_reply() -> None:
        device.faults.add(Fault(kind=FaultKind.LOSE_REPLY, op=Op.WRITE))

    async def reboot() -> None:
        device.reboot()

    async def make_foreign(port: str) -> None:
        device.set_by_hand(port, Foreign("trunk of all VLANs", f"port {port} trunk allowed all"))

    async def writes() -> int:
        return len(device.writes())

    return Control(refuse=refuse, lose_reply=lose_reply, reboot=reboot, make_foreign=make_foreign, writes=writes)
