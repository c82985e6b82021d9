"""The promises of a switch driver, one function each: the docstring is the promise, a Broken or any error breaks it.

A promise begins by leading the ports to states of its own, so that any one can be checked alone, in any order. What a
promise needs and was not given makes it NotTried, never kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from hil.core import guard
from hil.core.devices import Atomicity, Writer
from hil.core.errors import (
    BadArgument,
    DeviceError,
    LeaseLost,
    LoginRefused,
    LostReply,
    Refused,
    Unreachable,
)
from hil.core.model import CLOSED, PortChange, PortState
from hil.core.vlans import FIRST, LAST
from hil.testing.case import FENCE, Case, NotTried, accepted, broken, change, put, states_of, writer

_T = TypeVar("_T")


async def reads_ports(case: Case) -> None:
    """`read()` answers for all ports, `read(ports)` for exactly these."""
    async with case.session() as session:
        if missing := set(case.ports) - (await session.read()).keys():
            broken(f"read() leaves out {sorted(missing)}")
        for ports in (case.ports, case.ports[:1]):
            if (found := (await session.read(ports)).keys()) != set(ports):
                broken(f"read({list(ports)}) answers for {sorted(found)}")


async def reaches_every_state(case: Case) -> None:
    """From any state to any other, the port ends exactly there, as read in the same session."""
    async with case.session() as session:
        port = case.ports[0]
        await put(session, {port: CLOSED})
        for before, after in pairwise(_tour(list(case.states))):
            want = case.states[after]
            await put(session, {port: want})
            if (found := (await states_of(session, [port]))[port]) != want:
                broken(f"from {before} to {after}: the port reads as ({found}), not as ({want})")


async def repeats_nothing(case: Case) -> None:
    """Applying what is there is no work; a port of which nothing was known is written all the same."""
    port = case.ports[0]
    await case.put(case.both)
    async with case.session() as session:
        before = await _count(case)
        accepted(await session.apply([PortChange(port, case.both, case.both)], writer()), {port: None})
        if (sent := await _count(case) - before) > 0:
            broken(f"the second time, {sent} writes were sent")
    await case.holds(case.both, port)
    async with case.session() as session:
        accepted(await session.apply([PortChange(port, None, case.native)], writer()), {port: None})
    await case.holds(case.native, port)


async def survives_session(case: Case) -> None:
    """What was applied and saved is there in the next session."""
    await case.put(*[case.both] * len(case.ports), save=True)
    await case.holds(case.both)


async def survives_reboot(case: Case) -> None:
    """What was saved is there after a reboot."""
    reboot = _given(case.control.reboot, "the control cannot reboot the device")
    await case.put(case.both, save=True)
    await reboot()
    await case.holds(case.both, case.ports[0])


async def closes_ports(case: Case) -> None:
    """A port that is closed reads as carrying nothing, whatever it carried before."""
    for name, state in case.states.items():
        await case.put(state)
        await case.put(CLOSED)
        for port, found in (await case.read()).items():
            if found != CLOSED:
                broken(f"port {port} was closed (before: {name}) and reads as ({found})")


async def refuses_unknown_ports(case: Case) -> None:
    """Reading a port that does not exist is Refused, and the session goes on."""
    unknown = _given(case.unknown_port, "no name of a port that does not exist was given")
    async with case.session() as session:
        await _raises(Refused, session.read([unknown]), "reading a port that does not exist")
        await session.read(case.ports)


async def tells_wrong_login(case: Case) -> None:
    """Wrong credentials are LoginRefused, not Unreachable."""
    config = _given(case.wrong_login, "no configuration with a wrong password was given")
    await _raises(LoginRefused, _opened(case, config), "a log-in with a wrong password")


async def tells_unreachable(case: Case) -> None:
    """An address where nothing answers is Unreachable."""
    config = _given(case.unreachable, "no configuration with an address where nothing answers was given")
    await _raises(Unreachable, _opened(case, config), "opening a session where nothing answers")


async def refuses_in_words(case: Case) -> None:
    """What the device refuses is Refused, with the device's own words, and the port is as before."""
    refuse = _given(case.control.refuse, "the control cannot make the device refuse")
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


async def reports_per_port(case: Case) -> None:
    """After a batch that failed in part, each answer is true of its port; without a transaction the others are done."""
    await case.put()
    async with case.session() as session:
        batch = await change(session, dict.fromkeys(case.ports, case.native))
        if case.control.refuse is not None:
            bad = case.ports[0]
            await case.control.refuse(bad, "% No")
        else:
            bad = _given(case.unknown_port, "nothing was given that could make one port of a batch fail")
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
        await _raises(LeaseLost, session.apply(batch, _lasting(0)), "apply with a lost lease")
    await case.holds(CLOSED)
    async with case.session() as session:
        await _raises(LeaseLost, session.save(_lasting(0)), "save with a lost lease")
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
    """A VLAN that the switch cannot or must not carry is refused before anything is sent."""
    port = case.ports[0]
    first, last = case.capabilities.vlans
    edges = {first - 1, last + 1, *sorted(case.capabilities.reserved)[:1], *case.spec.parked(case.config)}
    await case.put(CLOSED)
    before = await _count(case)
    for vlan in sorted(edges):
        batch = [PortChange(port, CLOSED, PortState(vlan))]
        try:
            case.spec.render(case.config, batch)
        except BadArgument:
            pass
        else:
            broken(f"render accepts VLAN {vlan}")
        async with case.session() as session:
            if not isinstance((await session.apply(batch, writer()))[port], Refused):
                broken(f"apply did not refuse VLAN {vlan}")
    if await _count(case) > before:
        broken("something was written")
    await case.holds(CLOSED, port)


