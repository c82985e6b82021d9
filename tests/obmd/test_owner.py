"""The owner of a controller: one at a time, warm sessions, limits, and log-ins that never lock an account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

import pytest

from hil.core.errors import DeviceBusy, LoginRefused, LostReply, Refused, Unreachable
from hil.core.obms import ConsoleLine, ObmSession, PowerAction
from hil.drivers.obm_registry import OpenObm
from hil.obmd.limits import ObmdLimits
from hil.obmd.owner import Clock, Owner, Target
from hil.obmd.store import Pause
from tests.drivers.obm_memory import CONFIG, WRONG, Controller, MemorySession, opener

LIMITS = ObmdLimits(deadline=5.0, per_second=1000)
WHEN = 1_800_000_000.0


class Time:
    """A clock that moves when somebody sleeps, or is told to."""

    def __init__(self) -> None:
        self.now = WHEN
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)


class Book:
    """Refused log-ins, in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Pause] = {}

    async def load(self, controller: str) -> Pause:
        return self.kept.get(controller, Pause())

    async def keep(self, controller: str, pause: Pause) -> None:
        self.kept[controller] = pause


class Bench:
    """An owner, its controller, its time, and how often a session was opened."""

    def __init__(self, limits: ObmdLimits = LIMITS, sessions: int | None = None, book: Book | None = None) -> None:
        self.controller, self.time, self.book = Controller(), Time(), book or Book()
        self.logins = 0
        self.owner = Owner("memory here", limits, self.book, self.time.clock, sessions)

    def target(self, node: str = "n1", config: Mapping[str, Any] = CONFIG, open: OpenObm | None = None) -> Target:
        inner = open or opener(self.controller)

        async def counted(config: Mapping[str, Any]) -> ObmSession:
            self.logins += 1
            return await inner(config)

        return Target(node, config, counted)


def on_bench(work: Callable[[Bench], Coroutine[Any, Any, None]], **options: Any) -> Bench:
    async def run() -> Bench:
        bench = Bench(**options)
        try:
            await work(bench)
        finally:
            await bench.owner.close()
        assert not bench.controller.sessions
        return bench

    return asyncio.run(run())


async def power(session: ObmSession) -> bool:
    return await session.power()


async def turn_on(session: ObmSession) -> None:
    await session.power_set(PowerAction.ON)


def test_requests_are_served_in_turn_by_one_session() -> None:
    order: list[int] = []
    inside = 0

    async def work(bench: Bench) -> None:
        target = bench.target()

        async def one(number: int) -> int:
            async def ask(session: ObmSession) -> int:
                nonlocal inside
                inside += 1
                await asyncio.sleep(0)
                assert inside == 1
                inside -= 1
                order.append(number)
                return number

            return await bench.owner.ask(target, ask)

        assert await asyncio.gather(*(one(number) for number in range(20))) == list(range(20))
        assert bench.logins == 1

    on_bench(work)
    assert order == list(range(20))


def test_a_read_is_repeated_when_a_warm_session_has_died_unseen() -> None:
    async def work(bench: Bench) -> None:
        target = bench.target()
        assert await bench.owner.ask(target, power, reads=True) is False
        for session in [*bench.controller.sessions]:
            session.die()
        assert await bench.owner.ask(target, power, reads=True) is False
        assert bench.logins == 2

    on_bench(work)


def test_a_change_is_never_sent_twice() -> None:
    async def work(bench: Bench) -> None:
        target = bench.target()
        await bench.owner.ask(target, power)
        bench.controller.lose = True
        with pytest.raises(LostReply):
            await bench.owner.ask(target, turn_on)
        assert bench.controller.count == 1
        assert await bench.owner.ask(target, power) is True
        assert bench.logins == 2

    on_bench(work)


def test_what_was_refused_leaves_the_session_as_it_is() -> None:
    async def work(bench: Bench) -> None:
        target = bench.target()
        for _ in range(3):
            bench.controller.words = "Not now."
            with pytest.raises(Refused, match="Not now"):
                await bench.owner.ask(target, turn_on)
        assert bench.logins == 1

    on_bench(work)


