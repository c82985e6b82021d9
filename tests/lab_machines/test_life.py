"""A room's beginning and end: nothing of the host is touched, labs do not collide, nothing is left."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.core.errors import Unavailable
from hil.core.obms import PowerAction
from hil.lab import real
from hil.lab.machines import room
from hil.lab.site import NIC, Site
from hil.lab.supervisor import wiring_of
from tests.lab_machines.rack import OVER_IPMI, OVER_REDFISH, Rack, programs, rack, until

pytestmark = [pytest.mark.ovs, pytest.mark.machines]

OWNER = """
import asyncio, sys
from pathlib import Path
from hil.lab import real
from hil.lab.machines import room
from hil.lab.site import NIC, Site
from hil.lab.supervisor import wiring_of

async def keep():
    site = Site(Path(sys.argv[1]))
    centre = real.start(site, wiring_of(2))
    async with room.serving(site, centre, {node: centre.mac((node, NIC)) for node, _ in centre.wiring}):
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(keep())
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hil-vm-") as name:
        yield Path(name)


def host() -> tuple[set[str], str, str, set[str]]:
    """What could be touched: interfaces, routes, mounts, locks of serial lines."""
    read = [Path(f"/proc/{name}").read_text() for name in ("net/route", "self/mounts")]
    return set(os.listdir("/sys/class/net")), read[0], read[1], set(os.listdir("/run/lock"))


def of(directory: Path) -> list[int]:
    """The processes of a room: those that name its directory, and those that work in it."""
    found = set(programs(directory))
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink().is_relative_to(directory):
                found.add(int(entry.name))
        except OSError:
            continue
    return sorted(found)


def test_nothing_of_the_host_changes_and_nothing_is_left(machines: Rack, directory: Path) -> None:
    """A second room beside the first, with the same names."""
    before = host()
    with rack(directory, 2) as second:
        for site in (machines.site, second.site):
            room.power(site, OVER_IPMI, PowerAction.ON)
        assert second.facts(OVER_IPMI).pid != machines.facts(OVER_IPMI).pid
        assert machines.facts(OVER_REDFISH).power is second.facts(OVER_REDFISH).power is False
        room.power(second.site, OVER_IPMI, PowerAction.OFF)
        assert machines.facts(OVER_IPMI).power
        room.power(second.site, OVER_IPMI, PowerAction.ON)
        assert host() == before
    assert of(directory) == []
    assert host() == before
    assert machines.facts(OVER_IPMI).power


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_everything_ends_with_its_owner_however_that_ends(directory: Path, how: signal.Signals) -> None:
    before = host()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(directory)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        site = Site(directory)
        room.power(site, OVER_IPMI, PowerAction.ON)
        room.fault_set(site, OVER_REDFISH, room.HANG)
        facts = room.machines(site)
        pids = [facts[OVER_IPMI].pid, *(each.bmc_pid for each in facts.values())]
        owner.send_signal(how)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    until(lambda: of(directory) == [])
    assert host() == before


def test_a_sandbox_that_ends_leaves_machines_without_power(directory: Path) -> None:
    with rack(directory, 2) as built:
        room.power(built.site, OVER_IPMI, PowerAction.ON)
        built.centre.stop()
        until(lambda: not built.facts(OVER_IPMI).power)


def test_a_room_that_cannot_begin_leaves_nothing(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.lab.machines.ipmi.PROGRAM", "false")
    with pytest.raises(Unavailable, match=OVER_IPMI), rack(directory, 2):
        pass
    assert of(directory) == []


def test_a_directory_too_deep_for_sockets_is_refused(directory: Path) -> None:
    site = Site(directory / ("x" * (70 - len(os.fsencode(directory)))))

    async def story() -> None:
        centre = real.start(site, wiring_of(1))
        try:
            with pytest.raises(Unavailable, match="too long a path"):
                async with room.serving(site, centre, {"n" * 40: centre.mac((OVER_IPMI, NIC))}):
                    pass
        finally:
            centre.stop()

    asyncio.run(story())
