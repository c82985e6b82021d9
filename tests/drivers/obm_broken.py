"""Out-of-band drivers that break one promise each, made from the one in memory: what the check must find."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hil.core.errors import LoginRefused, LostReply, Refused, Unreachable
from hil.core.obms import (
    BootChoice,
    BootDevice,
    ConsoleLine,
    Firmware,
    LogEntry,
    ObmCapabilities,
    ObmSession,
    PowerAction,
    Sensor,
)
from hil.drivers.obm_registry import OpenObm
from tests.drivers.obm_memory import (
    PASSWORD,
    SPEC,
    Controller,
    MemorySession,
    MemorySpec,
    opener,
)


class TakesAnyKey(MemorySpec):
    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return dict(config)


class NamesThePassword(MemorySpec):
    def controller(self, config: Mapping[str, Any]) -> str:
        return f"{config['where']} {config['password']}"


class ChangesItsOwnConfiguration(MemorySpec):
    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return {**MemorySpec.validate(self, config), "timeout": config.get("timeout", 1) + 1}


class SaysOnAlways(MemorySession):
    async def power(self) -> bool:
        await super().power()
        return True


class OnlyPretends(MemorySession):
    """Says for its own lifetime what it should have done."""

    async def power_set(self, action: PowerAction) -> None:
        await self._ask()


class NeverSwitchesOff(MemorySession):
    async def power_set(self, action: PowerAction) -> None:
        await super().power_set(PowerAction.ON if action is PowerAction.OFF else action)


class FailsWhenDone(MemorySession):
    async def power_set(self, action: PowerAction) -> None:
        if action is PowerAction.ON and self.machine.on:
            raise Refused("It is on.")
        await super().power_set(action)


class ResetsWhatIsOffToNothing(MemorySession):
    async def power_set(self, action: PowerAction) -> None:
        if not (action is PowerAction.RESET and not self.machine.on):
            await super().power_set(action)


class OnlySwitchesOn(MemorySession):
    async def power_set(self, action: PowerAction) -> None:
        await super().power_set(PowerAction.ON if action is PowerAction.CYCLE else action)


class ResetsSoftly(MemorySession):
    async def power_set(self, action: PowerAction) -> None:
        await super().power_set(PowerAction.RESET if action is PowerAction.SOFT_OFF else action)


class ForgetsOnce(MemorySession):
    async def boot_set(self, choice: BootChoice) -> None:
        await super().boot_set(replace(choice, persistent=True))


class MixesBootDevices(MemorySession):
    async def boot_set(self, choice: BootChoice) -> None:
        device = BootDevice.DISK if choice.device is BootDevice.BIOS else choice.device
        await super().boot_set(replace(choice, device=device))


class ForgetsUefi(MemorySession):
    async def boot_set(self, choice: BootChoice) -> None:
        await super().boot_set(replace(choice, uefi=None))


class DiesOfRefusals(MemorySession):
    def refuse(self, words: str) -> None:
        self.die()
        raise Refused(words)


class RefusesInItsOwnWords(MemorySession):
    def refuse(self, words: str) -> None:
        raise Refused("Something went wrong.")


class HidesRefusals(MemorySession):
    def refuse(self, words: str) -> None:
        return


class SendsTwice(MemorySession):
    async def lost(self, work: Callable[[], object]) -> None:
        work()
        self.controller.count += 1
        raise LostReply("The connection broke.")


class HidesLostReplies(MemorySession):
    async def lost(self, work: Callable[[], object]) -> None:
        return


class CallsLostUnreachable(MemorySession):
    async def lost(self, work: Callable[[], object]) -> None:
        raise Unreachable("The connection broke.")


class RaisesForeignErrors(MemorySession):
    def die(self) -> None:
        self.controller.sessions.discard(self)

    async def power(self) -> bool:
        if self not in self.controller.sessions:
            raise ConnectionResetError("by peer")
        return await super().power()


class NeverGivesUp(MemorySession):
    async def wait_for_ever(self) -> None:
        await asyncio.Event().wait()


class RefusesInsteadOfGivingUp(MemorySession):
    async def wait_for_ever(self) -> None:
        raise Refused("It says nothing.")


class TakesBackAtTheEnd(MemorySession):
    async def close(self) -> None:
        if self.alive:
            self.machine.power_set(PowerAction.OFF)
        await super().close()


class ClosesOnce(MemorySession):
    async def close(self) -> None:
        if not self.alive:
            raise Unreachable("It is closed.")
        await super().close()


class KeepsItsSession(MemorySession):
    async def close(self) -> None:
        self.alive = False


class SpeaksInTransactions(MemorySession):
    async def power(self) -> bool:
        return self.machine.on


class PrintsItsConfiguration(MemorySession):
    def __repr__(self) -> str:
        return f"MemorySession({self.config!r})"


class _Line:
    def __init__(self, inner: ConsoleLine) -> None:
        self.inner = inner

    async def read(self) -> bytes:
        return await self.inner.read()

    async def write(self, data: bytes) -> None:
        await self.inner.write(data)

    async def close(self) -> None:
        await self.inner.close()


class _Stripping(_Line):
    async def read(self) -> bytes:
        return (await self.inner.read()).replace(b"\x1b", b"") or b" "


class _Escaping(_Line):
    async def write(self, data: bytes) -> None:
        await self.inner.write(data.replace(b"~.", b""))


class _Staying(_Line):
    async def close(self) -> None:
        return


class _Ending(_Line):
    async def read(self) -> bytes:
        return b""


def with_line(kind: type[_Line]) -> type[MemorySession]:
    class Session(MemorySession):
        async def console(self) -> ConsoleLine:
            return kind(await super().console())

    return Session


class SensorsWithoutNames(MemorySession):
    async def sensors(self) -> list[Sensor]:
        return [replace(each, name="") for each in await super().sensors()]


class SensorsInText(MemorySession):
    async def sensors(self) -> list[Sensor]:
        return [replace(each, value="22 C") for each in await super().sensors()]  # type: ignore[arg-type]  # that is the fault


class NoSensors(MemorySession):
    async def sensors(self) -> list[Sensor]:
        return []


class OldestEntries(MemorySession):
    async def event_log(self, limit: int) -> list[LogEntry]:
        await super().event_log(limit)
        return self.machine.events[:limit]


class AllEntries(MemorySession):
    async def event_log(self, limit: int) -> list[LogEntry]:
        return await super().event_log(1000)


class NewestFirst(MemorySession):
    async def event_log(self, limit: int) -> list[LogEntry]:
        return (await super().event_log(limit))[::-1]


class CannotPutTheLightOut(MemorySession):
    async def identify(self, seconds: int) -> None:
        await self._change(seconds > 0, lambda: self.machine.identify(seconds))


class KeepsImages(MemorySession):
    async def media_eject(self, slot: str) -> None:
        await self._ask()


class TakesAnySlot(MemorySession):
    async def media_insert(self, slot: str, image: str) -> None:
        self.machine.slots[slot] = image


class FirmwareAsText(MemorySession):
    async def firmware(self) -> list[Firmware]:
        return [f"{each.name} {each.version}" for each in await super().firmware()]  # type: ignore[misc]  # that is the fault


def opens(error: Callable[[Mapping[str, Any]], Exception | None]) -> Callable[[Controller], OpenObm]:
    """A driver whose opening fails in a way of its own."""

    def make(controller: Controller) -> OpenObm:
        async def open_session(config: Mapping[str, Any]) -> ObmSession:
            if (found := error(config)) is not None:
                raise found
            return await opener(controller)(config)

        return open_session

    return make


def _wrong(config: Mapping[str, Any]) -> bool:
    return bool(config["password"] != PASSWORD)


def _dark(config: Mapping[str, Any]) -> bool:
    return bool(config["where"] != "here")


def in_transactions(controller: Controller) -> OpenObm:
    async def open_session(config: Mapping[str, Any]) -> ObmSession:
        return MemorySession(controller, config)

    return open_session


@dataclass(frozen=True)
class BrokenObm:
    """A driver that breaks `promise`."""

    promise: str
    name: str
    open: Callable[[Controller], OpenObm]
    spec: Any = SPEC

    def __str__(self) -> str:
        return f"{self.promise}: {self.name}"


def _kind(promise: str, kind: type[MemorySession], spec: Any = SPEC) -> BrokenObm:
    return BrokenObm(promise, kind.__name__, lambda controller: opener(controller, kind), spec)


def _opening(promise: str, name: str, error: Callable[[Mapping[str, Any]], Exception | None]) -> BrokenObm:
    return BrokenObm(promise, name, opens(error))


LACKING = MemorySpec(capabilities=ObmCapabilities())


class LacksProperly(MemorySession):
    capabilities = LACKING.capabilities


BROKEN = [
    BrokenObm("checks_its_configuration", "TakesAnyKey", opener, TakesAnyKey()),
    BrokenObm("checks_its_configuration", "NamesThePassword", opener, NamesThePassword()),
    BrokenObm("checks_its_configuration", "ChangesItsOwn", opener, ChangesItsOwnConfiguration()),
    _kind("reads_power", SaysOnAlways),
    _kind("switches_on_and_off", OnlyPretends),
    _kind("switches_on_and_off", NeverSwitchesOff),
    _kind("switches_on_and_off", FailsWhenDone),
    _kind("restarts", ResetsWhatIsOffToNothing),
    _kind("restarts", OnlySwitchesOn),
    _kind("shuts_down", ResetsSoftly),
    _kind("sets_the_boot_device", ForgetsOnce),
    _kind("sets_the_boot_device", MixesBootDevices),
    _kind("sets_the_boot_device", ForgetsUefi),
    _kind("refuses_what_it_lacks", MemorySession, LACKING),
    _kind("refuses_in_words", DiesOfRefusals),
    _kind("refuses_in_words", RefusesInItsOwnWords),
    _kind("refuses_in_words", HidesRefusals),
    _opening("tells_wrong_login", "Unreachable", lambda c: Unreachable("No.") if _wrong(c) else None),
    _opening("tells_unreachable", "LoginRefused", lambda c: LoginRefused("No.") if _dark(c) else None),
    _opening("tells_unreachable", "OSError", lambda c: OSError("No.") if _dark(c) else None),
    _opening("tells_no_secret", "Message", lambda c: LoginRefused(f"Not {c['password']}.") if _wrong(c) else None),
    _opening("tells_no_secret", "Detail", lambda c: Unreachable("No.", detail=str(c)) if _dark(c) else None),
    _kind("tells_no_secret", PrintsItsConfiguration),
    _kind("tells_lost_replies", SendsTwice),
    _kind("tells_lost_replies", HidesLostReplies),
    _kind("tells_lost_replies", CallsLostUnreachable),
    _kind("tells_dropped_sessions", RaisesForeignErrors),
    _kind("gives_up", NeverGivesUp),
    _kind("gives_up", RefusesInsteadOfGivingUp),
    _kind("survives_the_session", TakesBackAtTheEnd),
    _kind("closes_quietly", ClosesOnce),
    _kind("closes_quietly", KeepsItsSession),
    _kind("stays_out_of_transactions", SpeaksInTransactions),
    BrokenObm("stays_out_of_transactions", "OpensInTransactions", in_transactions),
    BrokenObm("carries_console_output", "Stripping", lambda c: opener(c, with_line(_Stripping))),
    BrokenObm("carries_console_output", "Ending", lambda c: opener(c, with_line(_Ending))),
    BrokenObm("carries_console_input", "Escaping", lambda c: opener(c, with_line(_Escaping))),
    BrokenObm("gives_the_console_back", "Staying", lambda c: opener(c, with_line(_Staying))),
    _kind("reads_sensors", SensorsWithoutNames),
    _kind("reads_sensors", SensorsInText),
    _kind("reads_sensors", NoSensors),
    _kind("reads_the_event_log", OldestEntries),
    _kind("reads_the_event_log", AllEntries),
    _kind("reads_the_event_log", NewestFirst),
    _kind("identifies", CannotPutTheLightOut),
    _kind("carries_media", KeepsImages),
    _kind("carries_media", TakesAnySlot),
    _kind("reads_firmware", FirmwareAsText),
]
