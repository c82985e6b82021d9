"""Random histories of HIL over the real Open vSwitch: after every step the frames are asked who hears whom."""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import or_, select

from hil.core.errors import HilError, LeaseLost
from hil.core.limits import Limits
from hil.core.model import NATIVE, Actor
from hil.core.secret import Secret
from hil.core.vlans import unfold
from hil.lab.ovs.datacentre import DataCentre, wire
from hil.services import attach, network, nic, node, pool, port, project, switch
from hil.services.context import Context
from hil.store.journal import Source, verify
from hil.store.keys import Keyring
from hil.store.migrate import upgrade
from hil.store.tables import Attachment, Grant, Network, Nic, Node, Port, Vlan
from hil.store.tables import Lane as LaneRow
from hil.store.unit import Store
from hil.worker.lane import Lane
from hil.worker.release import Releases
from tests.ovs.hand import factory

pytestmark = pytest.mark.ovs
T = TypeVar("T")
OPERATOR = Actor("operator", operator=True)
POOL = unfold("100-103")
MACHINES = [f"m{number}" for number in range(6)]
NETWORKS = ("red-net", "blue-net", "both", "extra")
STEPS = 30


async def inline(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


class History:
    """HIL on a file, over two bridges with three machines each; lanes are stepped by the history itself."""

    def __init__(self, centre: DataCentre, directory: Path, seed: int) -> None:
        url = f"sqlite:///{directory}/hil.db"
        upgrade(url)
        self.centre, self.chance = centre, random.Random(seed)
        self.store = Store(url, Keyring([Secret(Fernet.generate_key().decode())]), limits=Limits(lease=30.0))
        self.now = 1_800_000_000.0
        self.store.clock = lambda: self.now
        self.owners = (f"w{number}" for number in itertools.count())
        self.excused: set[str] = set(MACHINES)
        """Whose port was changed by hand, or never yet closed by HIL, and has not been put right since."""
        self.runner = asyncio.Runner()
        self.do(self._build)
        self.lanes = self._lanes()

    def _build(self, ctx: Context) -> None:
        pool.pool_set(ctx, POOL)
        for name in ("red", "blue"):
            project.project_create(ctx, name)
            network.network_create(ctx, f"{name}-net", owner=name)
        network.network_create(ctx, "both", owner="red", access=["blue"])
        for at in self.centre.switches:
            switch.switch_register(ctx, at, "ovs", self.centre.config(at, rest=0.0, timeout=5.0))
        for (machine, card), (at, to) in self.centre.wiring.items():
            node.node_register(ctx, machine, {}, {})
            nic.nic_register(ctx, machine, card, self.centre.mac((machine, card)))
            port.port_register(ctx, at, to)
            port.port_connect_nic(ctx, at, to, machine, card)

    def _lanes(self) -> list[Lane]:
        owner = next(self.owners)
        ids = [self.see(lambda ctx, at=at: ctx.switch(at, attach.Act.READ).id) for at in self.centre.switches]
        return [Lane(self.store, identity, owner, inline) for identity in ids]

    def close(self) -> None:
        for lane in self.lanes:
            self.runner.run(lane.close())
        self.runner.close()
        self.store.close()

    def do(self, work: Callable[[Context], T]) -> T:
        return self.store.change(lambda unit: work(Context.changing(unit, OPERATOR, Source("test"))))

    def see(self, work: Callable[[Context], T]) -> T:
        return self.store.read(lambda session: work(Context(session, OPERATOR, Source("test"))))

    # What may happen.

    def allocate(self) -> None:
        self.do(lambda ctx: node.node_allocate(ctx, self.chance.choice(["red", "blue"]), self.chance.choice(MACHINES)))

    def connect(self) -> None:
        name, on = self.chance.choice(NETWORKS), NATIVE
        if self.chance.random() < 0.4:
            vlan = self.see(lambda ctx: ctx.network(name, attach.Act.READ).vlan.id)
            on = f"vlan/{vlan}"
        self.do(lambda ctx: attach.node_connect_network(ctx, self.chance.choice(MACHINES), "eth0", name, on))

    def detach(self) -> None:
        name = self.chance.choice(NETWORKS)
        self.do(lambda ctx: attach.node_detach_network(ctx, self.chance.choice(MACHINES), "eth0", name))

    def release(self) -> None:
        self.do(lambda ctx: node.node_release(ctx, self.chance.choice(MACHINES)))

    def create(self) -> None:
        self.do(lambda ctx: network.network_create(ctx, "extra", owner=self.chance.choice(["red", "blue"])))

    def delete(self) -> None:
        self.do(lambda ctx: network.network_delete(ctx, "extra"))

    def hand(self) -> None:
        machine = self.chance.choice(MACHINES)
        columns = {"vlan_mode": "access", "tag": self.chance.choice(sorted(POOL)), "trunks": ["set", []]}
        self.centre.by_hand(self.centre.wiring[machine, "eth0"][1], protected=False, **columns)
        self.excused.add(machine)

    def cut(self) -> None:
        self.centre.reachable(self.chance.random() < 0.5)

    def crash(self) -> None:
        """The worker is gone in the middle of whatever it did; another one comes after its lease."""
        for lane in self.lanes:
            self.runner.run(lane.close())
        self.now += self.store.limits.lease + 1
        self.lanes = self._lanes()

    def work(self, *, audit: bool = False) -> None:
        self.now += 61
        self.runner.run(self._work(audit=audit))

    async def _work(self, *, audit: bool) -> None:
        for lane in self.lanes:
            try:
                await self._serve(lane, audit=audit)
            except LeaseLost:
                lane.hold = None
                await self._serve(lane, audit=audit)
        await Releases(self.store, "releases", inline).advance()

    async def _serve(self, lane: Lane, *, audit: bool) -> None:
        if not await lane.take():
            return
        while await lane.step():
            pass
        if audit:
            await lane.audit()
            while await lane.step():
                pass

    def step(self) -> str:
        """Do one thing that may be refused; answers what it was."""
        verbs = (self.allocate, self.connect, self.connect, self.detach, self.release, self.create, self.delete)
        what = self.chance.choice([*verbs, *verbs, self.hand, self.cut, self.crash, self.work, self.work, self.work])
        try:
            what()
        except HilError as error:
            return f"{what.__name__}: {error.type}"
        return what.__name__

    # What must hold.

    def allowed(self) -> dict[str, frozenset[int]]:
        """The VLANs on which each machine may hear somebody, as the books are."""
        query = (
            select(Node.name, Vlan.id)
            .join(Vlan, Vlan.network_id.is_not(None))
            .join(Network, Network.id == Vlan.network_id)
            .outerjoin(Grant, (Grant.network_id == Network.id) & (Grant.project_id == Node.project_id))
            .where(Node.project_id.is_not(None), or_(Network.public, Grant.id.is_not(None)))
        )
        found: dict[str, set[int]] = {machine: set() for machine in MACHINES}
        for machine, vlan in self.store.read(lambda session: session.execute(query).all()):
            found[machine].add(vlan)
        return {machine: frozenset(ids) for machine, ids in found.items()}

    def heard(self) -> set[frozenset[str]]:
        return {frozenset(name for name, _ in pair) for pair in self.centre.hears(sorted(POOL))}

    def violations(self) -> list[str]:
        allowed = self.allowed()
        found = []
        for pair in self.heard():
            one, other = sorted(pair)
            if not allowed[one] & allowed[other] and not pair & self.excused:
                found.append(f"{one} and {other} hear each other")
        return found

    def expected(self) -> set[frozenset[str]]:
        """Pairs that must hear each other: on one network, both untagged or both with its tag."""
        query = (
            select(Node.name, Vlan.id, Attachment.channel == NATIVE)
            .join(Nic, Nic.node_id == Node.id)
            .join(Attachment, Attachment.nic_id == Nic.id)
            .join(Vlan, Vlan.network_id == Attachment.network_id)
        )
        groups: dict[tuple[int, bool], set[str]] = {}
        for machine, vlan, native in self.store.read(lambda session: session.execute(query).all()):
            groups.setdefault((vlan, native), set()).add(machine)
        return {frozenset(pair) for group in groups.values() for pair in itertools.combinations(group, 2)}

    def settle(self) -> None:
        """Mend everything and let HIL work until nothing is left to do."""
        self.centre.reachable(True)
        for _ in range(4):
            self.work(audit=True)
        self.excused.clear()


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataCentre]:
    wiring = wire({machine: ["eth0"] for machine in MACHINES})
    with DataCentre.start(tmp_path_factory.mktemp("six"), wiring) as running:
        yield running


