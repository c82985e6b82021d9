"""The sandbox: it touches nothing outside, collides with nothing, and leaves nothing behind."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hil.core.errors import BadArgument, Unavailable
from hil.lab.ovs.datacentre import DataCentre, wire
from hil.lab.ovs.sandbox import available, process_of
from tests.ovs.hand import factory

pytestmark = pytest.mark.ovs
MACHINES = {"node1": ["eth0"], "node2": ["eth0"]}

OWNER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
from pathlib import Path
from hil.lab.ovs.datacentre import DataCentre, wire
centre = DataCentre.start(Path(sys.argv[1]), wire({"node1": ["eth0"], "node2": ["eth0"]}))
print("up", flush=True)
time.sleep(600)
"""


def programs(directory: Path) -> list[int]:
    """Every process of this host whose command line names a directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(directory) in words and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def interfaces() -> set[str]:
    return set(os.listdir("/sys/class/net"))


async def gone(directory: Path) -> None:
    async with asyncio.timeout(20):
        while programs(directory):  # noqa: ASYNC110 - a process that is no child of ours tells nobody
            await asyncio.sleep(0.005)


def test_this_machine_can_run_it() -> None:
    assert available() is None


def test_nothing_of_the_host_changes_and_nothing_is_left(short_dir: Path) -> None:
    before = interfaces(), Path("/proc/net/route").read_text(), Path("/proc/self/mounts").read_text()
    with DataCentre.start(short_dir, wire(MACHINES)):
        assert (interfaces(), Path("/proc/net/route").read_text(), Path("/proc/self/mounts").read_text()) == before
        assert len(programs(short_dir)) >= 4
    assert programs(short_dir) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_its_owner_however_that_ends(short_dir: Path, how: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(short_dir)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        assert len(programs(short_dir)) >= 4
        owner.send_signal(how)
    asyncio.run(gone(short_dir))
    assert programs(short_dir) == []


def test_it_ends_when_only_its_outer_process_is_killed(short_dir: Path) -> None:
    with DataCentre.start(short_dir, wire(MACHINES)):
        outer = min(programs(short_dir))
        os.kill(outer, signal.SIGKILL)
        asyncio.run(gone(short_dir))
        assert programs(short_dir) == []


def test_two_with_the_same_names_do_not_collide(centre: DataCentre, short_dir: Path) -> None:
    factory(centre)
    with DataCentre.start(short_dir, wire(MACHINES)) as other:
        assert other.hears([]) == {frozenset({("node1", "eth0"), ("node2", "eth0")})}
        other.power(False)
        assert len(centre.hears([])) == 15


def test_another_process_can_find_it_and_step_into_a_machine(centre: DataCentre) -> None:
    found = DataCentre.attach(centre.directory)
    assert found.wiring == centre.wiring
    told = subprocess.run(found.shell("node1", "ip", "-brief", "link"), capture_output=True, text=True, check=True)
    assert [line.split("@")[0] for line in told.stdout.splitlines()[1:]] == ["eth0", "eth1"]
    assert found.mac(("node1", "eth0")) in told.stdout
    inside = subprocess.run(found.shell("node2", "ip", "-brief", "address"), capture_output=True, text=True, check=True)
    assert f"{found.address(('node2', 'eth1'))}/16" in inside.stdout
    assert process_of(centre.directory / "control.sock") in programs(centre.directory)


def test_a_program_in_a_machine_tells_status_and_output(centre: DataCentre) -> None:
    assert centre.run("node1", "sh", "-c", "echo out; echo err >&2; exit 3") == (3, "out\n", "err\n")
    with pytest.raises(BadArgument, match="too long"):
        centre.run("node1", "sleep", "60", timeout=0.05)


def test_no_verdict_is_told_from_silence(centre: DataCentre) -> None:
    centre.freeze("ovs-vswitchd")
    try:
        with pytest.raises(BadArgument, match="forwarded nothing"):
            centre.probe(fresh=False, patience=0.2)
    finally:
        centre.freeze("ovs-vswitchd", frozen=False)
    assert centre.probe()


@pytest.mark.parametrize(
    ("wiring", "named"),
    [
        ({("n", "eth0"): ("sw1", "p" * 16)}, "15 characters"),
        ({("n", "eth 0"): ("sw1", "p1")}, "eth 0"),
        ({("n", "eth0"): ("sw1", "p1"), ("m", "eth0"): ("sw2", "p1")}, "unique"),
        ({("n", "eth0"): ("sw3", "p1")}, "sw3"),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_starts(
    short_dir: Path, wiring: dict[tuple[str, str], tuple[str, str]], named: str
) -> None:
    with pytest.raises(BadArgument, match=named):
        DataCentre.start(short_dir, wiring)
    assert list(short_dir.iterdir()) == []


def test_a_directory_too_deep_for_sockets_is_refused(short_dir: Path) -> None:
    with pytest.raises(Unavailable, match="shorter"):
        DataCentre.start(short_dir / ("x" * 90), wire(MACHINES))


def test_no_lab_where_none_runs_or_one_ran(short_dir: Path) -> None:
    with pytest.raises(Unavailable):
        DataCentre.attach(short_dir)
    DataCentre.start(short_dir, wire(MACHINES)).stop()
    with pytest.raises(Unavailable):
        DataCentre.attach(short_dir)
