"""Plans: several steps that hurt only together, written one by one as their turns come.

A plan yields steps, or None where it finds nothing to do. Anything may happen between two of them, and it may end early
at any time: a history is not a script.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from tests.isolation.books import Net, Wire

if TYPE_CHECKING:
    from tests.isolation.generate import Author

Plan = Iterator[list[Any] | None]
STEPS_OF_DEVICE: Final = 22
"""Gates that a worker passes in one batch, about."""


def _place(author: Author, *, guest: bool = False) -> tuple[str, Wire, Net] | None:
    """A project with a wired NIC and a network that it may put there; `guest`: somebody else's network."""
    found = []
    for project, identity in author.books.projects.items():
        nets = [net for net in author.books.networks.values() if net.public or identity in net.guests]
        nets = [net for net in nets if not (guest and net.owner == identity)]
        for node in author.books.nodes.values():
            wires = [
                wire for wire in node.nics.values() if wire and node.project == identity and node.state == "allocated"
            ]
            found += [(project, wire, net) for wire in wires for net in nets if wire.wanted == wire.applied]
    fresh = [place for place in found if place[2].name not in {name for name, _, _ in place[1].attachments}]
    return author.one(fresh)


def _connect(project: str, wire: Wire, net: Net, author: Author) -> list[Any]:
    return ["api", project, "change", [[[wire.node, wire.nic, net.name, author.channel(wire, net), True]]], ""]


def _undo(author: Author, project: str, wire: Wire, before: int) -> list[Any] | None:
    """One of the ways in which a wish ends before its time."""
    ways: list[list[Any]] = [
        ["api", project, "release", [wire.node], ""],
        ["api", "operator", "quarantine", [wire.node], ""],
        ["clock", 110.0, []],
    ]
    if len(author.world.operations) > before:
        cancel = ["api", project, "cancel", [len(author.world.operations) - 1], ""]
        ways += [cancel, cancel, cancel]
    return author.one(ways)


def _dispossess(author: Author, project: str, net: Net) -> list[Any]:
    """Take the network away from the project, or the network itself away."""
    owner = next((name for name, identity in author.books.projects.items() if identity == net.owner), "operator")
    if net.public:
        return author.one([["api", "operator", "public", [net.name, False], ""], _deleted(owner, net)]) or []
    if owner == project:
        return _deleted(owner, net)
    return author.one([["api", owner, "revoke", [net.name, project], ""]] * 2 + [_deleted(owner, net)]) or []


def _deleted(owner: str, net: Net) -> list[Any]:
    return ["api", owner, "network_delete", [net.name], ""]


def betrayal(author: Author) -> Plan:
    """A guest's connect goes half-way, its wish ends, and its rights are taken while the port may carry the network."""
    place = _place(author, guest=author.likely(0.7))
    if place is None:
        return
    project, wire, net = place
    number, before = author.worker(), len(author.world.operations)
    yield _connect(project, wire, net, author)
    if author.likely(0.5):
        kind = author.one(["half", "lose-reply", "lose-reply", "lie"])
        yield ["fault", wire.switch, {"kind": kind, "op": "write", "count": author.one([1, 3, "forever"])}]
        yield ["work", number, wire.switch, False, -1, 0]
    else:
        yield ["work", number, wire.switch, False, author.below(STEPS_OF_DEVICE), 0]
    yield _undo(author, project, wire, before)
    yield _dispossess(author, project, net)
    if author.likely(0.5):
        yield author.create()
        other = _place(author)
        if other is not None:
            yield _connect(*other, author)
            yield ["work", 1 - number, other[1].switch, False, -1, 0]
    yield ["work", number, wire.switch, False, -1, 0]


def takeover(author: Author) -> Plan:
    """A worker freezes in the middle of a batch, another takes its lane, the wish changes, and the first wakes up."""
    place = _place(author)
    if place is None:
        return
    project, wire, net = place
    number, before = author.worker(), len(author.world.operations)
    yield _connect(project, wire, net, author)
    other = _place(author)
    if other is not None and other[1].switch == wire.switch:
        yield _connect(*other, author)
    yield ["work", number, wire.switch, author.likely(0.2), author.below(STEPS_OF_DEVICE), 0]
    yield ["clock", author.one([21.0, 21.0, 16.0]), [number]]
    if author.likely(0.7):
        yield _undo(author, project, wire, before)
    yield ["work", 1 - number, wire.switch, author.likely(0.3), -1, 0]
    yield ["work", number, wire.switch, False, author.one([-1, -1, author.below(STEPS_OF_DEVICE)]), 0]
    yield ["work", 1 - number, wire.switch, False, -1, 0]
    yield ["work", number, wire.switch, False, -1, 0]


def succession(author: Author) -> Plan:
    """A node goes from one tenant to the next while its ports are being written."""
    place = _place(author)
    if place is None:
        return
    project, wire, net = place
    number = author.worker()
    yield _connect(project, wire, net, author)
    yield ["work", number, wire.switch, False, author.one([-1, author.below(STEPS_OF_DEVICE)]), 0]
    yield author.one([["api", project, "release", [wire.node], ""], ["api", "operator", "quarantine", [wire.node], ""]])
    yield ["chores", number, author.one([-1, 0, 1, 2]), 0]
    yield ["work", number, wire.switch, False, -1, 0]
    yield ["chores", number, -1, 0]
    yield ["api", "operator", "return", [wire.node], ""]
    heir = author.one(list(author.books.projects))
    yield ["api", heir, "allocate", [heir, wire.node], ""]


def rewiring(author: Author) -> Plan:
    """A node in quarantine loses a port that still carries something, and comes back without it."""
    place = _place(author)
    if place is None:
        return
    project, wire, net = place
    number = author.worker()
    yield _connect(project, wire, net, author)
    yield ["work", number, wire.switch, False, -1, 0]
    yield ["fault", wire.switch, {"kind": "unreachable", "count": "forever"}]
    yield ["api", "operator", "quarantine", [wire.node], ""]
    yield ["work", number, wire.switch, False, -1, 0]
    yield ["api", "operator", "port_forget", [*wire.key], ""]
    yield _dispossess(author, project, net)
    yield author.create()
    yield ["mend", wire.switch]
    yield author.create()


def night_shift(author: Author) -> Plan:
    """Somebody changes a port by hand; the switch is audited or rebooted while the tenant changes its mind."""
    wires = [wire for wire in author.books.wires.values() if wire.node]
    wire = author.one([wire for wire in wires if wire.attachments] or wires)
    if wire is None:
        return
    number = author.worker()
    yield ["hand", *wire.key, author.one([[None, []], [None, []], author.hand()])]
    if author.likely(0.4):
        yield ["work", number, wire.switch, True, author.below(8), 0]
    leaving = [[wire.node, wire.nic, name, "", False] for name, _, state in wire.attachments if state == "attached"]
    owner = author.books.nodes[wire.node].project if wire.node else None
    project = next((name for name, identity in author.books.projects.items() if identity == owner), None)
    if leaving and project is not None:
        yield ["api", project, "change", [leaving], ""]
    yield ["work", number, wire.switch, author.likely(0.3), -1, 0]
    yield ["reboot", wire.switch]
    yield ["work", number, wire.switch, True, -1, 0]


PLANS: Final[tuple[Callable[[Author], Plan], ...]] = (
    betrayal, betrayal, betrayal, takeover, takeover, succession, rewiring, night_shift,
)  # fmt: skip
