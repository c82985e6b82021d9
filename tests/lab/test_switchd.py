"""Emulated switches over TCP and their control socket: faults as a network and another process see them."""

import asyncio
import json
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hil.core.devices import Nativeless, SwitchSession, Writer
from hil.core.errors import BadArgument, DeviceBusy, DeviceError, LeaseLost, LoginRefused, LostReply, Unreachable
from hil.core.model import CLOSED, Observed, PortChange, PortState
from hil.drivers.switch.emulated.session import open_session
from hil.drivers.switch.mock.device import FACTORY, EmulatedSwitch, Foreign
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.lab import faults
from hil.lab.switchd import ControlSocket, EmulatedSwitchServer
from tests.drivers.waiting import until

pytestmark = pytest.mark.net

A = PortState(10, frozenset({20, 30}))
WRITER = Writer(7, lambda: None)


@asynccontextmanager
async def serving(device: EmulatedSwitch, **more: Any) -> AsyncIterator[tuple[EmulatedSwitchServer, dict[str, Any]]]:
    """Serve a device, and answer the configuration that reaches it."""
    async with EmulatedSwitchServer(device) as server:
        yield server, {"address": server.address, "username": "hil", "password": "pw", "timeout": 5.0} | more


@asynccontextmanager
async def session_on(device: EmulatedSwitch, **more: Any) -> AsyncIterator[SwitchSession]:
    async with serving(device, **more) as (_, config):
        session = await open_session(config)
        try:
            yield session
        finally:
            await session.close()


def changing(*ports: str) -> list[PortChange]:
    return [PortChange(port, FACTORY, A) for port in ports]


def test_each_port_is_a_request_with_the_fence_and_the_lease_is_asked_before_each() -> None:
    device = EmulatedSwitch()
    asked: list[int] = []

    async def story() -> None:
        async with session_on(device) as session:
            writer = Writer(9, lambda: asked.append(len(device.writes())))
            assert await session.apply(changing("a", "b", "c"), writer) == dict.fromkeys("abc")
            await session.save(writer)
            assert await session.read() == {port: Observed(A) for port in "abc"}

    asyncio.run(story())
    assert asked == [0, 1, 2, 3]
    assert [(entry.who, entry.fence, entry.port) for entry in device.writes()] == [("hil#1", 9, port) for port in "abc"]
    assert not device.unsaved


# fault, what apply raises, which ports are written all the same
FAULTS = [
    (Fault(kind=FaultKind.LOSE_REQUEST, op=Op.WRITE), LostReply, ""),
    (Fault(kind=FaultKind.LOSE_REQUEST, op=Op.WRITE, after=2), LostReply, "ab"),
    (Fault(kind=FaultKind.LOSE_REPLY, op=Op.WRITE), LostReply, "a"),
    (Fault(kind=FaultKind.LOSE_REPLY, port="b"), LostReply, "ab"),
    (Fault(kind=FaultKind.UNREACHABLE, count=None), LostReply, ""),
    (Fault(kind=FaultKind.BUSY), DeviceBusy, ""),
]


@pytest.mark.parametrize(("fault", "error", "written"), FAULTS)
def test_faults_of_a_batch_arrive_as_what_they_mean(fault: Fault, error: type[DeviceError], written: str) -> None:
    device = EmulatedSwitch()

    async def story() -> None:
        async with session_on(device) as session:
            await session.read(["a", "b", "c"])
            device.faults.add(fault)
            with pytest.raises(error):
                await session.apply(changing("a", "b", "c"), WRITER)
            with pytest.raises(Unreachable, match="nothing was sent"):
                await session.read()

    asyncio.run(story())
    assert [port for port in "abc" if device.running(port) == A] == list(written)
    assert not device.sessions


def test_a_refused_port_leaves_the_others_and_the_session() -> None:
    device = EmulatedSwitch()
    device.faults.add(Fault(kind=FaultKind.REFUSE, port="b", words="% Not today"))

    async def story() -> None:
        async with session_on(device) as session:
            answers = await session.apply(changing("a", "b", "c"), WRITER)
            assert {port: error and "% Not today" in error.message for port, error in answers.items()} == {
                "a": None,
                "b": True,
                "c": None,
            }
            assert (await session.read(["b"]))["b"] == Observed(FACTORY)

    asyncio.run(story())


def test_a_device_that_lies_is_found_by_reading() -> None:
    device = EmulatedSwitch()
    device.faults.add(Fault(kind=FaultKind.LIE))

    async def story() -> None:
        async with session_on(device) as session:
            assert await session.apply(changing("a"), WRITER) == {"a": None}
            assert await session.read(["a"]) == {"a": Observed(FACTORY)}

    asyncio.run(story())


def test_a_fenced_device_stops_an_older_writer() -> None:
    device = EmulatedSwitch(fenced=True)
    device.fence = 8

    async def story() -> None:
        async with session_on(device) as session:
            with pytest.raises(LeaseLost):
                await session.apply(changing("a"), WRITER)

    asyncio.run(story())
    assert device.writes() == []


