"""The VLAN model behind every emulated platform of the lab: ports, VLANs, running and startup configuration, faults.

A platform's emulator is this device, a rule that says what a configured port carries (`Rule`), and a server that speaks
the platform's real protocol and changes the configuration through `Session`. It behaves as real switches do where that
hurts: factory ports carry VLAN 1, running configuration is lost in a reboot unless saved, sessions are few and die,
commands are refused in words, the device may be slow, busy, or lie. It forwards no frame: the lab's fabric asks
`carried`. It opens no socket, and takes time only through the `sleep` that it was given.

It has the face of the mock device (`hil.drivers.switch.mock.device`), so that the isolation suite and the fabric take
either: `running`, `startup`, `carried`, `writes`, `set_by_hand`, `reboot`, `drop_sessions`, `faults`, `log`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Protocol

from hil.core.model import CLOSED, PortState
from hil.core.wiring import Mac, Neighbour
from hil.drivers.switch.mock.device import Carried, Command, Delays, Foreign, Held
from hil.drivers.switch.mock.faults import FaultKind, Faults, Op


class Mode(StrEnum):
    ACCESS = "access"
    TRUNK = "trunk"
    HYBRID = "hybrid"
    """Untagged in one VLAN and tagged in others, as its own mode: general, hybrid, trunk-no-default-native."""
    ROUTED = "routed"
    """No switch port at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortConfig:
    """How one port is configured. A platform uses the fields that it has; the others keep their defaults.

    `access` is the untagged VLAN in access mode, `native` in the others; `allowed` the tagged (or allowed) VLANs of a
    trunk, None meaning ALL. `lines` are further lines of configuration, kept as they were typed.
    """

    mode: Mode = Mode.ACCESS
    access: int | None = 1
    native: int | None = 1
    allowed: frozenset[int] | None = frozenset()
    shut: bool = False
    lag: str = ""
    lines: frozenset[str] = frozenset()


@dataclass(slots=True)
class Config:
    """A whole configuration: what a commit, a save, a rollback and a reboot copy."""

    ports: dict[str, PortConfig] = field(default_factory=dict)
    vlans: set[int] = field(default_factory=lambda: {1})
    lines: set[str] = field(default_factory=set)
    """Lines that are of no port and of no VLAN, as they were typed."""

    def copy(self) -> Config:
        return Config(dict(self.ports), set(self.vlans), set(self.lines))


class Rule(Protocol):
    """What a platform makes of a configured port."""

    def carried(self, config: Config, port: str) -> Carried:
        """What the data plane lets through; VLANs that do not exist, where they must, carry nothing."""
        ...

    def held(self, config: Config, port: str) -> Held:
        """What a faithful driver reads of the port: a state, or Foreign with the mode that HIL cannot mean."""
        ...

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        """How somebody at the console would configure the port to be `held` (VLANs are made by the caller)."""
        ...


class Dropped(Exception):
    """The session dies here: the server resets the connection and says nothing more."""


class Busy(Exception):
    """Another session holds the configuration: the server says so in the platform's words."""