def test_a_refused_log_in_is_not_tried_again_before_its_time() -> None:
    async def work(bench: Bench) -> None:
        target = bench.target(config=WRONG)
        with pytest.raises(LoginRefused, match=r"once: The password is wrong.*next try is at 2027-01-15 08:10:00 UTC"):
            await bench.owner.ask(target, power)
        for _ in range(50):
            with pytest.raises(LoginRefused, match="a corrected configuration is tried at once"):
                await bench.owner.ask(target, power)
        assert bench.logins == 1
        assert bench.owner.paused
        bench.time.now += 601
        with pytest.raises(LoginRefused, match="2 times"):
            await bench.owner.ask(target, power)
        assert bench.logins == 2

    on_bench(work)


def test_a_day_of_requests_is_a_log_in_an_hour_at_last() -> None:
    logins: list[float] = []

    async def work(bench: Bench) -> None:
        target = bench.target(config=WRONG)
        while bench.time.now < WHEN + 86400:
            before = bench.logins
            with pytest.raises(LoginRefused):
                await bench.owner.ask(target, power)
            if bench.logins > before:
                logins.append(bench.time.now - WHEN)
            bench.time.now += 60

    on_bench(work)
    hours = [sum(hour * 3600 <= at < (hour + 1) * 3600 for at in logins) for hour in range(24)]
    assert hours[0] == 3
    assert max(hours[2:]) == 1


def test_refused_log_ins_survive_a_restart() -> None:
    book = Book()

    async def fail(bench: Bench) -> None:
        with pytest.raises(LoginRefused):
            await bench.owner.ask(bench.target(config=WRONG), power)

    assert on_bench(fail, book=book).logins == 1
    assert on_bench(fail, book=book).logins == 0


def test_a_new_configuration_is_tried_at_once() -> None:
    async def work(bench: Bench) -> None:
        with pytest.raises(LoginRefused):
            await bench.owner.ask(bench.target(config=WRONG), power)
        await bench.owner.forgive()
        assert await bench.owner.ask(bench.target(), power) is False
        assert not bench.owner.paused
        assert bench.book.kept["memory here"] == Pause()

    on_bench(work)


@pytest.mark.parametrize("console", [False, True])
def test_a_protocol_that_logs_in_late_is_paused_too(console: bool) -> None:
    class Late(MemorySession):
        async def power(self) -> bool:
            raise LoginRefused("The password is wrong.")

        async def console(self) -> ConsoleLine:
            raise LoginRefused("The password is wrong.")

    async def work(bench: Bench) -> None:
        target = bench.target(open=opener(bench.controller, Late))
        for _ in range(20):
            with pytest.raises(LoginRefused, match="the next try is at"):
                await (bench.owner.console(target) if console else bench.owner.ask(target, power))
        assert bench.logins == 1
        bench.time.now += 601
        with pytest.raises(LoginRefused, match="2 times"):
            await bench.owner.ask(target, power)

    on_bench(work)


def test_a_log_in_that_passes_ends_the_count() -> None:
    async def work(bench: Bench) -> None:
        with pytest.raises(LoginRefused):
            await bench.owner.ask(bench.target(config=WRONG), power)
        bench.time.now += 601
        await bench.owner.ask(bench.target(), power)
        assert bench.book.kept["memory here"] == Pause()

    on_bench(work)


async def hang(session: ObmSession) -> None:
    await asyncio.Event().wait()


async def never(config: Mapping[str, Any]) -> ObmSession:
    await asyncio.Event().wait()
    raise AssertionError


def test_silence_is_told_by_how_far_the_request_came() -> None:
    async def work(bench: Bench) -> None:
        quick = bench.target()
        with pytest.raises(LostReply, match="read the state before trying again"):
            await bench.owner.ask(quick, hang)
        with pytest.raises(Unreachable, match="No session"):
            await bench.owner.ask(bench.target("n2", open=never), power)
        assert await bench.owner.ask(quick, power) is False

    on_bench(work, limits=replace(LIMITS, deadline=0.3))


