"""Drivers that break one promise each, made from the mock driver: what the conformance check must find."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from hil.core import guard
from hil.core.devices import SwitchSession, Writer
from hil.core.errors import (
    BadArgument,
    DeviceError,
    LeaseLost,
    LoginRefused,
    LostReply,
    Refused,
    Unreachable,
)
from hil.core.model import CLOSED, Observed, PortChange, PortState
from hil.drivers.registry import OpenSession
from hil.drivers.switch.mock.render import lines
from hil.drivers.switch.mock.session import open_session
from hil.drivers.switch.mock.spec import MockSpec

Answers = dict[str, DeviceError | None]
FOR_EVER = Writer(1, lambda: None)


class Session:
    """The mock's session, every method of which may be broken."""

    def __init__(self, inner: SwitchSession) -> None:
        self.inner = inner

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        return await self.inner.read(ports)

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        return await self.inner.apply(batch, writer)

    async def save(self, writer: Writer) -> None:
        await self.inner.save(writer)

    async def close(self) -> None:
        await self.inner.close()


class ReadsAllWhenAskedForSome(Session):
    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        return await self.inner.read(None)


class ForgetsPortsWhenAskedForAll(Session):
    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        found = await self.inner.read(ports)
        return found if ports is not None else dict(list(found.items())[1:])


class Wants(Session):
    """Writes something other than what was asked."""

    def instead(self, change: PortChange) -> PortState:
        raise AssertionError

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        return await self.inner.apply([replace(change, want=self.instead(change)) for change in batch], writer)


class NeverRemovesTagged(Wants):
    def instead(self, change: PortChange) -> PortState:
        have = change.have or CLOSED
        if not change.want.enabled:
            return CLOSED
        return PortState(change.want.native, (have.tagged | change.want.tagged) - {change.want.native})


class LosesTheNativeOfTrunks(Wants):
    def instead(self, change: PortChange) -> PortState:
        return PortState(None, change.want.tagged) if change.want.tagged else change.want


class ClosesToVlan1(Wants):
    def instead(self, change: PortChange) -> PortState:
        return change.want if change.want.enabled else PortState(1)


