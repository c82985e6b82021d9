"""Power, boot device and console through HIL's own drivers: the guest is a process that comes and goes."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from hil.core.errors import DeviceBusy, LoginRefused, Refused
from hil.core.obms import BootChoice, BootDevice, PowerAction
from hil.lab.machines import disk, room
from tests.lab_machines.rack import BOTH, OVER_IPMI, OVER_REDFISH, Rack, read_until, until

pytestmark = [pytest.mark.ovs, pytest.mark.machines]


def runs(pid: int | None) -> bool:
    """Whether the emulator of a machine runs."""
    try:
        return b"qemu-system" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.parametrize("node", BOTH)
def test_power_starts_stops_and_restarts_the_guest(machines: Rack, node: str) -> None:
    async def story() -> None:
        before = (await machines.look(node)).boots
        async with machines.session(node) as bmc:
            assert await bmc.power() is False
            pids = []
            for action in (PowerAction.ON, PowerAction.CYCLE, PowerAction.RESET):
                await bmc.power_set(action)
                wanted = before + len(pids) + 1  # a cycle over IPMI takes a second
                await asyncio.to_thread(until, lambda wanted=wanted: machines.facts(node).boots == wanted)
                assert await bmc.power() is True
                found = await machines.look(node)
                assert runs(found.pid)
                assert not any(map(runs, pids))
                pids.append(found.pid)
            await bmc.power_set(PowerAction.ON)
            assert (await machines.look(node)).pid == pids[-1], "what is on stays as it is"
            await bmc.power_set(PowerAction.OFF)
            assert await bmc.power() is False
            assert not any(map(runs, pids))
            assert len(set(pids)) == 3

    asyncio.run(story())


@pytest.mark.parametrize("node", BOTH)
def test_what_runs_from_the_disk_hears_the_power_button_and_firmware_does_not(machines: Rack, node: str) -> None:
    async def story() -> None:
        await machines.boots(node, BootDevice.CDROM, "No bootable device")
        async with machines.session(node) as bmc:
            await bmc.power_set(PowerAction.SOFT_OFF)
            assert await bmc.power() is True
            await bmc.power_set(PowerAction.OFF)
            await bmc.power_set(PowerAction.SOFT_OFF)
            assert await bmc.power() is False
            await machines.boots(node, BootDevice.NONE, disk.greeting(node))
            await bmc.power_set(PowerAction.SOFT_OFF)
            await asyncio.to_thread(until, lambda: not machines.facts(node).power)
            assert await bmc.power() is False

    asyncio.run(story())


@pytest.mark.parametrize("node", BOTH)
def test_a_guest_that_dies_is_off_and_can_be_switched_on_again(machines: Rack, node: str) -> None:
    async def story() -> None:
        async with machines.session(node) as bmc:
            await bmc.power_set(PowerAction.ON)
            pid = (await machines.look(node)).pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await asyncio.to_thread(until, lambda: not machines.facts(node).power)
            assert await bmc.power() is False
            await bmc.power_set(PowerAction.ON)
            assert await bmc.power() is True

    asyncio.run(story())


@pytest.mark.parametrize("node", BOTH)
def test_the_console_carries_the_first_line_of_the_firmware_and_what_is_typed(machines: Rack, node: str) -> None:
    async def story() -> None:
        async with machines.session(node) as bmc:
            line = await bmc.console()
            await bmc.power_set(PowerAction.ON)
            said = await read_until(line, disk.greeting(node).encode())
            assert said.index(b"SeaBIOS") < said.index(b"iPXE") < said.index(b"Booting from Hard Disk")
            await line.write(b"typed ~ here\r")
            assert b"typed ~ here" in await read_until(line, b"here")
            await line.close()
            room_says = await machines.says(node, "typed ~ here")
            assert "SeaBIOS" in room_says

    asyncio.run(story())


def test_redfish_has_one_console_and_it_is_free_again_after_its_end(machines: Rack) -> None:
    async def story() -> None:
        async with machines.session(OVER_REDFISH) as bmc, machines.session(OVER_REDFISH) as other:
            line = await bmc.console()
            with pytest.raises(Refused, match="403"):
                await other.console()
            await line.close()
            async with asyncio.timeout(20):
                while True:
                    try:
                        second = await other.console()
                        break
                    except (Refused, DeviceBusy):  # the goodbye has not arrived yet
                        continue
            await other.power_set(PowerAction.ON)
            assert b"SeaBIOS" in await read_until(second, b"SeaBIOS")
            await second.close()

    asyncio.run(story())


@pytest.mark.parametrize("node", BOTH)
def test_an_override_lasts_for_one_boot(machines: Rack, node: str) -> None:
    async def story() -> None:
        said = await machines.boots(node, BootDevice.PXE, "iPXE initialising devices")
        assert "Booting from Hard Disk" not in said
        since = (await machines.look(node)).heard
        async with machines.session(node) as bmc:
            assert (await bmc.boot()).device is BootDevice.NONE
            await bmc.power_set(PowerAction.RESET)
        assert "Booting from ROM" not in await machines.says(node, disk.greeting(node), since)

    asyncio.run(story())


def test_an_override_that_shall_stay_stays_over_redfish(machines: Rack) -> None:
    async def story() -> None:
        async with machines.session(OVER_REDFISH) as bmc:
            await bmc.boot_set(BootChoice(BootDevice.CDROM, persistent=True))
            for _ in range(2):
                since = (await machines.look(OVER_REDFISH)).heard
                await bmc.power_set(PowerAction.RESET)
                await machines.says(OVER_REDFISH, "No bootable device", since)
                found = await bmc.boot()
                assert (found.device, found.persistent) == (BootDevice.CDROM, True)
            await bmc.boot_set(BootChoice(BootDevice.NONE))
            since = (await machines.look(OVER_REDFISH)).heard
            await bmc.power_set(PowerAction.RESET)
            await machines.says(OVER_REDFISH, disk.greeting(OVER_REDFISH), since)

    asyncio.run(story())


@pytest.mark.parametrize("node", BOTH)
def test_each_boot_device_is_taken_and_told_back(machines: Rack, node: str) -> None:
    async def story() -> None:
        async with machines.session(node) as bmc:
            for device in BootDevice:
                await bmc.boot_set(BootChoice(device))
                assert (await bmc.boot()).device is device
                assert (await machines.look(node)).next_boot == device

    asyncio.run(story())


@pytest.mark.parametrize("node", BOTH)
def test_a_wrong_password_is_refused(machines: Rack, node: str) -> None:
    async def story() -> None:
        with pytest.raises(LoginRefused):
            async with machines.session(node, password="wrong"):
                pass

    asyncio.run(story())


def test_passwords_differ_and_are_in_no_command_line(machines: Rack) -> None:
    passwords = [controller.config["password"] for controller in machines.controllers.values()]
    assert len(set(passwords)) == len(passwords)
    room.power(machines.site, OVER_IPMI, PowerAction.ON)
    facts = room.machines(machines.site)
    seen = b""
    for pid in [each.bmc_pid for each in facts.values()] + [facts[OVER_IPMI].pid]:
        seen += Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    assert b"ipmi_sim" in seen
    assert b"qemu-system" in seen
    assert not any(password.encode() in seen for password in passwords)


def test_what_starts_wrongly_is_refused_and_leaves_no_machine(machines: Rack) -> None:
    image = machines.site.directory / "vm" / OVER_REDFISH / "disk"
    whole = image.read_bytes()
    image.unlink()

    async def story() -> None:
        async with machines.session(OVER_REDFISH) as bmc:
            with pytest.raises(Refused, match="has no power"):
                await bmc.power_set(PowerAction.ON)
            assert await bmc.power() is False
            image.write_bytes(whole)
            await bmc.power_set(PowerAction.ON)
            assert await bmc.power() is True

    try:
        asyncio.run(story())
    finally:
        image.write_bytes(whole)
