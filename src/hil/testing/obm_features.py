"""The promises about what not every controller has: console, sensors, event log, identify light, media, firmware.

Which of them are tried is decided by the capabilities that the driver declares; see `hil.testing.obm_promises`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hil.core.errors import DeviceError, Refused
from hil.core.obms import Firmware, LogEntry, Medium, Sensor
from hil.testing.obm_case import ObmCase, raises
from hil.testing.report import broken, given


async def carries_console_output(case: ObmCase) -> None:
    """What the machine prints arrives, byte for byte and in order."""
    case.needs(case.capabilities.console, "console")
    say = given(case.control.say, "the control cannot make the machine print")
    await case.make(True)
    data = b"".join(b"line %d \x1b[1m=\x1b[0m\r\n" % number for number in range(50))
    async with case.console() as line:
        await say(data)
        seen = bytearray()
        while data not in seen:
            if not (more := await line.read()):
                broken(f"the console ended after {bytes(seen[-80:])!r}")
            seen += more


async def carries_console_input(case: ObmCase) -> None:
    """What is typed arrives, byte for byte and in order; no sequence of keys is the driver's own."""
    case.needs(case.capabilities.console, "console")
    typed = given(case.control.typed, "the control cannot tell what was typed")
    await case.make(True)
    data = b"hello\r~.\r\x1d\x03&~?\rend\r"
    async with case.console() as line:
        await line.write(data)

        async def arrived() -> bool:
            return data in await typed()

        await case.until(arrived, "what was typed did not arrive as it was")


async def gives_the_console_back(case: ObmCase) -> None:
    """A console that was closed can be opened again at once, and the session goes on beside it."""
    case.needs(case.capabilities.console, "console")
    async with case.session() as session:
        for _ in range(3):
            line = await session.console()
            await line.close()
            with suppress(DeviceError):  # a second close is no error either
                await line.close()
        await session.power()


async def reads_sensors(case: ObmCase) -> None:
    """Sensors have names of their own, and numbers or none."""
    case.needs(case.capabilities.sensors, "sensors")
    async with case.session() as session:
        found = await session.sensors()
    if not found:
        broken("there is no sensor")
    _all(found, Sensor)
    if not all(each.name and type(each.value) in (float, type(None)) for each in found):
        broken("a sensor has no name, or a value that is no number")


async def reads_the_event_log(case: ObmCase) -> None:
    """The newest entries of the event log, oldest first, and no more than asked for."""
    case.needs(case.capabilities.event_log, "event log")
    for on in (True, False, True):
        await case.make(on)
    async with case.session() as session:
        found, last = await session.event_log(50), await session.event_log(1)
    _all([*found, *last], LogEntry)
    times = [each.at for each in found if each.at is not None]
    if len(found) > 50 or len(last) > 1 or times != sorted(times):
        broken("there are more entries than asked for, or they are out of order")
    if last and found and last[0].id != found[-1].id:
        broken(f"the newest of many is {found[-1].id}, the newest of one is {last[0].id}")


async def identifies(case: ObmCase) -> None:
    """The identify light can be lit for a time, and put out."""
    case.needs(case.capabilities.identify, "identify light")
    async with case.session() as session:
        await session.identify(15)
        await session.identify(0)


async def carries_media(case: ObmCase) -> None:
    """An image that is put into a slot is read there, and is gone once ejected; an unknown slot is Refused."""
    case.needs(case.capabilities.media, "virtual media")
    async with case.session() as session:
        slots = await session.media()
        _all(slots, Medium)
        free = next((each.slot for each in slots if each.image is None), None)
        slot = given(free, "no slot for media is free")
        for image in (case.image, None):
            await (session.media_insert(slot, image) if image else session.media_eject(slot))
            found = {each.slot: each.image for each in await session.media()}
            if found.get(slot) != image:
                broken(f"slot {slot} should hold {image}, and holds {found.get(slot)}")
        await raises(Refused, session.media_insert("no-such-slot", case.image), "an unknown slot")


async def reads_firmware(case: ObmCase) -> None:
    """Firmware has names and versions."""
    case.needs(case.capabilities.firmware, "firmware inventory")
    async with case.session() as session:
        found = await session.firmware()
    _all(found, Firmware)
    if not found or any(not each.name for each in found):
        broken("there is no firmware, or one without a name")


def _all(found: list[Any], kind: type[Any]) -> None:
    if type(found) is not list or any(type(each) is not kind for each in found):
        broken(f"not a list of {kind.__name__}: {found!r:.200}")
