"""Promises about what goes wrong: what is refused, by whom, and how one failure is told from another.

Each is told apart because it leads to something else: what was refused is shown and withdrawn, what is busy or cannot
be reached is tried again, what was lost is read again, and a device that proves another identity is never spoken to.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

from hil.core import guard
from hil.core.devices import Atomicity, Save, Writer
from hil.core.errors import (
    BadArgument,
    DeviceBusy,
    DeviceError,
    IdentityChanged,
    LeaseLost,
    LoginRefused,
    LostReply,
    Refused,
    Unreachable,
)
from hil.core.model import CLOSED, PortChange, PortState
from hil.testing.case import FENCE, Case, accepted, change, count, opened, raises, writer
from hil.testing.report import NotTried, broken, given

_AGGREGATION: Final = re.compile(r"\b(?:LAG|bond|bundle|channel|aggregat\w+)", re.IGNORECASE)


async def refuses_unknown_ports(case: Case) -> None:
    """Reading a port that does not exist is Refused, and the session goes on."""
    unknown = given(case.unknown_port, "no name of a port that does not exist was given")
    async with case.session() as session:
        await raises(Refused, session.read([unknown]), "reading a port that does not exist")
        await session.read(case.ports)


async def tells_wrong_login(case: Case) -> None:
    """Wrong credentials are LoginRefused, not Unreachable, and the error does not tell them."""
    config = given(case.wrong_login, "no configuration with a wrong password was given")
    said = await raises(LoginRefused, opened(case, config), "a log-in with a wrong password")
    shown = {str(config[key]) for key in case.spec.secrets & config.keys() if config[key] != case.config.get(key)}
    if any(secret in said for secret in shown):
        broken("the error tells the password")


async def tells_other_identity(case: Case) -> None:
    """A device that proves another identity than the registered one is IdentityChanged, and is shown no credentials."""
    config = given(case.other_identity, "no configuration with another host key or certificate was given")
    before = await count(case.control.logins)
    await raises(IdentityChanged, opened(case, config), "opening a session with a device of another identity")
    if await count(case.control.logins) > before:
        broken("the device was shown credentials before it had proved its identity")


async def tells_unreachable(case: Case) -> None:
    """An address where nothing answers is Unreachable."""
    config = given(case.unreachable, "no configuration with an address where nothing answers was given")
    await raises(Unreachable, opened(case, config), "opening a session where nothing answers")


async def refuses_in_words(case: Case) -> None:
    """What the device refuses is Refused, with the device's own words, and the port is as before."""
    refuse = given(case.control.refuse, "the control cannot make the device refuse")
    await case.put(CLOSED)
    port, words = case.ports[0], "% Not while I live"
    async with case.session() as session:
        batch = await change(session, {port: case.native})
        await refuse(port, words)
        error = (await session.apply(batch, writer()))[port]
    if not isinstance(error, Refused):
        broken(f"the device refused, and apply answered {error!r}")
    if words not in error.message:
        broken(f"the device said {words!r}, and apply says {error.message!r}")
    await case.holds(CLOSED, port)


async def refuses_lag_members(case: Case) -> None:
    """A member of a link aggregation is not representable; writing it is Refused and says so, and the others go on."""
    bundle = given(case.control.bundle, "the control cannot make a port a member of a link aggregation")
    unbundle = given(case.control.unbundle, "the control cannot free a member of a link aggregation")
    await case.put()
    member, other = case.ports[:2]
    await bundle(member)
    try:
        async with case.session() as session:
            seen = (await session.read([member]))[member]
            if seen.state is not None or not seen.reason or not seen.raw:
                broken(f"the member reads as ({seen}), in the device's words {seen.raw!r}")
            batch = [PortChange(member, None, case.native), PortChange(other, CLOSED, case.native)]
            answers = await session.apply(batch, writer())
            if (now := (await session.read([member]))[member]) != seen:
                broken(f"the member was written: it read as ({seen}) and reads as ({now})")
    finally:
        await unbundle(member)
    error = answers[member]
    if not isinstance(error, Refused):
        broken(f"writing a member of a link aggregation was answered {error!r}")
    if member not in error.message or not _AGGREGATION.search(error.message):
        broken(f"it does not name the port and the aggregation: {error.message}")
    accepted({other: answers[other]}, {other: case.native})
    await case.holds(case.native, other)


async def tells_busy(case: Case) -> None:
    """A configuration that another session holds is DeviceBusy; nothing was changed, and a later try succeeds."""
    busy = given(case.control.busy, "the control cannot hold the configuration")
    await case.put(case.native)
    await case.put(CLOSED)  # whatever an earlier session left behind is settled by now
    port = case.ports[0]
    async with case.session() as session:
        batch = await change(session, {port: case.native})
        await busy()
        try:
            error = (await session.apply(batch, writer()))[port]
        except DeviceBusy as busy_error:
            error = busy_error
    if not isinstance(error, DeviceBusy):
        broken(f"another session held the configuration, and apply answered {error!r}")
    await case.holds(CLOSED, port)
    await case.put(case.native)
    await case.holds(case.native, port)