def test_a_slow_device_runs_into_the_timeout_and_does_nothing_once_its_client_is_gone() -> None:
    device = EmulatedSwitch()

    async def story() -> None:
        async with session_on(device, timeout=0.05) as session:
            device.faults.add(Fault(kind=FaultKind.SLOW, op=Op.WRITE, seconds=3600.0))
            with pytest.raises(LostReply, match="no answer in time"):
                await session.apply(changing("a"), WRITER)
            await until(lambda: not device.sessions)

    asyncio.run(story())
    assert device.writes() == []


# fault or credentials, and what opening a session raises
LOGINS = [
    (Fault(kind=FaultKind.UNREACHABLE), {}, Unreachable),
    (Fault(kind=FaultKind.LOSE_REPLY), {}, Unreachable),
    (Fault(kind=FaultKind.SLOW, seconds=3600.0), {"timeout": 0.05}, Unreachable),
    (Fault(kind=FaultKind.WRONG_PASSWORD), {}, LoginRefused),
    (None, {"password": "wrong"}, LoginRefused),
]


@pytest.mark.parametrize(("fault", "more", "error"), LOGINS)
def test_log_ins_fail_each_in_its_way(fault: Fault | None, more: dict[str, Any], error: type[DeviceError]) -> None:
    device = EmulatedSwitch(password="pw")
    if fault is not None:
        device.faults.add(fault)

    async def story() -> None:
        async with serving(device, **more) as (_, config):
            with pytest.raises(error):
                await open_session(config)
            assert not device.sessions
            await (await open_session(config | {"password": "pw", "timeout": 5.0})).close()

    asyncio.run(story())


def test_all_sessions_taken_is_unreachable_and_a_client_that_goes_frees_one() -> None:
    device = EmulatedSwitch(max_sessions=1)

    async def story() -> None:
        async with serving(device) as (_, config):
            first = await open_session(config)
            with pytest.raises(Unreachable):
                await open_session(config)
            await first.close()
            await until(lambda: not device.sessions)
            await (await open_session(config)).close()

    asyncio.run(story())


def test_after_a_reboot_a_warm_session_knows_that_it_sent_nothing() -> None:
    device = EmulatedSwitch()

    async def story() -> None:
        async with serving(device) as (_, config):
            session = await open_session(config)
            device.reboot()
            lines = session._lines  # type: ignore[attr-defined]  # the end of the wire is what is awaited
            await until(lambda: lines.ended)
            with pytest.raises(Unreachable, match="nothing was sent"):
                await session.apply(changing("a"), WRITER)
            await session.close()

    asyncio.run(story())
    assert device.writes() == []


def test_a_session_that_ends_between_two_ports_lost_its_reply() -> None:
    device = EmulatedSwitch()

    async def story() -> None:
        async with session_on(device) as session:
            lines = session._lines  # type: ignore[attr-defined]  # as above
            writer = Writer(1, lambda: lines.close() if device.writes() else None)
            with pytest.raises(LostReply, match="Between two ports"):
                await session.apply(changing("a", "b"), writer)

    asyncio.run(story())
    assert [entry.port for entry in device.writes()] == ["a"]


def test_a_switch_without_power_refuses_and_comes_back_where_it_was_with_what_it_was() -> None:
    device = EmulatedSwitch()
    device.set_by_hand("a", A)

    async def story() -> None:
        async with serving(device) as (server, config):
            await server.stop()
            with pytest.raises(Unreachable, match="refused"):
                await open_session(config)
            await server.start()
            assert config["address"] == server.address
            session = await open_session(config)
            assert await session.read() == {"a": Observed(A)}
            await session.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\n",
        b"[]\n",
        b"{}\n",
        b'{"do":"login"}\n',
        b"\xff\n",
        b"[" * 200_000 + b"\n",
        b"\n",
    ],
)
def test_a_client_that_talks_nonsense_is_dropped_and_the_next_one_served(line: bytes) -> None:
    device = EmulatedSwitch()

    async def story() -> None:
        async with serving(device) as (_, config):
            host, _, port = config["address"].partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(line)
            try:
                assert await reader.read() == b""
            except ConnectionError:
                assert reader.exception() is not None
            writer.close()
            await (await open_session(config)).close()

    asyncio.run(story())


@pytest.mark.parametrize(
    "request_",
    [{"do": "write"}, {"do": "write", "ports": [], "fence": 1}, {"do": "read", "ports": [[]]}, {"do": "save"}, [], 1],
)
def test_a_request_that_cannot_be_read_ends_the_session_and_changes_nothing(request_: Any) -> None:
    device = EmulatedSwitch()

    async def story() -> None:
        async with serving(device) as (_, config):
            host, _, port = config["address"].partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b'{"do":"login","username":"a","password":"b"}\n')
            assert json.loads(await reader.readline()) == {"ok": {"atomicity": "none"}}
            writer.write(json.dumps(request_).encode() + b"\n")
            with pytest.raises(ConnectionError):
                await reader.readline()
            writer.close()

    asyncio.run(story())
    assert device.writes() == []
    assert not device.sessions


