"""A session with one computer system of a Redfish service. Loaded by obmd alone.

Everything that can be asked is asked: where actions and lists are, and which values are allowed. What the service
lacks is Refused. A machine's state is read for every request, since others may use the controller as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

from hil.core import guard
from hil.core.errors import LostReply, Refused, Unreachable
from hil.core.obms import BootChoice, ConsoleLine, Firmware, LogEntry, Medium, ObmSession, PowerAction, Sensor
from hil.drivers.obm.redfish import read
from hil.drivers.obm.redfish.console import open_console
from hil.drivers.obm.redfish.quirks import Quirk, quirks_of
from hil.drivers.obm.redfish.service import Service, log_in
from hil.drivers.transport.errors import mapped

POLL: Final = 0.25
"""Seconds between two looks while a machine goes off before it is switched on again."""
SENSORS: Final = 200
LOGS: Final = ("sel", "iel", "eventlog", "log1")
"""Ids of the hardware's own log, where LogEntryType does not say so: iDRAC, iLO, others, Supermicro."""


class RedfishSession:
    """An `ObmSession` over one connection."""

    def __init__(self, service: Service, config: Mapping[str, Any], system: str) -> None:
        self.device = service.device
        self._service, self._config, self._system = service, config, system
        self._ended = False

    async def power(self) -> bool:
        async with self._asking():
            return read.power(await self._service.get(self._system))

    async def power_set(self, action: PowerAction) -> None:
        async with self._asking():
            system = await self._service.get(self._system)
            on = read.power(system)
            if action in (PowerAction.CYCLE, PowerAction.RESET) and not on:
                action = PowerAction.ON
            if system.get("PowerState") == {PowerAction.ON: "On", PowerAction.OFF: "Off"}.get(action):
                return  # some services refuse what is there already
            target, allowed = await self._reset(system)
            if (kind := read.reset_type(action, allowed)) is not None:
                await self._service.post(target, {"ResetType": kind})
            elif action is PowerAction.CYCLE:
                await self._cycle(target, allowed)
            else:
                raise Refused(f"{self.device} has no {action}: it offers {', '.join(sorted(allowed))}.")

    async def _cycle(self, target: str, allowed: frozenset[str]) -> None:
        """Off, and on once it is: for services without PowerCycle. Raises LostReply if it does not go off in time."""
        off, on = read.reset_type(PowerAction.OFF, allowed), read.reset_type(PowerAction.ON, allowed)
        if off is None or on is None:
            raise Refused(f"{self.device} has no cycle: it offers {', '.join(sorted(allowed))}.")
        await self._service.post(target, {"ResetType": off})
        with mapped(self.device, sent=True):
            async with asyncio.timeout(self._config["timeout"]):
                while (await self._service.get(self._system)).get("PowerState") != "Off":  # noqa: ASYNC110  a BMC
                    await asyncio.sleep(POLL)
        await self._service.post(target, {"ResetType": on})

    async def _reset(self, system: read.Resource) -> tuple[str, frozenset[str]]:
        """Where the reset action is, and what it takes."""
        target, action = _action(system, "#ComputerSystem.Reset")
        if target is None:
            raise Refused(f"{self.device} has no action to switch the system on or off.")
        allowed = read.allowed(action, "ResetType")
        if allowed is None and (info := action.get("@Redfish.ActionInfo")) is not None:
            allowed = read.action_info(await self._service.get(read.path(info)), "ResetType")
        return target, read.USUAL if allowed is None else allowed

    async def boot(self) -> BootChoice:
        async with self._asking():
            return read.boot(await self._service.get(self._system))

    async def boot_set(self, choice: BootChoice) -> None:
        async with self._asking():
            system = await self._service.get(self._system)
            quirks = self._quirks(system)
            change = read.boot_change(system, choice, mode_always=Quirk.BOOT_MODE_ALWAYS in quirks)
            await self._service.patch(self._system, {"Boot": change}, quirks)

    async def sensors(self) -> list[Sensor]:
        async with self._asking():
            system = await self._service.get(self._system)
            found: list[Sensor] = []
            for where in await self._chassis(system):
                found += await self._chassis_sensors(await self._service.get(where))
            if not found:
                raise Refused(f"{self.device} shows no sensors of this system.")
            return found[:SENSORS]

    async def _chassis_sensors(self, chassis: read.Resource) -> list[Sensor]:
        if (where := read.link(chassis, "Sensors")) is not None:
            listed = await self._service.each(where, most=SENSORS)
            return [each for each in map(read.sensor, listed) if each is not None]
        found: list[Sensor] = []
        for name in ("Thermal", "Power"):
            if (where := read.link(chassis, name)) is not None:
                with suppress(Refused):
                    found += read.thermal_and_power(await self._service.get(where))
        return found

    async def _chassis(self, system: read.Resource) -> list[str]:
        return read.links(_links(system).get("Chassis"))

    async def _managers(self, system: read.Resource) -> list[read.Resource]:
        return [await self._service.get(each) for each in read.links(_links(system).get("ManagedBy"))]

    async def event_log(self, limit: int) -> list[LogEntry]:
        async with self._asking():
            system = await self._service.get(self._system)
            services = []
            for owner in (system, *await self._managers(system)):
                if (where := read.link(owner, "LogServices")) is not None:
                    services += await self._service.each(where)
            log = next((each for each in services if _is_hardware_log(each)), None)
            where = read.link(log, "Entries") if log is not None else None
            if where is None:
                raise Refused(f"{self.device} has no log of hardware events.")
            return read.entries(await self._service.each(where), limit)

    async def identify(self, seconds: int) -> None:
        """The light has no clock of its own: it stays on until told."""
        async with self._asking():
            system = await self._service.get(self._system)
            for where, found in [(self._system, system), *[(at, None) for at in await self._chassis(system)]]:
                resource = found if found is not None else await self._service.get(where)
                if (change := _light(resource, on=seconds > 0)) is not None:
                    await self._service.patch(where, change, self._quirks(system))
                    return
            raise Refused(f"{self.device} has no light to identify the system.")

    async def media(self) -> list[Medium]:
        async with self._asking():
            return [medium for _, medium in await self._slots()]

    async def media_insert(self, slot: str, image: str) -> None:
        async with self._asking():
            if urlsplit(image).scheme not in ("http", "https"):
                raise Refused("Virtual media are URLs of http or https.")
            found = await self._slot(slot)
            quirks = self._quirks(await self._service.get(self._system))
            more = {"Inserted": True, "WriteProtected": True}
            target, _ = _action(found, "#VirtualMedia.InsertMedia")
            if target is not None:
                flags = more if Quirk.MEDIA_FLAGS in quirks else {}
                await self._service.post(target, {"Image": image, **flags})
            else:
                await self._service.patch(read.path(found.get("@odata.id")), {"Image": image, **more}, quirks)

    async def media_eject(self, slot: str) -> None:
        async with self._asking():
            found = await self._slot(slot)
            target, _ = _action(found, "#VirtualMedia.EjectMedia")
            if target is not None:
                await self._service.post(target, {})
            else:
                quirks = self._quirks(await self._service.get(self._system))
                change = {"Image": None, "Inserted": False}
                await self._service.patch(read.path(found.get("@odata.id")), change, quirks)

    async def _slots(self) -> list[tuple[read.Resource, Medium]]:
        """The slots of the system, or of its manager where older services have them."""
        system = await self._service.get(self._system)
        owners = [system] if read.link(system, "VirtualMedia") else await self._managers(system)
        found: list[tuple[read.Resource, Medium]] = []
        for owner in owners:
            if (where := read.link(owner, "VirtualMedia")) is not None:
                listed = await self._service.each(where)
                found += [(each, medium) for each in listed if (medium := read.medium(each)) is not None]
        if not found:
            raise Refused(f"{self.device} has no virtual media.")
        return found

    async def _slot(self, slot: str) -> read.Resource:
        slots = await self._slots()
        for resource, medium in slots:
            if medium.slot == slot:
                return resource
        there = ", ".join(medium.slot for _, medium in slots)
        raise Refused(f"{self.device} has no slot {slot[:40]!a}: use one of {there}.")

    async def firmware(self) -> list[Firmware]:
        async with self._asking():
            with suppress(Refused):
                update = read.link(self._service.root, "UpdateService")
                where = read.link(await self._service.get(update), "FirmwareInventory") if update else None
                if where is not None:
                    listed = [read.firmware(each) for each in await self._service.each(where)]
                    return [each for each in listed if each is not None]
            return await self._versions()

    async def _versions(self) -> list[Firmware]:
        """What system and manager tell of themselves, for services without an inventory."""
        system = await self._service.get(self._system)
        named = [("BIOS", system.get("BiosVersion"))]
        named += [("BMC", manager.get("FirmwareVersion")) for manager in await self._managers(system)]
        found = [Firmware(name, version) for name, version in named if isinstance(version, str) and version]
        if not found:
            raise Refused(f"{self.device} tells no versions of its firmware.")
        return found

    async def console(self) -> ConsoleLine:
        async with self._asking():
            system = await self._service.get(self._system)
            return await open_console(self.device, self._config, system, self._service.identity)

    def _quirks(self, system: read.Resource) -> frozenset[Quirk]:
        named = frozenset(Quirk(each) for each in self._config.get("quirks", ()))
        return named | quirks_of(str(system.get("Manufacturer") or ""), str(system.get("Model") or ""))

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """One request of the contract: nothing after the end, and the end after any error but Refused."""
        guard.device()
        if self._ended:
            raise Unreachable(f"The session with {self.device} has ended: nothing was sent.")
        try:
            with mapped(self.device, sent=True):
                yield
        except Refused:
            raise
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        self._ended = True
        await self._service.close()


