"""The promises of a switch driver, one function each: the docstring is the promise, a Broken or any error breaks it.

A promise begins by leading the ports to states of its own, so that any one can be checked alone, in any order. What a
promise needs and was not given makes it NotTried, never kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from hil.core.devices import Save
from hil.core.errors import BadArgument, LostReply
from hil.core.model import CLOSED, PortChange, PortState
from hil.core.vlans import FIRST, LAST
from hil.core.wiring import SeesMacs, SeesNeighbours, TellsAbout
from hil.testing import failures
from hil.testing.case import Case, Notes, accepted, change, count, put, raises, states_of, writer
from hil.testing.report import NotTried, broken, given

_MAC: Final = "00:00:5e:00:53:01"
"""An address for documentation (RFC 7042, section 2.1.2)."""


async def reads_ports(case: Case) -> None:
    """`read()` answers for all ports, `read(ports)` for exactly these."""
    async with case.session() as session:
        if missing := set(case.ports) - (await session.read()).keys():
            broken(f"read() leaves out {sorted(missing)}")
        for ports in (case.ports, case.ports[:1]):
            if (found := (await session.read(ports)).keys()) != set(ports):
                broken(f"read({list(ports)}) answers for {sorted(found)}")


async def carries_what_it_reads(case: Case) -> None:
    """What a port reads as is what it lets through: its VLANs were made where they must exist, a parked one is none."""
    carries = given(case.control.carries, "the control cannot see what a port lets through")
    port = case.ports[0]
    for name, want in case.states.items():
        await case.put(want)
        await case.holds(want, port)
        if (found := await carries(port)) != want:
            broken(f"{name}: the port reads as ({want}) and lets through {_through(found)}")


async def opens_nothing_between(case: Case) -> None:
    """While a batch is written, no port lets a VLAN through that is neither in its old nor in its new state."""
    watch = given(case.control.watch, "the control cannot watch what ports let through")
    other, many = case.states["another native, the first one tagged"], case.states["many tagged"]
    await case.put(case.native)
    for wants in ((case.both, case.native), (other, many), (CLOSED, case.both), (many, CLOSED)):
        await _stays_within(case, watch, dict(zip(case.ports, wants, strict=False)))
    await _stays_within(case, watch, {case.ports[0]: other}, blind=True)


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
        before = await count(case.control.writes)
        accepted(await session.apply([PortChange(port, case.both, case.both)], writer()), {port: None})
        if (sent := await count(case.control.writes) - before) > 0:
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
    reboot = given(case.control.reboot, "the control cannot reboot the device")
    await case.put(case.both, save=True)
    await reboot()
    await case.holds(case.both, case.ports[0])


async def saves_when_told(case: Case) -> None:
    """What was not saved is lost in a reboot and reads so, unless the platform saves by itself: then it is kept."""
    reboot = given(case.control.reboot, "the control cannot reboot the device")
    await case.put(save=True)
    await case.put(case.both)
    await reboot()
    by_itself = case.capabilities.save is not Save.EXPLICIT
    await case.holds(case.both if by_itself else CLOSED, case.ports[0])


async def rolls_back_unconfirmed(case: Case) -> None:
    """A change that nobody confirms is undone by the device; one that `apply` has answered for stays."""
    if case.capabilities.confirm_timer is None:
        raise NotTried("its capabilities have no confirm timer")
    timeout = given(case.control.timeout, "the control cannot pass the time of a confirmation")
    lose = given(case.control.lose_reply, "the control cannot lose an answer")
    await case.put(CLOSED)
    port = case.ports[0]
    async with case.session() as session:
        batch = await change(session, {port: case.native})
        await lose()
        await raises(LostReply, session.apply(batch, writer()), "apply, its answer lost before the confirmation")
    await timeout()
    await case.holds(CLOSED, port)
    await case.put(case.native)
    await timeout()
    await case.holds(case.native, port)


async def hardens_edge_ports(case: Case) -> None:
    """Whatever opens a port or changes an open one makes it an edge port, with all that the platform has for it."""
    edge = given(case.control.edge, "the control cannot see whether a port is an edge port")
    soften = given(case.control.soften, "the control cannot take the hardening off a port")
    port = case.ports[0]
    await case.put(CLOSED)
    for have, want in ((CLOSED, case.native), (case.native, case.both), (None, case.native)):
        async with case.session() as session:
            accepted(await session.apply([PortChange(port, have, want)], writer()), {port: want})
        if not await edge(port):
            broken(f"led from ({have or 'what was not known'}) to ({want}), the port is no edge port")
        await soften(port)


async def says_what_it_is(case: Case) -> None:
    """A session that has `about` names the device's model."""
    async with case.session() as session:
        if not isinstance(session, TellsAbout):
            raise NotTried("its session has no `about`")
        if not (await session.about()).model:
            broken("about names no model")