def test_an_unknown_command_is_refused() -> None:
    async def story() -> None:
        async with serving(EmulatedSwitch()) as (_, config):
            host, _, port = config["address"].partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b'{"do":"login","username":"a","password":"b"}\n{"do":"dance"}\n')
            await reader.readline()
            assert json.loads(await reader.readline()) == {"error": "refused", "words": "% Unknown command dance"}
            writer.close()

    asyncio.run(story())


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A short path: a local socket's name may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="hil-") as directory:
        yield Path(directory) / "control"


async def ask(path: Path, **message: Any) -> Any:
    return await asyncio.to_thread(faults.ask, path, message)


def test_a_lab_can_be_told_what_happens_to_its_switches(socket_path: Path) -> None:
    device, other = EmulatedSwitch("leaf-1"), EmulatedSwitch("leaf-2")

    async def story() -> None:
        async with serving(device) as (server, config), serving(other) as (second, _):
            servers = {"leaf-1": server, "leaf-2": second}
            async with ControlSocket(socket_path, servers):
                assert stat.S_IMODE((await asyncio.to_thread(socket_path.stat)).st_mode) == 0o600
                assert await ask(socket_path, do="names") == {
                    "leaf-1": server.address,
                    "leaf-2": second.address,
                }
                await ask(socket_path, do="hand", switch="leaf-1", port="a", state=[10, "20,30"])
                await ask(socket_path, do="hand", switch="leaf-1", port="b", state={"reason": "trunk", "raw": "all"})
                fault = {"kind": "refuse", "port": "a", "count": "forever"}
                await ask(socket_path, do="fault", switch="leaf-1", fault=fault)
                dump = await ask(socket_path, do="dump", switch="leaf-1")
                assert dump["ports"] == {"a": [10, "20,30"], "b": {"reason": "trunk", "raw": "all"}}
                assert dump["startup"] == {"a": [1, ""], "b": [1, ""]}
                assert [faults.from_json(found) for found in dump["faults"]] == list(device.faults)
                assert device.running("b") == Foreign("trunk", "all")
                await ask(socket_path, do="clear", switch="leaf-1", kind="refuse")
                assert not device.faults
                log = await ask(socket_path, do="log", switch="leaf-1", since=1)
                assert [(entry["action"], entry["port"], entry["after"]) for entry in log] == [
                    ("hand", "b", {"reason": "trunk", "raw": "all"})
                ]
                await ask(socket_path, do="reboot", switch="leaf-1")
                assert device.running("a") == FACTORY
                device.set_by_hand("a", A)
                await ask(socket_path, do="power", switch="leaf-1", on=False)
                with pytest.raises(Unreachable, match="refused"):
                    await open_session(config)
                await ask(socket_path, do="power", switch="leaf-1", on=True)
                await (await open_session(config)).close()
                assert device.running("a") == FACTORY, "it was without power, and nobody had saved"
                assert not other.log

    asyncio.run(story())
    assert not socket_path.exists()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"do": "dump", "switch": "leaf-9"}, "no switch 'leaf-9': use one of leaf-1"),
        ({"do": "explode", "switch": "leaf-1"}, "use one of dump"),
        ({"do": "fault", "switch": "leaf-1", "fault": {"kind": "explode"}}, "is no fault"),
        ({"do": "hand", "switch": "leaf-1", "port": "a", "state": [9999, ""]}, "cannot read"),
        ({"do": "hand", "switch": "leaf-1", "port": "zz", "state": [1, ""]}, "cannot read"),
        ({"do": "clear", "switch": "leaf-1", "kind": "explode"}, "cannot read"),
        ({}, "cannot read"),
    ],
)
def test_what_a_lab_cannot_do_is_answered_in_words(socket_path: Path, message: dict[str, Any], words: str) -> None:
    async def story() -> None:
        async with serving(EmulatedSwitch(ports=["a"])) as (server, _), ControlSocket(socket_path, {"leaf-1": server}):
            with pytest.raises(BadArgument, match=words):
                await ask(socket_path, **message)

    asyncio.run(story())


def test_a_control_socket_that_an_earlier_lab_left_is_taken_over(socket_path: Path) -> None:
    socket_path.touch()

    async def story() -> None:
        async with ControlSocket(socket_path, {}):
            assert await ask(socket_path, do="names") == {}

    asyncio.run(story())


def test_a_parked_trunk_is_read_as_having_no_native() -> None:
    device = EmulatedSwitch(nativeless=Nativeless.PARKED, parked=4000)
    trunk = PortState(None, frozenset({20}))

    async def story() -> None:
        async with session_on(device, nativeless="parked", parked=4000) as session:
            assert await session.apply([PortChange("a", FACTORY, trunk)], WRITER) == {"a": None}
            assert await session.read(["a"]) == {"a": Observed(trunk)}
            device.set_by_hand("a", PortState(4000))
            assert await session.read(["a"]) == {"a": Observed(CLOSED)}

    asyncio.run(story())
    assert device.writes()[0].asked == PortState(4000, frozenset({20}))