async def tells_failed_saves(case: Case) -> None:
    """A save that fails is Refused in the device's words, and the session goes on."""
    if case.capabilities.save is not Save.EXPLICIT:
        raise NotTried("the platform saves by itself")
    fail = given(case.control.fail_save, "the control cannot make a save fail")
    words = "% Flash is full"
    await case.put(case.native)
    async with case.session() as session:
        await fail(words)
        said = await raises(Refused, session.save(writer()), "a save that the device refuses")
        if words not in said:
            broken(f"the device said {words!r}, and save says {said!r}")
        await session.save(writer())


async def reports_per_port(case: Case) -> None:
    """After a batch that failed in part, each answer is true of its port; without a transaction the others are done."""
    await case.put()
    async with case.session() as session:
        batch = await change(session, dict.fromkeys(case.ports, case.native))
        if case.control.refuse is not None:
            bad = case.ports[0]
            await case.control.refuse(bad, "% No")
        else:
            bad = given(case.unknown_port, "nothing was given that could make one port of a batch fail")
            batch.insert(0, PortChange(bad, CLOSED, case.native))
        answers = await session.apply(batch, writer())
    if not isinstance(answers.get(bad), Refused):
        broken(f"port {bad} was refused by the device, and apply answered {answers.get(bad)!r}")
    for port, state in (await case.read()).items():
        if (state == case.native) is not (answers[port] is None):
            broken(f"apply answered {answers[port]!r} for port {port}, which reads as ({state})")
        if port != bad and answers[port] is not None and case.capabilities.atomicity is not Atomicity.SWITCH:
            broken(f"port {port} was given up because of port {bad}: {answers[port]}")


async def asks_the_lease(case: Case) -> None:
    """A writer whose lease is lost writes nothing and saves nothing; it is asked before writing."""
    await case.put()
    wants = dict.fromkeys(case.ports, case.native)
    async with case.session() as session:
        batch = await change(session, wants)
        await raises(LeaseLost, session.apply(batch, _lasting(0)), "apply with a lost lease")
    await case.holds(CLOSED)
    async with case.session() as session:
        await raises(LeaseLost, session.save(_lasting(0)), "save with a lost lease")
    async with case.session() as session:
        lease = _Lease(1)
        try:
            await session.apply(batch, Writer(FENCE, lease.check))
        except LeaseLost:
            if not lease.lost:
                raise
        else:
            if lease.lost:
                broken("the lease was lost between two writes, and apply went on")
    if lease.lost and await case.read() == wants:
        broken("the lease was lost between two writes, and every port was written")


async def keeps_vlans_out(case: Case) -> None:
    """A VLAN that the switch cannot or must not carry is refused by its number, before anything is sent."""
    port = case.ports[0]
    first, last = case.capabilities.vlans
    reserved = sorted(case.capabilities.reserved)
    edges = {first - 1, last + 1, *reserved[:1], *reserved[-1:], *case.spec.parked(case.config)}
    await case.put(CLOSED)
    before = await count(case.control.writes)
    for vlan in sorted(edges):
        for want in (PortState(vlan), PortState(case.native.native, frozenset({vlan}))):
            await _keeps_out(case, vlan, PortChange(port, CLOSED, want))
    if await count(case.control.writes) > before:
        broken("something was written")
    await case.holds(CLOSED, port)


async def _keeps_out(case: Case, vlan: int, wish: PortChange) -> None:
    try:
        case.spec.render(case.config, [wish])
    except BadArgument:
        pass
    else:
        broken(f"render accepts VLAN {vlan}")
    async with case.session() as session:
        error = (await session.apply([wish], writer()))[wish.port]
    if not isinstance(error, Refused):
        broken(f"apply did not refuse VLAN {vlan}: {error!r}")
    if not re.search(rf"\b{vlan}\b", error.message):
        broken(f"VLAN {vlan} was refused without its number: {error.message}")


async def tells_lost_replies(case: Case) -> None:
    """A session that dies after something was sent is LostReply and over; the next one reads what was done."""
    lose = given(case.control.lose_reply, "the control cannot lose an answer")
    await case.put(CLOSED)
    port = case.ports[0]
    async with case.session() as session:
        batch = await change(session, {port: case.native})
        await lose()
        await raises(LostReply, session.apply(batch, writer()), "apply, its answer lost")
        await _fails("read", lambda: session.read([port]))
        await _fails("apply", lambda: session.apply(batch, writer()))
    await case.holds(case.native, port)


async def stays_out_of_transactions(case: Case) -> None:
    """Opening, reading, writing and saving raise while a transaction is open."""
    with guard.transaction():
        opening = opened(case, case.config)
        await raises(guard.DeviceInTransaction, opening, "opening a session in a transaction")
    async with case.session() as session:
        changes = [PortChange(case.ports[0], None, case.native)]
        with guard.transaction():
            await raises(guard.DeviceInTransaction, session.read(), "reading in a transaction")
            await raises(guard.DeviceInTransaction, session.apply(changes, writer()), "writing in a transaction")
            await raises(guard.DeviceInTransaction, session.save(writer()), "saving in a transaction")


async def _fails(what: str, attempt: Callable[[], Awaitable[object]]) -> None:
    try:
        await attempt()
    except DeviceError:
        return
    broken(f"{what} works in a session that had come to its end")


class _Lease:
    """A lease that bears so many writes."""

    def __init__(self, writes: int) -> None:
        self.left, self.lost = writes, False

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.lost = True
            raise LeaseLost("the lease is too near its end")


def _lasting(writes: int) -> Writer:
    return Writer(FENCE, _Lease(writes).check)