def test_who_waited_in_vain_is_told_so() -> None:
    async def work(bench: Bench) -> None:
        released = asyncio.Event()

        async def slow() -> None:
            await released.wait()

        target = bench.target()
        first = asyncio.ensure_future(bench.owner._turn(lambda job: slow()))
        await asyncio.sleep(0)
        bench.owner.limits = replace(LIMITS, deadline=0.02)
        with pytest.raises(DeviceBusy, match="other requests were not done"):
            await bench.owner.ask(target, power)
        released.set()
        await first
        assert bench.logins == 0

    on_bench(work)


def test_more_requests_than_may_wait_are_turned_away() -> None:
    async def work(bench: Bench) -> None:
        target = bench.target()
        tasks = []
        while len(tasks) < 5:
            tasks.append(asyncio.ensure_future(bench.owner.ask(target, hang)))
            await asyncio.sleep(0.001)
        with pytest.raises(DeviceBusy, match="3 requests wait"):
            await tasks[-1]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    on_bench(work, limits=replace(LIMITS, queue=3))


def test_a_request_that_is_taken_back_reaches_nothing() -> None:
    async def work(bench: Bench) -> None:
        target = bench.target()
        await bench.owner.ask(target, power)
        running = asyncio.ensure_future(bench.owner.ask(target, hang))
        waiting = asyncio.ensure_future(bench.owner.ask(target, turn_on))
        await asyncio.sleep(0.001)
        waiting.cancel()
        running.cancel()
        await asyncio.wait({waiting, running})
        assert await bench.owner.ask(target, power) is False
        assert bench.controller.count == 0
        assert bench.logins == 2

    on_bench(work)


def test_a_console_that_nobody_waits_for_is_closed() -> None:
    async def work(bench: Bench) -> None:
        target = bench.target()
        for pause in range(12):
            task = asyncio.ensure_future(bench.owner.console(target))
            for _ in range(pause):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                await task.result().close()
            assert not bench.controller.consoles

    on_bench(work)


def test_consoles_and_sessions_share_what_the_controller_has() -> None:
    async def work(bench: Bench) -> None:
        one, two = bench.target("n1"), bench.target("n2")
        await bench.owner.ask(one, power)
        await bench.owner.ask(two, power)
        console = await bench.owner.console(one)
        await bench.owner.ask(two, power)
        assert len(bench.controller.sessions) <= 2
        bench.controller.consoles.clear()
        other = await bench.owner.console(two)
        with pytest.raises(DeviceBusy, match="Consoles have all 2 sessions"):
            await bench.owner.ask(one, power)
        await console.close()
        await bench.owner.ask(one, power)
        await other.close()

    on_bench(work, sessions=2)


def test_requests_and_log_ins_are_counted_out() -> None:
    async def work(bench: Bench) -> None:
        target = bench.target()
        for _ in range(14):
            await bench.owner.ask(target, power)
        assert sum(bench.time.slept) == pytest.approx(0.9, abs=1e-3)
        for _ in range(4):
            await bench.owner.forget("n1")
            await bench.owner.ask(target, power)
        await bench.owner.forget("n1")
        with pytest.raises(DeviceBusy, match="5 log-ins at this controller within a minute"):
            await bench.owner.ask(target, power)
        bench.time.now += 61
        await bench.owner.ask(target, power)

    on_bench(work, limits=replace(LIMITS, per_second=10, logins_per_minute=5))


def test_a_session_without_use_is_closed() -> None:
    async def work(bench: Bench) -> None:
        await bench.owner.ask(bench.target(), power)
        assert bench.controller.sessions
        async with asyncio.timeout(10):
            while bench.controller.sessions:  # noqa: ASYNC110 - a session tells nobody when it is closed
                await asyncio.sleep(0)

    on_bench(work, limits=replace(LIMITS, warm=0.01))


def test_at_the_end_whoever_waits_is_told() -> None:
    async def work(bench: Bench) -> None:
        target = bench.target()
        tasks = [asyncio.ensure_future(bench.owner.ask(target, hang)) for _ in range(3)]
        await asyncio.sleep(0.001)
        await bench.owner.close()
        for found in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(found, Unreachable)

    on_bench(work)
