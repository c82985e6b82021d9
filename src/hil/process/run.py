"""Runs the parts of a process until a signal, or until one of them fails.

The first SIGTERM or SIGINT lets every part finish what it has begun; a second one ends it at once. A part that ends by
itself takes the whole process with it, so that whoever supervises it starts all of it again.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import uvloop

from hil.process.ready import notify
from hil.worker.worker import Worker

log = logging.getLogger(__name__)
YOUNG = 20_000
"""Objects that are made before the collector looks at them; with Python's own 700 it takes a seventh of obmd's time."""


class Part(Protocol):
    """Something that runs for as long as the process. `ready` is set once it does its work."""

    @property
    def name(self) -> str: ...

    @property
    def ready(self) -> asyncio.Event: ...

    async def run(self) -> None: ...

    def stop(self) -> None:
        """Ask it to finish; it may be asked again, with less patience."""
        ...


class WorkerPart:
    """The worker as a part of a process."""

    name = "worker"

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self.ready = asyncio.Event()

    async def run(self) -> None:
        log.info("worker: %s", self._worker.owner)
        self._task = asyncio.ensure_future(self._worker.run())
        self.ready.set()
        with suppress(asyncio.CancelledError):
            await self._task

    def stop(self) -> None:
        """Finish the batches under way; asked again, abandon them: their ports stay tainted and are read afresh."""
        if self._stopping and self._task is not None:
            self._task.cancel()
        self._stopping = True
        self._worker.stop()


def run(parts: Sequence[Part]) -> None:
    """Run the parts in an event loop of their own; returns when all have ended. Raises what a part raised."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_together(parts))


async def _together(parts: Sequence[Part]) -> None:
    stopping = asyncio.Event()

    def stop() -> None:
        stopping.set()
        for part in parts:
            part.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    tasks = [asyncio.create_task(part.run(), name=part.name) for part in parts]
    announced = asyncio.create_task(_announce(parts))
    signalled = asyncio.create_task(stopping.wait())
    await asyncio.wait([*tasks, signalled], return_when=asyncio.FIRST_COMPLETED)
    ended = [task for task in tasks if task.done() and not stopping.is_set()]
    for task in ended:
        log.error("%s ended by itself: stopping", task.get_name())
    notify("STOPPING=1")
    log.info("stopping")
    if not stopping.is_set():
        stop()
    await asyncio.gather(*tasks, return_exceptions=True)
    for helper in (announced, signalled):
        helper.cancel()
    for task in tasks:
        task.result()
    if ended:
        raise RuntimeError(f"{ended[0].get_name()} ended by itself")


async def _announce(parts: Sequence[Part]) -> None:
    for part in parts:
        await part.ready.wait()
    keep_what_stays()
    notify("READY=1")
    log.info("ready")


def keep_what_stays() -> None:
    """Take what was loaded out of the garbage collector's sight: it stays, and looking at it costs a tenth of a second.

    A batch of thousands of ports makes the collector look at everything several times, while all lanes wait; a thousand
    requests at once do so too, hence it looks at what is young less often than it would by itself.
    """
    gc.set_threshold(YOUNG, 10, 10)
    gc.collect()
    gc.freeze()