class Device:
    """One emulated switch of any platform. Belongs to one event loop.

    `username` or `password` None accepts any. `max_sessions` refuses further log-ins. `on_step` is called at each step
    (`login`, `read`, `write`, `save`, each with `.before` and `.after`): what it raises stops the device there.
    """

    fenced: Final = False
    fence: Final = 0
    parked: Final = None
    """Kept for the face: what a driver parks on is the rule's business, and `held` answers without it."""

    def __init__(
        self,
        name: str,
        rule: Rule,
        ports: Iterable[str],
        *,
        factory: PortConfig | None = None,
        vlans: Iterable[int] = (1,),
        username: str | None = "hil",
        password: str | None = "pw",  # noqa: S107 a lab's device, on loopback
        max_sessions: int | None = None,
        delays: Delays | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        self.name, self.rule = name, rule
        self.username, self.password, self.max_sessions = username, password, max_sessions
        self.delays, self.sleep, self.clock, self.on_step = delays or Delays(), sleep, clock, on_step
        self.faults, self.log = Faults(), list[Command]()
        self.sessions: set[Session] = set()
        self.neighbours: dict[str, list[Neighbour]] = {}
        """Who speaks LLDP on a port, as whoever plays the cables says; emulators print it in the platform's format."""
        self.macs: dict[str, list[Mac]] = {}
        """Whom the device has heard on a port, likewise."""
        first = Config(dict.fromkeys(ports, factory or PortConfig()), set(vlans))
        self.config, self.saved = first, first.copy()
        self._logins = 0

    def ports(self) -> list[str]:
        return list(self.config.ports)

    def running(self, port: str) -> Held:
        """What the port is now, as a faithful driver reads it. Raises KeyError if there is none of that name."""
        return self.rule.held(self.config, port)

    def startup(self, port: str) -> Held:
        return self.rule.held(self.saved, port)

    @property
    def unsaved(self) -> frozenset[str]:
        """Ports whose configuration a reboot would change."""
        return frozenset(port for port in self.config.ports if self.config.ports[port] != self.saved.ports.get(port))

    def carried(self, port: str) -> Carried:
        return self.rule.carried(self.config, port)

    def writes(self, port: str | None = None) -> list[Command]:
        """The changes of ports that sessions have made, oldest first."""
        return [entry for entry in self.log if entry.action == "write" and port in (None, entry.port)]

    def set_by_hand(self, port: str, held: Held) -> None:
        """Change a port as somebody at the console would: no fault, not saved. Raises KeyError."""
        before = self.running(port)
        wanted = held if isinstance(held, PortState) else held.carries or CLOSED
        self.config.vlans |= wanted.vlans
        self.config.ports[port] = self.rule.configured(self.config, port, held)
        self.note("hand", "hand", port, before, held, self.running(port))

    def reboot(self) -> None:
        """Drop every session and forget what was not saved."""
        self.drop_sessions()
        self.config = self.saved.copy()
        self.note("power", "reboot")

    def drop_sessions(self) -> None:
        for session in list(self.sessions):
            session.close()

    def admits(self, username: str, password: str) -> bool:
        """Judge a log-in; a server calls it as often as its protocol asks (HTTP Basic: for each request)."""
        return not (
            (self.username is not None and username != self.username)
            or (self.password is not None and password != self.password)
            or self.faults.strike(FaultKind.WRONG_PASSWORD, Op.LOGIN)
        )

    async def begin(self, username: str) -> Session:
        """Begin a session for who was admitted. Raises Dropped (also when all sessions are taken)."""
        self.step("login.before")
        if self.faults.strike(FaultKind.UNREACHABLE, Op.LOGIN) or self.faults.strike(FaultKind.LOSE_REQUEST, Op.LOGIN):
            raise Dropped
        await self.take(self.delays.login, Op.LOGIN)
        if self.max_sessions is not None and len(self.sessions) >= self.max_sessions:
            raise Dropped
        self._logins += 1
        session = Session(self, f"{username}#{self._logins}")
        self.sessions.add(session)
        self.note(session.who, "login")
        self.step("login.after")
        if self.faults.strike(FaultKind.LOSE_REPLY, Op.LOGIN):
            session.close()
            raise Dropped
        return session

    def step(self, name: str) -> None:
        if self.on_step is not None:
            self.on_step(name)

    async def take(self, seconds: float, op: Op, port: str | None = None) -> None:
        if self.faults and (slow := self.faults.strike(FaultKind.SLOW, op, port)):
            seconds += slow.seconds
        if seconds:
            await self.sleep(seconds)

    def note(self, who: str, action: str, port: str | None = None, *held: Held) -> None:
        self.log.append(Command(self.clock(), who, None, action, port, *held))


class Session:
    """One log-in on the device's side, whatever carries it. Whoever carries it sets `on_close`.

    A server's request is `await enter(op)`, then the work, then `leave(op)`; Dropped from either, or from anything
    between, means: reset the connection and say nothing. A change of a port is `set`, alone or inside a commit.
    """

    def __init__(self, device: Device, who: str) -> None:
        self.device, self.who, self.alive = device, who, True
        self.on_close: Callable[[], None] | None = None

    async def enter(self, op: Op, port: str | None = None, seconds: float | None = None) -> None:
        """Begin a request. `seconds` is how long it takes; None: the device's delay for `op`. Raises Dropped, Busy."""
        device = self.device
        if not self.alive or self._strikes(FaultKind.UNREACHABLE, op, port):
            raise Dropped
        if self._strikes(FaultKind.LOSE_REQUEST, op, port):
            raise Dropped
        await device.take(getattr(device.delays, op) if seconds is None else seconds, op, port)
        if not self.alive:
            raise Dropped
        if op in (Op.WRITE, Op.SAVE) and device.faults.strike(FaultKind.BUSY, op, port):
            raise Busy
        device.step(f"{op}.before")

    def leave(self, op: Op, port: str | None = None) -> None:
        """End a request: its answer is about to be sent. Raises Dropped."""
        self.device.step(f"{op}.after")
        if not self.alive or self._strikes(FaultKind.LOSE_REPLY, op, port):
            raise Dropped

    def refusal(self, port: str) -> str | None:
        """The device's words if a change of this port is refused on purpose. Ask once for each command or commit."""
        fault = self.device.faults.strike(FaultKind.REFUSE, Op.WRITE, port)
        return None if fault is None else fault.words

    def set(self, port: str, config: PortConfig, *, into: Config | None = None) -> None:
        """Give a port a configuration: the running one (logged, unless the device lies), or a candidate `into`.

        Raises KeyError for an unknown port, Dropped where the session dies after this port (`half`).
        """
        device = self.device
        if into is not None and into is not device.config:
            into.ports[port] = config
            return
        before = device.running(port)
        asked = device.rule.held(replace_port(device.config, port, config), port)
        if not device.faults.strike(FaultKind.LIE, Op.WRITE, port):
            device.config.ports[port] = config
        device.note(self.who, "write", port, before, asked, device.running(port))
        if self._strikes(FaultKind.HALF, Op.WRITE, port):
            raise Dropped

    def commit(self, candidate: Config) -> None:
        """Make a candidate the running configuration in one step; what differs is logged port by port."""
        device = self.device
        before = {port: device.running(port) for port in device.config.ports}
        changed = [port for port, config in candidate.ports.items() if device.config.ports.get(port) != config]
        asked = {port: device.rule.held(candidate, port) for port in changed}
        lies = [port for port in changed if device.faults.strike(FaultKind.LIE, Op.WRITE, port)]
        new = candidate.copy()
        new.ports.update({port: device.config.ports[port] for port in lies})
        device.config = new
        for port in changed:
            device.note(self.who, "write", port, before[port], asked[port], device.running(port))

    def save(self) -> str | None:
        """Copy the running configuration to the startup one; the device's words if it fails."""
        fault = self.device.faults.strike(FaultKind.FAIL_SAVE, Op.SAVE)
        if fault is not None:
            return fault.words
        self.device.saved = self.device.config.copy()
        self.device.note(self.who, "save")
        return None

    def close(self) -> None:
        if self.alive:
            self.alive = False
            self.device.sessions.discard(self)
            if self.on_close is not None:
                self.on_close()

    def _strikes(self, kind: FaultKind, op: Op, port: str | None) -> bool:
        if self.device.faults and self.device.faults.strike(kind, op, port):
            self.close()
            return True
        return False


def replace_port(config: Config, port: str, new: PortConfig) -> Config:
    """A copy of a configuration with one port changed."""
    copy = config.copy()
    copy.ports[port] = new
    return copy


def trunk_of_all(config: PortConfig) -> PortConfig:
    """The port as a careless hand leaves it: a trunk of every VLAN, up."""
    return replace(config, mode=Mode.TRUNK, allowed=None, native=1, shut=False)


ANY_VLAN: Final = Foreign("trunk of all VLANs", "switchport trunk allowed vlan all")
"""What `running` may answer for such a port; the raw text is the platform's own."""
