"""Histories of one node: tenants, an API and a worker that die, an obmd that stops, and a bad road between them.

A history is a list of steps, plain data. The same seed makes the same one; sockets and threads answer in an order of
their own, so a seed fixes what is asked and not every interleaving.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import httpx
from sqlalchemy import update

from hil.core.errors import Conflict
from hil.core.limits import Limits
from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from hil.services.capability import SKEW, key_id
from hil.services.obm_key import obm_key_rotate, obm_public_keys
from hil.store.tables import Chore
from hil.worker.release import Releases
from tests.isolation.history import Report, Step, script, shrunk
from tests.obm_side.seats import Kept, Seat
from tests.obm_side.stage import DIES, Crash, Stage
from tests.obm_side.watch import PEOPLE, WORDS

LAYOUTS: Final = (("sqlite", False), ("postgresql", False), ("sqlite", True), ("postgresql", True))
"""The kind of database, and whether a released node is powered off."""
LENGTH: Final = 22
GLANCES: Final = 12


class Violation(Exception):
    """Somebody reached a node that is not theirs, or something is stuck."""


class World:
    """One node of a stage, from its beginning to its end."""

    def __init__(self, stage: Stage, power_off: bool) -> None:
        self.stage, self.world, self.watch = stage, stage.world, stage.watch
        self.hil = stage.world.hil
        self.hil.store.limits = Limits(power_off_on_release=power_off)
        self.machine = stage.node()
        self.node = self.machine.name
        self.kept: list[Kept] = []
        self.seats: list[Seat] = []
        self.counts: Counter[str] = Counter()

    @property
    def path(self) -> str:
        return f"/v1/nodes/{self.node}"

    def apply(self, step: Step) -> str:
        """Do a step; answers what came of it. Raises Violation."""
        if step[0] in ("obmd", "keys"):
            said = self._outside(step)
        else:
            said = self.stage.run(self._beside(step))
        self.judge()
        return said

    def _outside(self, step: Step) -> str:
        """What is done while nothing else is under way."""
        match step:
            case ["obmd", "stop"]:
                self.stage.stop()
            case ["obmd", "start"]:
                if self.world.site is None:
                    self.stage.start()
            case ["keys", turn]:
                with suppress(Conflict):
                    self.hil.change(lambda ctx: obm_key_rotate(ctx, switch=turn == "switch"))
        return "done"

    async def _beside(self, step: Step) -> str:
        """Do it, while the machine goes on talking."""
        doing = asyncio.ensure_future(self._do(step))
        while not doing.done():
            self.machine.say()
            await asyncio.wait({doing}, timeout=0.004)
        self.machine.say()
        await asyncio.sleep(0.001)
        return doing.result()

    async def _do(self, step: Step) -> str:
        said = await self._done(step)
        self.counts[f"{step[0]} {step[2] if step[0] == 'api' else ''} {said}".replace("  ", " ")] += 1
        return said

    async def _done(self, step: Step) -> str:
        match step:
            case ["together", steps]:
                return ", ".join(await asyncio.gather(*(self._do(each) for each in steps)))
            case ["api", who, verb, dies]:
                return await self._dying(self._asked(who, verb), dies)
            case ["work", dies]:
                worker = Releases(self.hil.store, "worker", asyncio.to_thread)
                return await self._dying(worker.advance(), dies)
            case ["use", back]:
                return await self._used(back)
            case ["type", back]:
                for seat in self.seats[-1 - back :][:1]:
                    await seat.type(WORDS[seat.kept.who]["key"])
                await asyncio.sleep(0.003)
            case ["deliver", at]:
                return "late" if await self.stage.road.deliver(at) else "nothing"
            case ["road", mode]:
                await self.stage.road.be(mode)
            case ["fault", kind, op, count]:
                seconds = 0.05 if kind == "slow" else 0.0
                fault = BmcFault(kind=BmcFaultKind(kind), op=BmcOp(op), count=count, seconds=seconds)
                self.machine.faults.add(fault)
            case ["mend"]:
                self.machine.faults.clear()
            case ["time", seconds]:
                self.stage.now += seconds
            case ["skew", seconds]:
                self.stage.skew = seconds
            case ["tickets"]:
                gone = update(Chore).values(expires_at=0.0)
                await asyncio.to_thread(self.hil.store.change, lambda unit: unit.session.execute(gone))
            case _:
                raise ValueError(f"{step} is no step")
        return "done"

    async def _dying(self, work: Any, dies: str) -> str:
        token = DIES.set(dies)
        try:
            return str(await work or "done")
        except Crash:
            return f"died {dies}"
        finally:
            DIES.reset(token)

    async def _asked(self, who: str, verb: str) -> str:
        """A call of HIL's API."""
        if verb in ("keep", "link", "stream"):
            return await self._given(who, verb)
        answer = await self._call(who, verb)
        kind = answer.json().get("type", "").removeprefix("/errors/") if answer.content else ""
        return f"{answer.status_code} {kind}".strip()

    async def _call(self, who: str, verb: str) -> httpx.Response:
        words, path = WORDS.get(who, WORDS["alice"]), self.path
        calls: dict[str, tuple[str, str, Any]] = {
            "allocate": ("POST", f"/v1/projects/{PEOPLE.get(who)}/allocations", {"nodes": [self.node]}),
            "release": ("POST", f"{path}/release", None),
            "enable": ("POST", f"{path}/obm/enable", None),
            "disable": ("POST", f"{path}/obm/disable", None),
            "power": ("POST", f"{path}/power", {"action": words["power"]}),
            "boot": ("PUT", f"{path}/boot", {"device": words["boot"]}),
            "look": ("GET", f"{path}/{words['look']}", None),
            "quarantine": ("POST", f"{path}/quarantine", {"reason": "by force"}),
            "return": ("POST", f"{path}/return", None),
            "expel alice": ("DELETE", "/v1/projects/p/members/alice", None),
            "admit alice": ("PUT", "/v1/projects/p/members/alice", {"role": "member"}),
        }
        method, target, body = calls[verb]
        return await self.hil.ask(method, target, body, by=who)

    async def _given(self, who: str, verb: str) -> str:
        """Take what one is given, keep it for ever, and use it at once."""
        if verb == "keep":
            answer = await self.hil.ask("POST", f"{self.path}/console", {}, by=who)
            if answer.status_code == 200:
                found = answer.json()
                self.kept.append(Kept(who, self.stage.past(found["url"]), found["capability"]))
        else:
            what = "console" if verb == "stream" else "power_cycle"
            method, body = ("GET", None) if verb == "stream" else ("POST", {})
            answer = await self.hil.ask(method, f"/v0/node/{self.node}/{what}", body, by=who)
            if "location" in answer.headers:
                self.kept.append(Kept(who, self.stage.past(answer.headers["location"])))
        return await self._used(0) if answer.status_code < 400 else str(answer.status_code)

    async def _used(self, back: int) -> str:
        """Try something that was given once, the newest being 0."""
        if back >= len(self.kept):
            return "nothing"
        kept = self.kept[-1 - back]
        if kept.ticket or "/console?" in kept.url:
            return await self._seated(Seat(kept))
        async with httpx.AsyncClient(trust_env=False) as client:
            with suppress(httpx.HTTPError):
                answer = await client.post(kept.url, json={"force": WORDS[kept.who]["power"] == "reset"})
                return str(answer.status_code)
        return "no answer"

    async def _seated(self, seat: Seat) -> str:
        self.seats.append(seat)
        if not seat.kept.ticket:
            await seat.stream()
            return "listening"
        late = self.stage.now + self.stage.skew - seat.kept.facts["exp"] - SKEW
        if not await seat.sit():
            return "refused"
        if late >= 0:
            self.watch.violations.append(f"{seat.kept.who} was let in {late:g} s after the time")
        if seat.kept.facts["kid"] not in map(key_id, self.stage.keys):
            self.watch.violations.append(f"{seat.kept.who} was let in by a key that obmd was told to forget")
        return "let in"

    def judge(self) -> None:
        """Raises Violation for what was found so far, and for what lives at obmd and not in the books."""
        for seat in self.seats:
            self.watch.heard(seat.kept.who, seat.epoch, seat.news(), self.machine.unsure)
        if self.watch.violations:
            raise Violation(self.watch.violations[0])
        record = self.world.store.record(self.node)
        if record is not None and record.enabled and self.watch.books.of(self.node).holder == "-":
            raise Violation(f"obmd is enabled in epoch {record.epoch}, and the books say that nothing is alive there")

    def end(self) -> None:
        """Leave a stage on which the next history can begin, whatever happened."""
        self.watch.violations.clear()
        self.stage.skew = 0.0
        self.machine.faults.clear()

        async def leave() -> None:
            await asyncio.gather(*(seat.leave() for seat in self.seats))
            await self.stage.road.be("open")
            self.stage.road.held.clear()
            await self._call("root", "admit alice")

        self.stage.run(leave())
        if self.world.site is None:
            self.stage.start()


