"""What the promises of a switch driver are checked with: the driver, a device, and perhaps a hand on the device."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

from hil.core.devices import Capabilities, Nativeless, SwitchSession, SwitchSpec, Writer
from hil.core.errors import DeviceError
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.registry import OpenSession, capabilities_of

FENCE = 1


class Broken(AssertionError):
    """A promise was not kept; the message says how."""


class NotTried(Exception):
    """A promise could not be tried with what the caller gave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What a test can do to the device behind the driver's back; whatever cannot be done is None.

    `refuse(port, words)` makes the device refuse the next write of a port; `lose_reply()` makes the next write happen
    and its answer vanish; `reboot()` loses what was not saved; `make_foreign(port)` puts a port into a mode that HIL
    cannot mean; `writes()` counts the writes that the device has accepted.
    """

    refuse: Callable[[str, str], Awaitable[None]] | None = None
    lose_reply: Callable[[], Awaitable[None]] | None = None
    reboot: Callable[[], Awaitable[None]] | None = None
    make_foreign: Callable[[str], Awaitable[None]] | None = None
    writes: Callable[[], Awaitable[int]] | None = None


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


def broken(words: str) -> NoReturn:
    raise Broken(words)
