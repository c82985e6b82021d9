"""The emulated machines of a lab: how they boot, what is asked of them past their controllers, how those break."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from hil.core.errors import BadArgument, DeviceError, LoginRefused, LostReply, Unreachable
from hil.core.obms import BootChoice, BootDevice, PowerAction
from hil.drivers.obm.emulated.session import open_session
from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp, fault_in, fault_words
from hil.lab.bmc.machine import Machine
from hil.lab.bmc.room import DEAD, KINDS, EmulatedRoom
from hil.lab.bmc.startup import TRIES, EmulatedStartup, Search

T = TypeVar("T")
NODES = ("node01", "node02", "node03")


async def turns(found: Callable[[], T]) -> T:
    """Let the loop turn until there is something to find."""
    for _ in range(100_000):
        if value := found():
            return value
        await asyncio.sleep(0)
    raise AssertionError("it did not happen")


class Bench:
    """A machine whose startup is driven by hand: time passes when it pauses, and what it says is kept."""

    def __init__(self, search: Search) -> None:
        self.machine, self.said = Machine("m"), bytearray()
        self.slept: list[float] = []
        self.startup = self.machine.startup = EmulatedStartup(self.machine, search, self._sleep)
        self.machine.listeners.add(self.said.extend)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def booted(self) -> str:
        """Wait for the end of the boot; answers what was said."""
        await turns(lambda: self.startup.source and any(end in self.said for end in (b"it echoes", b"no boot device")))
        return self.said.decode()


async def nobody() -> tuple[str, str] | None:
    return None


async def somebody() -> tuple[str, str] | None:
    return "node02", "it was pinged"


def on_bench(search: Search, work: Callable[[Bench], Awaitable[None]]) -> None:
    async def run() -> None:
        bench = Bench(search)
        await work(bench)
        bench.startup.end()

    asyncio.run(run())


def test_a_machine_boots_over_the_network_from_whom_the_data_plane_names() -> None:
    async def work(bench: Bench) -> None:
        bench.machine.override = BootChoice(BootDevice.PXE)
        bench.machine.power_set(PowerAction.ON)
        said = await bench.booted()
        assert bench.startup.source == "node02"
        assert "the boot service of node02 answers: it was pinged" in said
        assert "booted over the network from node02" in said
        assert "disk" not in said
        assert "no boot device" not in said

    on_bench(somebody, work)


@pytest.mark.parametrize("device", list(BootDevice))
def test_where_nobody_answers_no_machine_claims_to_have_booted(device: BootDevice) -> None:
    async def work(bench: Bench) -> None:
        bench.machine.override = BootChoice(device)
        bench.machine.power_set(PowerAction.ON)
        said = await bench.booted()
        assert bench.startup.source == "nothing"
        assert said.rstrip().endswith("no boot device")
        assert "booted over" not in said
        assert said.count("looking for a boot service") == (device is not BootDevice.BIOS)
        assert bench.slept.count(1.0) == (0 if device is BootDevice.BIOS else TRIES)

    on_bench(nobody, work)


def test_a_machine_that_is_told_nothing_tries_its_disk_and_then_the_network() -> None:
    async def work(bench: Bench) -> None:
        bench.machine.power_set(PowerAction.ON)
        said = await bench.booted()
        assert said.index("disk: empty") < said.index("looking for a boot service")
        assert bench.startup.source == "node02"

    on_bench(somebody, work)


def test_without_power_it_falls_silent_in_the_middle_and_a_reset_begins_anew() -> None:
    async def work(bench: Bench) -> None:
        bench.machine.power_set(PowerAction.ON)
        await turns(lambda: b"disk: empty" in bench.said)
        bench.machine.power_set(PowerAction.OFF)
        length = len(bench.said)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(bench.said) == length
        assert bench.startup.source == ""
        bench.machine.power_set(PowerAction.ON)
        await bench.booted()
        bench.machine.power_set(PowerAction.RESET)
        assert bench.startup.source == ""
        said = await bench.booted()
        assert said.count("power-on self-test") == 3
        assert said.count("booted over the network") == 2

    on_bench(somebody, work)


# The room.


def in_room(work: Callable[[EmulatedRoom], Awaitable[None]], reached: set[tuple[str, str]] | None = None) -> None:
    def reaches(one: str, other: str) -> tuple[bool, str]:
        return (one, other) in (reached or set()), "the table says so"

    async def run() -> None:
        async with EmulatedRoom(NODES, reaches, lambda seconds: asyncio.sleep(0)).serving() as room:
            await work(room)

    asyncio.run(run())


async def source(room: EmulatedRoom, node: str) -> str:
    startup = room.servers[node].machine.startup
    assert isinstance(startup, EmulatedStartup)
    return await turns(lambda: startup.source)


@pytest.mark.net
def test_each_machine_has_a_controller_with_a_password_of_its_own_that_obmd_can_use() -> None:
    async def work(room: EmulatedRoom) -> None:
        assert len({each.config["password"] for each in room.controllers.values()}) == len(NODES)
        assert all(each.config["password"] not in repr(each) for each in room.controllers.values())
        for node in NODES:
            session = await open_session(room.controllers[node].config)
            await session.boot_set(BootChoice(BootDevice.PXE))
            await session.power_set(PowerAction.ON)
            await session.close()
            seen = (await room.look())[node]
            assert (seen["power"], seen["starts"], seen["faults"]) == (True, 1, [])
            assert [words.split()[0] for words in seen["asked"]] == ["boot-set", "power-set"]
            wrong = {**room.controllers[node].config, "password": room.controllers["node01"].config["password"] + "x"}
            with pytest.raises(LoginRefused):
                await open_session(wrong)

    in_room(work)


@pytest.mark.net
def test_a_machine_boots_from_a_service_that_its_port_reaches_and_from_no_other() -> None:
    async def work(room: EmulatedRoom) -> None:
        for node in NODES:
            await room.serve_boot(node, True)
        await room.serve_boot("node03", False)
        for node in ("node01", "node03"):
            room.servers[node].machine.power_set(PowerAction.ON)
        assert await source(room, "node01") == "node02"
        assert await source(room, "node03") == "nothing"
        assert "node02" not in await room.tail("node03")

    in_room(work, {("node01", "node02"), ("node01", "node01"), ("node02", "node01")})


@pytest.mark.net
def test_a_machine_speaks_past_its_controller_while_it_has_power() -> None:
    async def work(room: EmulatedRoom) -> None:
        with pytest.raises(BadArgument, match="no power"):
            await room.say("node01", "x")
        room.servers["node01"].machine.power_set(PowerAction.ON)
        session = await open_session(room.controllers["node01"].config)
        line = await session.console()
        assert (await room.look())["node01"]["consoles"] == 1
        await room.say("node01", "it speaks")
        seen = b""
        while b"it speaks\r\n" not in seen:
            seen += await line.read()
        assert "it speaks" in await room.tail("node01")
        await line.close()
        await session.close()
        await turns(lambda: not room.servers["node01"].consoles)
        assert (await room.look())["node01"]["consoles"] == 0
        await room.say("node01", "y" * 100_000)
        assert len(await room.tail("node01")) == 64 * 2**10

    in_room(work)


async def _use(config: Any) -> None:
    session = await open_session(config)
    try:
        await session.power()
    finally:
        await session.close()


@pytest.mark.net
@pytest.mark.parametrize(
    ("kind", "error"),
    [(DEAD, Unreachable), ("unreachable", Unreachable), ("wrong-password", LoginRefused), ("drop", DeviceError)],
)
def test_a_broken_controller_is_felt_until_it_is_mended_and_the_machine_runs_on(
    kind: str, error: type[DeviceError]
) -> None:
    async def work(room: EmulatedRoom) -> None:
        config = room.controllers["node01"].config
        room.servers["node01"].machine.power_set(PowerAction.ON)
        await room.fault("node01", kind, {} if kind == DEAD else {"count": "forever"})
        for _ in range(2):
            with pytest.raises(error):
                await _use(config)
        seen = await room.look()
        assert seen["node01"]["faults"] == [kind if kind == DEAD else f"{kind} count=forever"]
        assert seen["node01"]["power"]
        assert seen["node02"]["faults"] == []
        await _use(room.controllers["node02"].config)
        await room.clear("node01")
        assert (await room.look())["node01"]["faults"] == []
        await _use(config)

    in_room(work)


@pytest.mark.net
def test_a_console_can_be_cut_and_only_once() -> None:
    async def work(room: EmulatedRoom) -> None:
        room.servers["node01"].machine.power_set(PowerAction.ON)
        await room.fault("node01", "cut", {})
        session = await open_session(room.controllers["node01"].config)
        line = await session.console()
        await room.say("node01", "x")
        try:
            while await line.read():
                pass
        except LostReply:
            pass
        await line.close()
        assert (await room.look())["node01"]["faults"] == []
        line = await session.console()
        await room.say("node01", "again")
        while b"again" not in await line.read():
            pass
        await line.close()
        await session.close()

    in_room(work)


@pytest.mark.net
@pytest.mark.parametrize(
    ("node", "kind", "settings", "said"),
    [
        ("node99", "hang", {}, "no machine 'node99'"),
        ("node01", "earthquake", {}, "'earthquake' is no fault of a controller"),
        ("node01", "hang", {"port": "x"}, "'port' is no setting"),
        ("node01", "slow", {"seconds": "x"}, "cannot be meant"),
        ("node01", "slow", {"seconds": "-1"}, "No fault can be so"),
        ("node01", DEAD, {"count": "2"}, "no settings"),
    ],
)
def test_what_can_be_no_fault_is_refused(node: str, kind: str, settings: dict[str, str], said: str) -> None:
    async def work(room: EmulatedRoom) -> None:
        with pytest.raises(BadArgument, match=said):
            await room.fault(node, kind, settings)
        assert [each["faults"] for each in (await room.look()).values()] == [[]] * len(NODES)

    in_room(work)


def test_every_fault_of_a_controller_is_listed_with_its_meaning() -> None:
    assert {str(kind) for kind in KINDS} == {*map(str, BmcFaultKind), DEAD}


@pytest.mark.parametrize(
    "fault",
    [
        *(BmcFault(kind=kind) for kind in BmcFaultKind),
        BmcFault(kind=BmcFaultKind.SLOW, op=BmcOp.CONSOLE, seconds=2.5, after=3, count=None, words="no"),
    ],
)
def test_a_fault_is_typed_as_it_is_shown(fault: BmcFault) -> None:
    kind, *words = fault_words(fault).split()
    assert fault_in(kind, dict(word.split("=") for word in words)) == fault
