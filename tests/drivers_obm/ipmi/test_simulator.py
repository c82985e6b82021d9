"""The IPMI driver against a real peer: ipmi_sim, over real UDP, through the real ipmitool."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil.core.errors import DeviceBusy, DeviceError, LoginRefused, LostReply, Refused, Unreachable
from hil.core.obms import BootChoice, BootDevice, Firmware, PowerAction, Sensor
from hil.drivers.obm.ipmi.session import IpmiSession, call, open_session
from hil.drivers.obm.ipmi.spec import SPEC
from hil.testing.obm import check_obm_driver
from tests.drivers_obm.ipmi.simulator import PASSWORD, Simulator, simulator, until

pytestmark = pytest.mark.net

KEPT = replace(SPEC, capabilities=replace(SPEC.capabilities, boot_persistent=False, uefi=False))
"""What the simulator keeps of the boot flags: the device alone."""
NOT_TRIED = {"refuses_in_words", "tells_dropped_sessions"}
"""The simulator refuses without words; there is no connection that could be dropped."""


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


@asynccontextmanager
async def session(sim: Simulator, **other: Any) -> AsyncIterator[IpmiSession]:
    opened = await open_session(SPEC.validate({**sim.config, **other}))
    assert isinstance(opened, IpmiSession)
    yield opened
    await opened.close()


def silent_port() -> tuple[socket.socket, int]:
    held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    held.bind(("127.0.0.1", 0))
    return held, held.getsockname()[1]


def children() -> dict[str, int]:
    """Our own children that are not reaped, or still run: names and process ids."""
    found = {}
    for process in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = process.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if rest.split()[1] == str(os.getpid()):
            found[name] = int(process.parent.name)
    return found


def told_to_the_world() -> bytes:
    """Arguments and environment of every ipmitool that runs."""
    seen = b""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if process.joinpath("comm").read_text() == "ipmitool\n":
                seen += process.joinpath("cmdline").read_bytes() + process.joinpath("environ").read_bytes()
    return seen


def test_it_keeps_its_promises_to_the_simulator(tmp_path: Path) -> None:
    async def story() -> None:
        held, port = silent_port()
        async with simulator(tmp_path) as sim:
            config = SPEC.validate(sim.config)
            report = await check_obm_driver(
                open_session,
                config,
                sim.control(),
                spec=KEPT,
                wrong_login={**config, "password": "wrong"},
                unreachable={**config, "port": port, "timeout": 1.0},
                impatient={**config, "timeout": 2.5},
            )
        held.close()
        assert set(report.not_tried) == NOT_TRIED | {"carries_media"}
        assert "ipmitool" not in children()

    run(story())


def test_errors_while_logging_in_are_told_apart(tmp_path: Path) -> None:
    async def story() -> None:
        held, port = silent_port()
        async with simulator(tmp_path) as sim:
            cases: list[tuple[dict[str, Any], type[DeviceError], str]] = [
                ({"password": "wrong"}, LoginRefused, "user name or password"),
                ({"username": "nobody"}, LoginRefused, "user name or password"),
                ({"cipher_suite": 17}, Refused, "cipher_suite"),
                ({"port": port, "timeout": 1.0}, Unreachable, "no answer in time"),
            ]
            for other, kind, words in cases:
                with pytest.raises(kind, match=words) as seen:
                    await open_session(SPEC.validate({**sim.config, **other}))
                assert type(seen.value) is kind
                assert PASSWORD not in f"{seen.value.message} {seen.value.detail}"
        held.close()

    run(story())


def test_a_refused_change_is_refused_and_the_session_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        async with simulator(tmp_path) as sim, session(sim) as bmc:
            sim.flag("refuse")
            with pytest.raises(Refused, match="0xff"):
                await bmc.power_set(PowerAction.ON)
            assert await bmc.power() is False

    run(story())


def test_what_a_change_sends_reaches_the_chassis(tmp_path: Path) -> None:
    async def story() -> None:
        async with simulator(tmp_path) as sim, session(sim) as bmc:
            await bmc.boot_set(BootChoice(BootDevice.CDROM, persistent=True, uefi=True))
            assert (await bmc.boot()).device is BootDevice.CDROM
            await bmc.identify(20)
            await bmc.identify(3600)
            await bmc.power_set(PowerAction.RESET)
            changes = [line for line in sim.log if line.startswith("set")]
            assert changes == ["set boot cdrom", "set identify 20 0", "set identify 0 1", "set power 1"]

    run(story())


def test_sensors_events_and_firmware_are_read(tmp_path: Path) -> None:
    async def story() -> None:
        async with simulator(tmp_path) as sim, session(sim) as bmc:
            assert await bmc.sensors() == [
                Sensor("CPU Temp", 42.0, "degrees C", "ok"),
                Sensor("Fan 1", 3000.0, "RPM", "ok"),
            ]
            assert await bmc.firmware() == [Firmware("BMC", "9.08")]
            assert await bmc.event_log(5) == []
            events = tmp_path / "events"
            events.write_text("0x04 0x01 0x01 0x01 0x57 0x60 0x50\n0x04 0x01 0x01 0x81 0x52 0x20 0x50\n")
            await call(sim.config, ["raw", "0x0a", "0x49", "0x00", "0x58", "0x21", "0x6a"])  # Set SEL Time
            await call(sim.config, ["sel", "add", str(events)])
            older, newer = found = await bmc.event_log(5)
            assert all(0 <= (entry.at or 0) - 0x6A215800 < 60 for entry in found)
            assert (older.id, older.severity) == ("1", "warning")
            assert older.message == "Temperature #0x01, Upper Non-critical going high, Asserted"
            assert (newer.id, newer.severity) == ("2", "ok")
            assert await bmc.event_log(1) == [newer]

    run(story())


def test_one_at_a_time_has_the_console_and_another_may_take_it_over(tmp_path: Path) -> None:
    async def story() -> None:
        async with simulator(tmp_path) as sim, session(sim) as bmc:
            line = await bmc.console()
            async with session(sim) as second:
                with pytest.raises(DeviceBusy):
                    await second.console()
            async with session(sim, console_takeover=True) as third:
                taken = await third.console()
                await taken.write(b"mine")
                await until(lambda: b"mine" in sim.typed)
                await taken.close()
            await line.close()
            assert "ipmitool" not in children()

    run(story())


def test_a_console_that_breaks_is_told_from_one_that_ends(tmp_path: Path) -> None:
    async def story() -> None:
        async with simulator(tmp_path) as sim, session(sim) as bmc:
            line = await bmc.console()
            os.kill(children()["ipmitool"], signal.SIGKILL)
            with pytest.raises(LostReply, match="ended the serial console"):
                await line.read()
            await line.close()

    run(story())


def test_a_cancelled_call_leaves_no_process(tmp_path: Path) -> None:
    async def story() -> None:
        async with simulator(tmp_path) as sim, session(sim) as bmc:
            sim.flag("hang")
            asked = asyncio.create_task(bmc.power())
            await until(lambda: "ipmitool" in children() and not (tmp_path / "hang").exists())
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            assert "ipmitool" not in children()
            with pytest.raises(Unreachable):
                await bmc.power()

    run(story())


def test_the_password_is_in_no_argument_and_no_environment(tmp_path: Path) -> None:
    async def story() -> None:
        async with simulator(tmp_path) as sim, session(sim) as bmc:
            line = await bmc.console()
            seen = told_to_the_world()
            await line.close()
            assert b"sol\0activate" in seen
            assert PASSWORD.encode() not in seen

    run(story())


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.drivers.obm.ipmi.commands.PROGRAM", "no-such-ipmitool")
    config = SPEC.validate({"address": "127.0.0.1", "username": "a", "password": "b"})
    with pytest.raises(Unreachable, match="no-such-ipmitool is not installed"):
        asyncio.run(open_session(config))
