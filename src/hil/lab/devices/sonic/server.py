"""The commands of an emulated SONiC switch, each a process of its own over SSH, as the driver and people use them.

Checkpoints are whole configurations by name. A patch that fails leaves the database as it was.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from hil.drivers.switch.mock.faults import FaultKind, Op
from hil.lab.devices import Served
from hil.lab.devices.model import Busy, Config, Device, Dropped, Session
from hil.lab.devices.shell import Process, serve_ssh
from hil.lab.devices.sonic.database import Invalid, patched, printed
from hil.lab.devices.sonic.rule import FACTORY, SonicRule

_PORTS: Final = tuple(f"Ethernet{number}" for number in range(0, 16, 4))
VERSION: Final = """
SONiC Software Version: SONiC.202411.0-lab
Distribution: Debian 12.5
Kernel: 6.1.0-22-2-amd64

Platform: x86_64-lab-r0
HwSKU: LAB-48x25G
ASIC: vs
Serial Number: LAB4711
Model Number: N/A
Uptime: 10:11:12 up 3 days
"""


APPLY: Final = 'f=$(mktemp) && cat >"$f" && sudo -n config apply-patch "$f"; s=$?; rm -f "$f"; exit $s'
"""A patch from standard input: no shell is emulated, only this line of one."""


class Printed(NamedTuple):
    """What a command prints, and how it ends."""

    output: str = ""
    errors: str = ""
    status: int = 0


class Switch:
    """What the commands of one device share: its checkpoints."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.checkpoints: dict[str, Config] = {}

    async def talk(self, process: Process, session: Session) -> None:
        command = process.command or ""
        does = self._commands().get(command)
        if does is None:
            done = Printed(errors=f"bash: {command.split()[0] if command else ''}: command not found\n", status=127)
        else:
            stdin = await process.stdin.read()
            try:
                done = await does(session, stdin)
            except Busy:
                done = Printed(errors="Failed to acquire lock on /etc/sonic/config.lock\n", status=1)
        process.stdout.write(done.output.encode())
        process.stderr.write(done.errors.encode())
        process.exit(done.status)

    def _commands(self) -> dict[str, Callable[[Session, bytes], Awaitable[Printed]]]:
        return {
            "sudo -n sonic-cfggen -d --print-data": self._shows(
                lambda device: json.dumps(printed(device.config), indent=4)
            ),
            "show version": self._shows(lambda _: VERSION),
            "show lldp table": self._shows(lldp),
            "show mac": self._shows(macs),
            "sudo -n config checkpoint hil": self._checkpoint,
            "sudo -n config delete-checkpoint hil": self._forget,
            "sudo -n config rollback hil": self._rollback,
            APPLY: self._apply,
            "sudo -n config save -y": self._save,
        }

    def _shows(self, render: Callable[[Device], str]) -> Callable[[Session, bytes], Awaitable[Printed]]:
        async def show(session: Session, _: bytes) -> Printed:
            await session.enter(Op.READ)
            text = render(self.device)
            session.leave(Op.READ)
            return Printed(text + "\n")

        return show

    async def _checkpoint(self, session: Session, _: bytes) -> Printed:
        await session.enter(Op.READ)  # it writes a file of its own, and no configuration
        self.checkpoints["hil"] = self.device.config.copy()
        session.leave(Op.READ)
        return Printed("Checkpoint created successfully.\n")

    async def _forget(self, session: Session, _: bytes) -> Printed:
        if self.checkpoints.pop("hil", None) is None:
            return Printed(errors="Error: Checkpoint 'hil' does not exist\n", status=1)
        return Printed("Checkpoint deleted successfully.\n")

    async def _rollback(self, session: Session, _: bytes) -> Printed:
        await session.enter(Op.WRITE)
        if "hil" not in self.checkpoints:
            return Printed(errors="Error: Checkpoint 'hil' does not exist\n", status=1)
        session.commit(self.checkpoints["hil"].copy())
        session.leave(Op.WRITE)
        return Printed("Config rolled back successfully.\n")

    async def _apply(self, session: Session, stdin: bytes) -> Printed:
        try:
            candidate = patched(self.device.config, json.loads(stdin))
        except (Invalid, ValueError, KeyError, TypeError) as error:
            return _failed(str(error))
        changed = [port for port, entry in candidate.ports.items() if entry != self.device.config.ports[port]]
        port = changed[0] if len(changed) == 1 else None
        await session.enter(Op.WRITE, port)
        for name in changed:
            if words := session.refusal(name):
                return _failed(f"{name}: {words}")
        session.commit(candidate)
        if any(self.device.faults.strike(FaultKind.HALF, Op.WRITE, name) for name in changed):
            raise Dropped
        session.leave(Op.WRITE, port)
        return Printed("Patch Applier: localhost: Patch application starting.\nPatch applied successfully.\n")

    async def _save(self, session: Session, _: bytes) -> Printed:
        await session.enter(Op.SAVE)
        words = session.save()
        session.leave(Op.SAVE)
        if words is not None:
            return Printed(errors=f"Error: {words}\n", status=1)
        return Printed("Running command: /usr/local/bin/sonic-cfggen -d --print-data > /etc/sonic/config_db.json\n")


def _failed(words: str) -> Printed:
    usage = 'Usage: config apply-patch [OPTIONS] PATCH_FILE_PATH\nTry "config apply-patch -h" for help.\n\n'
    return Printed("Patch Applier: localhost: Patch application starting.\n", f"{usage}Error: {words}\n", 2)


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Print a table as the `show` commands do."""
    widths = [max(len(cell) for cell in column) for column in zip(names, *rows, strict=True)]
    lines = [names, tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def lldp(device: Device) -> str:
    """`show lldp table`; the chassis id is not in it."""
    rows = [(port, told.name, told.port, "O", "") for port, found in device.neighbours.items() for told in found]
    names = ("LocalPort", "RemoteDevice", "RemotePortID", "Capability", "RemotePortDescr")
    head = "Capability codes: (R) Router, (B) Bridge, (O) Other\n"
    return head + table(names, rows) + f"\n{'-' * 50}\nTotal entries displayed:  {len(rows)}"


def macs(device: Device) -> str:
    """`show mac`."""
    found = [(port, mac) for port, heard in device.macs.items() for mac in heard]
    rows = [
        (str(at), str(mac.vlan or 1), mac.address.upper(), port, "Dynamic") for at, (port, mac) in enumerate(found, 1)
    ]
    return table(("No.", "Vlan", "MacAddress", "Port", "Type"), rows) + f"\nTotal number of entries {len(rows)}"


class SonicEmulator:
    """The lab's SONiC switch."""

    ports = _PORTS

    def device(self, name: str, ports: tuple[str, ...] | None = None, **settings: Any) -> Device:
        return Device(name, SonicRule(), ports or self.ports, **{"factory": FACTORY, "vlans": (), **settings})

    @asynccontextmanager
    async def serve(self, device: Device) -> AsyncIterator[Served]:
        async with serve_ssh(device, Switch(device).talk, together=True) as config:
            yield Served(device, config)


EMULATOR: Final = SonicEmulator()
