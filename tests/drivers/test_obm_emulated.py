"""The emulated BMC and its driver: faults show as a network shows them, and the machine logs what it was told."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from hil.core.errors import (
    BadArgument,
    DeviceBusy,
    DeviceError,
    HilError,
    LoginRefused,
    LostReply,
    Refused,
    Unreachable,
)
from hil.core.obms import BootChoice, BootDevice, ConsoleLine, PowerAction
from hil.drivers.obm.emulated import wire
from hil.drivers.obm.emulated.session import open_session
from hil.drivers.obm.emulated.spec import SPEC
from hil.drivers.obm_registry import broken_obms, find, obm_spec, obm_spec_by_v0_type, obm_specs, open_obm_function
from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from hil.lab.bmc.machine import Machine
from hil.lab.bmc.server import EmulatedBmcServer


def with_bmc(work: Callable[[EmulatedBmcServer, dict[str, Any]], Awaitable[None]], **options: Any) -> EmulatedBmcServer:
    async def run() -> EmulatedBmcServer:
        async with EmulatedBmcServer(Machine("m", **options)) as server:
            await work(server, {"address": server.address, "username": "hil", "password": "pw", "timeout": 5.0})
            return server

    return asyncio.run(run())


async def use(config: dict[str, Any]) -> None:
    """Log in, read, and open the console."""
    session = await open_session(config)
    try:
        await session.power()
        await session.console()
    finally:
        await session.close()


async def to_its_end(line: ConsoleLine) -> None:
    """Read until the console dies; a connection that was reset may also show as an end."""
    with suppress(LostReply):
        while await line.read():
            pass


@pytest.mark.net
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (BmcFault(kind=BmcFaultKind.UNREACHABLE, op=BmcOp.LOGIN), Unreachable),
        (BmcFault(kind=BmcFaultKind.WRONG_PASSWORD), LoginRefused),
        (BmcFault(kind=BmcFaultKind.BUSY, op=BmcOp.LOGIN), DeviceBusy),
        (BmcFault(kind=BmcFaultKind.HANG, op=BmcOp.LOGIN), Unreachable),
        (BmcFault(kind=BmcFaultKind.REFUSE, op=BmcOp.READ), Refused),
        (BmcFault(kind=BmcFaultKind.DROP, op=BmcOp.READ), LostReply),
        (BmcFault(kind=BmcFaultKind.HANG, op=BmcOp.READ), LostReply),
        (BmcFault(kind=BmcFaultKind.LOSE_REPLY, op=BmcOp.READ), LostReply),
        (BmcFault(kind=BmcFaultKind.BUSY, op=BmcOp.CONSOLE), DeviceBusy),
    ],
    ids=lambda each: f"{each.kind}-{each.op}" if isinstance(each, BmcFault) else "",
)
def test_a_fault_is_told_as_what_it_is(fault: BmcFault, error: type[HilError]) -> None:
    async def work(server: EmulatedBmcServer, config: dict[str, Any]) -> None:
        server.machine.faults.add(fault)
        with pytest.raises(DeviceError) as found:
            await use(config | {"timeout": 1.0 if fault.kind is BmcFaultKind.HANG else 30.0})
        assert type(found.value) is error

    with_bmc(work)


@pytest.mark.net
def test_a_lie_is_answered_as_done() -> None:
    async def work(server: EmulatedBmcServer, config: dict[str, Any]) -> None:
        session = await open_session(config)
        server.machine.faults.add(BmcFault(kind=BmcFaultKind.LIE, op=BmcOp.WRITE))
        await session.power_set(PowerAction.ON)
        assert not await session.power()
        server.machine.faults.add(BmcFault(kind=BmcFaultKind.LIE, op=BmcOp.READ))
        assert await session.power()
        await session.close()

    with_bmc(work)


@pytest.mark.net
def test_a_console_tells_how_the_machine_boots_and_dies_when_it_is_cut() -> None:
    async def work(server: EmulatedBmcServer, config: dict[str, Any]) -> None:
        session = await open_session(config)
        line = await session.console()
        await session.boot_set(BootChoice(BootDevice.PXE, uefi=True))
        await session.power_set(PowerAction.ON)
        seen = b""
        while b"login: " not in seen:
            seen += await line.read()
        assert b"booting from pxe (UEFI)" in seen
        assert (await session.boot()).device is BootDevice.NONE
        server.machine.faults.add(BmcFault(kind=BmcFaultKind.CUT))
        server.machine.print("more")
        await to_its_end(line)
        assert not server.machine.listeners
        await line.close()
        await session.close()

    server = with_bmc(work)
    assert [entry.action for entry in server.machine.log if entry.action != "login"] == [
        *("console", "boot-set", "power-set", "boot"),
    ]


@pytest.mark.net
def test_every_command_is_logged_with_who_and_when() -> None:
    async def work(server: EmulatedBmcServer, config: dict[str, Any]) -> None:
        session = await open_session(config)
        await session.power_set(PowerAction.CYCLE)
        with pytest.raises(Refused, match="no slot"):
            await session.media_eject("floppy")
        await session.close()

    server = with_bmc(work, clock=lambda: 77.0)
    (change,) = server.machine.changes()
    assert (change.at, change.who, change.action, change.asked) == (77.0, "hil#1", "power-set", "cycle")


@pytest.mark.net
def test_a_client_that_goes_away_takes_its_request_along() -> None:
    async def work(server: EmulatedBmcServer, config: dict[str, Any]) -> None:
        waiting = asyncio.Event()

        async def sleep(seconds: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

        server.sleep = sleep
        session = await open_session(config)
        server.machine.faults.add(BmcFault(kind=BmcFaultKind.SLOW, op=BmcOp.WRITE, seconds=9))
        task = asyncio.ensure_future(session.power_set(PowerAction.ON))
        await waiting.wait()
        task.cancel()
        await asyncio.wait({task})
        await session.close()
        await server.drop()
        assert not server.machine.on

    with_bmc(work)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"password": "x"}, "address is missing"),
        ({"address": "nowhere", "password": "x"}, "use host:port"),
        ({"address": "h:1", "password": "x", "color": "red"}, "'color' is no setting"),
    ],
)
def test_a_configuration_with_a_fault_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(BadArgument, match=words):
        SPEC.validate(config)


def test_the_original_info_becomes_a_configuration() -> None:
    assert SPEC.v0_config({"addr": "h:1", "user": "u", "pass": "p"})["username"] == "u"
    with pytest.raises(BadArgument, match="use addr, user, pass"):
        SPEC.v0_config({"addr": "h:1", "password": "p"})


@pytest.mark.parametrize(
    "decode",
    [wire.power_in, wire.boot_in, wire.sensor_in, wire.entry_in, wire.medium_in, wire.firmware_in, wire.reply_in],
)
@pytest.mark.parametrize("found", [{}, [], [1], {"error": "new", "words": "x"}, {"error": "busy"}, ["x", 1, 2, 3]])
def test_what_is_malformed_is_a_value_error(decode: Callable[[Any], Any], found: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is for nobody: the transport maps it
        decode(found)


def test_drivers_are_found_by_name_and_by_the_original_type() -> None:
    assert obm_specs()["emulated"] is SPEC
    assert obm_spec_by_v0_type("mock") is SPEC
    assert open_obm_function(SPEC) is open_session
    assert "emulated" not in broken_obms()
    with pytest.raises(BadArgument, match="is no out-of-band driver: use one of"):
        obm_spec("abacus")
    with pytest.raises(BadArgument, match="is no type of OBM"):
        obm_spec_by_v0_type("abacus")


def test_a_driver_that_cannot_be_loaded_is_named() -> None:
    class Point:
        def __init__(self, name: str, value: str, found: Any) -> None:
            self.name, self.value, self.found = name, value, found

        def load(self) -> Any:
            if isinstance(self.found, Exception):
                raise self.found
            return self.found

    points: Any = [
        Point("emulated", "a:A", SPEC),
        Point("gone", "b:B", ImportError("no b")),
        Point("poor", "c:C", object()),
        Point("other", "d:D", SPEC),
        Point("twice", "e:E", ImportError("x")),
        Point("twice", "f:F", ImportError("x")),
    ]
    found = find(points)
    assert list(found.specs) == ["emulated"]
    assert found.broken == {
        "gone": "b:B: ImportError: no b",
        "other": "d:D: TypeError: the spec calls itself 'emulated'",
        "poor": f"c:C: TypeError: no spec: it lacks {', '.join(MEMBERS)}",
        "twice": "claimed by e:E and by f:F: uninstall one",
    }


MEMBERS = ["name", "title", "v0_type", "capabilities", "secrets", "session", "validate", "v0_config", "controller"]
