"""The stage of a history: one in-memory database, two emulated switches, a clock that only the history moves.

Everything is real but for three things: time (one clock for wall, lease and device), the wire (sessions speak to the
emulated switches in this process), and threads (store functions run in line). At each of the *points* where a process
can die or stand still, `Stage.point` or `Stage.gate` is asked what happens there.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final, TypeVar

from cryptography.fernet import Fernet
from sqlalchemy import insert

import hil.store.lanes
import hil.worker.chores
import hil.worker.lane
import hil.worker.worker
from hil.core.devices import Atomicity, SwitchSession
from hil.core.limits import Limits
from hil.core.model import Observed, PortState
from hil.core.secret import Secret
from hil.core.vlans import FIRST, LAST
from hil.drivers.switch.emulated.spec import SPEC
from hil.drivers.switch.mock.device import Conversation, Delays, EmulatedSwitch
from hil.drivers.switch.mock.session import EmulatedSession
from hil.store.keys import Keyring
from hil.store.tables import Base, JournalHead, Vlan
from hil.store.unit import Store, Unit

T = TypeVar("T")
START: Final = 1_000_000.0
PARKED: Final = 999
LIMITS: Final = Limits(
    lease=20.0, lease_margin=5.0, audit_interval=60.0, connect_deadline=100.0, operation_retention=100.0
)
POOL: Final = (100, 101, 102)


class Crash(BaseException):
    """The process dies here: nothing that catches errors may catch it."""


class PointedStore(Store):
    """A store that asks, before and after each commit, whether the process survives it."""

    point: Callable[[str], None]
    commits = 0

    def _change_once(self, work: Callable[[Unit], T]) -> T:
        def pointed(unit: Unit) -> T:
            result = work(unit)
            self.point("commit.before")
            return result

        result = super()._change_once(pointed)
        self.commits += 1
        self.point("commit.after")
        return result


class GatedTalk:
    """A device's conversation with a gate behind each operation: there the answer is under way to the worker."""

    def __init__(self, stage: Stage, switch: str, talk: Conversation) -> None:
        self._stage, self._switch, self._talk = stage, switch, talk

    @property
    def atomicity(self) -> Atomicity:
        return self._talk.atomicity

    async def read(self, ports: Collection[str] | None) -> dict[str, Observed]:
        found = await self._talk.read(ports)
        self._stage.on_read(self._switch, list(found))
        await self._stage.gate()
        return found

    async def write(self, changes: Mapping[str, PortState], fence: int) -> Any:
        answers = await self._talk.write(changes, fence)
        if any(answers.values()):
            self._stage.on_refusal()
        await self._stage.gate()
        return answers

    async def save(self, fence: int) -> None:
        await self._talk.save(fence)
        await self._stage.gate()

    def close(self) -> None:
        self._talk.close()


class Stage:
    """One for each process: `reset` puts the database back to a template, which costs almost nothing."""

    def __init__(self) -> None:
        self.now = START
        self.loop = asyncio.new_event_loop()
        self.devices: dict[str, EmulatedSwitch] = {}
        self.on_point: Callable[[str], None] = lambda where: None
        self.on_gate: Callable[[str], Awaitable[None]] | None = None
        self.on_read: Callable[[str, list[str]], None] = lambda switch, ports: None
        self.on_refusal: Callable[[], None] = lambda: None
        self.on_talk: Callable[[Conversation], None] = lambda talk: None
        keys = Keyring([Secret(Fernet.generate_key().decode())])
        self.store = PointedStore("sqlite://", keys, limits=LIMITS, clock=self.clock)
        self.store.point = self.point
        make_blank(self.store)
        connection = self.store.engine.raw_connection().driver_connection
        assert isinstance(connection, sqlite3.Connection)
        self.raw = connection
        """The one connection, for looking at the books without disturbing them."""
        self.blank = self.copy()

    def clock(self) -> float:
        return self.now

    def point(self, where: str) -> None:
        """A place where a process can die: `commit.before`, `write.middle`, …"""
        self.on_point(where)

    async def gate(self, inside: str = "") -> None:
        """A place where a worker can stand still; `inside` names the switch that has its command."""
        if self.on_gate is not None:
            await self.on_gate(inside)

    def copy(self) -> sqlite3.Connection:
        """Keep the present books."""
        kept = sqlite3.connect(":memory:", check_same_thread=False)
        self.raw.backup(kept)
        return kept

    def reset(self, template: sqlite3.Connection) -> None:
        self.now = START
        if self.raw.in_transaction:
            self.raw.rollback()  # a history that ended in a violation may have left a transaction open
        template.backup(self.raw)

    def patch(self) -> None:
        """Put the stage's time and wire in the place of the machine's, for the life of the process."""
        hil.store.lanes.boottime = self.clock
        hil.worker.lane.boottime = self.clock
        hil.worker.lane.open_session_function = lambda spec: self._open
        hil.worker.worker.COURTESY = 0.0
        hil.worker.chores.TIDY_EVERY = 60.0

    async def _open(self, config: Mapping[str, Any]) -> SwitchSession:
        name = str(config["address"]).partition(".")[0]
        device = self.devices[name]
        talk = await device.login(str(config["username"]), str(config["password"]))
        self.on_talk(talk)
        await self.gate()
        parked = config.get("parked")
        return EmulatedSession(GatedTalk(self, name, talk), SPEC.capabilities_of(config), parked)

    def close(self) -> None:
        self.loop.close()
        self.store.close()


def make_blank(store: Store) -> None:
    """A fresh installation, without the cost of the migrations."""
    Base.metadata.create_all(store.engine)
    with store.engine.begin() as connection:
        rows = [{"id": number, "pool": number in POOL} for number in range(FIRST, LAST + 1)]
        connection.execute(insert(Vlan), rows)
        connection.execute(insert(JournalHead), [{"id": 1, "seq": 0, "seal": ""}])


def device(stage: Stage, name: str, **options: Any) -> EmulatedSwitch:
    """An emulated switch that takes its time at a gate: a command is then under way in the device."""

    async def sleep(seconds: float) -> None:
        await stage.gate(name)

    moment = Delays(login=1, read=1, write=1, save=1)
    return EmulatedSwitch(name, delays=moment, sleep=sleep, clock=stage.clock, on_step=stage.point, **options)
