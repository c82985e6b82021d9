"""Drivers that break one promise each about failures and how they are told: what the conformance check must find."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from hil.core import guard
from hil.core.devices import SwitchSession, Writer
from hil.core.errors import (
    DeviceBusy,
    LeaseLost,
    LoginRefused,
    LostReply,
    Refused,
    Unreachable,
)
from hil.core.model import CLOSED, Observed, PortChange, PortState
from hil.drivers.switch.mock.render import lines
from hil.drivers.switch.mock.session import open_session
from hil.drivers.switch.mock.spec import MockSpec
from tests.drivers.broken import FOR_EVER, Answers, Session, Wants, broken


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


class Masks(Wants):
    """Writes another VLAN where the one asked for cannot be."""

    def instead(self, change: PortChange) -> PortState:
        return change.want if change.want.native in range(1, 4095) else PortState(100)


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


class RendersWithoutJudging(MockSpec):
    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        return lines(batch)


class ForgetsForeignTags(Session):
    """Looks at the native VLAN alone, and leaves out of the tagged ones what the switch cannot carry."""

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        tagged = range(1, 4095)
        kept = [replace(each, want=PortState(each.want.native, each.want.tagged & set(tagged))) for each in batch]
        return await self.inner.apply(kept, writer)


class RefusesVlansWithoutTheirNumber(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        answers = await self.inner.apply(batch, writer)
        return {port: error and Refused(f"Port {port}: no such VLAN.") for port, error in answers.items()}


class SwallowsFailedSaves(Session):
    async def save(self, writer: Writer) -> None:
        with suppress(Refused):
            await self.inner.save(writer)


class TellsFailedSavesInItsOwnWords(Session):
    async def save(self, writer: Writer) -> None:
        try:
            await self.inner.save(writer)
        except Refused:
            raise Refused("It was not saved.") from None


class DiesOfFailedSaves(Session):
    async def save(self, writer: Writer) -> None:
        try:
            await self.inner.save(writer)
        except Refused:
            await self.inner.close()
            raise


class Busy(Session):
    """Does something of its own when another session holds the configuration."""

    async def instead(self, error: DeviceBusy, batch: Sequence[PortChange]) -> Answers:
        raise AssertionError

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        try:
            return await self.inner.apply(batch, writer)
        except DeviceBusy as error:
            return await self.instead(error, batch)


class CallsBusyARefusal(Busy):
    async def instead(self, error: DeviceBusy, batch: Sequence[PortChange]) -> Answers:
        return {change.port: Refused(error.message) for change in batch}


class CallsBusyALostReply(Busy):
    async def instead(self, error: DeviceBusy, batch: Sequence[PortChange]) -> Answers:
        raise LostReply(error.message) from error


class TakesBusyForDone(Busy):
    async def instead(self, error: DeviceBusy, batch: Sequence[PortChange]) -> Answers:
        return {change.port: None for change in batch}


class WritesInSpiteOfIt(Busy):
    """Takes the configuration away from who holds it, and says that it could not be had."""

    async def instead(self, error: DeviceBusy, batch: Sequence[PortChange]) -> Answers:
        session = await open_session({"hostname": "conforming", "username": "hil", "password": "pw"})
        await session.apply(batch, FOR_EVER)
        raise error


class LogsInAgainByItself(Session):
    """A session that outlives its own end, and so hides that something was lost from the next request on."""

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        try:
            return await self.inner.read(ports)
        except Unreachable:
            self.inner = await open_session({"hostname": "conforming", "username": "hil", "password": "pw"})
            return await self.inner.read(ports)


async def tells_the_password(config: Mapping[str, Any]) -> SwitchSession:
    try:
        return await open_session(config)
    except LoginRefused as error:
        raise LoginRefused(error.message, detail=f"tried {config['username']} / {config['password']}") from error


BROKEN = broken(
    {
        "tells_failed_saves": (SwallowsFailedSaves, TellsFailedSavesInItsOwnWords, DiesOfFailedSaves),
        "refuses_unknown_ports": (InventsPorts, DiesOfUnknownPorts),
        "refuses_in_words": (HidesRefusals, RefusesInItsOwnWords),
        "reports_per_port": (BlamesAll, StopsAtTheFirstRefusal, HidesRefusals),
        "keeps_vlans_out": (RendersWithoutJudging, Masks, ForgetsForeignTags, RefusesVlansWithoutTheirNumber),
        "asks_the_lease": (NeverAsksTheLease, AsksTheLeaseTooLate, SavesWithoutALease, SwallowsALostLease),
        "stays_out_of_transactions": (
            opens_in_transactions,
            ReadsInTransactions,
            WritesInTransactions,
            SavesInTransactions,
        ),
        "tells_busy": (CallsBusyARefusal, CallsBusyALostReply, TakesBusyForDone, WritesInSpiteOfIt),
        "tells_lost_replies": (CallsLostRepliesUnreachable, TakesLostRepliesForDone, LogsInAgainByItself),
        "tells_wrong_login": (calls_wrong_logins_unreachable, opens_with_any_password, tells_the_password),
        "tells_unreachable": (lets_foreign_errors_out, calls_unreachable_a_wrong_login),
    }
)
