"""One machine: a QEMU process that is there while it has power, and what its BMC may do with it.

Every BMC acts on this object, whatever protocol it speaks. It has power while the process runs, and no memory that
could say otherwise. An override of the boot device lasts for one boot, unless it is said to stay. Switching on and
restarting make a new process, since QEMU takes the boot device only at its start.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from hil.core.errors import BadArgument, Refused
from hil.core.obms import BootChoice, BootDevice, PowerAction
from hil.lab.machines import asks, disk, qemu
from hil.lab.machines.serial import Serial

_PROMPT: Final = b"(qemu) "
PATIENCE: Final = 20.0
"""Seconds that an emulator may take to start or end on a busy machine."""


class Machine:
    """Belongs to one event loop. `place` is its NIC in the sandbox whose control socket is `control`."""

    def __init__(self, name: str, mac: str, directory: Path, control: Path, place: str) -> None:
        self.name, self.mac, self.directory = name, mac, directory
        self.serial = Serial()
        self.override = BootChoice(BootDevice.NONE)
        self.boots = 0
        self.lit = False
        self._control, self._place = control, place
        self._guest: asyncio.Task[Any] | None = None
        self._process: int | None = None
        """A descriptor of the process: it names no other one, even when the number is used again."""
        self._pid = 0
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """Be in the rack, without power, for as long as the block lasts."""
        (self.directory / "disk").write_bytes(disk.image(self.name))
        async with (
            self.serial.serving(self.directory / "serial"),
            asks.serving(self.directory / "power", self._answer),
        ):
            try:
                yield
            finally:
                async with self._turn:
                    await self._off()

    @property
    def on(self) -> bool:
        return self._guest is not None and not self._guest.done()

    @property
    def pid(self) -> int | None:
        return self._pid if self.on else None

    async def power_set(self, action: PowerAction) -> None:
        """Do it, and answer when it is done. Raises Refused."""
        async with self._turn:
            if action is PowerAction.SOFT_OFF:
                await self._soft_off()
                return
            if action is not PowerAction.ON:
                await self._off()
            if action is not PowerAction.OFF and not self.on:
                await self._on()

    async def _on(self) -> None:
        """Start it, and answer once its firmware speaks: an emulator may end before its machine runs."""
        (self.directory / "monitor").unlink(missing_ok=True)
        argv = qemu.arguments(self.name, self.mac, self.directory, self.override.device)
        alive = self.serial.sign_of_life()
        self._guest = asyncio.create_task(asks.ask(self._control, "guest", place=self._place, argv=argv))
        await asyncio.wait((self._guest, alive), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not alive.done():
            guest, self._guest = self._guest, None
            raise Refused(f"{self.name} has no power: {await self._why(guest)}")
        self._pid = alive.result()
        self._forget()
        with suppress(ProcessLookupError):
            self._process = os.pidfd_open(self._pid)
        self.boots += 1
        if not self.override.persistent:
            self.override = BootChoice(BootDevice.NONE)

    @staticmethod
    async def _why(guest: asyncio.Task[Any]) -> str:
        """Why there is no machine, and see to it that there will be none."""
        if not guest.done():
            guest.cancel()  # with whoever asked for it, the emulator ends
            await asyncio.wait((guest,))
            return "the emulator does not start."
        if (error := guest.exception()) is not None:
            return str(error)
        status, words = guest.result()
        return f"the emulator ended with {status}: {words.strip() or 'no words'}."

    async def _off(self) -> None:
        if self._guest is None:
            return
        if self._process is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)
        await asyncio.wait((self._guest,), timeout=PATIENCE)
        if self.on:
            raise Refused(f"{self.name} does not lose its power: its emulator does not end.")
        if not self._guest.cancelled():
            self._guest.exception()  # the sandbox may have ended with the machine in it
        self._guest = None
        self._forget()

    def _forget(self) -> None:
        if self._process is not None:
            os.close(self._process)
            self._process = None

    async def _soft_off(self) -> None:
        """Press the power button: what runs from the disk ends itself, and firmware does not hear it."""
        if not self.on:
            return
        reader, writer = await asyncio.open_unix_connection(self.directory / "monitor")
        try:
            async with asyncio.timeout(PATIENCE):
                with suppress(EOFError):  # it may be off before it has answered
                    await reader.readuntil(_PROMPT)
                    writer.write(b"system_powerdown\n")
                    await reader.readuntil(_PROMPT)  # who hangs up before has not been heard
        finally:
            writer.close()

    async def _answer(self, request: asks.Request) -> Any:
        """What a BMC may ask."""
        match request["do"]:
            case "power":
                return self.on
            case "power-set":
                return await self.power_set(PowerAction(request["action"]))
            case "boot":
                return {"device": str(self.override.device), "persistent": self.override.persistent}
            case "boot-set":
                self.override = BootChoice(BootDevice(request["device"]), request.get("persistent") is True)
                return None
            case "identify":
                self.lit = request["on"] is True
                return None
            case "light":
                return self.lit
        raise BadArgument(f"{str(request['do'])[:40]!a} is nothing that a machine can be asked.")
