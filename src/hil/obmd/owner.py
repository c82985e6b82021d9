"""The owner of one controller: one task that speaks to it, requests that wait for their turn, sessions kept warm.

A controller is slow, has few sessions and locks accounts; so everything that concerns it goes through here, and nothing
that concerns another controller does. A log-in that was refused is not tried again before a pause, which grows and is
remembered over a restart; only a new configuration ends it. A changing request is never sent twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from hil.core.errors import DeviceBusy, DeviceError, LoginRefused, LostReply, Refused, Unreachable
from hil.core.obms import ConsoleLine, ObmSession
from hil.drivers.obm_registry import OpenObm
from hil.obmd.limits import ObmdLimits
from hil.obmd.nameless import Nameless
from hil.obmd.store import Pause

T = TypeVar("T")
log = logging.getLogger(__name__)
BURST = 4
"""Requests that may follow one another at once after a quiet time."""
CLOSING = 5.0
"""Seconds that a controller gets to say goodbye."""


class Pauses(Protocol):
    """Where refused log-ins are remembered."""

    async def load(self, controller: str) -> Pause: ...

    async def keep(self, controller: str, pause: Pause) -> None: ...


@dataclass(frozen=True, slots=True)
class Target:
    """One node at a controller, and how a session with it is opened."""

    node: str
    config: Mapping[str, Any] = field(repr=False)
    open: OpenObm


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    work: Callable[[_Job[T]], Awaitable[T]]
    answer: asyncio.Future[T]
    task: asyncio.Task[T] | None = None
    sent: bool = False
    """Whether a session was there: then the request may have reached the controller."""


@dataclass(slots=True, eq=False)
class _Warm:
    target: Target
    session: ObmSession


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the controller did not do what it was asked last, in the words of the caller, and the UTC second."""

    type: str
    detail: str
    at: float


@dataclass(slots=True)
class Clock:
    """Time, which tests may take into their own hands: UTC seconds, and how to wait."""

    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)


