"""How every history ends: all faults are mended, everything comes to rest, and everything can be given back.

Whatever was accepted must have ended, well or in error; no port may be left waiting; then an operator, with the
ordinary verbs, must be able to return every node to the pool. What cannot be brought to an end is a violation too.
"""

from __future__ import annotations

from typing import Final

from hil.core.model import AuditMode, OperationStatus
from hil.services.context import Context
from hil.services.operation import operation_show
from hil.store.journal import Source, verify
from hil.store.lanes import lanes_due
from tests.isolation.books import Wire
from tests.isolation.watch import Violation
from tests.isolation.world import WORKERS, World

ROUNDS: Final = 12
PAUSE: Final = 61.0
"""Seconds between two rounds: longer than a lease, than any pause before a retry, and than the time between audits."""


def rest(world: World) -> None:
    """Let the workers do all that is due until nothing is."""
    for number, what in list(world.doing):
        if (number, what) in world.doing:
            world.apply(["chores", number, -1, 0] if what == "chores" else ["work", number, what, False, -1, 0])
    for _ in range(ROUNDS):
        for number in range(WORKERS):
            _round(world, number)
        if not waiting(world):
            return
        world.apply(["clock", PAUSE, []])
    raise Violation(f"after {ROUNDS} rounds there still wait: {waiting(world)}")


def _round(world: World, number: int) -> None:
    """All that one worker could do now."""
    for due in lanes_due(world.stage.store, world.workers[number].owner):
        name = next(name for name, identity in world.switch_ids.items() if identity == due.switch_id)
        world.apply(["work", number, name, due.audit, -1, 0])
    if any(node.state == "releasing" for node in world.books.nodes.values()):
        world.apply(["chores", number, -1, 0])


def waiting(world: World) -> list[str]:
    """What has not come to rest: ports and nodes, and why."""
    ports = [f"{wire.key}: {wire.error}" for wire in world.books.wires.values() if _waits(world, wire)]
    nodes = [f"{node.name} is releasing" for node in world.books.nodes.values() if node.state == "releasing"]
    held = {wire.node for wire in world.books.wires.values() if wire.quarantined or wire.drifted}  # for an operator
    return ports + [words for words in nodes if words.split()[0] not in held]


def _waits(world: World, wire: Wire) -> bool:
    if wire.node is None or not (wire.tainted or wire.wanted > wire.applied):
        return False
    return not impossible(world, wire)


def impossible(world: World, wire: Wire) -> bool:
    """A wish that this switch cannot carry out: tagged networks whose native one was refused or cancelled."""
    native_first = world.devices[wire.switch].nativeless == "no"
    return native_first and bool(wire.wish.tagged) and wire.wish.native is None


def conclude(world: World) -> None:
    """Mend everything, come to rest, judge; then give everything back and judge again."""
    for name in world.devices:
        world.apply(["mend", name])
    rest(world)
    _ended(world)
    _give_back(world)
    world.apply(["clock", PAUSE, []])  # what a hand did since the last audit is found by the next
    rest(world)
    for node in world.books.nodes.values():
        if node.state in ("quarantined", "maintenance"):
            _must(world, "return", [node.name])
    _all_free(world)
    _journal(world)


def _ended(world: World) -> None:
    """Every operation has ended, but for those that ask the impossible."""
    excused = {wire.key for wire in world.books.wires.values() if impossible(world, wire)}
    actor = world.actors["operator"]
    for identity in world.operations:
        kept = world.stage.raw.execute("SELECT 1 FROM operation WHERE id = ?", [identity]).fetchone()
        if kept is None:
            continue  # tidied away, which only ended ones are
        view = world.stage.store.read(
            lambda session, at=identity: operation_show(Context(session, actor, Source("")), at)
        )
        world.counts[f"operation {view.status}"] += 1
        if view.status == OperationStatus.PENDING and not {(a.switch, a.port) for a in view.actions} & excused:
            held = {wire.node for wire in world.books.wires.values() if wire.quarantined or wire.drifted}
            if view.kind != "node_release" or view.node not in held:
                raise Violation(f"operation {view.kind} of {view.node} is still pending: {view.reason}")


def _give_back(world: World) -> None:
    """An operator takes everything back."""
    for name in world.devices:
        _must(world, "audit_mode", [name, AuditMode.HEAL.value])
    for wire in world.books.wires.values():
        if wire.node is None and wire.may:
            _exchange(world, wire)
        elif wire.quarantined:
            _must(world, "port_unquarantine", [wire.switch, wire.port])
    for node in world.books.nodes.values():
        if node.state == "allocated":
            _must(world, "release", [node.name])


def _exchange(world: World, wire: Wire) -> None:
    """A port that was given up is deleted by force, once the switch that had it was exchanged."""
    world.exchange(*wire.key)
    _must(world, "port_delete", [wire.switch, wire.port, True])


def _must(world: World, verb: str, arguments: list[object]) -> None:
    outcome = world.apply(["api", "operator", verb, arguments, ""])
    if outcome != "done":
        raise Violation(f"at the end, {verb} {arguments} is refused: {outcome}")


def _all_free(world: World) -> None:
    busy = {node.name: node.state for node in world.books.nodes.values() if node.state != "free"}
    if busy:
        raise Violation(f"at the end, not free: {busy}")
    for name in list(world.books.networks):
        _must(world, "network_delete", [name])
    for wire in world.books.wires.values():
        carried = world.devices[wire.switch].carried(wire.port)
        if wire.may or (wire.node and (carried.native or carried.tagged or carried.everything)):
            raise Violation(f"at the end, {wire.key} carries {carried}, and may carry {wire.may}")


def _journal(world: World) -> None:
    found = world.stage.store.read(lambda session: verify(session, world.stage.store.keys.sealing))
    if found.fault:
        raise Violation(f"the journal is broken: {found.fault}")
