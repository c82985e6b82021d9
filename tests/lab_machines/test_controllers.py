"""Controllers as processes: they hang, die and come back, and the machine runs on."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from hil.core.errors import BadArgument, DeviceError, LostReply, Unavailable, Unreachable
from hil.core.obms import PowerAction
from hil.lab.machines import disk, room
from hil.lab.site import Site
from tests.lab_machines.rack import BOTH, OVER_IPMI, OVER_REDFISH, Rack, read_until, until

pytestmark = [pytest.mark.ovs, pytest.mark.machines]


def state_of(pid: int | None) -> str:
    """The state of a process, as proc(5) names it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("node", BOTH)
@pytest.mark.parametrize("fault", list(room.FAULTS))
def test_a_broken_controller_answers_nothing_and_the_machine_runs_on(machines: Rack, node: str, fault: str) -> None:
    async def story() -> None:
        async with machines.session(node) as bmc:
            await bmc.power_set(PowerAction.ON)
        before = await machines.look(node)
        await asyncio.to_thread(room.fault_set, machines.site, node, fault)
        with pytest.raises((Unreachable, LostReply)):
            async with machines.session(node, timeout=1.5):
                pass
        broken = await machines.look(node)
        assert (broken.fault, broken.power, broken.pid) == (fault, True, before.pid)
        await asyncio.to_thread(room.fault_clear, machines.site, node)
        async with machines.session(node) as bmc:
            assert await bmc.power() is True
            line = await bmc.console()
            since = (await machines.look(node)).heard
            await bmc.power_set(PowerAction.RESET)
            await machines.says(node, disk.greeting(node), since)
            assert b"runs from its own disk" in await read_until(line, b"disk.")
            await line.close()
        assert (await machines.look(node)).fault == ""

    asyncio.run(story())


def test_the_faults_are_what_they_say(machines: Rack) -> None:
    site, first = machines.site, machines.facts(OVER_IPMI).bmc_pid
    room.fault_set(site, OVER_IPMI, room.HANG)
    until(lambda: state_of(first) == "T")
    assert machines.facts(OVER_REDFISH).fault == ""
    room.fault_clear(site, OVER_IPMI)
    until(lambda: state_of(first) != "T")
    assert machines.facts(OVER_IPMI).bmc_pid == first
    room.fault_set(site, OVER_IPMI, room.DEAD)
    assert machines.facts(OVER_IPMI).bmc_pid is None
    with pytest.raises(BadArgument, match="is dead"):
        room.fault_set(site, OVER_IPMI, room.HANG)
    room.fault_clear(site, OVER_IPMI)
    assert machines.facts(OVER_IPMI).bmc_pid not in (None, first)


def test_a_controller_that_ends_by_itself_is_told_and_mended(machines: Rack) -> None:
    pid = machines.facts(OVER_REDFISH).bmc_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: machines.facts(OVER_REDFISH).fault == room.DEAD)
    room.fault_clear(machines.site, OVER_REDFISH)

    async def story() -> None:
        async with machines.session(OVER_REDFISH) as bmc:  # at the same address, with the same certificate
            assert await bmc.power() is False

    asyncio.run(story())


def test_a_console_breaks_with_its_controller_and_the_machine_delays_nobody(machines: Rack) -> None:
    async def story() -> None:
        async with machines.session(OVER_REDFISH) as bmc:
            line = await bmc.console()
            await bmc.power_set(PowerAction.ON)
            await read_until(line, b"SeaBIOS")
            await asyncio.to_thread(room.fault_set, machines.site, OVER_REDFISH, room.DEAD)
            async with asyncio.timeout(20):
                with suppress(DeviceError):  # the last that is heard of a killed process is an end or a reset
                    while await line.read():
                        continue
            await line.close()
        await machines.says(OVER_REDFISH, disk.greeting(OVER_REDFISH))

    asyncio.run(story())


STRANGER = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20) as line:
    line.settimeout(20)
    print("open", flush=True)
    try:
        line.sendall(b"let me in")
        print(line.recv(100))
    except ConnectionError:
        print(b"")
"""


def test_the_serial_line_beside_the_controller_is_for_no_other_user(machines: Rack) -> None:
    """IPMI's console reaches its controller over TCP, where any user of the host may knock."""
    settings = (machines.site.directory / "vm" / OVER_IPMI / "lan.conf").read_text()
    port = settings.partition('sol "tcp:127.0.0.1:')[2].partition('"')[0]
    room.power(machines.site, OVER_IPMI, PowerAction.ON)
    until(lambda: disk.greeting(OVER_IPMI).encode() in room.heard(machines.site, OVER_IPMI)[1])
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/env", "python3", "-c", STRANGER, port],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "open\nb''\n"
    with socket.create_connection(("127.0.0.1", int(port)), 20) as line:
        line.sendall(b"ours")
        until(lambda: b"ours" in room.heard(machines.site, OVER_IPMI)[1])
    assert b"let me in" not in room.heard(machines.site, OVER_IPMI)[1]


@pytest.mark.parametrize(
    ("node", "fault", "named"), [("node09", "hang", "node09"), (OVER_IPMI, "sulk", "hang, dead"), (OVER_IPMI, "", "''")]
)
def test_what_cannot_be_broken_is_refused_with_what_can(machines: Rack, node: str, fault: str, named: str) -> None:
    with pytest.raises(BadArgument, match=named):
        room.fault_set(machines.site, node, fault)


def test_no_room_where_none_is(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        room.machines(Site(tmp_path))


def test_this_machine_has_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert room.possible() == ""
    for program, package in (("qemu-system-x86_64", "qemu-system-x86"), ("ipmi_sim", "openipmi")):
        monkeypatch.setattr("hil.lab.machines.room.shutil.which", _without(program))
        assert package in room.possible()
    monkeypatch.setattr("hil.lab.machines.room.shutil.which", _without(""))
    monkeypatch.setattr("hil.lab.machines.qemu.ROMS", (Path("/nowhere/efi-virtio.rom"),))
    assert "ipxe-qemu" in room.possible()


def _without(absent: str) -> Callable[..., str | None]:
    return lambda name, path=None: None if name == absent else f"/usr/bin/{name}"