class Owner:
    """Begins to work when it is made; `close` ends it. `controller` is the driver, a blank, and its own name."""

    def __init__(
        self, controller: str, limits: ObmdLimits, pauses: Pauses, clock: Clock, sessions: int | None = None
    ) -> None:
        self.controller, self.limits = controller, limits
        self._nameless = Nameless(controller.partition(" ")[2])
        self._pauses, self._clock = pauses, clock
        self._most = min(sessions or limits.sessions, limits.sessions)
        self._queue: asyncio.Queue[_Job[Any]] = asyncio.Queue(limits.queue)
        self._warm: dict[str, _Warm] = {}
        self._consoles: set[HeldConsole] = set()
        self._logins: deque[float] = deque()
        self._next = 0.0
        self._pause: Pause | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self.trouble: Trouble | None = None
        """Until it does something, or refuses it in its own words, which is an answer too."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    @property
    def paused(self) -> bool:
        """Whether no log-in is tried at present."""
        return self._pause is not None and self._clock.now() < self._pause.until

    async def ask(self, target: Target, work: Callable[[ObmSession], Awaitable[T]], *, reads: bool = False) -> T:
        """Have `work` done in a session with the target, in turn. Raises DeviceError within the deadline.

        What only `reads` is done again when a session that was kept warm turns out to be dead.
        """
        return await self._turn(lambda job: self._in_session(target, work, job, reads=reads))

    async def console(self, target: Target) -> ConsoleLine:
        """Open the console, in a session of its own that lives as long. Raises DeviceError."""
        return await self._turn(lambda job: self._open_console(target, job))

    async def forgive(self) -> None:
        """Forget refused log-ins: the configuration has changed."""
        self._pause = Pause()
        await self._pauses.keep(self.controller, self._pause)

    async def forget(self, node: str) -> None:
        """Close the warm session of a node."""
        if held := self._warm.pop(node, None):
            self._let_go(held.session)

    async def close(self) -> None:
        """End everything; whoever waits is told."""
        self._task.cancel()
        await asyncio.wait({self._task})
        while not self._queue.empty():
            job = self._queue.get_nowait()
            if not job.answer.done():
                job.answer.set_exception(Unreachable("obmd is being stopped, or the node was deleted."))
        for held in [*self._warm.values()]:
            self._let_go(held.session)
        self._warm.clear()
        for console in [*self._consoles]:
            await console.close()
        if self._closing:
            await asyncio.wait(self._closing)

    async def _turn(self, work: Callable[[_Job[T]], Awaitable[T]]) -> T:
        job: _Job[T] = _Job(work, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(job)
        except asyncio.QueueFull:
            raise DeviceBusy(f"{self.limits.queue} requests wait for this controller already: try later.") from None
        try:
            async with asyncio.timeout(self.limits.deadline):
                found = await job.answer
        except TimeoutError as error:
            await _stop(job)
            raise self._noted(self._late(job)) from error
        except DeviceError as error:
            self._noted(error)
            raise
        except asyncio.CancelledError:
            await _stop(job)
            raise
        self.trouble = None
        return found

    def _noted(self, error: DeviceError) -> DeviceError:
        answered = isinstance(self._nameless.told(error), Refused)
        self.trouble = None if answered else Trouble(error.type, error.message, self._clock.now())
        return error

    def _late(self, job: _Job[Any]) -> DeviceError:
        after = f"within {self.limits.deadline:g} seconds"
        if job.sent:
            return LostReply(f"The controller did not answer {after}: read the state before trying again.")
        if job.task is not None:
            return Unreachable(f"No session with the controller could be had {after}.")
        return DeviceBusy(f"The controller is slow, and other requests were not done {after}: try again.")

    async def _run(self) -> None:
        while True:
            job = await self._next_job()
            if job.answer.done():
                continue
            job.task = asyncio.ensure_future(job.work(job))
            try:
                await asyncio.wait({job.task})
            except asyncio.CancelledError:
                job.task.cancel()
                await asyncio.wait({job.task})
                _answer(job)
                raise
            _answer(job)

    async def _next_job(self) -> _Job[Any]:
        """Wait for a request, until it may be sent; without one for long, close what is warm."""
        try:
            async with asyncio.timeout(self.limits.warm if self._warm else None):
                job = await self._queue.get()
        except TimeoutError:
            for node in [*self._warm]:
                await self.forget(node)
            job = await self._queue.get()
        apart, now = 1 / self.limits.per_second, self._clock.now()
        if self._next > now:
            await self._clock.sleep(min(self._next - now, apart))
        self._next = max(self._next, now - BURST * apart) + apart
        return job

    async def _in_session(
        self, target: Target, work: Callable[[ObmSession], Awaitable[T]], job: _Job[T], *, reads: bool
    ) -> T:
        held = self._warm.get(target.node)
        if held is not None and held.target is target:
            try:
                return await self._at_work(held, work, job)
            except (Unreachable, LostReply) as error:
                if isinstance(error, LostReply) and not reads:
                    raise
                job.sent = False
        return await self._at_work(await self._opened(target), work, job)

    async def _at_work(self, held: _Warm, work: Callable[[ObmSession], Awaitable[T]], job: _Job[T]) -> T:
        job.sent = True
        try:
            found = await work(held.session)
        except Refused:
            raise
        except BaseException as error:
            self._warm.pop(held.target.node, None)
            self._let_go(held.session)
            if isinstance(error, LoginRefused):  # some protocols log in with each request
                raise await self._was_refused(held.target, error) from error
            raise
        await self._passed()
        return found

    async def _opened(self, target: Target) -> _Warm:
        await self.forget(target.node)
        held = _Warm(target, await self._login(target))
        self._warm[target.node] = held
        return held

    async def _open_console(self, target: Target, job: _Job[ConsoleLine]) -> ConsoleLine:
        session = await self._login(target)
        job.sent = True
        try:
            line = await session.console()
        except BaseException as error:
            self._let_go(session)
            if isinstance(error, LoginRefused):
                raise await self._was_refused(target, error) from error
            raise
        console = HeldConsole(line, session, self._consoles.discard, self._nameless)
        self._consoles.add(console)
        return console

    async def _login(self, target: Target) -> ObmSession:
        """Open a session, if one more may be had and log-ins are not paused. Raises DeviceError."""
        await self._room()
        if self._pause is None:
            self._pause = await self._pauses.load(self.controller)
        if self._clock.now() < self._pause.until:
            raise self._refused(self._pause)
        await self._slowly()
        try:
            return await target.open(target.config)
        except LoginRefused as error:
            raise await self._was_refused(target, error) from error

    async def _room(self) -> None:
        while len(self._warm) + len(self._consoles) >= self._most:
            if not self._warm:
                raise DeviceBusy(f"Consoles have all {self._most} sessions of this controller: close one.")
            await self.forget(next(iter(self._warm)))

    async def _slowly(self) -> None:
        now = self._clock.now()
        while self._logins and self._logins[0] <= now - 60:
            self._logins.popleft()
        if len(self._logins) >= self.limits.logins_per_minute:
            raise DeviceBusy(f"There were {len(self._logins)} log-ins at this controller within a minute: try later.")
        self._logins.append(now)

    async def _passed(self) -> None:
        """Something was answered: the controller knows us."""
        if self._pause is not None and self._pause.failures:
            self._pause = Pause()
            await self._pauses.keep(self.controller, self._pause)

    async def _was_refused(self, target: Target, error: LoginRefused) -> LoginRefused:
        """Begin a pause; answers what to tell."""
        log.warning("The controller of node %s refused the log-in: %s", target.node, error.message)
        failures = 1 if self._pause is None else self._pause.failures + 1
        pause = min(self.limits.pause_first * 2 ** min(failures - 1, 16), self.limits.pause_most)
        self._pause = Pause(failures, self._clock.now() + pause)
        await self._pauses.keep(self.controller, self._pause)
        return self._refused(self._pause, error.message)

    def _refused(self, pause: Pause, words: str = "") -> LoginRefused:
        until = datetime.fromtimestamp(pause.until, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        times = "once" if pause.failures == 1 else f"{pause.failures} times"
        return LoginRefused(
            f"The controller has refused obmd's log-in {times}{f': {words}' if words else '.'} "
            f"So that no account is locked, the next try is at {until}; a corrected configuration is tried at once."
        )

    def _let_go(self, session: ObmSession) -> None:
        """Close a session beside the work: a controller that hangs delays nobody by hanging once more."""
        task = asyncio.get_running_loop().create_task(_closed(session))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class HeldConsole:
    """A console together with the session that it was opened in."""

    def __init__(
        self, line: ConsoleLine, session: ObmSession, gone: Callable[[HeldConsole], None], nameless: Nameless
    ) -> None:
        self._line, self._session, self._gone, self._nameless = line, session, gone, nameless

    async def read(self) -> bytes:
        with self._nameless.telling():
            return await self._line.read()

    async def write(self, data: bytes) -> None:
        with self._nameless.telling():
            await self._line.write(data)

    async def close(self) -> None:
        try:
            await _closed(self._line)
            await _closed(self._session)
        finally:
            self._gone(self)


async def _closed(what: ConsoleLine | ObmSession) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSING):
            await what.close()


async def _stop(job: _Job[Any]) -> None:
    """Take a request back, or stop it; returns when nothing of it is left."""
    job.answer.cancel()
    if job.task is None:
        return
    job.task.cancel()
    await asyncio.wait({job.task})
    if not job.task.cancelled() and job.task.exception() is None:
        result = job.task.result()
        if isinstance(result, HeldConsole):
            await result.close()


def _answer(job: _Job[Any]) -> None:
    """Hand on what came of the work. Whoever does not wait for it any more has stopped it, and cleans up."""
    assert job.task is not None
    if job.answer.done():
        return
    if job.task.cancelled():
        job.answer.set_exception(Unreachable("obmd is being stopped, or the node was deleted."))
    elif failed := job.task.exception():
        job.answer.set_exception(failed)
    else:
        job.answer.set_result(job.task.result())