def conclude(world: World) -> None:
    """Mend everything and take the node back: nothing may be stuck, and nothing that was given may work."""
    rotated = world.hil.store.change(obm_public_keys) != world.stage.keys
    stop = [["obmd", "stop"]] if rotated else []
    for step in [["mend"], ["road", "open"], ["skew", 0.0], *stop, ["obmd", "start"], ["tickets"]]:
        world.apply(step)
    _everything(world)
    world.apply(["time", 4000.0])  # whatever log-in was refused may be tried again
    for _ in range(GLANCES):
        state = world.watch.books.of(world.node)
        if state.state == "free" and not state.revoke:
            break
        wanted = {"allocated": "release", "quarantined": "return"}.get(state.state)
        for step in ([["api", "root", wanted, ""]] if wanted else []) + [["work", ""]]:
            world.apply(step)
    else:
        raise Violation(f"the release is stuck: {world.world.row(world.node).reason}")
    _everything(world)
    _agreed(world)


def _everything(world: World) -> None:
    """Everybody tries everything that they were ever given."""
    for back in range(len(world.kept)):
        world.apply(["use", back])
    for back in range(len(world.seats)):
        world.apply(["type", back])


def _agreed(world: World) -> None:
    """obmd's own books agree with HIL's, and nothing of anybody is left at the controller."""
    record, row = world.world.store.record(world.node), world.world.row(world.node)
    if record is None or record.epoch > row.obm_epoch:
        raise Violation(f"obmd has epoch {record and record.epoch}, HIL {row.obm_epoch}")
    if world.world.servers[world.node].consoles:
        raise Violation("a console is open at the controller of a free node")


