"""A real BMC's firmware in a process: ipmi_sim of OpenIPMI, with a machine of files and a serial line of our own.

ipmi_sim speaks RMCP+ on UDP and runs a program for everything that concerns the machine. That program is `CHASSIS`:
power and boot device are files, and files make it slow, or make it lose an answer. The serial line is TCP: at the
first console the simulator connects to us, so that a test is the machine.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.drivers.obm.ipmi.session import call
from hil.testing.obm_case import ObmControl

USER, PASSWORD = "operator", "corr3ct~horse,"

CHASSIS = """#!/bin/sh
D=$1; shift
echo "$*" >>"$D/log"
hold() { [ -e "$D/$1" ] && rm "$D/$1" && sleep 4; }
case "$1 $2" in
'get power') hold hang; p=0; [ -e "$D/power" ] && read -r p <"$D/power"; echo "power:$p" ;;
'get boot') b=default; [ -e "$D/boot" ] && read -r b <"$D/boot"; echo "boot:$b" ;;
'set power') [ -e "$D/refuse" ] && rm "$D/refuse" && exit 1; echo "$3" >"$D/power"; hold lose; true ;;
'set boot') echo "$3" >"$D/boot" ;;
'set shutdown') echo 0 >"$D/power" ;;
'set reset' | 'set identify') ;;
*) exit 1 ;;
esac
"""

LAN = """name "machine"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid 0f0e0d0c0b0a09080706050403020100
  endlan
  chassis_control "{chassis} {dir}"
  sol "tcp:127.0.0.1:{serial}" 115200 nortscts
  user 1 true "" "unused" user 10 none md2 md5 straight
  user 2 true "{user}" "{password}" admin 10 none md2 md5 straight
"""


def sensor_record(number: int, kind: int, unit: int, name: str, factor: int) -> str:
    """A full sensor record (IPMI 2.0, 43.1): a linear sensor of one byte, times `factor`."""
    body = [0x20, 0, number, 3, 1, 0x7F, 0x68, kind, 1, 0, 0, 0, 0, 0x3F, 0x3F, 0, unit, 0, 0, factor]
    body += [0] * 9 + [0xFF] + [0] * 12 + [0xC0 | len(name), *name.encode()]
    return " ".join(f"0x{octet:02x}" for octet in [0, 0, 0x51, 1, len(body), *body])


EMULATION = f"""mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 1000 0x0a
main_sdr_add 0x20 {sensor_record(1, 1, 1, "CPU Temp", 1)}
main_sdr_add 0x20 {sensor_record(2, 4, 18, "Fan 1", 100)}
sensor_add 0x20 0 1 1 1
sensor_set_value 0x20 0 1 42 0
sensor_add 0x20 0 2 4 1
sensor_set_value 0x20 0 2 30 0
mc_enable 0x20
"""


@dataclass
class Simulator:
    """A running ipmi_sim, its machine, and the other end of its serial line."""

    dir: Path
    port: int
    process: asyncio.subprocess.Process
    typed: bytearray = field(default_factory=bytearray)
    line: asyncio.StreamWriter | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The simulator knows cipher suite 3 alone, and never says that a boot device is in force."""
        return {
            "address": "127.0.0.1",
            "port": self.port,
            "username": USER,
            "password": PASSWORD,
            "cipher_suite": 3,
            "privilege": "ADMINISTRATOR",
            "quirks": ["boot-flags-never-valid"],
            "timeout": 6.0,
        }

    @property
    def log(self) -> list[str]:
        """What the chassis was told: `get power`, `set power 1`, …"""
        return (self.dir / "log").read_text().splitlines() if (self.dir / "log").exists() else []

    def flag(self, name: str) -> None:
        (self.dir / name).touch()

    async def say(self, data: bytes) -> None:
        await until(lambda: self.line is not None)
        assert self.line is not None
        self.line.write(data)
        await self.line.drain()

    def control(self) -> ObmControl:
        async def power() -> bool:
            return (self.dir / "power").read_text().strip() == "1"

        async def boots() -> int:
            return sum(line in {"set power 1", "set power 2", "set reset 1"} for line in self.log)

        async def changes() -> int:
            return sum(line.startswith("set power") for line in self.log)

        async def lose_reply() -> None:
            self.flag("lose")

        async def hang() -> None:
            self.flag("hang")

        async def typed() -> bytes:
            return bytes(self.typed)

        return ObmControl(
            power=power, boots=boots, changes=changes, lose_reply=lose_reply, hang=hang, say=self.say, typed=typed
        )


@asynccontextmanager
async def simulator(dir: Path, emulation: str = EMULATION) -> AsyncIterator[Simulator]:
    """Start one, wait until it answers, and end it. Its UDP port stays reserved, since ipmi_sim would share any."""
    found: list[Simulator] = []
    typed = bytearray()

    async def serial(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found[0].line = writer
        with suppress(OSError):
            while data := await reader.read(4096):
                typed.extend(data)
        writer.close()

    server = await asyncio.start_server(serial, "127.0.0.1", 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        process = await _start(dir, port, server.sockets[0].getsockname()[1], emulation)
        found.append(Simulator(dir, port, process, typed))
        try:
            await call(found[0].config, ["raw", "0x06", "0x01"])
            yield found[0]
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            server.close()
            if found[0].line is not None:
                found[0].line.close()
            await server.wait_closed()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  it watches another process
            await asyncio.sleep(0.01)


async def _start(dir: Path, port: int, serial: int, emulation: str) -> asyncio.subprocess.Process:
    chassis = dir / "chassis"
    chassis.write_text(CHASSIS)
    chassis.chmod(0o755)
    (dir / "power").write_text("0\n")
    (dir / "state").mkdir()
    values = {"port": port, "serial": serial, "chassis": chassis, "dir": dir, "user": USER, "password": PASSWORD}
    (dir / "lan.conf").write_text(LAN.format(**values))
    (dir / "machine.emu").write_text(emulation)
    return await asyncio.create_subprocess_exec(
        *("ipmi_sim", "-n", "-c", dir / "lan.conf", "-f", dir / "machine.emu", "-s", dir / "state"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ.get("PATH", "")},
    )
