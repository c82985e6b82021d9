"""A controller that hangs delays no other; and whatever happens in whatever order, nobody reaches a foreign node."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.errors import Denied, HilError, Unauthenticated, Unavailable
from hil.core.obms import PowerAction
from hil.lab.bmc.faults import BmcFault, BmcFaultKind
from hil.obmd.limits import ObmdLimits
from hil.obmd.nodes import Nodes
from hil.obmd.owner import Clock
from hil.obmd.store import EpochBehind, ObmdStore
from hil.services.capability import Capability, Right
from tests.drivers.obm_memory import CONFIG, Controller
from tests.obmd.conftest import KEYS
from tests.obmd.serving import QUICK, site

MANY, HANGING = 60, 6


@pytest.mark.net
def test_controllers_that_hang_delay_no_other(obmd_store: ObmdStore) -> None:
    """All are asked at once; the healthy ones are done while those that hang are still being waited for."""

    async def work() -> None:
        limits = replace(QUICK, deadline=600.0)
        async with asyncio.timeout(120), site(obmd_store, limits) as obmd:
            machines = [await obmd.add(f"n{number:02}") for number in range(MANY)]
            for machine in machines[:HANGING]:
                machine.faults.add(BmcFault(kind=BmcFaultKind.HANG, count=None))
            stuck = [
                asyncio.ensure_future(obmd.call("GET", machine.name, "power"))
                for machine in machines[:HANGING]
                for _ in range(5)
            ]
            healthy = [obmd.call("GET", machine.name, "power") for machine in machines[HANGING:] for _ in range(2)]
            answers = await asyncio.gather(*healthy)
            assert {answer.status_code for answer in answers} == {200}
            assert not any(task.done() for task in stuck)
            ended = await asyncio.gather(*(obmd.epoch(machine.name, 2) for machine in machines))
            assert {answer.status_code for answer in ended} == {200}
            assert {answer.status_code for answer in await asyncio.gather(*stuck)} == {401}

    asyncio.run(work())


class World:
    """One obmd over a controller in memory, that may crash; and what must be true of it."""

    def __init__(self, path: Path, controller: Controller) -> None:
        self.path, self.controller = path, controller
        self.store = ObmdStore(f"sqlite:///{path}", KEYS)
        self.store.prepare()
        self.now = 1000.0
        self.epoch, self.enabled = 0, False
        self.tokens: list[tuple[str, int]] = []
        self.nodes: Nodes

    async def begin(self) -> None:
        limits = ObmdLimits(per_second=1e9, logins_per_minute=10**9, power_age=0)
        self.nodes = Nodes(self.store, limits, Clock(lambda: self.now))
        await self.nodes.start()
        await self.nodes.put("n1", "memory", CONFIG)

    async def crash(self) -> None:
        """Everything in memory is gone; the database stays."""
        await self.nodes.close()
        self.tokens.clear()
        await self.begin()

    async def raise_epoch(self, epoch: int, enabled: bool) -> None:
        allowed = epoch > self.epoch or (epoch == self.epoch and (self.enabled or not enabled))
        try:
            await self.nodes.raise_epoch("n1", epoch, enabled=enabled)
        except EpochBehind:
            assert not allowed
            return
        assert allowed
        if not enabled or (epoch, enabled) != (self.epoch, self.enabled):
            self.tokens.clear()
        self.epoch, self.enabled = epoch, enabled

    async def use(self, epoch: int, right: Right) -> None:
        """Switch the machine with a capability; it must work exactly if the capability is the present one."""
        capability = Capability(
            node="n1", project="p", user="u", epoch=epoch, rights=frozenset({right}), issued=0, expires=1
        )
        before = self.controller.count
        try:
            node, tenure = self.nodes.admit("n1", capability, Right.POWER)
            await tenure.term.run(node.power_set(PowerAction.CYCLE))
        except (Unauthenticated, Denied):
            assert self.controller.count == before
            assert not (self.enabled and epoch == self.epoch and right is Right.POWER)
        else:
            assert self.enabled
            assert (epoch, right) == (self.epoch, Right.POWER)

    async def race(self, epoch: int) -> None:
        """Requests of the present epoch while the next begins: once it has begun, the old ones change nothing."""
        asked = [asyncio.ensure_future(self.use_quietly()) for _ in range(4)]
        await asyncio.sleep(0)
        await self.raise_epoch(epoch, True)
        count = self.controller.count
        await asyncio.gather(*asked)
        assert self.controller.count == count
        assert not self.controller.consoles

    async def use_quietly(self) -> None:
        try:
            node, tenure = self.nodes.admit(
                "n1",
                Capability(
                    node="n1", project="p", user="u", epoch=self.epoch, rights=frozenset({Right.POWER}),
                    issued=0, expires=1,
                ),
                Right.POWER,
            )  # fmt: skip
            await tenure.term.run(node.power_set(PowerAction.CYCLE))
        except HilError:
            return

    async def look(self) -> None:
        """Attach a viewer, who must be put out by the next epoch."""
        node = self.nodes.node("n1")
        assert (node.tenure is not None) == self.enabled
        if node.tenure is not None and not node.tenure.hub.is_open and not self.controller.consoles:
            await node.tenure.term.run(node.tenure.hub.attach("ann"))

    async def token(self) -> None:
        self.tokens = [(await self.nodes.foreign_token("n1"), self.epoch)]

    async def check(self) -> None:
        node = self.nodes.node("n1")
        held = [node.foreign[0]] if node.foreign is not None else []
        assert held == [token for token, _ in self.tokens]
        record = self.store.record("n1")
        assert record is not None
        assert (record.epoch, record.enabled) == (self.epoch, self.enabled)


def test_who_comes_while_obmd_stops_is_told_to_come_again(obmd_store: ObmdStore, controller: Controller) -> None:
    async def work() -> None:
        nodes = Nodes(obmd_store, QUICK, Clock(lambda: 5.0))
        await nodes.start()
        await nodes.put("n1", "memory", CONFIG)
        await nodes.raise_epoch("n1", 1, enabled=True)
        capability = Capability(
            node="n1", project="p", user="u", epoch=1, rights=frozenset({Right.READ}), issued=0, expires=9
        )
        _, tenure = nodes.admit("n1", capability, Right.READ)
        await nodes.end_terms()
        assert not tenure.term.alive
        with pytest.raises(Unavailable):
            nodes.admit("n1", capability, Right.READ)
        await nodes.close()

    asyncio.run(work())


def test_a_disabling_that_the_database_did_not_take_is_done_when_it_is_asked_for_again(
    obmd_store: ObmdStore, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise Unavailable("The database is away.")

    async def work() -> None:
        nodes = Nodes(obmd_store, QUICK, Clock(lambda: 5.0))
        await nodes.start()
        await nodes.put("n1", "memory", CONFIG)
        await nodes.raise_epoch("n1", 1, enabled=True)
        with monkeypatch.context() as patch:
            patch.setattr(obmd_store, "raise_epoch", away)
            patch.setattr(obmd_store, "record", away)
            with pytest.raises(Unavailable):
                await nodes.raise_epoch("n1", 1, enabled=False)
        await nodes.raise_epoch("n1", 1, enabled=False)
        record = obmd_store.record("n1")
        assert record is not None
        assert not record.enabled
        await nodes.close()

    asyncio.run(work())


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("raise"), st.integers(0, 6), st.booleans()),
        st.tuples(st.just("use"), st.integers(0, 6), st.sampled_from([Right.POWER, Right.READ, Right.EPOCH])),
        st.tuples(st.just("race"), st.integers(0, 8), st.none()),
        st.tuples(st.sampled_from(["look", "token", "crash", "again"]), st.none(), st.none()),
    ),
    max_size=14,
)


@given(steps=STEPS)
@settings(max_examples=60)
def test_only_the_present_epoch_reaches_the_node(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, object]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        from hil.obmd import nodes
        from tests.drivers.obm_memory import SPEC, opener

        controller = Controller()
        patch.setattr(nodes, "obm_spec", lambda name: SPEC)
        patch.setattr(nodes, "open_obm_function", lambda spec: opener(controller))
        asyncio.run(history(World(tmp_path_factory.mktemp("world") / "obmd.db", controller), steps))


async def history(world: World, steps: list[tuple[str, int, object]]) -> None:
    await world.begin()
    for verb, epoch, more in steps:
        world.now += 1
        if verb == "raise":
            await world.raise_epoch(epoch, bool(more))
        elif verb == "use":
            assert isinstance(more, Right)
            await world.use(epoch, more)
        elif verb == "race":
            if epoch > world.epoch:
                await world.race(epoch)
        elif verb == "again":
            await world.nodes.delete("n1")
            await world.nodes.put("n1", "memory", CONFIG)
            world.enabled = False
            world.tokens.clear()
        else:
            await getattr(world, verb)()
        await world.check()
    await world.nodes.close()
    assert not world.controller.sessions
    assert not world.controller.consoles
    world.store.close()
