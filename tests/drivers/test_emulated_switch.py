"""The emulated switch as a device: what it keeps, what it loses, how it fails."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.devices import Atomicity, Nativeless
from hil.core.errors import DeviceBusy, LeaseLost, LoginRefused, LostReply, Refused, Unreachable
from hil.core.model import CLOSED, Observed, PortState
from hil.drivers.switch.mock.device import (
    FACTORY,
    Carried,
    Conversation,
    Delays,
    EmulatedSwitch,
    Foreign,
    place,
    switch_at,
)
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op

T = TypeVar("T")
A = PortState(10, frozenset({20, 30}))
B = PortState(None, frozenset({30, 40}))
ALL_VLANS = Foreign("trunk of all VLANs", "switchport trunk allowed vlan all")


def talk(device: EmulatedSwitch, story: Callable[[Conversation], Awaitable[T]]) -> T:
    """Log in, and let `story` have the conversation."""

    async def run() -> T:
        return await story(await device.login("hil", "pw"))

    return asyncio.run(run())


def write(device: EmulatedSwitch, port: str, want: PortState, fence: int = 1) -> Refused | None:
    return talk(device, lambda session: session.write({port: want}, fence))[port]


def crash_at(step: str) -> Callable[[str], None]:
    def on_step(name: str) -> None:
        if name == step:
            raise KeyboardInterrupt

    return on_step


def test_a_new_port_carries_untagged_vlan_1() -> None:
    device = EmulatedSwitch(ports=["a"])
    assert device.running("a") == FACTORY == PortState(1)
    assert device.carried("a") == Carried(1, frozenset())


def test_ports_on_demand_exist_once_they_are_named_and_fixed_ones_are_all() -> None:
    anything, fixed = EmulatedSwitch(), EmulatedSwitch(ports=["a", "b"])
    assert talk(anything, lambda session: session.read(["x"])) == {"x": Observed(FACTORY)}
    assert list(talk(anything, lambda session: session.read(None))) == ["x"]
    assert list(talk(fixed, lambda session: session.read(None))) == ["a", "b"]
    with pytest.raises(Refused, match="Invalid port x"):
        talk(fixed, lambda session: session.read(["x"]))
    assert "Invalid port x" in str(write(fixed, "x", A))
    with pytest.raises(KeyError):
        fixed.set_by_hand("x", A)


STATES = st.builds(
    lambda native, tagged: PortState(native, frozenset(tagged) - {native}),
    st.none() | st.integers(1, 9),
    st.frozensets(st.integers(1, 9), max_size=4),
)
PORTS = st.sampled_from(["a", "b", "c"])
STORIES = st.lists(
    st.one_of(
        st.tuples(st.just("write"), PORTS, STATES),
        st.tuples(st.just("hand"), PORTS, STATES),
        st.sampled_from([("save",), ("reboot",)]),
    ),
    max_size=20,
)


@given(STORIES)
def test_a_reboot_brings_back_exactly_what_was_last_saved(story: list[tuple[str, ...]]) -> None:
    device = EmulatedSwitch(ports=["a", "b", "c"])
    running = dict.fromkeys("abc", FACTORY)
    startup = dict(running)

    async def tell() -> None:
        nonlocal running, startup
        session = await device.login("hil", "pw")
        for deed, *what in story:
            match deed:
                case "write":
                    await session.write(dict([what]), 1)
                    running |= dict([what])
                case "hand":
                    device.set_by_hand(*what)
                    running |= dict([what])
                case "save":
                    await session.save(1)
                    startup = dict(running)
                case "reboot":
                    device.reboot()
                    running = dict(startup)
                    session = await device.login("hil", "pw")
            assert {port: device.running(port) for port in "abc"} == running
            assert {port: device.startup(port) for port in "abc"} == startup
            assert device.unsaved == {port for port in "abc" if running[port] != startup[port]}

    asyncio.run(tell())


@given(STATES, STATES, st.sampled_from(Atomicity))
def test_no_step_of_a_write_carries_more_than_old_and_new(old: PortState, new: PortState, atomicity: Atomicity) -> None:
    seen: list[frozenset[int]] = []
    device = EmulatedSwitch(atomicity=atomicity)
    device.set_by_hand("a", old)
    device.on_step = lambda _: seen.append(talked(device.carried("a")))
    assert write(device, "a", new) is None
    assert seen
    assert all(vlans <= old.vlans | new.vlans for vlans in seen)
    assert talked(device.carried("a")) == new.vlans


def talked(carried: Carried) -> frozenset[int]:
    return carried.tagged if carried.native is None else carried.tagged | {carried.native}


def test_a_reboot_ends_sessions_and_a_dead_session_sends_nothing() -> None:
    device = EmulatedSwitch()

    async def story(session: Conversation) -> None:
        device.reboot()
        with pytest.raises(Unreachable, match="nothing was sent"):
            await session.write({"a": A}, 1)

    talk(device, story)
    assert not device.sessions
    assert device.writes() == []


def test_the_log_names_session_fence_and_change() -> None:
    device = EmulatedSwitch(clock=lambda: 7.0)
    write(device, "a", A, fence=5)
    device.set_by_hand("a", ALL_VLANS)
    device.reboot()
    assert [(entry.who, entry.action) for entry in device.log] == [
        ("hil#1", "login"),
        ("hil#1", "write"),
        ("hand", "hand"),
        ("power", "reboot"),
    ]
    wrote = device.writes("a")
    assert len(wrote) == 1
    assert wrote[0] == (7.0, "hil#1", 5, "write", "a", FACTORY, A, A)
    assert device.writes("b") == []


def test_credentials_are_checked_only_if_the_device_has_some() -> None:
    strict = EmulatedSwitch(username="hil", password="secret")
    for username, password in (("hil", "wrong"), ("other", "secret")):
        with pytest.raises(LoginRefused):
            asyncio.run(strict.login(username, password))
    assert asyncio.run(strict.login("hil", "secret")).alive
    assert asyncio.run(EmulatedSwitch().login("any", "thing")).alive


def test_the_session_after_the_last_one_is_turned_away_until_one_ends() -> None:
    device = EmulatedSwitch(max_sessions=1)

    async def story() -> None:
        first = await device.login("hil", "pw")
        with pytest.raises(Unreachable, match="all 1 are taken"):
            await device.login("hil", "pw")
        first.close()
        assert (await device.login("hil", "pw")).alive

    asyncio.run(story())


def test_a_fenced_device_turns_an_older_writer_away_and_remembers_over_a_reboot() -> None:
    device = EmulatedSwitch(fenced=True)
    assert write(device, "a", A, fence=3) is None
    device.reboot()
    with pytest.raises(LeaseLost, match="fence 3, not 2"):
        write(device, "a", B, fence=2)
    with pytest.raises(LeaseLost):
        talk(device, lambda session: session.save(2))
    assert device.running("a") != B
    assert write(device, "a", B, fence=3) is None


def test_a_device_without_fences_takes_any_writer_and_knows_the_newest() -> None:
    device = EmulatedSwitch()
    assert [write(device, "a", A, fence=fence) for fence in (3, 2)] == [None, None]
    assert device.fence == 3


def test_each_operation_takes_its_own_time() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    device = EmulatedSwitch(delays=Delays(login=1.0, read=0.5, write=0.2, save=3.0), sleep=sleep)

    async def story(session: Conversation) -> None:
        await session.read(["a", "b"])
        await session.write({"a": A, "b": A}, 1)
        device.faults.add(Fault(kind=FaultKind.SLOW, op=Op.SAVE, seconds=10.0))
        await session.save(1)
        await session.save(1)

    talk(device, story)
    assert slept == [1.0, 0.5, 0.2, 0.2, 13.0, 3.0]


def test_a_device_without_delays_never_sleeps() -> None:
    async def sleep(_: float) -> None:
        raise AssertionError("slept")

    device = EmulatedSwitch(sleep=sleep)
    assert write(device, "a", A) is None


def test_a_session_that_ends_while_the_device_is_slow_has_written_nothing() -> None:
    device = EmulatedSwitch(delays=Delays(write=1.0))

    async def sleep(_: float) -> None:
        device.drop_sessions()

    device.sleep = sleep
    with pytest.raises(LostReply):
        write(device, "a", A)
    assert device.running("a") == FACTORY


@pytest.mark.parametrize("nativeless", [Nativeless.PARKED, Nativeless.NO])
def test_a_trunk_without_native_is_refused_where_the_device_has_none(nativeless: Nativeless) -> None:
    parked = 4000 if nativeless is Nativeless.PARKED else None
    device = EmulatedSwitch(nativeless=nativeless, parked=parked)
    assert "needs a native VLAN" in str(write(device, "a", B))
    assert write(device, "a", CLOSED) is None
    assert write(device, "a", A) is None


def test_a_parked_native_lets_no_untagged_frame_through() -> None:
    device = EmulatedSwitch(nativeless=Nativeless.PARKED, parked=4000)
    assert write(device, "a", PortState(4000, frozenset({30}))) is None
    assert device.carried("a") == Carried(None, frozenset({30}))
    with pytest.raises(ValueError, match="parked"):
        EmulatedSwitch(parked=4000)


def test_a_foreign_port_carries_everything_unless_it_says_what() -> None:
    device = EmulatedSwitch()
    device.set_by_hand("a", ALL_VLANS)
    device.set_by_hand("b", Foreign("LAG member", "channel-group 1", PortState(5)))
    assert device.carried("a").everything
    assert device.carried("b") == Carried(5, frozenset())
    assert talk(device, lambda session: session.read(["a"])) == {
        "a": Observed(None, "trunk of all VLANs", "switchport trunk allowed vlan all")
    }
    assert write(device, "a", A) is None
    assert device.carried("a") == Carried(10, frozenset({20, 30}))


def test_an_atomic_device_writes_all_of_a_batch_or_nothing() -> None:
    whole = EmulatedSwitch(atomicity=Atomicity.SWITCH)
    single = EmulatedSwitch(atomicity=Atomicity.NONE)
    for device in (whole, single):
        device.faults.add(Fault(kind=FaultKind.REFUSE, port="b", words="% No"))
    answers = talk(whole, lambda session: session.write({"a": A, "b": A}, 1))
    assert {port: str(error) for port, error in answers.items()} == {
        "a": "switch, port a: not done, because port b was refused",
        "b": "switch, port b: % No",
    }
    assert whole.running("a") == whole.running("b") == FACTORY
    answers = talk(single, lambda session: session.write({"a": A, "b": A}, 1))
    assert (answers["a"], str(answers["b"])) == (None, "switch, port b: % No")
    assert (single.running("a"), single.running("b")) == (A, FACTORY)
    assert talk(whole, lambda session: session.write({"a": A, "b": A}, 1)) == {"a": None, "b": None}
    assert whole.running("a") == whole.running("b") == A


# fault, error of the write, what the port is afterwards, whether the session goes on
FAULTS = [
    (Fault(kind=FaultKind.UNREACHABLE, op=Op.WRITE), LostReply, FACTORY, False),
    (Fault(kind=FaultKind.LOSE_REQUEST, op=Op.WRITE), LostReply, FACTORY, False),
    (Fault(kind=FaultKind.LOSE_REPLY, op=Op.WRITE), LostReply, A, False),
    (Fault(kind=FaultKind.HALF, port="a"), LostReply, PortState(None, frozenset({30})), False),
    (Fault(kind=FaultKind.BUSY), DeviceBusy, FACTORY, True),
    (Fault(kind=FaultKind.LIE), None, FACTORY, True),
    (Fault(kind=FaultKind.LIE, port="b"), None, A, True),
    (Fault(kind=FaultKind.SLOW, op=Op.WRITE), None, A, True),
]


@pytest.mark.parametrize(("fault", "error", "after", "alive"), FAULTS, ids=lambda value: getattr(value, "kind", None))
def test_each_fault_leaves_what_it_says(
    fault: Fault, error: type[Exception] | None, after: PortState, alive: bool
) -> None:
    before = B if fault.kind is FaultKind.HALF else FACTORY
    device = EmulatedSwitch()
    device.set_by_hand("a", before)
    device.faults.add(fault)

    async def story(session: Conversation) -> bool:
        if error is None:
            assert await session.write({"a": A}, 1) == {"a": None}
        else:
            with pytest.raises(error):
                await session.write({"a": A}, 1)
        return session.alive

    assert talk(device, story) is alive
    assert device.running("a") == after
    assert all(entry.after == after for entry in device.writes())


def test_a_failed_save_is_refused_in_words_and_saves_nothing() -> None:
    device = EmulatedSwitch()
    device.faults.add(Fault(kind=FaultKind.FAIL_SAVE, words="% Flash is full"))
    write(device, "a", A)
    with pytest.raises(Refused, match="Flash is full"):
        talk(device, lambda session: session.save(1))
    assert device.unsaved == {"a"}
    talk(device, lambda session: session.save(1))
    assert not device.unsaved


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.UNREACHABLE, Unreachable),
        (FaultKind.LOSE_REQUEST, Unreachable),
        (FaultKind.LOSE_REPLY, Unreachable),
        (FaultKind.WRONG_PASSWORD, LoginRefused),
    ],
)
def test_log_ins_fail_each_in_its_way_and_leave_no_session(kind: FaultKind, error: type[Exception]) -> None:
    device = EmulatedSwitch()
    device.faults.add(Fault(kind=kind))
    with pytest.raises(error):
        asyncio.run(device.login("hil", "pw"))
    assert not device.sessions
    assert asyncio.run(device.login("hil", "pw")).alive


def test_a_session_can_be_dropped_after_some_ports_of_a_batch() -> None:
    device = EmulatedSwitch()
    device.faults.add(Fault(kind=FaultKind.LOSE_REQUEST, op=Op.WRITE, after=2))
    with pytest.raises(LostReply):
        talk(device, lambda session: session.write(dict.fromkeys("abcd", A), 1))
    assert [device.running(port) for port in "abcd"] == [A, A, FACTORY, FACTORY]


def test_a_fault_strikes_as_often_as_it_was_counted_or_until_cleared() -> None:
    device = EmulatedSwitch()
    device.faults.add(Fault(kind=FaultKind.REFUSE, port="a", count=2))
    device.faults.add(Fault(kind=FaultKind.LIE, port="b", count=None))
    assert [write(device, "a", A) is None for _ in range(3)] == [False, False, True]
    for _ in range(3):
        write(device, "b", A)
    assert device.running("b") == FACTORY
    device.faults.clear(FaultKind.REFUSE)
    assert list(device.faults) == [Fault(kind=FaultKind.LIE, port="b", count=None)]
    device.faults.clear()
    write(device, "b", A)
    assert device.running("b") == A


@pytest.mark.parametrize("wrong", [{"after": -1}, {"count": 0}, {"seconds": -0.1}])
def test_a_fault_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="not negative"):
        Fault(kind=FaultKind.SLOW, **wrong)


# step at which the harness stops the device, what the port is then, whether that is in the log
CRASHES = [
    ("write.before", B, 0),
    ("write.middle", PortState(None, frozenset({30})), 1),
    ("write.after", A, 1),
]


@pytest.mark.parametrize(("step", "after", "logged"), CRASHES)
def test_a_harness_can_crash_inside_a_write(step: str, after: PortState, logged: int) -> None:
    device = EmulatedSwitch()
    device.set_by_hand("a", B)
    device.on_step = crash_at(step)
    with pytest.raises(KeyboardInterrupt):
        write(device, "a", A)
    assert device.running("a") == after
    assert len(device.writes()) == logged


@pytest.mark.parametrize(("step", "saved"), [("save.before", False), ("save.after", True)])
def test_a_harness_can_crash_around_a_save(step: str, saved: bool) -> None:
    device = EmulatedSwitch()
    write(device, "a", A)
    device.on_step = crash_at(step)
    with pytest.raises(KeyboardInterrupt):
        talk(device, lambda session: session.save(1))
    assert (device.startup("a") == A) is saved


def test_the_steps_of_a_session_come_in_order() -> None:
    steps: list[str] = []
    device = EmulatedSwitch(on_step=steps.append)

    async def story(session: Conversation) -> None:
        await session.read(["a"])
        await session.write({"a": A}, 1)
        await session.save(1)

    talk(device, story)
    assert steps == [
        *("login.before", "login.after", "read.before", "read.after"),
        *("write.before", "write.middle", "write.after", "save.before", "save.after"),
    ]


def test_a_hostname_means_one_switch_in_a_process_until_it_is_taken_away() -> None:
    first = switch_at("a test of its own")
    assert switch_at("a test of its own") is first
    place("a test of its own", None)
    other = EmulatedSwitch("other")
    assert switch_at("a test of its own") is not first
    place("a test of its own", other)
    assert switch_at("a test of its own") is other
    place("a test of its own", None)