async def tells_who_is_plugged_in(case: Case) -> None:
    """`neighbours` and `macs`, where a session has them, name what is plugged in, at its port and at no other."""
    async with case.session() as session:
        if not isinstance(session, SeesNeighbours | SeesMacs):
            raise NotTried("its session has neither `neighbours` nor `macs`")
        plug = given(case.control.plug, "the control cannot plug a machine in")
        await plug(case.ports[0], _MAC)
        wanted = {case.ports[0]: {_MAC}}
        if isinstance(session, SeesNeighbours):
            told = {port: {each.port for each in seen} for port, seen in (await session.neighbours()).items()}
            if told != wanted:
                broken(f"{_MAC} is plugged into {case.ports[0]}, and neighbours tells {told}")
        if isinstance(session, SeesMacs):
            heard = {port: {each.address for each in seen} for port, seen in (await session.macs()).items()}
            if heard != wanted:
                broken(f"{_MAC} is heard on {case.ports[0]}, and macs tells {heard}")


async def closes_ports(case: Case) -> None:
    """A port that is closed reads as carrying nothing, whatever it carried before."""
    for name, state in case.states.items():
        await case.put(state)
        await case.put(CLOSED)
        for port, found in (await case.read()).items():
            if found != CLOSED:
                broken(f"port {port} was closed (before: {name}) and reads as ({found})")


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


async def admits_what_it_cannot_mean(case: Case) -> None:
    """A port in a foreign mode reads as not representable, with the device's text, and can be written all the same."""
    make_foreign = given(case.control.make_foreign, "the control cannot put a port into a foreign mode")
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
    carries_what_it_reads,
    reaches_every_state,
    opens_nothing_between,
    repeats_nothing,
    closes_ports,
    hardens_edge_ports,
    survives_session,
    survives_reboot,
    saves_when_told,
    failures.tells_failed_saves,
    failures.refuses_unknown_ports,
    failures.refuses_in_words,
    failures.reports_per_port,
    failures.keeps_vlans_out,
    admits_what_it_cannot_mean,
    failures.refuses_lag_members,
    failures.asks_the_lease,
    failures.stays_out_of_transactions,
    failures.tells_busy,
    failures.tells_lost_replies,
    rolls_back_unconfirmed,
    failures.tells_wrong_login,
    failures.tells_other_identity,
    failures.tells_unreachable,
    says_what_it_is,
    tells_who_is_plugged_in,
    closes_quietly,
)
"""In this order: what fails first explains most."""


def _tour(names: Sequence[str]) -> Iterator[str]:
    """A walk that takes every step from one of the names to another."""
    for place, name in enumerate(names):
        for other in names[place + 1 :]:
            yield from (name, other)
        yield name


async def _stays_within(
    case: Case, watch: Callable[[Sequence[str]], Notes], wants: Mapping[str, PortState], *, blind: bool = False
) -> None:
    """Apply, `blind` as if nothing were known of the ports, and look at every step on the way."""
    async with case.session() as session:
        batch = await change(session, wants)
        noted = watch(list(wants))
        try:
            answers = await session.apply([replace(each, have=None) for each in batch] if blind else batch, writer())
        finally:
            first, *notes = noted()
    accepted(answers, wants)
    for port, want in wants.items():
        old = first[port]
        for now in (note[port] for note in notes):
            if old is not None and (now is None or not now.vlans <= old.vlans | want.vlans):
                broken(f"from ({old}) to ({want}), port {port} lets through {_through(now)} on the way")


def _through(found: PortState | None) -> str:
    return "every VLAN" if found is None else f"({found})"