class WritesWhatIsThere(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        return await self.inner.apply([replace(change, have=None) for change in batch], writer)


class IgnoresPortsThatItCannotRead(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        await self.inner.apply([change for change in batch if change.have is not None], writer)
        return {change.port: None for change in batch}


class OnlyPretends(Session):
    """Remembers for its own lifetime what it should have written."""

    def __init__(self, inner: SwitchSession) -> None:
        super().__init__(inner)
        self.promised: dict[str, Observed] = {}

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        found = await self.inner.read(ports)
        return {port: self.promised.get(port, observed) for port, observed in found.items()}

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        self.promised |= {change.port: Observed(change.want) for change in batch}
        return {change.port: None for change in batch}


class NeverSaves(Session):
    async def save(self, writer: Writer) -> None:
        writer.check()


class InventsPorts(Session):
    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        try:
            return await self.inner.read(ports)
        except Refused:
            return {port: Observed(CLOSED) for port in ports or ()}


class DiesOfUnknownPorts(Session):
    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        try:
            return await self.inner.read(ports)
        except Refused as error:
            await self.inner.close()
            raise error


class HidesRefusals(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        await self.inner.apply(batch, writer)
        return {change.port: None for change in batch}


class RefusesInItsOwnWords(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        answers = await self.inner.apply(batch, writer)
        return {port: None if error is None else Refused("Something went wrong.") for port, error in answers.items()}


class BlamesAll(Session):
    """One refusal, and every port of the batch is said to have failed."""

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        answers = await self.inner.apply(batch, writer)
        errors = [error for error in answers.values() if error is not None]
        return dict.fromkeys(answers, errors[0]) if errors else answers


class StopsAtTheFirstRefusal(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        answers: Answers = {}
        for change in batch:
            if any(answers.values()):
                answers[change.port] = Refused("not tried")
            else:
                answers |= await self.inner.apply([change], writer)
        return answers


class AnswersForHalf(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        answers = await self.inner.apply(batch, writer)
        return dict(list(answers.items())[:1])


class Masks(Wants):
    """Writes another VLAN where the one asked for cannot be."""

    def instead(self, change: PortChange) -> PortState:
        return change.want if change.want.native in range(1, 4095) else PortState(100)


class GuessesForeignPorts(Session):
    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        found = await self.inner.read(ports)
        return {port: observed if observed.state else Observed(CLOSED) for port, observed in found.items()}


class SaysNotWhyPortsAreForeign(Session):
    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        return {port: Observed(found.state) for port, found in (await self.inner.read(ports)).items()}


class NeverAsksTheLease(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        return await self.inner.apply(batch, FOR_EVER)


class AsksTheLeaseTooLate(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        answers = await self.inner.apply(batch, FOR_EVER)
        writer.check()
        return answers


class SavesWithoutALease(Session):
    async def save(self, writer: Writer) -> None:
        await self.inner.save(FOR_EVER)


class SwallowsALostLease(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        answers: Answers = {}
        for number, change in enumerate(batch):
            try:
                writer.check()
            except LeaseLost:
                if not number:
                    raise
            answers |= await self.inner.apply([change], FOR_EVER)
        return answers


@contextmanager
def unguarded() -> Any:
    token = guard._open.set(False)
    try:
        yield
    finally:
        guard._open.reset(token)


class ReadsInTransactions(Session):
    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        with unguarded():
            return await self.inner.read(ports)


class WritesInTransactions(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        with unguarded():
            return await self.inner.apply(batch, writer)


class SavesInTransactions(Session):
    async def save(self, writer: Writer) -> None:
        with unguarded():
            await self.inner.save(writer)


class CallsLostRepliesUnreachable(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        try:
            return await self.inner.apply(batch, writer)
        except LostReply as error:
            raise Unreachable("gone") from error


class TakesLostRepliesForDone(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        try:
            return await self.inner.apply(batch, writer)
        except LostReply:
            return {change.port: None for change in batch}


class ClosesLoudly(Session):
    closed = False

    async def close(self) -> None:
        await self.inner.close()
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


async def opens_in_transactions(config: Mapping[str, Any]) -> SwitchSession:
    with unguarded():
        return await open_session(config)


async def calls_wrong_logins_unreachable(config: Mapping[str, Any]) -> SwitchSession:
    try:
        return await open_session(config)
    except LoginRefused as error:
        raise Unreachable("cannot log in") from error


async def opens_with_any_password(config: Mapping[str, Any]) -> SwitchSession:
    return await open_session({**config, "password": "pw"})


async def lets_foreign_errors_out(config: Mapping[str, Any]) -> SwitchSession:
    try:
        return await open_session(config)
    except Unreachable as error:
        raise ConnectionRefusedError(111, "Connection refused") from error


async def calls_unreachable_a_wrong_login(config: Mapping[str, Any]) -> SwitchSession:
    try:
        return await open_session(config)
    except Unreachable as error:
        raise LoginRefused("cannot log in") from error


class AcceptsAnyKey(MockSpec):
    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return MockSpec.validate(self, {key: config[key] for key in ("hostname", "username", "password")})


class NamesNoKey(MockSpec):
    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return MockSpec.validate(self, config)
        except BadArgument:
            raise BadArgument("The configuration is wrong.") from None


class HasNoNormalForm(MockSpec):
    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return MockSpec.validate(self, config) | {"hostname": config["hostname"] + "."}


class NamesPortsOtherwise(MockSpec):
    def port_name(self, text: str) -> str:
        return text.upper()


class RendersNothing(MockSpec):
    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        return []


class RendersEverything(MockSpec):
    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        return lines([replace(change, have=None) for change in batch])


class RendersWithoutJudging(MockSpec):
    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        return lines(batch)


@dataclass(frozen=True)
class BrokenDriver:
    """A driver, and the promise that it breaks."""

    promise: str
    part: Any

    @property
    def open(self) -> OpenSession:
        if not isinstance(self.part, type):
            opening: OpenSession = self.part
            return opening
        return open_session if issubclass(self.part, MockSpec) else wrapping(self.part)

    @property
    def spec(self) -> MockSpec:
        if isinstance(self.part, type) and issubclass(self.part, MockSpec):
            return self.part()
        return MockSpec()

    def __str__(self) -> str:
        return f"{self.promise}-{self.part.__name__}"


def wrapping(broken: type[Session]) -> Callable[[Mapping[str, Any]], Awaitable[SwitchSession]]:
    async def opened(config: Mapping[str, Any]) -> SwitchSession:
        return broken(await open_session(config))

    return opened


BROKEN = [
    BrokenDriver(promise, part)
    for promise, parts in {
        "checks_configuration": (AcceptsAnyKey, NamesNoKey, HasNoNormalForm, NamesPortsOtherwise),
        "renders_what_changes": (RendersNothing, RendersEverything),
        "reads_ports": (ReadsAllWhenAskedForSome, ForgetsPortsWhenAskedForAll),
        "reaches_every_state": (NeverRemovesTagged, LosesTheNativeOfTrunks),
        "repeats_nothing": (WritesWhatIsThere, IgnoresPortsThatItCannotRead),
        "closes_ports": (ClosesToVlan1,),
        "survives_session": (OnlyPretends, AnswersForHalf),
        "survives_reboot": (NeverSaves,),
        "refuses_unknown_ports": (InventsPorts, DiesOfUnknownPorts),
        "refuses_in_words": (HidesRefusals, RefusesInItsOwnWords),
        "reports_per_port": (BlamesAll, StopsAtTheFirstRefusal, HidesRefusals),
        "keeps_vlans_out": (RendersWithoutJudging, Masks),
        "admits_what_it_cannot_mean": (GuessesForeignPorts, SaysNotWhyPortsAreForeign),
        "asks_the_lease": (NeverAsksTheLease, AsksTheLeaseTooLate, SavesWithoutALease, SwallowsALostLease),
        "stays_out_of_transactions": (
            opens_in_transactions,
            ReadsInTransactions,
            WritesInTransactions,
            SavesInTransactions,
        ),
        "tells_lost_replies": (CallsLostRepliesUnreachable, TakesLostRepliesForDone),
        "tells_wrong_login": (calls_wrong_logins_unreachable, opens_with_any_password),
        "tells_unreachable": (lets_foreign_errors_out, calls_unreachable_a_wrong_login),
        "closes_quietly": (ClosesLoudly,),
    }.items()
    for part in parts
]
