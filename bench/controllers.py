"""The emulated controllers of the bench, in a process of their own: `python -m bench.controllers COUNT SECONDS`.

Prints the ports, then obeys one line of standard input at a time and says `ok`: `hang N` makes the first N controllers
take every request and never answer, `well` heals them, `say BYTES` makes the first machine print so much. Every answer
takes SECONDS, that to a log-in too. The process ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

import uvloop

from hil.core.obms import PowerAction
from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from hil.lab.bmc.machine import Machine
from hil.lab.bmc.server import EmulatedBmcServer
from hil.process.obmd import more_files

PIECE = 16 * 2**10
"""Bytes that a machine prints at a time."""


class Controllers:
    """`count` machines that are on, each behind a controller that takes `seconds` for an answer."""

    def __init__(self, count: int, seconds: float) -> None:
        self.machines = [Machine(f"n{number:04}") for number in range(count)]
        self.servers = [EmulatedBmcServer(machine) for machine in self.machines]
        for machine in self.machines:
            machine.power_set(PowerAction.ON)
            for op in (BmcOp.LOGIN, BmcOp.READ, BmcOp.WRITE) if seconds else ():
                machine.faults.add(BmcFault(kind=BmcFaultKind.SLOW, op=op, seconds=seconds, count=None))

    async def obey(self, words: list[str]) -> None:
        match words:
            case ["hang", number]:
                for machine in self.machines[: int(number)]:
                    machine.faults.add(BmcFault(kind=BmcFaultKind.HANG, op=BmcOp.READ, count=None))
            case ["well"]:
                for machine in self.machines:
                    machine.faults.clear(BmcFaultKind.HANG)
            case ["say", size]:
                await self._say(int(size))

    async def _say(self, size: int) -> None:
        piece = (b"0123456789abcdefghijklmnopqrstuvwxyz" * (PIECE // 36 + 1))[:PIECE]
        for _ in range(size // PIECE):
            self.machines[0].print(piece)
            await asyncio.sleep(0)  # what was printed leaves before more comes


async def serve(count: int, seconds: float) -> None:
    """Run until standard input ends."""
    here = Controllers(count, seconds)
    async with contextlib.AsyncExitStack() as stack:
        for server in here.servers:
            await stack.enter_async_context(server)
        print(json.dumps([server.port for server in here.servers]), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            await here.obey(line.split())
            print("ok", flush=True)


if __name__ == "__main__":
    more_files()
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2])))