async def renders_what_changes(case: Case) -> None:
    """`render` of a batch that changes nothing is empty; of any other it is not, and the two read alike each time."""
    unlike = [state for state in case.states.values() if state != CLOSED]
    for state in unlike:
        if lines := case.spec.render(case.config, [PortChange(port, state, state) for port in case.ports]):
            broken(f"what is ({state}) already renders as {lines}")
        for batch in (
            [PortChange(case.ports[0], CLOSED, state)],
            [PortChange(case.ports[0], state, CLOSED)],
            [PortChange(case.ports[0], None, state)],
        ):
            lines = case.spec.render(case.config, batch)
            if not any(line.strip() for line in lines):
                broken(f"from ({batch[0].have}) to ({batch[0].want}) renders as nothing")
            if lines != case.spec.render(case.config, batch):
                broken("render is not pure: the same batch rendered differently")


async def checks_configuration(case: Case) -> None:
    """`validate` answers a normal form and refuses unknown keys; port names have one canonical form."""
    normal = case.spec.validate(case.config)
    if case.spec.validate(normal) != normal:
        broken("validate changes its own answer")
    try:
        case.spec.validate({**case.config, "no such setting": "1"})
    except BadArgument as error:
        if "no such setting" not in error.message:
            broken(f"the error does not name the key: {error.message}")
    else:
        broken("validate accepts an unknown key")
    for port in case.ports:
        if (canonical := case.spec.port_name(port)) != port:
            broken(f"the port {port} is {canonical} to the spec")
    if wrong := [vlan for vlan in case.spec.parked(normal) if not FIRST <= vlan <= LAST]:
        broken(f"parked on {wrong}, which are no VLANs")


async def stays_out_of_transactions(case: Case) -> None:
    """Opening, reading, writing and saving raise while a transaction is open."""
    with guard.transaction():
        opening = _opened(case, case.config)
        await _raises(guard.DeviceInTransaction, opening, "opening a session in a transaction")
    async with case.session() as session:
        changes = [PortChange(case.ports[0], None, case.native)]
        with guard.transaction():
            await _raises(guard.DeviceInTransaction, session.read(), "reading in a transaction")
            await _raises(guard.DeviceInTransaction, session.apply(changes, writer()), "writing in a transaction")
            await _raises(guard.DeviceInTransaction, session.save(writer()), "saving in a transaction")


async def tells_lost_replies(case: Case) -> None:
    """A session that dies after something was sent is LostReply; what was done is read in the next one."""
    lose = _given(case.control.lose_reply, "the control cannot lose an answer")
    await case.put(CLOSED)
    port = case.ports[0]
    async with case.session() as session:
        batch = await change(session, {port: case.native})
        await lose()
        await _raises(LostReply, session.apply(batch, writer()), "apply, its answer lost")
    await case.holds(case.native, port)


async def admits_what_it_cannot_mean(case: Case) -> None:
    """A port in a foreign mode reads as not representable, with the device's text, and can be written all the same."""
    make_foreign = _given(case.control.make_foreign, "the control cannot put a port into a foreign mode")
    port = case.ports[0]
    await make_foreign(port)
    async with case.session() as session:
        observed = (await session.read([port]))[port]
        if observed.state is not None:
            broken(f"the port reads as ({observed.state})")
        if not observed.reason or not observed.raw:
            broken("it does not say why, or not in the device's words")
        await put(session, {port: case.native})
    await case.holds(case.native, port)


async def closes_quietly(case: Case) -> None:
    """`close` never raises, a second time included."""
    session = await case.open(case.config)
    await session.close()
    await session.close()


PROMISES: tuple[Callable[[Case], Awaitable[None]], ...] = (
    checks_configuration,
    renders_what_changes,
    reads_ports,
    reaches_every_state,
    repeats_nothing,
    closes_ports,
    survives_session,
    survives_reboot,
    refuses_unknown_ports,
    refuses_in_words,
    reports_per_port,
    keeps_vlans_out,
    admits_what_it_cannot_mean,
    asks_the_lease,
    stays_out_of_transactions,
    tells_lost_replies,
    tells_wrong_login,
    tells_unreachable,
    closes_quietly,
)
"""In this order: what fails first explains most."""


def _tour(names: Sequence[str]) -> Iterator[str]:
    """A walk that takes every step from one of the names to another."""
    for place, name in enumerate(names):
        for other in names[place + 1 :]:
            yield from (name, other)
        yield name


def _given(found: _T | None, reason: str) -> _T:
    if found is None:
        raise NotTried(reason)
    return found


async def _opened(case: Case, config: Mapping[str, Any]) -> None:
    await (await case.open(config)).close()


async def _count(case: Case) -> int:
    return 0 if case.control.writes is None else await case.control.writes()


async def _raises(wanted: type[Exception], attempt: Awaitable[object], what: str) -> None:
    try:
        await attempt
    except wanted:
        return
    except (DeviceError, guard.DeviceInTransaction) as error:
        broken(f"{what} is {type(error).__name__}, not {wanted.__name__}: {error}")
    broken(f"{what} is not {wanted.__name__}")


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
