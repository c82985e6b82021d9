"""A hand on the emulated BMC, as the conformance check wants it."""

from __future__ import annotations

from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from hil.lab.bmc.server import EmulatedBmcServer
from hil.testing.obm_case import ObmControl


def control_of_bmc(server: EmulatedBmcServer) -> ObmControl:
    """Everything that a test can do to a controller and its machine, done to this one."""
    machine = server.machine

    def arm(fault: BmcFault) -> None:
        machine.faults.add(fault)

    async def refuse(words: str) -> None:
        arm(BmcFault(kind=BmcFaultKind.REFUSE, op=BmcOp.WRITE, words=words))

    async def lose_reply() -> None:
        arm(BmcFault(kind=BmcFaultKind.LOSE_REPLY, op=BmcOp.WRITE))

    async def hang() -> None:
        arm(BmcFault(kind=BmcFaultKind.HANG, op=BmcOp.READ))

    async def power() -> bool:
        return machine.on

    async def boots() -> int:
        return len(machine.boots)

    async def changes() -> int:
        return len(machine.changes())

    async def sessions() -> int:
        return len(server.sessions)

    async def say(data: bytes) -> None:
        machine.print(data)

    async def typed() -> bytes:
        return bytes(machine.typed)

    return ObmControl(
        power=power, boots=boots, refuse=refuse, lose_reply=lose_reply, hang=hang, drop=server.drop,
        changes=changes, sessions=sessions, say=say, typed=typed,
    )  # fmt: skip
