"""The author of histories: chance, bent towards what hurts.

It looks at the books to ask mostly for what can be granted, so that tenants really get nodes and share networks; and it
likes a worker standing in the middle of a batch, because there the world may change behind its back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from hil.core.model import NATIVE
from tests.isolation.books import Books, Net, Node, Wire
from tests.isolation.plans import PLANS
from tests.isolation.variants import PORTS, PROJECTS, SPARE, ports
from tests.isolation.world import WORKERS, Step, World

T = TypeVar("T")
ALL_PORTS: Final = tuple((switch, port) for switch in PORTS for port in ports(switch))
NETWORKS: Final = ("x", "y", "z", "w")
FAULTS: Final = (
    "refuse", "refuse", "refuse", "lose-reply", "lose-reply", "lose-request", "half", "half", "lie", "lie", "busy",
    "unreachable", "fail-save", "wrong-password",
)  # fmt: skip
HAND: Final = ([None, []], [100, []], [101, []], [102, []], [None, [100]], [100, [101]], [101, [100, 102]], "trunk")


class Author:
    """Writes one step after the other, knowing how things stand."""

    def __init__(self, seed: int, world: World) -> None:
        self.chance = random.Random(seed)
        self.world = world
        self.mischief = self.chance.choice([0.3, 1.0, 1.0, 2.0])
        """How much goes wrong in this history, against what tenants and workers do."""
        self.crashes = self.chance.random() < 0.6
        self.plan: Iterator[Step | None] = iter(())

    def next(self) -> Step:
        """The next step of a plan if there is one, else anything."""
        while True:
            step = next(self.plan, None) if self.likely(0.75) else None
            if step is None and self.likely(0.06):
                self.plan = self.chance.choice(PLANS)(self)
            step = step or self._any()
            if step is not None:
                return step

    def _any(self) -> Step | None:
        wild = self.mischief
        kinds: list[tuple[Callable[[], Step | None], float]] = [
            (self._tenant, 36),
            (self._work, 30),
            (self._chores, 4),
            (self._operator, 6),
            (self._clock, 6),
            (self._fault, 7 * wild),
            (self._mend, 3),
            (self._hand, 2.5 * wild),
            (self._reboot, 1.5 * wild),
            (self._kill, 1.5 * wild if self.crashes else 0),
            (self._leave, 1),
        ]
        return self.chance.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]()

    @property
    def books(self) -> Books:
        return self.world.books

    def one(self, of: Sequence[T]) -> T | None:
        return self.chance.choice(of) if of else None

    def likely(self, probability: float) -> bool:
        return self.chance.random() < probability

    def below(self, limit: int) -> int:
        return self.chance.randrange(limit)

    def worker(self) -> int:
        return self.chance.randrange(WORKERS)

    def hand(self) -> Any:
        """What somebody sets a port to by hand."""
        return self.chance.choice(HAND)

    def create(self) -> Step | None:
        """Some tenant makes a network."""
        return self._create(self.chance.choice(PROJECTS), [], [])

    # Tenants.

    def _tenant(self) -> Step | None:
        project = self.chance.choice(PROJECTS)
        mine = [node for node in self.books.nodes.values() if node.project == self.books.projects[project]]
        owned = [net for net in self.books.networks.values() if net.owner == self.books.projects[project]]
        verbs: list[tuple[Callable[[str, list[Node], list[Net]], Step | None], float]] = [
            (self._allocate, 9 if len(mine) < 2 else 2),
            (self._create, 8 if not owned else 1.5),
            (self._grant, 4),
            (self._connect, 18),
            (self._detach, 7),
            (self._swap, 2.5),
            (self._release, 2.5),
            (self._cancel, 3),
            (self._revoke, 4),
            (self._delete, 2.5),
        ]
        write = self.chance.choices([verb for verb, _ in verbs], [weight for _, weight in verbs])[0]
        return write(project, mine, owned)

    def _api(self, who: str, verb: str, *arguments: Any) -> Step:
        crash = self.chance.choice(["before", "after"]) if self.crashes and self.likely(0.04) else ""
        return ["api", who, verb, list(arguments), crash]

    def _allocate(self, project: str, mine: list[Node], owned: list[Net]) -> Step | None:
        if self.likely(0.3):
            return self._api(
                project,
                "allocate_some",
                project,
                self.chance.choice(["", "kind=big", "kind=small"]),
                self.chance.choice([1, 1, 2]),
            )
        free = [node for node in self.books.nodes.values() if node.state == "free"]
        node = self.one(free if self.likely(0.9) else list(self.books.nodes.values()))
        return None if node is None else self._api(project, "allocate", project, node.name)

    def _create(self, project: str, mine: list[Node], owned: list[Net]) -> Step | None:
        name = self.chance.choice(NETWORKS)
        if name in self.books.networks and self.likely(0.8):
            return None
        return self._api(project, "network_create", name, project, False, "", [])

    def _grant(self, project: str, mine: list[Node], owned: list[Net]) -> Step | None:
        net = self.one(owned)
        others = [other for other in PROJECTS if net and self.books.projects[other] not in net.guests]
        guest = self.one(others)
        return None if net is None or guest is None else self._api(project, "grant", net.name, guest)

    def _revoke(self, project: str, mine: list[Node], owned: list[Net]) -> Step | None:
        shared = [net for net in owned if len(net.guests) > 1]
        net = self.one(shared)
        if net is None:
            return None
        names = {identity: name for name, identity in self.books.projects.items()}
        guest = self.chance.choice(sorted(net.guests - {net.owner}, key=str))
        return self._api(self.chance.choice([project, names[guest]]), "revoke", net.name, names[guest])

    def _usable(self, project: str) -> list[Net]:
        identity = self.books.projects[project]
        found = [net for net in self.books.networks.values() if net.public or identity in net.guests]
        return list(self.books.networks.values()) if self.likely(0.03) else found

    def _connect(self, project: str, mine: list[Node], owned: list[Net]) -> Step | None:
        places = [(node, nic, wire) for node in mine for nic, wire in node.nics.items() if wire is not None]
        calm = [place for place in places if place[2].wanted == place[2].applied]
        places = calm if calm and self.likely(0.8) else places
        usable = self._usable(project)
        if not places or not usable:
            return None
        changes = []
        for _ in range(self.chance.choice([1, 1, 1, 2, 3])):
            node, nic, wire = self.chance.choice(places)
            there = {network for network, _, _ in wire.attachments}
            net = self.chance.choice([net for net in usable if net.name not in there] or usable)
            changes.append([node.name, nic, net.name, self.channel(wire, net), True])
        return self._api(project, "change", changes)

    def channel(self, wire: Wire, net: Net) -> str:
        native = any(channel == NATIVE for _, channel, _ in wire.attachments)
        return self.chance.choices(["", f"vlan/{net.vlan}"], [1, 4] if native else [5, 2])[0]

    def _detach(self, project: str, mine: list[Node], owned: list[Net]) -> Step | None:
        changes = self._leaving(mine)
        return self._api(project, "change", changes[: self.chance.choice([1, 1, 2])]) if changes else None

    def _leaving(self, mine: list[Node]) -> list[list[Any]]:
        found = [
            [node.name, nic, network, "", False]
            for node in mine
            for nic, wire in node.nics.items()
            if wire is not None
            for network, _, _ in wire.attachments
        ]
        self.chance.shuffle(found)
        return found

    def _swap(self, project: str, mine: list[Node], owned: list[Net]) -> Step | None:
        """One network for another on one NIC, in one request."""
        changes, usable = self._leaving(mine), self._usable(project)
        if not changes or not usable:
            return None
        node, nic, network, _, _ = changes[0]
        other = self.chance.choice(usable)
        channel = self.chance.choice(["", "", f"vlan/{other.vlan}"])
        return self._api(project, "change", [[node, nic, network, "", False], [node, nic, other.name, channel, True]])

    def _release(self, project: str, mine: list[Node], owned: list[Net]) -> Step | None:
        node = self.one(mine)
        if node is None:
            return None
        if self.likely(0.7):
            return self._api(project, "release", node.name)
        return self._api(project, "free", project, node.name)

    def _cancel(self, project: str, mine: list[Node], owned: list[Net]) -> Step | None:
        recent = self.world.operations[-4:]
        if not recent:
            return None
        at = len(self.world.operations) - 1 - self.chance.randrange(len(recent))
        return self._api(self.chance.choice([project, "operator"]), "cancel", at)

    def _delete(self, project: str, mine: list[Node], owned: list[Net]) -> Step | None:
        attached = {network for wire in self.books.wires.values() for network, _, _ in wire.attachments}
        idle = [net for net in owned if net.name not in attached]
        net = self.one(idle if idle and self.likely(0.85) else owned)
        return None if net is None else self._api(project, "network_delete", net.name)

    # The operator.

    def _operator(self) -> Step | None:
        verbs: list[tuple[Callable[[], list[Any] | None], float]] = [
            (self._public, 5),
            (self._unpublish, 3),
            (self._quarantine, 2),
            (self._back, 4),
            (self._maintenance, 1),
            (self._revert, 2),
            (self._unquarantine, 3),
            (self._rewire, 5),
            (self._give_up_port, 4),
            (self._mode, 2.5),
            (self._pool, 0.7),
            (self._settings, 0.7),
            (self._lock, 0.5),
        ]
        found = self.chance.choices([verb for verb, _ in verbs], [weight for _, weight in verbs])[0]()
        return None if found is None else self._api("operator", found[0], *found[1:])

    def _public(self) -> list[Any] | None:
        name = self.chance.choice(NETWORKS)
        if name in self.books.networks:
            return ["public", name, True]
        net_id = self.chance.choice(["", "", "100", "101", "102", "200"])
        return ["network_create", name, self.chance.choice([None, *PROJECTS]), self.likely(0.6), net_id, []]

    def _unpublish(self) -> list[Any] | None:
        net = self.one([net for net in self.books.networks.values() if net.public])
        return None if net is None else ["public", net.name, False]

    def _node(self, *states: str) -> Node | None:
        return self.one([node for node in self.books.nodes.values() if node.state in states])

    def _quarantine(self) -> list[Any] | None:
        node = self._node("allocated", "releasing", "free")
        return None if node is None else ["quarantine", node.name]

    def _back(self) -> list[Any] | None:
        node = self._node("quarantined", "maintenance")
        return None if node is None else ["return", node.name]

    def _maintenance(self) -> list[Any] | None:
        node = self._node("free")
        return None if node is None else ["maintenance", node.name]

    def _wire(self) -> Wire | None:
        return self.one([wire for wire in self.books.wires.values() if wire.node is not None])

    def _revert(self) -> list[Any] | None:
        wire = self._wire()
        return None if wire is None else ["revert", *wire.key]

    def _unquarantine(self) -> list[Any] | None:
        wire = self.one([wire for wire in self.books.wires.values() if wire.quarantined])
        return None if wire is None else ["port_unquarantine", *wire.key]

    def _rewire(self) -> list[Any] | None:
        loose = [wire for wire in self.books.wires.values() if wire.node is None and not wire.locked]
        cards = [
            (node.name, nic) for node in self.books.nodes.values() for nic, wire in node.nics.items() if wire is None
        ]
        if loose and cards and self.likely(0.6):
            return ["wire", *self.chance.choice(loose).key, *self.chance.choice(cards)]
        if self.likely(0.25):
            return self._exchange(loose)
        free = [wire for wire in self.books.wires.values() if wire.node and not self.books.nodes[wire.node].project]
        wire = self.one(free)
        if wire is None:
            return None
        return self.chance.choice([["unwire", *wire.key], ["unwire", *wire.key], ["nic_delete", wire.node, wire.nic]])

    def _exchange(self, loose: list[Wire]) -> list[Any] | None:
        """Ports and NICs that come and go."""
        missing = [(at, port) for at, port in ALL_PORTS if (at, port) not in self.books.wires]
        bare = [(node.name, nic) for node in self.books.nodes.values() for nic in ("e0", "e1") if nic not in node.nics]
        choices = [["port_register", *key] for key in missing] + [["nic_add", *card] for card in bare]
        choices += [["port_delete", *wire.key, False] for wire in loose]
        return self.one(choices)

    def _give_up_port(self) -> list[Any] | None:
        """The way out for a node whose switch is gone: quarantined, its port forgotten."""
        stuck = [
            wire
            for wire in self.books.wires.values()
            if wire.node and self.books.nodes[wire.node].state == "quarantined"
        ]
        wire = self.one(stuck)
        return None if wire is None else ["port_forget", *wire.key]

    def _mode(self) -> list[Any]:
        return [
            "audit_mode",
            self.chance.choice(["left", "right"]),
            self.chance.choice(["heal", "report", "quarantine"]),
        ]

    def _pool(self) -> list[Any]:
        return ["pool", self.chance.choice(["100-102", "100-101", "101-103"])]

    def _settings(self) -> list[Any]:
        return ["settings", self._switch(), self.chance.choice([5.0, 7.0, 9.0])]

    def _lock(self) -> list[Any]:
        return ["port_lock", *self.chance.choice(SPARE), self.likely(0.3)]

    # Workers.

    def _gates(self) -> int:
        """How far a worker gets before it stands still."""
        return -1 if self.likely(0.55) else self.chance.randrange(22)

    def _fuse(self) -> int:
        return self.chance.randrange(1, 30) if self.crashes and self.likely(0.12) else 0

    def _work(self) -> Step | None:
        doing = [(number, what) for number, what in self.world.doing if what != "chores"]
        if doing and self.likely(0.35):
            number, switch = self.chance.choice(doing)
        else:
            pending = self._pending()
            if not pending and self.likely(0.7):
                return None
            number = self.worker()
            switch = self.chance.choice(pending if pending and self.likely(0.9) else ["left", "right"])
        return ["work", number, switch, self.likely(0.2), self._gates(), self._fuse()]

    def _chores(self) -> Step | None:
        if self.likely(0.8) and not any(node.state == "releasing" for node in self.books.nodes.values()):
            return None
        return ["chores", self.worker(), self._gates(), self._fuse()]

    def _clock(self) -> Step:
        seconds = self.chance.choice([1.0, 1.0, 5.0, 16.0, 21.0, 21.0, 65.0, 110.0])
        standing = sorted({number for number, _ in self.world.doing})
        frozen = [number for number in standing if self.likely(0.7)]
        return ["clock", seconds, frozen]

    def _kill(self) -> Step:
        return ["kill", self.worker()]

    def _leave(self) -> Step:
        return ["leave", self.worker()]

    def _pending(self) -> list[str]:
        """Switches that have something to do."""
        return sorted({wire.switch for wire in self.books.wires.values() if wire.node and wire.wanted > wire.applied})

    # What goes wrong.

    def _switch(self) -> str:
        return self.chance.choice(["left", "right"])

    def _fault(self) -> Step:
        settings: dict[str, Any] = {"kind": self.chance.choice(FAULTS)}
        settings["after"] = self.chance.choice([0, 0, 0, 1, 2])
        settings["count"] = self.chance.choice([1, 1, 1, 2, 4, "forever"])
        if settings["kind"] in ("lose-reply", "lose-request") and self.likely(0.7):
            settings["op"] = self.chance.choice(["write", "write", "save", "read"])
        if settings["kind"] in ("refuse", "lie") and self.likely(0.3):
            settings["port"] = self.chance.choice(["p0", "p1", "p2"])
        return ["fault", self.one(self._pending()) or self._switch(), settings]

    def _mend(self) -> Step | None:
        broken = [name for name, device in self.world.devices.items() if device.faults]
        return ["mend", self.chance.choice(broken)] if broken else None

    def _reboot(self) -> Step:
        return ["reboot", self._switch()]

    def _hand(self) -> Step:
        wire = self.chance.choice(list(self.books.wires.values()))
        return ["hand", *wire.key, self.hand()]
