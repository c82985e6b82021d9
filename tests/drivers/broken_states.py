"""Drivers that break one promise each about what a port is and becomes: what the conformance check must find."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hil.core.devices import Save, SwitchSession, Writer
from hil.core.errors import (
    BadArgument,
)
from hil.core.model import CLOSED, Observed, PortChange, PortState
from hil.core.wiring import About, Mac, Neighbour, SeesMacs, SeesNeighbours, TellsAbout
from hil.drivers.switch.mock.render import lines
from hil.drivers.switch.mock.spec import MockSpec
from tests.drivers.broken import Answers, Session, Wants, broken


class ReadsAllWhenAskedForSome(Session):
    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        return await self.inner.read(None)


class ForgetsPortsWhenAskedForAll(Session):
    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        found = await self.inner.read(ports)
        return found if ports is not None else dict(list(found.items())[1:])


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


class AnswersForHalf(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        answers = await self.inner.apply(batch, writer)
        return dict(list(answers.items())[:1])


class GuessesForeignPorts(Session):
    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        found = await self.inner.read(ports)
        return {port: observed if observed.state else Observed(CLOSED) for port, observed in found.items()}


class SaysNotWhyPortsAreForeign(Session):
    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        return {port: Observed(found.state) for port, found in (await self.inner.read(ports)).items()}


class ClosesLoudly(Session):
    closed = False

    async def close(self) -> None:
        await self.inner.close()
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


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


class OpensAllBeforeItCloses(Session):
    """Takes a VLAN from nowhere into the port, and out again."""

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        for change in batch:
            wide = PortState(change.want.native, change.want.tagged | {4000})
            await self.inner.apply([replace(change, have=None, want=wide)], writer)
        return await self.inner.apply([replace(change, have=None) for change in batch], writer)


class ResetsUnknownPorts(Session):
    """Begins with what the port had in the factory, up, when nothing is known of it."""

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        unknown = [replace(change, want=PortState(1)) for change in batch if change.have is None]
        await self.inner.apply(unknown, writer)
        return await self.inner.apply(batch, writer)


class SavesEveryBatch(Session):
    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        answers = await self.inner.apply(batch, writer)
        await self.inner.save(writer)
        return answers


class SaysThatItSavesByItself(MockSpec):
    def __init__(self) -> None:
        super().__init__(capabilities=replace(MockSpec().capabilities, save=Save.AUTOMATIC))


class Telling(Session):
    """Tells what the mock tells."""

    async def about(self) -> About:
        assert isinstance(self.inner, TellsAbout)
        return await self.inner.about()

    async def neighbours(self) -> dict[str, list[Neighbour]]:
        assert isinstance(self.inner, SeesNeighbours)
        return await self.inner.neighbours()

    async def macs(self) -> dict[str, list[Mac]]:
        assert isinstance(self.inner, SeesMacs)
        return await self.inner.macs()


class DoesNotKnowWhatItIs(Telling):
    async def about(self) -> About:
        return About("", "4.2")


class SeesNobody(Telling):
    async def neighbours(self) -> dict[str, list[Neighbour]]:
        return {}


class NamesNeighboursByTheirChassis(Telling):
    async def neighbours(self) -> dict[str, list[Neighbour]]:
        found = await super().neighbours()
        return {port: [Neighbour(each.chassis, each.name) for each in seen] for port, seen in found.items()}


class HearsMachinesOnTheUplinkToo(Telling):
    async def macs(self) -> dict[str, list[Mac]]:
        found = await super().macs()
        return found | {"te1/1": [mac for seen in found.values() for mac in seen]}


class WritesPortsAsTheDeviceDoes(Telling):
    async def macs(self) -> dict[str, list[Mac]]:
        return {port.upper(): seen for port, seen in (await super().macs()).items()}


BROKEN = broken(
    {
        "checks_configuration": (AcceptsAnyKey, NamesNoKey, HasNoNormalForm, NamesPortsOtherwise),
        "renders_what_changes": (RendersNothing, RendersEverything),
        "reads_ports": (ReadsAllWhenAskedForSome, ForgetsPortsWhenAskedForAll),
        "carries_what_it_reads": (OnlyPretends, LosesTheNativeOfTrunks),
        "reaches_every_state": (NeverRemovesTagged, LosesTheNativeOfTrunks),
        "opens_nothing_between": (OpensAllBeforeItCloses, ResetsUnknownPorts),
        "repeats_nothing": (WritesWhatIsThere, IgnoresPortsThatItCannotRead),
        "closes_ports": (ClosesToVlan1,),
        "survives_session": (OnlyPretends, AnswersForHalf),
        "survives_reboot": (NeverSaves,),
        "saves_when_told": (SavesEveryBatch, SaysThatItSavesByItself),
        "admits_what_it_cannot_mean": (GuessesForeignPorts, SaysNotWhyPortsAreForeign),
        "says_what_it_is": (DoesNotKnowWhatItIs,),
        "tells_who_is_plugged_in": (
            SeesNobody,
            NamesNeighboursByTheirChassis,
            HearsMachinesOnTheUplinkToo,
            WritesPortsAsTheDeviceDoes,
        ),
        "closes_quietly": (ClosesLoudly,),
    }
)