def _links(resource: read.Resource) -> Mapping[str, Any]:
    found = resource.get("Links")
    return found if isinstance(found, Mapping) else {}


def _action(resource: read.Resource, name: str) -> tuple[str | None, read.Resource]:
    actions = resource.get("Actions")
    found = actions.get(name) if isinstance(actions, Mapping) else None
    if not isinstance(found, Mapping) or "target" not in found:
        return None, {}
    return read.path(found["target"]), found


def _light(resource: read.Resource, *, on: bool) -> dict[str, Any] | None:
    if isinstance(resource.get("LocationIndicatorActive"), bool):
        return {"LocationIndicatorActive": on}
    if not isinstance(resource.get("IndicatorLED"), str):
        return None
    can = read.allowed(resource, "IndicatorLED")
    lit = "Lit" if can is not None and "Blinking" not in can else "Blinking"
    return {"IndicatorLED": lit if on else "Off"}


def _is_hardware_log(log: read.Resource) -> bool:
    return log.get("LogEntryType") == "SEL" or str(log.get("Id", "")).lower() in LOGS


async def open_session(config: Mapping[str, Any]) -> ObmSession:
    """Log in and find the system. Raises Unreachable, LoginRefused, IdentityChanged, DeviceBusy, Refused."""
    guard.device()
    service = await log_in(config)
    try:
        with mapped(service.device, sent=False):
            system = await _system(service, config.get("system"))
            session = RedfishSession(service, config, system)
            await session.power()
    except LostReply as error:
        await service.close()
        raise Unreachable(error.message, detail=error.detail) from error
    except BaseException:
        await service.close()
        raise
    return session


async def _system(service: Service, wanted: str | None) -> str:
    """The path of the system. Raises Refused that names those that are there."""
    where = read.link(service.root, "Systems")
    if where is None:
        raise Refused(f"{service.device} has no computer systems.")
    paths = read.links(await service.members(where))
    named = {path.rstrip("/").rpartition("/")[2]: path for path in paths}
    if wanted is None and len(paths) == 1:
        return paths[0]
    if wanted is not None and wanted in named:
        return named[wanted]
    raise Refused(f"{service.device}: set `system` to one of {', '.join(sorted(named)) or 'none'}.")
