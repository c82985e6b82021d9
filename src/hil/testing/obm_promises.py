"""The promises of an out-of-band driver, one function each: the docstring is the promise, any error breaks it.

A promise brings the machine to a state of its own, so that any one can be checked alone, in any order. What a promise
needs and was not given makes it NotTried, never kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from hil.core import guard
from hil.core.errors import BadArgument, DeviceError, LoginRefused, LostReply, Refused, Unreachable
from hil.core.obms import BootChoice, BootDevice, ObmSession, PowerAction
from hil.testing.obm_case import ObmCase, raises
from hil.testing.obm_features import (
    carries_console_input,
    carries_console_output,
    carries_media,
    gives_the_console_back,
    identifies,
    reads_firmware,
    reads_sensors,
    reads_the_event_log,
)
from hil.testing.report import NotTried, broken, given


async def checks_its_configuration(case: ObmCase) -> None:
    """`validate` leaves its own result as it is and refuses a key that it does not know; secrets name no controller."""
    normal = case.spec.validate(case.config)
    if (again := case.spec.validate(normal)) != normal:
        broken(f"validate makes {sorted(again)} of its own {sorted(normal)}, with other values")
    try:
        case.spec.validate({**normal, "no-such-key": 1})
    except BadArgument:
        pass
    else:
        broken("validate takes the key no-such-key")
    name = case.spec.controller(normal)
    if any(str(normal[key]) in name for key in case.spec.secrets & normal.keys()):
        broken("the name of the controller holds a secret")


async def reads_power(case: ObmCase) -> None:
    """The power state is read as it is, on and off."""
    for on in (True, False):
        await case.make(on)
        async with case.session() as session:
            if await session.power() is not on:
                broken(f"the machine is {'on' if on else 'off'}, and is read as the opposite")


async def switches_on_and_off(case: ObmCase) -> None:
    """`on` and `off` reach the state from either state; the one that is there is no error."""
    for action in (PowerAction.ON, PowerAction.ON, PowerAction.OFF, PowerAction.OFF, PowerAction.ON):
        async with case.session() as session:
            await session.power_set(action)
        await case.powers(action is PowerAction.ON)


async def restarts(case: ObmCase) -> None:
    """`cycle` and `reset` start the machine anew, and leave one that was off on."""
    for action in sorted({PowerAction.CYCLE, PowerAction.RESET} & case.capabilities.actions):
        for before in (True, False):
            await case.make(before)
            started = await case.control.boots() if case.control.boots else None
            async with case.session() as session:
                await session.power_set(action)
            await case.powers(True)
            if case.control.boots is not None and started is not None:
                await case.until(_more(case.control.boots, started), f"after {action} the machine did not start anew")


async def shuts_down(case: ObmCase) -> None:
    """`soft-off` leads to off."""
    case.needs(PowerAction.SOFT_OFF in case.capabilities.actions, "soft-off")
    await case.make(True)
    async with case.session() as session:
        await session.power_set(PowerAction.SOFT_OFF)
    await case.powers(False)


async def sets_the_boot_device(case: ObmCase) -> None:
    """Each boot device that is declared can be set, and is read back in another session, where it can be read."""
    for choice in _choices(case):
        async with case.session() as session:
            await session.boot_set(choice)
        if not case.capabilities.boot_read:
            continue
        async with case.session() as session:
            found = await session.boot()
        same = (found.device, found.persistent and choice.device is not BootDevice.NONE)
        if same != (choice.device, choice.persistent):
            broken(f"{choice} was set, and {found} is read")
        if choice.uefi is not None and found.uefi is not choice.uefi:
            broken(f"uefi {choice.uefi} was set, and {found.uefi} is read")


def _choices(case: ObmCase) -> list[BootChoice]:
    can = case.capabilities
    case.needs(bool(can.devices), "boot devices")
    real = sorted(can.devices - {BootDevice.NONE})
    lasting = [kind for kind, able in ((False, can.boot_once), (True, can.boot_persistent)) if able]
    found = [BootChoice(device, persistent) for device in real for persistent in lasting]
    if can.uefi:
        found += [BootChoice(real[0], lasting[0], uefi) for uefi in (True, False)]
    return found + [BootChoice(BootDevice.NONE)] * (BootDevice.NONE in can.devices)


async def refuses_what_it_lacks(case: ObmCase) -> None:
    """What the capabilities do not name is Refused, and the session goes on."""
    lacking = _lacking(case)
    if not lacking:
        raise NotTried("its capabilities lack nothing")
    async with case.session() as session:
        for what, call in lacking.items():
            await raises(Refused, call(session), f"{what}, which the capabilities lack,")
        await session.power()


def _lacking(case: ObmCase) -> dict[str, Callable[[ObmSession], Awaitable[Any]]]:
    can = case.capabilities
    calls: dict[str, tuple[bool, Callable[[ObmSession], Awaitable[Any]]]] = {
        "boot()": (can.boot_read, lambda session: session.boot()),
        "sensors()": (can.sensors, lambda session: session.sensors()),
        "event_log()": (can.event_log, lambda session: session.event_log(1)),
        "identify()": (can.identify, lambda session: session.identify(1)),
        "media()": (can.media, lambda session: session.media()),
        "media_insert()": (can.media, lambda session: session.media_insert("cd", case.image)),
        "media_eject()": (can.media, lambda session: session.media_eject("cd")),
        "firmware()": (can.firmware, lambda session: session.firmware()),
        "console()": (can.console, lambda session: session.console()),
    }
    for action in PowerAction:
        calls[f"power_set({action})"] = (action in can.actions, lambda session, a=action: session.power_set(a))  # type: ignore[misc]  # bound now, not later
    for device in BootDevice:
        choice = BootChoice(device, persistent=can.boot_persistent)
        calls[f"boot_set({device})"] = (device in can.devices, lambda session, c=choice: session.boot_set(c))  # type: ignore[misc]  # bound now, not later
    return {what: call for what, (able, call) in calls.items() if not able}


async def refuses_in_words(case: ObmCase) -> None:
    """What the controller refuses is Refused, with its own words, and the session goes on."""
    refuse = given(case.control.refuse, "the control cannot make the controller refuse")
    await case.make(False)
    words = "Not while I live"
    await refuse(words)
    async with case.session() as session:
        error = await raises(Refused, session.power_set(PowerAction.ON), "a change that the controller refuses")
        if words not in error.message:
            broken(f"the controller said {words!r}, and the driver says {error.message!r}")
        await session.power()
    await case.powers(False)


async def tells_wrong_login(case: ObmCase) -> None:
    """Wrong credentials are LoginRefused, not Unreachable."""
    config = given(case.wrong_login, "no configuration with a wrong password was given")
    await raises(LoginRefused, _used(case, config), "a log-in with a wrong password")


async def tells_unreachable(case: ObmCase) -> None:
    """An address where nothing answers is Unreachable."""
    config = given(case.unreachable, "no configuration with an address where nothing answers was given")
    await raises(Unreachable, _used(case, config), "a session where nothing answers")


async def tells_no_secret(case: ObmCase) -> None:
    """No error, and nothing that a session prints as, holds a secret of the configuration."""
    configs = [config for config in (case.wrong_login, case.unreachable) if config is not None]
    given(configs or None, "no configuration that must fail was given")
    async with case.session() as session:
        told = [(case.config, repr(session))]
    for config in configs:
        error = await raises(DeviceError, _used(case, config), "a log-in that must fail")
        told.append((config, f"{error!r} {error.message} {error.detail}"))
    for config, text in told:
        for key in case.spec.secrets & config.keys():
            if str(config[key]) in text:
                broken(f"the secret {key} stands in: {text.replace(str(config[key]), '***')}")


async def tells_lost_replies(case: ObmCase) -> None:
    """When the session dies after a change was sent, that is LostReply; the change was sent once."""
    lose = given(case.control.lose_reply, "the control cannot lose a reply")
    await case.make(False)
    before = await case.control.changes() if case.control.changes else 0
    await lose()
    async with case.session() as session:
        await raises(LostReply, session.power_set(PowerAction.ON), "a change whose answer was lost")
    await case.powers(True)
    if case.control.changes is not None and (sent := await case.control.changes() - before) != 1:
        broken(f"the change was sent {sent} times")


async def tells_dropped_sessions(case: ObmCase) -> None:
    """A session whose connection broke raises a DeviceError at the next call; a new one works."""
    drop = given(case.control.drop, "the control cannot break the connections")
    async with case.session() as session:
        await session.power()
        await drop()
        error = await raises(DeviceError, session.power(), "a call after the connection broke")
        if isinstance(error, Refused):
            broken("a broken connection is told as a refusal")
    await _used(case, case.config)


async def gives_up(case: ObmCase) -> None:
    """A request that is never answered becomes a DeviceError, in about the time that the configuration allows."""
    hang = given(case.control.hang, "the control cannot make the controller hang")
    config = given(case.impatient, "no configuration with a short timeout was given")
    async with case.session(config) as session:
        await hang()
        begun = monotonic()
        error = await raises(DeviceError, session.power(), "a request that is never answered")
        if isinstance(error, Refused):
            broken("silence is told as a refusal")
        if monotonic() - begun > case.patience:
            broken(f"it took {monotonic() - begun:.0f} seconds")


async def survives_the_session(case: ObmCase) -> None:
    """What one session has set is read by the next, and the first may be closed at once."""
    await case.make(False)
    session = await case.open(case.config)
    await session.power_set(PowerAction.ON)
    await session.close()
    await case.powers(True)


async def closes_quietly(case: ObmCase) -> None:
    """`close` may be called twice, also after the connection broke, and gives the controller its session back."""
    before = await case.control.sessions() if case.control.sessions else 0

    async def freed() -> bool:
        return case.control.sessions is None or await case.control.sessions() <= before

    session = await case.open(case.config)
    await session.power()
    await session.close()
    await session.close()
    await case.until(freed, "the controller still holds a session")
    if case.control.drop is not None:
        session = await case.open(case.config)
        await case.control.drop()
        await session.close()
        await case.until(freed, "the controller still holds a session whose connection broke")


async def stays_out_of_transactions(case: ObmCase) -> None:
    """Inside a database transaction neither opening nor any call speaks to the controller."""
    async with case.session() as session:
        calls: list[tuple[str, Callable[[], Awaitable[Any]]]] = [
            ("opening", lambda: case.open(case.config)),
            ("power()", session.power),
            ("power_set()", lambda: session.power_set(PowerAction.ON)),
        ]
        for what, call in calls:
            with guard.transaction():
                try:
                    await call()
                except guard.DeviceInTransaction:
                    continue
            broken(f"{what} went on inside a transaction")
        await session.power()


def _more(count: Callable[[], Awaitable[int]], before: int) -> Callable[[], Awaitable[bool]]:
    async def more() -> bool:
        return await count() > before

    return more


async def _used(case: ObmCase, config: Any) -> None:
    """Open a session and ask one thing: some protocols log in only then."""
    async with case.session(config) as session:
        await session.power()


OBM_PROMISES: list[Callable[[ObmCase], Awaitable[None]]] = [
    checks_its_configuration,
    reads_power,
    switches_on_and_off,
    restarts,
    shuts_down,
    sets_the_boot_device,
    refuses_what_it_lacks,
    refuses_in_words,
    tells_wrong_login,
    tells_unreachable,
    tells_no_secret,
    tells_lost_replies,
    tells_dropped_sessions,
    gives_up,
    survives_the_session,
    closes_quietly,
    stays_out_of_transactions,
    carries_console_output,
    carries_console_input,
    gives_the_console_back,
    reads_sensors,
    reads_the_event_log,
    identifies,
    carries_media,
    reads_firmware,
]
