"""A world in which a history happens: tenants, an operator, workers, switches, a clock, and all that goes wrong.

A history is a list of steps, each a JSON list, so that it can be kept, shortened and replayed. Steps mean the same
wherever they stand; one that makes no sense in its place does nothing or is refused by HIL, as in life:

    ["api", actor, verb, [arguments], crash]         crash: "" | "before" | "after" the commit
    ["work", worker, switch, audit, gates, fuse]     begin a lane's work or let it go on: through `gates` gates and no
                                                     further (-1: to its end); the process dies at point `fuse` (0: not)
    ["chores", worker, gates, fuse]                  the same for the chores
    ["clock", seconds, [workers that are frozen]]    the other workers renew their leases meanwhile
    ["kill", worker]     ["leave", worker]           die at once; give the idle lanes back
    ["fault", switch, {settings}]   ["mend", switch]
    ["reboot", switch]   ["hand", switch, port, state]     state: [native, [tagged]] or "trunk"
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Final

from hil.core.errors import HilError
from hil.core.model import Actor, PortState, Role
from hil.drivers.switch.mock.device import FACTORY, Conversation, Foreign
from hil.lab import faults
from hil.services.context import Context
from hil.store.journal import Source
from hil.store.tables import Operation
from hil.worker.worker import Worker
from tests.isolation.books import Books, plain, read_books
from tests.isolation.lineage import Lineage
from tests.isolation.stage import LIMITS, Crash, Stage
from tests.isolation.variants import Variant
from tests.isolation.verbs import VERBS
from tests.isolation.watch import Violation, Watch

Step = list[Any]
WORKERS: Final = 2
TRUNK: Final = Foreign("trunk of everything", "mode trunk allowed all")


class InlineWorker(Worker):
    """A worker whose store calls run in line, each behind a gate."""

    def __init__(self, stage: Stage, name: str) -> None:
        super().__init__(stage.store, name=name)
        self.stage = stage
        self.talks: list[Conversation] = []

    async def _call(self, function: Any, *arguments: Any) -> Any:
        await self.stage.gate()
        return function(*arguments)


class Activity:
    """One thing that a worker is doing; it stands at a gate, or has ended."""

    def __init__(self, worker: InlineWorker, task: asyncio.Task[None]) -> None:
        self.worker, self.task = worker, task
        self.gates = -1
        self.fuse = 0
        self.parked: asyncio.Future[None] | None = None
        self.reached: asyncio.Future[None] | None = None
        self.inside = ""
        self.since = 0.0


class World:
    """One history's world, on the stage that all of them share."""

    lineage: type[Lineage] = Lineage

    def __init__(self, stage: Stage, variant: Variant) -> None:
        self.stage, self.variant = stage, variant
        stage.reset(variant.books)
        self.devices = variant.switches(stage)
        self.lineages = {name: self.lineage(device) for name, device in self.devices.items()}
        variant.settle(self.lineages)
        stage.devices = self.devices
        stage.on_point, stage.on_gate, stage.on_read, stage.on_talk = self._point, self._gate, self._read, self._talk
        stage.on_refusal = lambda: self.counts.update(["command refused"])
        self._kept: tuple[int, Books] | None = None
        self.watch = Watch(self.devices, self.lineages)
        self.counts: Counter[str] = Counter()
        self.operations: list[str] = []
        self.given = set(self.books.by_vlan)
        self.running: Activity | None = None
        self.doing: dict[tuple[int, str], Activity] = {}
        self.lives = [0] * WORKERS
        self._api_fuse = 0
        self.switch_ids = dict(stage.raw.execute("SELECT name, id FROM switch").fetchall())
        self.actors = self._actors()
        self.workers = [self._worker(number) for number in range(WORKERS)]
        self.look()

    def _actors(self) -> dict[str, Actor]:
        found = {name: Actor(name, roles={project: Role.MANAGER}) for name, project in self.books.projects.items()}
        return found | {"operator": Actor("operator", operator=True)}

    def _worker(self, number: int) -> InlineWorker:
        self.lives[number] += 1

        async def make() -> InlineWorker:
            return InlineWorker(self.stage, f"w{number}.{self.lives[number]}")

        return self.stage.loop.run_until_complete(make())

    @property
    def books(self) -> Books:
        """The books as of the last commit."""
        if self._kept is None or self._kept[0] != self.stage.store.commits:
            self._kept = (self.stage.store.commits, read_books(self.stage.raw))
        return self._kept[1]

    # What happens at points and gates.

    def look(self) -> None:
        for name, lineage in self.lineages.items():
            for command in lineage.follow():
                self.counts[f"{name} {command.action}"] += 1
        self.watch.look(self.books)

    def _point(self, where: str) -> None:
        if not self.stage.raw.in_transaction:
            self.look()
        if self.running is not None:
            self._burn(self.running, where)
        elif self._api_fuse:
            self._api_fuse -= 1
            if not self._api_fuse:
                raise Crash

    def _burn(self, activity: Activity, where: str) -> None:
        if activity.fuse:
            activity.fuse -= 1
            if not activity.fuse:
                self.counts[f"died in a {where.partition('.')[0]}"] += 1
                raise Crash

    async def _gate(self, inside: str) -> None:
        activity = self.running
        if activity is None or asyncio.current_task() is not activity.task:
            return
        self._burn(activity, "gate")
        if activity.gates > 0:
            activity.gates -= 1
        elif activity.gates == 0:
            activity.parked = self.stage.loop.create_future()
            activity.inside, activity.since = inside, self.stage.now
            assert activity.reached is not None
            activity.reached.set_result(None)
            await activity.parked

    def _read(self, switch: str, ports: list[str]) -> None:
        lineage, device = self.lineages[switch], self.devices[switch]
        lineage.follow()
        for port in ports:
            wire = self.books.wires.get((switch, port))
            judged = wire is not None and (wire.tainted or wire.settled)  # else HIL takes no notice of what it read
            if wire is not None and judged and plain(device.running(port), device.parked) == wire.wish:
                lineage.accepted(port)

    def _talk(self, talk: Conversation) -> None:
        if self.running is not None:
            self.running.worker.talks.append(talk)

    # The steps.

    def apply(self, step: Step) -> str:
        """Do one step; answers what came of it in a word. Raises Violation."""
        outcome = str(getattr(self, f"_do_{step[0]}")(*step[1:]))
        self.look()
        self.counts[f"{step[0]} {step[2] if step[0] == 'api' else ''} {outcome}"] += 1
        return outcome

    def _do_api(self, who: str, verb: str, arguments: list[Any], crash: str) -> str:
        self._api_fuse = {"before": 1, "after": 2}.get(crash, 0)
        actor, source = self.actors[who], Source(who)
        kept: list[Any] = []
        given = self._meant(verb, arguments)
        if given is None:
            return "nothing"

        def work(unit: Any) -> None:
            kept[:] = [VERBS[verb](Context.changing(unit, actor, source), *given)]
            unit.session.flush()
            if isinstance(kept[0], Operation):
                kept[0] = kept[0].id

        commits = self.stage.store.commits
        try:
            self.stage.store.change(work)
        except HilError as error:
            if error.status >= 500:
                raise Violation(
                    f"{verb} {arguments} answered {error.status}: {error.message} {error.detail}"
                ) from error
            return error.type
        except Crash:
            self.counts["api crash"] += 1
        finally:
            self._api_fuse = 0
        if self.stage.store.commits == commits:
            return "crashed"
        self._accepted(verb, arguments, kept[0])
        return "done"

    def _meant(self, verb: str, arguments: list[Any]) -> list[Any] | None:
        """An operation is named by its number in the history; None if there was none so far."""
        if verb != "cancel":
            return arguments
        return [self.operations[arguments[0]]] if arguments[0] < len(self.operations) else None

    def _accepted(self, verb: str, arguments: list[Any], made: Any) -> None:
        if isinstance(made, str):
            self.operations.append(made)
        if verb in {"allocate", "allocate_some"}:
            self.watch.given(self.books, made)
        if verb == "network_create":
            self.watch.claimed(self.books, arguments[0])
            vlan = self.books.networks[arguments[0]].vlan
            self.counts["VLAN given again"] += vlan in self.given
            self.given.add(vlan)

    def _do_work(self, number: int, switch: str, audit: bool, gates: int, fuse: int) -> str:
        worker, identity = self.workers[number], self.switch_ids[switch]
        fence = self._fence(identity)
        outcome = self._go_on(number, switch, gates, fuse, lambda: worker._work(identity, audit=audit))
        if self._fence(identity) > fence and any(what == switch for who, what in self.doing if who != number):
            self.counts["takeover"] += 1
        return outcome

    def _fence(self, switch_id: int) -> int:
        fence: int = self.stage.raw.execute("SELECT fence FROM lane WHERE switch_id = ?", [switch_id]).fetchone()[0]
        return fence

    def _do_chores(self, number: int, gates: int, fuse: int) -> str:
        return self._go_on(number, "chores", gates, fuse, self.workers[number]._chores.once)

    def _go_on(self, number: int, what: str, gates: int, fuse: int, begin: Any) -> str:
        activity = self.doing.get((number, what))
        loop, worker = self.stage.loop, self.workers[number]
        if activity is None:
            coroutine: Coroutine[Any, Any, None] = begin()
            activity = Activity(worker, loop.create_task(coroutine))
            self.doing[number, what] = activity
        activity.gates, activity.fuse = gates, fuse
        activity.reached = loop.create_future()
        if activity.parked is not None:
            activity.parked.set_result(None)
            activity.parked = None
        self.running = activity
        try:
            loop.run_until_complete(asyncio.wait({activity.task, activity.reached}, return_when="FIRST_COMPLETED"))
        finally:
            self.running = None
        if not activity.task.done():
            return "stands"
        del self.doing[number, what]
        return self._ended(number, activity.task)

    def _ended(self, number: int, task: asyncio.Task[None]) -> str:
        error = task.exception()
        if isinstance(error, Crash):
            self._do_kill(number)
            return "crashed"
        if error is not None:
            raise error if isinstance(error, Violation) else Violation(f"a worker failed: {error!r}") from error
        return "done"

    def _do_kill(self, number: int) -> str:
        """End a worker as kill -9 does: its connections break, nothing else is done."""
        for key in [key for key in self.doing if key[0] == number]:
            task = self.doing.pop(key).task
            task.cancel()
            self.stage.loop.run_until_complete(asyncio.wait({task}))
        for talk in self.workers[number].talks:
            talk.close()
        self.workers[number] = self._worker(number)
        return "done"

    def _do_leave(self, number: int) -> str:
        worker = self.workers[number]
        busy = {what for who, what in self.doing if who == number}
        for name, identity in self.switch_ids.items():
            if name not in busy and identity in worker._lanes:
                self.stage.loop.run_until_complete(worker._lanes.pop(identity).leave())
        return "done"

    def _do_clock(self, seconds: float, frozen: list[int]) -> str:
        """Let time pass. A command that an unfenced switch has had for too long is given up by its driver."""
        left = seconds
        while left > 0:
            pause = min(left, LIMITS.lease - 1)
            left -= pause
            self.stage.now += pause
            self._give_up()
            for number, worker in enumerate(self.workers):
                if number not in frozen and self._has_lanes(worker):
                    self.stage.loop.run_until_complete(worker._renew())
        return "done"

    def _has_lanes(self, worker: Worker) -> bool:
        """A worker to whom the books give no lane has nothing to renew; to leave that out saves time alone."""
        query = "SELECT 1 FROM lane WHERE owner = ? LIMIT 1"
        return self.stage.raw.execute(query, [worker.owner]).fetchone() is not None

    def _give_up(self) -> None:
        for activity in self.doing.values():
            device = self.devices.get(activity.inside)
            if device is None or device.fenced or self.stage.now - activity.since < LIMITS.lease_margin - 1:
                continue
            for talk in activity.worker.talks:
                if talk.device is device:
                    talk.close()

    def _do_fault(self, switch: str, settings: dict[str, Any]) -> str:
        self.devices[switch].faults.add(faults.from_json(settings))
        return str(settings["kind"])

    def _do_mend(self, switch: str) -> str:
        self.devices[switch].faults.clear()
        return "done"

    def _do_reboot(self, switch: str) -> str:
        self.devices[switch].reboot()
        return "done"

    def _do_hand(self, switch: str, port: str, state: Any) -> str:
        self.devices[switch].set_by_hand(port, TRUNK if state == "trunk" else PortState(state[0], frozenset(state[1])))
        return "done"

    def exchange(self, switch: str, port: str) -> None:
        """Put a new port in the place of one that was given up."""
        device = self.devices[switch]
        device._running[port] = device._startup[port] = FACTORY
        self.lineages[switch].renewed(port)

    def end(self) -> None:
        """Leave the stage to the next one."""
        for number in range(WORKERS):
            self._do_kill(number)
        self.stage.on_point, self.stage.on_gate = lambda where: None, None
