"""Mixed histories: pairs of platforms on one fabric, the isolation suite's author, world and watch over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from hil.core.devices import Atomicity, Nativeless
from hil.drivers.registry import switch_spec
from hil.lab.devices import EMULATORS
from tests.isolation.ending import conclude, rest
from tests.isolation.generate import Author
from tests.isolation.history import Report, script, shrunk
from tests.isolation.lineage import Lineage
from tests.isolation.stage import Stage
from tests.isolation.variants import PORTS, TENANTS, Layout, Variant
from tests.isolation.watch import Violation
from tests.isolation.world import WORKERS, Step, World
from tests.mixed.stage import MixedStage
from tests.mixed.switches import Face, MixedLineage

PLATFORMS: Final = tuple(EMULATORS)
PAIRS: Final = tuple((name, PLATFORMS[(at + 5) % len(PLATFORMS)]) for at, name in enumerate(PLATFORMS))
"""Each platform is once left and once right."""
LENGTH: Final = 40
PATIENCE: Final[dict[str, dict[str, float]]] = {"snmp": {"timeout": 0.4, "retries": 1}, "hil": {"timeout": 2.0}}
"""Seconds that a driver waits for an answer where nothing else tells a silent device: on loopback, short."""
KEEPS_BOOKS: Final = "hil"
"""The platform whose configuration is the database of another HIL, which cannot be put back to an earlier state."""


class Mixed(Variant):
    """A pair of platforms, with the books of a site that was built on them."""

    def __init__(self, stage: Stage, pair: tuple[str, str]) -> None:
        self.pair = dict(zip(("left", "right"), pair, strict=True))
        self.kept: dict[str, Any] = {}
        settled = KEEPS_BOOKS not in pair
        layout = Layout(Nativeless.TRUE, Atomicity.NONE, fenced=False, settled=settled, busy=settled)
        super().__init__(stage, layout)

    def settings(self) -> dict[str, dict[str, Any]]:
        """To the books both are plain switches; that some cannot be without a native VLAN is what they must know."""
        can = {name: switch_spec(driver).capabilities.nativeless for name, driver in self.pair.items()}
        return {
            name: {"nativeless": "no" if kind is Nativeless.NO else "true", "timeout": 7.0}
            for name, kind in can.items()
        }

    def switches(self, stage: Stage) -> Any:
        assert isinstance(stage, MixedStage)
        faces = {
            name: Face(driver, name, PORTS[name], sleep=stage.sleep, clock=stage.clock)
            for name, driver in self.pair.items()
        }
        for name, config in self.kept.items():
            faces[name].restore(config)
        stage.serve(faces)
        for face in faces.values():
            face.settings = PATIENCE.get(face.driver, {})
        return faces

    def settle(self, lineages: Mapping[str, Lineage]) -> None:
        """What was settled before the history began is HIL's doing; a port as the factory made it is not."""
        for name, states in self.startup.items():
            face: Any = lineages[name].device
            for port, state in states.items():
                if state != face.born[port]:
                    lineages[name].accepted(port)
            lineages[name].startup = dict(lineages[name].running)


class MixedWorld(World):
    """A world with wires."""

    lineage = MixedLineage
    stage: MixedStage

    def __init__(self, stage: MixedStage, variant: Mixed) -> None:
        super().__init__(stage, variant)
        stage.on_look = self.look

    def apply(self, step: Step) -> str:
        outcome = super().apply(step)
        if self.stage.caught is not None:
            raise self.stage.caught
        return outcome

    def _give_up(self) -> None:
        self.stage.ring()

    def _do_fault(self, switch: str, settings: dict[str, Any]) -> str:
        face: Any = self.devices[switch]
        port = {"port": face.real[settings["port"]]} if "port" in settings else {}
        return super()._do_fault(switch, settings | port)

    def exchange(self, switch: str, port: str) -> None:
        face: Any = self.devices[switch]
        face.renew(port)
        self.lineages[switch].renewed(port)

    def end(self) -> None:
        super().end()
        self.stage.on_look = lambda: None
        self.stage.silence()


class MixedAuthor(Author):
    """Slowness hurts only where it is real."""

    def _fault(self) -> Step:
        step = super()._fault()
        if self.likely(0.1):
            step[2] = {"kind": "slow", "seconds": 1.5, "count": 5}
        return step


@cache
def stage() -> MixedStage:
    return MixedStage()


@cache
def variant(number: int) -> Mixed:
    """The site of a pair, settled and with tenants in it."""
    made = Mixed(stage(), PAIRS[number])
    if not made.layout.settled:
        return made
    world = MixedWorld(stage(), made)
    try:
        rest(world)
        for verb, arguments in TENANTS:
            world.apply(["api", "operator", verb, arguments, ""])
        rest(world)
        for number_of_worker in range(WORKERS):
            world.apply(["leave", number_of_worker])
        made.books = stage().copy()
        faces: dict[str, Any] = dict(world.devices)
        kept = {name: face.kept() for name, face in faces.items()}
        made.startup = {name: {port: face.startup(port) for port in face.ports()} for name, face in faces.items()}
    finally:
        world.end()
    made.kept = kept
    return made


def play(pair: int, steps: list[Step]) -> Report:
    """Replay a history."""
    return _run(pair, steps, lambda world: iter(steps))


def made(seed: int, length: int = LENGTH) -> Report:
    """Make a history up from a seed while it runs."""
    steps: list[Step] = []

    def invented(world: MixedWorld) -> Iterator[Step]:
        author = MixedAuthor(seed, world)
        for _ in range(length):
            steps.append(author.next())
            yield steps[-1]

    return _run(seed % len(PAIRS), steps, invented)


def _run(pair: int, steps: list[Step], source: Any) -> Report:
    report = Report(pair, steps)
    with stage().patched():
        world = MixedWorld(stage(), variant(pair))
        try:
            for step in source(world):
                world.apply(step)
            conclude(world)
        except Violation as violation:
            report.fault = str(violation)
        finally:
            report.counts = world.counts
            report.counts["projects on one VLAN"] = world.watch.shared
            world.end()
    return report


def explained(report: Report) -> str:
    """Shorten a failed history and say how to see it again."""
    steps = shrunk(report.layout, report.steps, lambda tried: bool(play(report.layout, tried).fault))
    short = play(report.layout, steps)
    fault = short.fault or f"{report.fault} (not when shortened)"
    return f"{PAIRS[report.layout]}: {fault}\n\nShortened to {len(steps)} steps:\n\n{script(short, 'mixed')}"
