"""Mock drivers with what the mock lacks: link aggregations, edge ports, an identity, a timer that undoes.

Each feature has a driver that keeps its promise, so that the check is seen to pass what it should, and drivers that do
not. What the device would remember, `Bench` remembers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hil.core.devices import SwitchSession, Writer
from hil.core.errors import IdentityChanged, LoginRefused, Refused, Unreachable
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.mock.device import EmulatedSwitch, Foreign, Held
from hil.drivers.switch.mock.session import open_session
from hil.drivers.switch.mock.spec import MockSpec
from hil.testing import Control, control_of
from tests.drivers.broken import Answers, Session

MEMBER = Foreign("member of LAG 7", "channel-group 7", CLOSED)


class Bench:
    """An emulated switch, and beside it what an emulated switch does not have."""

    def __init__(self, device: EmulatedSwitch) -> None:
        self.device = device
        self.edges: set[str] = set()
        self.members: dict[str, Held] = {}
        self.undo: dict[str, PortState] = {}
        """What the ports become again when a timer runs out."""
        self.logins = 0

    def control(self) -> Control:
        return replace(
            control_of(self.device),
            bundle=self._bundle,
            unbundle=self._unbundle,
            edge=self._edge,
            soften=self._soften,
            timeout=self._timeout,
            logins=self._logins,
        )

    async def _bundle(self, port: str) -> None:
        self.members[port] = self.device.running(port)
        self.device.set_by_hand(port, MEMBER)

    async def _unbundle(self, port: str) -> None:
        self.device.set_by_hand(port, self.members.pop(port))

    async def _edge(self, port: str) -> bool:
        return port in self.edges

    async def _soften(self, port: str) -> None:
        self.edges.discard(port)

    async def _timeout(self) -> None:
        for port, state in self.undo.items():
            self.device.set_by_hand(port, state)
        self.undo.clear()

    async def _logins(self) -> int:
        return self.logins


class Featured(Session):
    """A session that knows the bench."""

    def __init__(self, inner: SwitchSession, bench: Bench) -> None:
        super().__init__(inner)
        self.bench = bench


class WholeSpec(MockSpec):
    """A platform with a timer that undoes."""

    def __init__(self) -> None:
        super().__init__(capabilities=replace(MockSpec().capabilities, confirm_timer=(1, 60)))


class Whole(Featured):
    """Keeps every promise: leaves members alone, hardens what it opens, confirms what it has written."""

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        members = {change.port for change in batch if change.port in self.bench.members}
        fine = [change for change in batch if change.port not in members]
        before = {change.port: change.have or CLOSED for change in fine}
        self.bench.undo = before
        answers = await self.inner.apply(fine, writer)
        self.bench.undo = {}
        self.bench.edges |= {change.port for change in fine if change.want.enabled}
        return answers | {port: Refused(f"Port {port} is a member of LAG 7.") for port in members}


class WritesMembers(Featured):
    """As the plain mock: whatever is asked is written."""


class RefusesMembersInFewWords(Whole):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        answers = await super().apply(batch, writer)
        return {port: Refused("No.") if port in self.bench.members else error for port, error in answers.items()}


class GivesUpAllForOneMember(Whole):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        if any(change.port in self.bench.members for change in batch):
            return {change.port: Refused(f"Port {change.port}: a member of LAG 7 is in the batch.") for change in batch}
        return await super().apply(batch, writer)


class RefusesAndWritesMembers(Whole):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        answers = await super().apply(batch, writer)
        await self.inner.apply([change for change in batch if change.port in self.bench.members], writer)
        return answers


class HardensNothing(Featured):
    """As the plain mock."""


class HardensWhatItOpens(Featured):
    """And not what was open before, so that a port from the factory stays as it was."""

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        self.bench.edges |= {change.port for change in batch if change.have == CLOSED and change.want.enabled}
        return await super().apply(batch, writer)


class HasNoTimer(Featured):
    """Whatever its capabilities say: what was sent stays."""


class NeverConfirms(Whole):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        before = {change.port: change.have or CLOSED for change in batch}
        answers = await super().apply(batch, writer)
        self.bench.undo = before
        return answers


Opening = Callable[[Mapping[str, Any], Bench], Awaitable[SwitchSession]]


def featured(kind: type[Featured]) -> Opening:
    """Open sessions of this kind with a device whose registered identity is `known`."""

    async def opening(config: Mapping[str, Any], bench: Bench) -> SwitchSession:
        if config["hostname"] == "impostor":
            raise IdentityChanged("conforming proves another identity.")
        return kind(await open_session(config), bench)

    opening.__name__ = kind.__name__
    return opening


async def speaks_to_anybody(config: Mapping[str, Any], bench: Bench) -> SwitchSession:
    return Whole(await open_session({**config, "hostname": "conforming"}), bench)


async def calls_strangers_unreachable(config: Mapping[str, Any], bench: Bench) -> SwitchSession:
    if config["hostname"] == "impostor":
        raise Unreachable("The host key does not fit.")
    return Whole(await open_session(config), bench)


async def calls_strangers_a_wrong_login(config: Mapping[str, Any], bench: Bench) -> SwitchSession:
    if config["hostname"] == "impostor":
        raise LoginRefused("The host key does not fit.")
    return Whole(await open_session(config), bench)


async def shows_strangers_the_password(config: Mapping[str, Any], bench: Bench) -> SwitchSession:
    bench.logins += 1
    return await featured(Whole)(config, bench)


BROKEN: Sequence[tuple[str, Opening]] = (
    ("refuses_lag_members", featured(WritesMembers)),
    ("refuses_lag_members", featured(RefusesMembersInFewWords)),
    ("refuses_lag_members", featured(GivesUpAllForOneMember)),
    ("refuses_lag_members", featured(RefusesAndWritesMembers)),
    ("hardens_edge_ports", featured(HardensNothing)),
    ("hardens_edge_ports", featured(HardensWhatItOpens)),
    ("rolls_back_unconfirmed", featured(HasNoTimer)),
    ("rolls_back_unconfirmed", featured(NeverConfirms)),
    ("tells_other_identity", speaks_to_anybody),
    ("tells_other_identity", calls_strangers_unreachable),
    ("tells_other_identity", calls_strangers_a_wrong_login),
    ("tells_other_identity", shows_strangers_the_password),
)
"""A promise, and a driver that breaks it."""
