"""The Redfish driver against a real peer: sushy-tools' emulator, over TLS with a pinned certificate and HTTP Basic."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil.core.errors import IdentityChanged, Refused
from hil.core.obms import BootDevice, Firmware, Sensor
from hil.drivers.obm.redfish.session import open_session
from hil.drivers.obm.redfish.spec import SPEC
from hil.testing.obm import check_obm_driver
from hil.testing.obm_case import ObmControl
from tests.drivers_obm.redfish import certificate

pytestmark = pytest.mark.net

ROOT = Path(__file__).parents[3]
HAS = replace(
    SPEC,
    capabilities=replace(
        SPEC.capabilities,
        console=False,
        event_log=False,
        boot_once=False,
        devices=SPEC.capabilities.devices - {BootDevice.BIOS},
    ),
)
"""What the emulator has: no console, no log, no setup, and an override that always lasts."""


class Emulator:
    def __init__(self, dir: Path, pin: str) -> None:
        self.dir, self.pin = dir, pin

    @property
    def config(self) -> dict[str, Any]:
        port = (self.dir / "port").read_text()
        return {
            "url": f"https://127.0.0.1:{port}",
            "username": "hil",
            "password": "corr3ct horse",
            "certificate": self.pin,
            "timeout": 10.0,
        }

    @property
    def log(self) -> list[str]:
        return (self.dir / "log").read_text().splitlines() if (self.dir / "log").exists() else []

    def control(self) -> ObmControl:
        async def power() -> bool:
            return (self.dir / "power").read_text() == "On"

        async def boots() -> int:
            return sum(line in {"On", "ForceRestart"} for line in self.log)

        async def changes() -> int:
            return len(self.log)

        async def refuse(words: str) -> None:
            (self.dir / "refuse").write_text(words)

        async def lose_reply() -> None:
            (self.dir / "lose").touch()

        async def hang() -> None:
            (self.dir / "hang").touch()

        return ObmControl(power=power, boots=boots, changes=changes, refuse=refuse, lose_reply=lose_reply, hang=hang)


@asynccontextmanager
async def emulator(dir: Path) -> AsyncIterator[Emulator]:
    pin = certificate.make(dir)
    (dir / "power").write_text("Off")
    with (dir / "stderr").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(ROOT / ".venv-peers/bin/python", Path(__file__).with_name("emulator.py"), dir),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
            env={"PATH": os.environ.get("PATH", ""), "TMPDIR": str(dir)},
        )
    try:
        async with asyncio.timeout(60):
            while not (dir / "port").exists():
                assert process.returncode is None, (dir / "stderr").read_text()
                await asyncio.sleep(0.02)
        yield Emulator(dir, pin)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@asynccontextmanager
async def image() -> AsyncIterator[str]:
    """An image on the web, which the emulator fetches when it is inserted."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndisk")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/rescue.iso"
    finally:
        server.close()
        await server.wait_closed()


def test_it_keeps_its_promises_to_the_emulator(tmp_path: Path) -> None:
    async def story() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            nobody = f"https://127.0.0.1:{closed.getsockname()[1]}"
            async with emulator(tmp_path) as bmc, image() as url:
                config = SPEC.validate(bmc.config)
                report = await check_obm_driver(
                    open_session,
                    config,
                    bmc.control(),
                    spec=HAS,
                    wrong_login={**config, "password": "wrong"},
                    unreachable={**config, "url": nobody},
                    impatient={**config, "timeout": 2.0},
                    image=url,
                )
        assert set(report.not_tried) == {
            *("tells_dropped_sessions", "reads_the_event_log"),
            *("carries_console_output", "carries_console_input", "gives_the_console_back"),
        }

    asyncio.run(story())


def test_what_the_emulator_shows_is_read_and_another_certificate_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulator(tmp_path) as bmc:
            session = await open_session(SPEC.validate(bmc.config))
            sensors = await session.sensors()
            assert Sensor("Chassis Intake Temp", 25.0, "Cel", "ok") in sensors
            assert Sensor("BaseBoard System Fan", 2100.0, "RPM", "ok") in sensors
            assert await session.firmware() == [Firmware("BMC", "1.00")]
            assert [(each.slot, each.kinds) for each in await session.media()] == [
                ("Cd", ("cd",)),
                ("Floppy", ("floppy", "usb")),
            ]
            await session.close()
            with pytest.raises(IdentityChanged):
                await open_session(SPEC.validate({**bmc.config, "certificate": "00" * 32}))
            with pytest.raises(Refused, match="5f3e4c1e"):
                await open_session(SPEC.validate({**bmc.config, "system": "another"}))

    asyncio.run(story())