@pytest.mark.parametrize("seed", range(6))
def test_frames_reach_nobody_who_may_not_hear_them(six: DataCentre, tmp_path: Path, seed: int) -> None:
    factory(six)
    history = History(six, tmp_path, seed)
    story: list[str] = []
    try:
        history.settle()
        assert history.heard() == set()
        for _ in range(STEPS):
            story.append(history.step())
            assert history.violations() == [], story
        history.settle()
        assert history.violations() == [], story
        assert history.expected() <= history.heard(), story
        unsettled = select(Port.name).where((Port.wanted > Port.applied) | Port.tainted | Port.drifted)
        assert history.store.read(lambda session: list(session.scalars(unsettled))) == [], story
        sealed = history.store.read(lambda session: verify(session, history.store.keys.sealing))
        assert not sealed.fault
    finally:
        history.close()


def test_the_watch_sees_a_breach_that_it_was_not_told_of(six: DataCentre, tmp_path: Path) -> None:
    factory(six)
    history = History(six, tmp_path, 0)
    try:
        history.settle()
        for machine in ("m0", "m1"):
            six.by_hand(
                six.wiring[machine, "eth0"][1], vlan_mode="access", tag=100, trunks=["set", []], protected=False
            )
        assert history.violations() == ["m0 and m1 hear each other"]
    finally:
        history.close()


def test_books_that_were_set_back_are_refused_by_the_switch_and_say_so(six: DataCentre, tmp_path: Path) -> None:
    factory(six)
    mark = ["map", [["hil-fence", "1000"]]]
    six.transact({"op": "update", "table": "Bridge", "where": [["name", "==", "sw1"]], "row": {"external_ids": mark}})
    history = History(six, tmp_path, 0)
    try:
        history.work()
        told = select(LaneRow.error).where(LaneRow.error != "")
        errors = history.store.read(lambda session: list(session.scalars(told)))
        assert errors == ["A newer worker has written to bridge sw1."]
        assert history.heard(), "nothing was written"
    finally:
        history.close()