def play(stage: Stage, layout: int, steps: list[Step]) -> Report:
    """Replay a history."""
    return _run(stage, layout, lambda world, done: (world.apply(step) for step in steps), list(steps))


def made(stage: Stage, seed: int, layout: int, length: int = LENGTH) -> Report:
    """Make a history up from a seed while it runs."""
    from tests.obm_side.generate import Author

    steps: list[Step] = []

    def invent(world: World, done: list[Step]) -> Iterator[str]:
        author = Author(seed, world)
        while len(done) < length:
            done.append(author.next())
            yield world.apply(done[-1])

    return _run(stage, layout, invent, steps)


def _run(stage: Stage, layout: int, acts: Callable[[World, list[Step]], Iterator[str]], steps: list[Step]) -> Report:
    report = Report(layout, steps)
    stage.watch.counts.clear()
    world = World(stage, LAYOUTS[layout][1])
    try:
        for _ in acts(world, steps):
            pass
        conclude(world)
    except Violation as violation:
        report.fault = str(violation)
    finally:
        world.end()
        report.counts = world.counts + stage.watch.counts
    return report


def explained(stage: Stage, report: Report) -> str:
    """Shorten a failed history and say how to see it again."""
    steps = shrunk(report.layout, report.steps, lambda tried: bool(play(stage, report.layout, tried).fault))
    short = play(stage, report.layout, steps)
    found = short if short.fault else report  # sockets may have answered in another order
    return f"{found.fault}\n\nShortened from {len(report.steps)} steps to {len(found.steps)}:\n\n{written(found)}"


def written(report: Report) -> str:
    return script(report, "obm_side")
