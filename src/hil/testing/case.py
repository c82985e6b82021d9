"""What the promises of a switch driver are checked with: the driver, a device, and perhaps a hand on the device."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from hil.core import guard
from hil.core.devices import Capabilities, Nativeless, SwitchSession, SwitchSpec, Writer
from hil.core.errors import DeviceError
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.registry import OpenSession, capabilities_of
from hil.testing.report import broken

FENCE = 1
Notes = Callable[[], Sequence[Mapping[str, PortState | None]]]
"""What some ports let through, step by step; None is every VLAN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What a test can do to the device behind the driver's back; whatever cannot be done is None.

    Ports are named as the driver names them. What a method arms strikes once, at the next occasion.
    """

    refuse: Callable[[str, str], Awaitable[None]] | None = None
    """`refuse(port, words)`: the device refuses the next write of the port in these words."""
    lose_reply: Callable[[], Awaitable[None]] | None = None
    """The next write that opens a port happens, and its answer vanishes with the session."""
    reboot: Callable[[], Awaitable[None]] | None = None
    """The device forgets what was not saved."""
    make_foreign: Callable[[str], Awaitable[None]] | None = None
    """The port is put into a mode that HIL cannot mean and that a write ends."""
    writes: Callable[[], Awaitable[int]] | None = None
    """Answers how many writes the device has accepted."""
    busy: Callable[[], Awaitable[None]] | None = None
    """The next write is turned away, as another session holds the configuration."""
    fail_save: Callable[[str], Awaitable[None]] | None = None
    """`fail_save(words)`: the next save is refused in these words."""
    carries: Callable[[str], Awaitable[PortState | None]] | None = None
    """Answers what the port lets through, whatever its configuration says; None: every VLAN."""
    watch: Callable[[Sequence[str]], Notes] | None = None
    """Notes what these ports let through, now and after each step of the device, until its answer is called."""
    bundle: Callable[[str], Awaitable[None]] | None = None
    """The port becomes a member of a link aggregation, as a person would do it."""
    unbundle: Callable[[str], Awaitable[None]] | None = None
    """The port is taken out again, and is as it was before."""
    edge: Callable[[str], Awaitable[bool]] | None = None
    """Answers whether the port is hardened as an edge port, with all that the platform has for it."""
    soften: Callable[[str], Awaitable[None]] | None = None
    """The hardening of an open port is taken off by hand."""
    plug: Callable[[str, str], Awaitable[None]] | None = None
    """`plug(port, mac)`: a machine of that address speaks LLDP on the port and is heard there, and on no other."""
    timeout: Callable[[], Awaitable[None]] | None = None
    """Passes the time that a change may wait for its confirmation."""
    logins: Callable[[], Awaitable[int]] | None = None
    """Answers how many times the device was shown credentials."""


@dataclass(frozen=True)
class Case:
    """One driver and one device. At least two `ports` and four `vlans` are free to be used."""

    open: OpenSession
    spec: SwitchSpec
    config: Mapping[str, Any]
    ports: Sequence[str]
    vlans: Sequence[int]
    control: Control = field(default_factory=Control)
    wrong_login: Mapping[str, Any] | None = None
    unreachable: Mapping[str, Any] | None = None
    other_identity: Mapping[str, Any] | None = None
    unknown_port: str | None = None

    @cached_property
    def capabilities(self) -> Capabilities:
        return capabilities_of(self.spec, self.config)

    @cached_property
    def states(self) -> dict[str, PortState]:
        """The states between which a port is led, all unlike."""
        a, b, c, *rest = self.vlans
        found = {
            "closed": CLOSED,
            "native": PortState(a),
            "native and tagged": PortState(a, frozenset({b})),
            "another native, the first one tagged": PortState(b, frozenset({a, c})),
            "many tagged": PortState(a, frozenset({b, c, *rest})),
        }
        if self.capabilities.nativeless is not Nativeless.NO:
            found["tagged only"] = PortState(None, frozenset({b, c}))
        return found

    @property
    def native(self) -> PortState:
        return self.states["native"]

    @property
    def both(self) -> PortState:
        return self.states["native and tagged"]

    @asynccontextmanager
    async def session(self) -> AsyncIterator[SwitchSession]:
        opened = await self.open(self.config)
        try:
            yield opened
        finally:
            await opened.close()

    async def read(self, *ports: str) -> dict[str, PortState | None]:
        """Read ports in a session of its own; None is not representable."""
        async with self.session() as session:
            return await states_of(session, ports or self.ports)

    async def put(self, *wants: PortState, save: bool = False) -> None:
        """Lead the first ports to these states and the others to closed, in a session of its own."""
        async with self.session() as session:
            padded = [*wants, *[CLOSED] * (len(self.ports) - len(wants))]
            await put(session, dict(zip(self.ports, padded, strict=True)))
            if save:
                await session.save(writer())

    async def holds(self, want: PortState, *ports: str) -> None:
        """Break the promise unless a new session reads `want` on each of these ports."""
        for port, state in (await self.read(*ports)).items():
            if state != want:
                broken(f"port {port} reads as ({state}), not as ({want})")


def writer() -> Writer:
    """A permission to write that never ends."""
    return Writer(FENCE, lambda: None)


async def states_of(session: SwitchSession, ports: Sequence[str]) -> dict[str, PortState | None]:
    return {port: observed.state for port, observed in (await session.read(list(ports))).items()}


async def change(session: SwitchSession, wants: Mapping[str, PortState]) -> list[PortChange]:
    """The batch that leads ports from what they are now to what they must become."""
    have = await states_of(session, list(wants))
    return [PortChange(port, have[port], want) for port, want in wants.items()]


async def put(session: SwitchSession, wants: Mapping[str, PortState]) -> None:
    """Apply, and break the promise if any port is refused."""
    accepted(await session.apply(await change(session, wants), writer()), wants)


def accepted(answers: Mapping[str, DeviceError | None], ports: Mapping[str, object]) -> None:
    if answers.keys() != ports.keys():
        broken(f"apply answered for {sorted(answers)}, and was asked for {sorted(ports)}")
    for port, error in answers.items():
        if error is not None:
            broken(f"port {port} was refused: {error}")


async def count(counter: Callable[[], Awaitable[int]] | None) -> int:
    """What was counted; 0 where nobody counts."""
    return 0 if counter is None else await counter()


async def opened(case: Case, config: Mapping[str, Any]) -> None:
    """Open a session and close it."""
    await (await case.open(config)).close()


async def raises(wanted: type[DeviceError | guard.DeviceInTransaction], attempt: Awaitable[object], what: str) -> str:
    """Break the promise unless the attempt raises this; answer all that its error says."""
    try:
        await attempt
    except wanted as error:
        return f"{error} {getattr(error, 'detail', '')}"
    except (DeviceError, guard.DeviceInTransaction) as error:
        broken(f"{what} is {type(error).__name__}, not {wanted.__name__}: {error}")
    broken(f"{what} is not {wanted.__name__}")
