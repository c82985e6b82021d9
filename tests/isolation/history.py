"""Histories: run one, make one from a seed, shorten one that fails, print it as a script that replays it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from tests.isolation.ending import conclude, rest
from tests.isolation.generate import Author
from tests.isolation.stage import Stage
from tests.isolation.variants import LAYOUTS, TENANTS, Layout, Variant
from tests.isolation.watch import Violation
from tests.isolation.world import WORKERS, Step, World

LENGTH: Final = 50


@dataclass(slots=True)
class Report:
    """What came of one history."""

    layout: int
    steps: list[Step]
    fault: str = ""
    counts: Counter[str] = field(default_factory=Counter)


@cache
def stage() -> Stage:
    """The stage of this process."""
    made = Stage()
    made.patch()
    return made


@cache
def variant(number: int) -> Variant:
    return prepared(stage(), LAYOUTS[number])


def prepared(on: Stage, layout: Layout) -> Variant:
    """Build a variant and, if it is to begin so, let the workers settle every port."""
    made = Variant(on, layout)
    if layout.settled:
        world = World(on, made)
        rest(world)
        for verb, arguments in TENANTS if layout.busy else ():
            world.apply(["api", "operator", verb, arguments, ""])
        rest(world)
        for number in range(WORKERS):
            world.apply(["leave", number])
        made.books = on.copy()
        made.startup = {
            name: {port: device.startup(port) for port in device.ports()} for name, device in world.devices.items()
        }
        world.end()
    return made


def play(layout: int, steps: list[Step]) -> Report:
    """Replay a history."""
    return _run(layout, lambda world, done: (world.apply(step) for step in steps), list(steps))


def made(seed: int, length: int = LENGTH) -> Report:
    """Make a history up from a seed while it runs; the same seed makes the same one."""
    layout = seed % len(LAYOUTS)
    steps: list[Step] = []

    def invent(world: World, done: list[Step]) -> object:
        author = Author(seed, world)
        for _ in range(length):
            done.append(author.next())
            yield world.apply(done[-1])

    return _run(layout, invent, steps)


def _run(layout: int, acts: Callable[[World, list[Step]], object], steps: list[Step]) -> Report:
    report = Report(layout, steps)
    world = World(stage(), variant(layout))
    try:
        for _ in acts(world, steps):  # type: ignore[attr-defined]  # both are generators
            pass
        conclude(world)
    except Violation as violation:
        report.fault = str(violation)
    finally:
        report.counts = world.counts
        report.counts["projects on one VLAN"] = world.watch.shared
        world.end()
    return report


def shrunk(layout: int, steps: list[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    """Leave out whatever the failure does not need: halves, quarters, …, single steps; then plainer steps."""
    size = max(len(steps) // 2, 1)
    while size:
        at = 0
        while at < len(steps):
            shorter = steps[:at] + steps[at + size :]
            if fails(shorter):
                steps = shorter
            else:
                at += size
        size //= 2
    for at in range(len(steps)):
        for plainer in _plainer(steps[at]):
            tried = [*steps[:at], plainer, *steps[at + 1 :]]
            if fails(tried):
                steps = tried
                break
    return steps


def _plainer(step: Step) -> list[Step]:
    match step:
        case ["api", who, verb, arguments, crash] if crash:
            return [["api", who, verb, arguments, ""]]
        case ["work", number, switch, audit, gates, fuse]:
            tries = [["work", number, switch, False, -1, 0], ["work", number, switch, audit, gates, 0]]
            return [tried for tried in tries if tried != ["work", number, switch, audit, gates, fuse]]
    return []


def script(report: Report, suite: str = "isolation") -> str:
    """The history as a script that stands alone."""
    lines = "\n".join(f"        {json.dumps(step)}," for step in report.steps)
    literal = lines.replace("true", "True").replace("false", "False").replace("null", "None")
    return (
        f"# python tests/{suite}/replay.py THIS_FILE\n"
        f"from tests.{suite}.replay import told\n\n"
        f"told(\n    {report.layout},\n    [\n{literal}\n    ],\n)\n"
    )


def explained(report: Report) -> str:
    """Shorten a failed history and say how to see it again."""
    steps = shrunk(report.layout, report.steps, lambda tried: bool(play(report.layout, tried).fault))
    short = play(report.layout, steps)
    return f"{short.fault}\n\nShortened from {len(report.steps)} steps to {len(steps)}:\n\n{script(short)}"
