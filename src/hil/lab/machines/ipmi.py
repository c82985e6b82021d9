"""The IPMI controller of a machine: OpenIPMI's simulator, ipmi_sim, with its files in the machine's directory.

It listens on a loopback port, speaks RMCP+ (IPMI 2.0, cipher suite 3 alone), runs `chassis` for what concerns the
machine, and carries the serial port over TCP. Two things it cannot do are known: it never says that a boot device is in
force, and it does not hand on whether an override is to stay. So overrides over IPMI last for one boot here.
"""

from __future__ import annotations

import asyncio
import shlex
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from hil.lab.machines import chassis
from hil.lab.machines.serial import Serial, is_ours

DRIVER: Final = "ipmi"
PROGRAM: Final = "ipmi_sim"
USER: Final = "hil"
HOST: Final = "127.0.0.1"
_GLANCE: Final = 0.05

_LAN: Final = """name "{name}"
set_working_mc 0x20
  startlan 1
    addr {host} {port}
    priv_limit admin
    allowed_auths_callback none
    allowed_auths_user none
    allowed_auths_operator none
    allowed_auths_admin none
    guid {guid}
  endlan
  chassis_control "./chassis"
  sol "tcp:{host}:{serial}" 115200 nortscts
  user 1 false "" "" user 1 none
  user 2 true "{user}" "{password}" admin 10 none md2 md5 straight
"""
_PARTS: Final = """mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 1000 0x0a
main_sdr_add 0x20 {temperature}
sensor_add 0x20 0 1 1 1
sensor_set_value 0x20 0 1 38 0
mc_enable 0x20
"""
_TEMPERATURE: Final = (
    *(0x20, 0, 1, 3, 1, 0x7F, 0x68, 1, 1, 0, 0, 0, 0, 0x3F, 0x3F, 0, 1, 0, 0, 1),
    *([0] * 9 + [0xFF] + [0] * 12),
    *(0xC0 | 8, *b"CPU Temp"),
)
"""A full sensor record (IPMI 2.0, 43.1): one byte of degrees Celsius, linear."""
_ASK: Final = bytes.fromhex("0600ff07 00 00000000 00000000 09 20 18c8 81 00 38 0e04 35")
"""Get Channel Authentication Capabilities outside any session (IPMI 2.0, 22.13)."""


class IpmiBmc:
    """One controller's addresses and files. `port` stays reserved, since ipmi_sim would share any."""

    def __init__(self, name: str, number: int, directory: Path, password: str) -> None:
        self.name, self._number, self._dir, self._password = name, number, directory, password
        self.port = 0

    @asynccontextmanager
    async def wired(self, serial: Serial) -> AsyncIterator[None]:
        """Have its files written and its end of the serial port ready."""

        async def line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Any user of the host can reach a loopback port; a console is not for any user.
            if is_ours(writer.get_extra_info("socket")):
                await serial.attach(reader, writer)
            writer.transport.abort()

        server = await asyncio.start_server(line, HOST, 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind((HOST, 0))
            self.port = reserved.getsockname()[1]
            self._write(server.sockets[0].getsockname()[1])
            try:
                yield
            finally:
                server.close()

    @property
    def config(self) -> dict[str, Any]:
        """What HIL must be told."""
        return {
            "address": HOST,
            "port": self.port,
            "username": USER,
            "password": self._password,
            "cipher_suite": 3,
            "quirks": ["boot-flags-never-valid"],
        }

    @property
    def argv(self) -> list[str]:
        """To be run in the machine's directory. The password is in a file."""
        return [PROGRAM, "-n", "-c", "lan.conf", "-f", "parts.emu", "-s", "state"]

    async def ready(self, _process: asyncio.subprocess.Process) -> None:
        """Wait until it answers."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.setblocking(False)
            asker.connect((HOST, self.port))
            while True:
                with suppress(TimeoutError, OSError):
                    await loop.sock_sendall(asker, _ASK)
                    async with asyncio.timeout(_GLANCE):
                        await loop.sock_recv(asker, 512)
                        return

    def _write(self, serial: int) -> None:
        program = [sys.executable, "-I", "-S", chassis.__file__, str(self._dir / "power")]
        (self._dir / "chassis").write_text(f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n')
        (self._dir / "chassis").chmod(0o700)
        (self._dir / "state").mkdir(exist_ok=True)
        values = {"name": self.name, "host": HOST, "port": self.port, "serial": serial}
        values |= {"guid": f"{self._number:032x}", "user": USER, "password": self._password}
        (self._dir / "lan.conf").write_text(_LAN.format(**values))
        record = (0, 0, 0x51, 1, len(_TEMPERATURE), *_TEMPERATURE)
        parts = _PARTS.format(temperature=" ".join(f"0x{octet:02x}" for octet in record))
        (self._dir / "parts.emu").write_text(parts)
