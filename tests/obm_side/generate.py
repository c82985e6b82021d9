"""Makes histories up, from a seed: by chance, and after plans that aim at what could go wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.isolation.history import Step
from tests.obm_side.history import LAYOUTS, World
from tests.obm_side.road import MODES
from tests.obm_side.watch import PEOPLE

Plan = Iterator[Step]
FAULTS: Final = (
    ("hang", "write"), ("slow", "write"), ("lose-reply", "write"), ("drop", "write"), ("lie", "write"), ("lie", "read"),
    ("refuse", "write"), ("busy", "login"), ("unreachable", "login"), ("wrong-password", "login"), ("cut", "console"),
)  # fmt: skip


class Author:
    """Writes the next step, looking at the books. The first plan is the seed's, and is followed to its end."""

    def __init__(self, seed: int, world: World) -> None:
        self.chance, self.world = random.Random(seed), world
        self._plan: Plan = PLANS[seed // len(LAYOUTS) % len(PLANS)](self)
        self._strict = True

    def next(self) -> Step:
        """The plan's next step, or now and then something else."""
        if self._strict or self.chance.random() < 0.8:
            for step in self._plan:
                return step
            self._plan, self._strict = self.chance.choice(PLANS)(self), False
        return self.anything()

    def one(self, choices: Any) -> Any:
        return self.chance.choice(list(choices))

    @property
    def tenant(self) -> str:
        """Who has the node; anybody, if nobody has it."""
        project = self.world.watch.books.of(self.world.node).project
        return next((who for who, home in PEOPLE.items() if home == project), None) or str(self.one(PEOPLE))

    def other(self, who: str) -> str:
        return next(name for name in PEOPLE if name != who)

    def api(self, who: str, verb: str) -> Step:
        dies = self.one(["before", "after", "books"]) if self.chance.random() < 0.15 else ""
        return ["api", who, verb, dies if verb in ("enable", "disable") else ""]

    def work(self) -> Step:
        return ["work", self.one(["", "", "", "", "before", "after", "books"])]

    def anything(self) -> Step:
        who = self.one(PEOPLE) if self.chance.random() < 0.4 else self.tenant
        asked = self.one(
            ["allocate", "release", "enable", "disable", "power", "boot", "look", "keep", "link", "stream"]
        )
        return self.one(
            [
                self.api(who, asked),
                self.api(who, asked),
                self.work(),
                ["use", self.chance.randrange(4)],
                ["type", self.chance.randrange(4)],
                ["road", self.one(MODES)],
                ["road", "open"],
                ["deliver", self.chance.randrange(3)],
                ["obmd", self.one(["stop", "start"])],
                ["obmd", "start"],
                ["fault", *self.one(FAULTS), self.one([1, 1, 3])],
                ["mend"],
                ["time", self.one([20.0, 61.0, 340.0])],
                ["skew", self.one([0.0, 0.0, 20.0, -20.0, 400.0, -400.0])],
                ["skew", 0.0],
                ["tickets"],
                ["keys", self.one(["next", "switch"])],
                ["api", "root", self.one(["quarantine", "return", "admit alice"]), ""],
            ]
        )


def taken(author: Author) -> Plan:
    """Somebody gets the node and everything that there is to it."""
    who = author.tenant
    yield author.api(who, "allocate")
    yield ["api", who, "enable", ""]
    for verb in author.chance.sample(["keep", "link", "stream", "power", "boot", "look"], 3):
        yield ["api", who, verb, ""]


def handed_over(author: Author) -> Plan:
    """The whole way from one tenant to the other, and the first one tries everything."""
    who = author.tenant
    heir = author.other(who)
    yield from taken(author)
    yield ["api", who, "keep", ""]
    yield ["type", 0]
    yield ["api", who, "release", ""]
    if author.chance.random() < 0.3:
        yield author.work()
    for _ in range(2):
        yield ["work", ""]
    yield ["api", heir, "allocate", ""]
    yield ["api", heir, "enable", ""]
    yield ["api", heir, "keep", ""]
    for back in (1, 2, 3):
        yield ["use", back]
        yield ["type", back]


def raced(author: Author) -> Plan:
    """Enabling, releasing, using, working and the next tenant's call at the same time."""
    who = author.tenant
    heir = author.other(who)
    yield author.api(who, "allocate")
    yield ["api", who, "enable", ""]
    yield ["api", who, "keep", ""]
    crowd = [
        ["api", who, "release", ""], ["api", who, author.one(["enable", "disable", "enable"]), ""], ["use", 0],
        ["type", 0], ["work", ""], ["api", heir, "allocate", ""], ["api", who, "power", ""], ["api", who, "boot", ""],
        ["api", who, "keep", ""], ["api", who, "link", ""], ["work", ""],
    ]  # fmt: skip
    for _ in range(3):
        yield ["together", author.chance.sample(crowd, author.chance.randint(2, 5))]
    yield ["together", [["work", ""], ["api", heir, "allocate", ""], ["use", 0], ["use", 1], ["type", 0]]]
    yield ["together", [["api", heir, "enable", ""], ["use", 0], ["type", 0], ["api", who, "power", ""]]]


def delayed(author: Author) -> Plan:
    """What HIL has told obmd comes late, when something else holds."""
    who = author.tenant
    yield author.api(who, "allocate")
    yield ["api", who, "enable", ""]
    yield ["api", who, "keep", ""]
    yield ["type", 0]
    yield ["road", author.one(["hold", "hold", "hold", "lose", "gone", "cut"])]
    yield ["api", who, author.one(["enable", "enable", "disable", "power", "boot"]), ""]
    yield ["api", who, "release", ""]
    yield ["road", "open"]
    yield ["tickets"]
    for _ in range(3):
        yield ["work", ""]
    yield ["deliver", 0]
    yield ["use", 0]
    yield ["api", author.other(who), "allocate", ""]
    yield ["deliver", 1]
    yield ["use", 0]


def overtaken(author: Author) -> Plan:
    """HIL enables, gives up, lets a worker end that, and then the enabling arrives."""
    who = author.tenant
    yield ["api", who, "allocate", ""]
    yield ["road", "hold"]
    yield ["api", who, "enable", ""]
    yield ["road", "open"]
    yield ["tickets"]
    yield ["work", ""]
    if author.chance.random() < 0.5:
        yield ["api", who, "release", ""]
        yield ["work", ""]
    yield ["deliver", 0]


def expired(author: Author) -> Plan:
    """A capability is used when its time is over, or when its owner is no member any more and its time is over."""
    who = author.tenant
    yield author.api(who, "allocate")
    yield ["api", who, "enable", ""]
    yield ["api", who, "keep", ""]
    yield ["time", 200.0]
    if author.chance.random() < 0.5:
        yield ["api", "root", "expel alice", ""]
    yield ["time", 135.0]
    yield ["use", 0]


def rotated(author: Author) -> Plan:
    """HIL's key is changed as operators do it, and what the old one has signed is used when obmd has forgotten it."""
    who = author.tenant
    yield ["keys", "next"]
    yield from (["obmd", "stop"], ["obmd", "start"])
    yield ["api", who, "allocate", ""]
    yield ["api", who, "enable", ""]
    yield ["api", who, "keep", ""]
    yield ["keys", "switch"]
    yield ["api", who, "keep", ""]
    yield from (["obmd", "stop"], ["obmd", "start"])
    yield from (["use", 0], ["use", 1])


def forced(author: Author) -> Plan:
    """An operator takes the node away while its obmd cannot be told."""
    yield from taken(author)
    yield ["road", author.one(["gone", "hold", "open"])]
    yield ["api", "root", "quarantine", ""]
    yield ["work", ""]
    yield ["api", "root", "return", ""]
    yield ["use", 0]
    yield ["road", "open"]
    yield ["work", ""]
    yield ["api", "root", "return", ""]
    yield ["api", author.one(PEOPLE), "allocate", ""]
    yield ["use", 0]


PLANS: Final[tuple[Callable[[Author], Plan], ...]] = (
    taken, handed_over, handed_over, raced, raced, delayed, delayed, overtaken, expired, rotated, forced,
)  # fmt: skip
