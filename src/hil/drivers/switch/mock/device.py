"""The emulated switch: one device model behind the mock driver, the emulated driver and the lab.

It behaves as real switches do where that hurts: a new port carries untagged VLAN 1, the running configuration
is lost in a reboot unless it was saved, a batch is worked off port by port, a port is narrowed before it is
widened, a session can die at any step, and the device may be slow, busy, refuse or lie (`faults`). It does
not forward frames: who hears whom is computed from `carried` by the lab's fabric. It opens no socket, and it
takes time only through the `sleep` that it was given.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from hil.core.devices import Atomicity, Nativeless
from hil.core.errors import DeviceBusy, LeaseLost, LoginRefused, LostReply, Refused, Unreachable
from hil.core.model import CLOSED, Observed, PortState
from hil.core.vlans import FIRST, LAST, fold
from hil.core.wiring import Mac, Neighbour
from hil.drivers.switch.mock.faults import FaultKind, Faults, Op

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Foreign:
    """A port in a mode that HIL cannot mean: trunk of all, LAG member. `carries` None: every VLAN."""

    reason: str
    raw: str
    carries: PortState | None = None


Held = PortState | Foreign
"""What a port is configured to be."""

FACTORY = PortState(native=1)


class Carried(NamedTuple):
    """What the data plane of a port lets through."""

    native: int | None
    tagged: frozenset[int]
    everything: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """How long the device takes, in seconds: per log-in, read request, port written, save."""

    login: float = 0.0
    read: float = 0.0
    write: float = 0.0
    save: float = 0.0


class Command(NamedTuple):
    """One accepted command: login, write, save by a session (`user#number`), hand at the console, or reboot.

    `asked` differs from `after` when the device lied or stopped half-way.
    """

    at: float
    who: str
    fence: int | None
    action: str
    port: str | None = None
    before: Held | None = None
    asked: Held | None = None
    after: Held | None = None


class EmulatedSwitch:
    """One switch with its configuration, sessions, faults and log. Belongs to one event loop.

    `ports` None makes any port exist as soon as it is named. `parked` belongs to Nativeless.PARKED: a native
    VLAN of this id lets no untagged frame through. Under Atomicity.NONE the write of a port passes through
    the part that old and new have in common; under PORT it is one step; under SWITCH so is the batch.
    `on_step` is called at each step (`login`, `read`, `write`, `save`, each with `.before` and `.after`, and
    `write.middle`): what it raises stops the device there.
    """

    def __init__(
        self,
        name: str = "switch",
        *,
        ports: Iterable[str] | None = None,
        factory: PortState = FACTORY,
        nativeless: Nativeless = Nativeless.TRUE,
        parked: int | None = None,
        atomicity: Atomicity = Atomicity.NONE,
        username: str | None = None,
        password: str | None = None,
        max_sessions: int | None = None,
        fenced: bool = False,
        delays: Delays | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        if (nativeless is Nativeless.PARKED) != (parked is not None):
            raise ValueError("a parked VLAN belongs to Nativeless.PARKED, and to nothing else")
        self.name, self.factory = name, factory
        self.nativeless, self.parked, self.atomicity = nativeless, parked, atomicity
        self.username, self.password, self.max_sessions, self.fenced = (
            username,
            password,
            max_sessions,
            fenced,
        )
        self.delays, self.sleep, self.clock, self.on_step = delays or Delays(), sleep, clock, on_step
        self.faults = Faults()
        self.log: list[Command] = []
        self.fence = 0
        """The newest fence that a writer has shown; kept over a reboot, as configuration is."""
        self.sessions: set[Conversation] = set()
        self.neighbours: dict[str, list[Neighbour]] = {}
        self.macs: dict[str, list[Mac]] = {}
        """Who is heard on which port, by LLDP and at all: whoever plays the cables says so."""
        self._on_demand = ports is None
        self._running: dict[str, Held] = dict.fromkeys(ports or (), factory)
        self._startup = dict(self._running)
        self._logins = 0

    # What it is configured to be.

    def ports(self) -> list[str]:
        """Every port that exists, in the order in which it came to be."""
        return list(self._running)

    def running(self, port: str) -> Held:
        """What the port is now. Raises KeyError if there is none of that name."""
        return self._running[port] if not self._on_demand else self._running.setdefault(port, self.factory)

    def startup(self, port: str) -> Held:
        """What the port will be after a reboot."""
        return self._startup.get(port, self.factory)

    @property
    def unsaved(self) -> frozenset[str]:
        """Ports whose configuration a reboot would change."""
        return frozenset(port for port, held in self._running.items() if held != self.startup(port))

    def carried(self, port: str) -> Carried:
        """What the port's data plane lets through now: never what was only promised or only saved."""
        held = self._running.get(port, self.factory) if self._on_demand else self._running[port]
        if isinstance(held, Foreign):
            if held.carries is None:
                return Carried(1, frozenset(), everything=True)
            held = held.carries
        return Carried(None if held.native == self.parked else held.native, held.tagged)

    def writes(self, port: str | None = None) -> list[Command]:
        """The accepted writes by sessions, oldest first."""
        return [entry for entry in self.log if entry.action == "write" and port in (None, entry.port)]

    # What happens to it from outside any session.

    def set_by_hand(self, port: str, held: Held) -> None:
        """Change a port as somebody at the console would: no fence, no fault, not saved. Raises KeyError."""
        before = self.running(port)
        self._running[port] = held
        self._note("hand", None, "hand", port, before, held, held)

    def reboot(self) -> None:
        """Drop every session and forget what was not saved."""
        self.drop_sessions()
        self._running = {port: self.startup(port) for port in self._running}
        self._note("power", None, "reboot")

    def drop_sessions(self) -> None:
        """End every session, as when the way to the device breaks or its client is killed."""
        for session in list(self.sessions):
            session.close()

    async def login(self, username: str, password: str) -> Conversation:
        """Begin a session. Raises Unreachable (also when all sessions are taken) or LoginRefused."""
        self._step("login.before")
        if self.faults.strike(FaultKind.UNREACHABLE, Op.LOGIN) or self.faults.strike(FaultKind.LOSE_REQUEST, Op.LOGIN):
            raise Unreachable(f"{self.name} does not answer.")
        await self._take(self.delays.login, Op.LOGIN, None)
        if self._refuses(username, password) or self.faults.strike(FaultKind.WRONG_PASSWORD, Op.LOGIN):
            raise LoginRefused(f"{self.name} refuses the user name or password.")
        if self.max_sessions is not None and len(self.sessions) >= self.max_sessions:
            raise Unreachable(f"{self.name} has no session left: all {self.max_sessions} are taken.")
        self._logins += 1
        session = Conversation(self, f"{username}#{self._logins}")
        self.sessions.add(session)
        self._note(session.who, None, "login")
        self._step("login.after")
        if self.faults.strike(FaultKind.LOSE_REPLY, Op.LOGIN):
            session.close()
            raise Unreachable(f"{self.name} stopped answering during the log-in.")
        return session

    # Inside.

    def _refuses(self, username: str, password: str) -> bool:
        return (self.username is not None and username != self.username) or (
            self.password is not None and password != self.password
        )

    def _step(self, name: str) -> None:
        if self.on_step is not None:
            self.on_step(name)

    async def _take(self, seconds: float, op: Op, port: str | None) -> None:
        if self.faults and (slow := self.faults.strike(FaultKind.SLOW, op, port)):
            seconds += slow.seconds
        if seconds:
            await self.sleep(seconds)

    def _note(self, who: str, fence: int | None, action: str, port: str | None = None, *held: Held) -> None:
        self.log.append(Command(self.clock(), who, fence, action, port, *held))

    def _refusal(self, port: str, want: PortState) -> str | None:
        """The device's own words against a write, if it has any."""
        if not self._on_demand and port not in self._running:
            return f"% Invalid port {port}"
        if wrong := [vlan for vlan in want.vlans if not FIRST <= vlan <= LAST]:
            return f"% Bad VLAN list {fold(wrong)}"
        if self.nativeless is not Nativeless.TRUE and want.tagged and want.native is None:
            return "% A trunk needs a native VLAN"
        if self.faults and (fault := self.faults.strike(FaultKind.REFUSE, Op.WRITE, port)):
            return fault.words
        return None

    def _common(self, before: Held, after: PortState) -> PortState:
        """What old and new have in common: the port carries it between narrowing and widening."""
        if isinstance(before, Foreign):
            return CLOSED
        native = after.native if after.native == before.native else None
        tagged = before.tagged & after.tagged
        if native is None and tagged and self.nativeless is not Nativeless.TRUE:
            return CLOSED if self.parked is None else PortState(self.parked, tagged)
        return PortState(native, tagged)

    def _admit(self, fence: int) -> None:
        if self.fenced and fence < self.fence:
            raise LeaseLost(f"{self.name} has seen a newer writer: fence {self.fence}, not {fence}.")
        self.fence = max(self.fence, fence)


class Conversation:
    """One session on the device's side. `alive` ends with `close`, a fault, or the device's reboot.

    Whoever carries it elsewhere may set `on_close`.
    """

    def __init__(self, device: EmulatedSwitch, who: str) -> None:
        self.device, self.who, self.alive = device, who, True
        self.on_close: Callable[[], None] | None = None

    @property
    def atomicity(self) -> Atomicity:
        return self.device.atomicity

    async def read(self, ports: Collection[str] | None) -> dict[str, Observed]:
        """Read ports (None: all). Raises Refused for an unknown one, LostReply, Unreachable."""
        device = self.device
        await self._enter(Op.READ, None, device.delays.read)
        device._step("read.before")
        try:
            answer = {port: observed(device.running(port)) for port in (device._running if ports is None else ports)}
        except KeyError as unknown:
            raise Refused(f"{device.name}: % Invalid port {unknown.args[0]}") from None
        device._step("read.after")
        self._leave(Op.READ, None)
        return answer

    async def neighbours(self) -> dict[str, list[Neighbour]]:
        return await self._told(self.device.neighbours)

    async def macs(self) -> dict[str, list[Mac]]:
        return await self._told(self.device.macs)

    async def _told(self, table: Mapping[str, list[T]]) -> dict[str, list[T]]:
        await self._enter(Op.READ, None, self.device.delays.read)
        self._leave(Op.READ, None)
        return {port: list(found) for port, found in table.items() if found}

    async def write(self, changes: Mapping[str, PortState], fence: int) -> dict[str, Refused | None]:
        """Write ports in this order and answer the refusals; under Atomicity.SWITCH all or none."""
        if self.atomicity is Atomicity.SWITCH:
            return await self._write_whole(changes, fence)
        answers: dict[str, Refused | None] = {}
        for port, want in changes.items():
            await self._begin_write(port, fence)
            words = self.device._refusal(port, want)
            if words is None:
                self._set(port, want, fence)
            answers[port] = None if words is None else Refused(f"{self.device.name}, port {port}: {words}")
            self._leave(Op.WRITE, port)
        return answers

    async def save(self, fence: int) -> None:
        """Copy the running configuration to the startup configuration."""
        device = self.device
        await self._enter(Op.SAVE, None, device.delays.save)
        device._admit(fence)
        self._turn_away(Op.SAVE, None)
        if fault := device.faults.strike(FaultKind.FAIL_SAVE, Op.SAVE):
            raise Refused(f"{device.name}: {fault.words}")
        device._step("save.before")
        device._startup = dict(device._running)
        device._note(self.who, fence, "save")
        device._step("save.after")
        self._leave(Op.SAVE, None)

    def close(self) -> None:
        if self.alive:
            self.alive = False
            self.device.sessions.discard(self)
            if self.on_close is not None:
                self.on_close()

    async def _write_whole(self, changes: Mapping[str, PortState], fence: int) -> dict[str, Refused | None]:
        for port in changes:
            await self._begin_write(port, fence)
        words = {port: self.device._refusal(port, want) for port, want in changes.items()}
        if refused := {port: said for port, said in words.items() if said is not None}:
            others = f"not done, because port {next(iter(refused))} was refused"
            return {port: Refused(f"{self.device.name}, port {port}: {refused.get(port, others)}") for port in changes}
        for port, want in changes.items():
            self._set(port, want, fence)
        for port in changes:
            self._leave(Op.WRITE, port)
        return dict.fromkeys(changes)

    def _set(self, port: str, want: PortState, fence: int) -> None:
        device = self.device
        before = device.running(port)
        lies = device.faults.strike(FaultKind.LIE, Op.WRITE, port)
        device._step("write.before")
        try:
            if device.atomicity is Atomicity.NONE and not lies:
                device._running[port] = device._common(before, want)
                device._step("write.middle")
                self._lose(FaultKind.HALF, Op.WRITE, port)
            if not lies:
                device._running[port] = want
        finally:
            device._note(self.who, fence, "write", port, before, want, device._running[port])
        device._step("write.after")

    async def _begin_write(self, port: str, fence: int) -> None:
        await self._enter(Op.WRITE, port, self.device.delays.write)
        self.device._admit(fence)
        self._turn_away(Op.WRITE, port)

    async def _enter(self, op: Op, port: str | None, seconds: float) -> None:
        if not self.alive:
            raise Unreachable(f"{self.device.name} had ended the session: nothing was sent.")
        if self.device.faults:
            self._lose(FaultKind.UNREACHABLE, op, port)
            self._lose(FaultKind.LOSE_REQUEST, op, port)
        await self.device._take(seconds, op, port)
        if not self.alive:
            raise LostReply(f"{self.device.name} ended the session in the middle of a request.")

    def _leave(self, op: Op, port: str | None) -> None:
        if self.device.faults:
            self._lose(FaultKind.LOSE_REPLY, op, port)

    def _lose(self, kind: FaultKind, op: Op, port: str | None) -> None:
        if self.device.faults.strike(kind, op, port):
            self.close()
            raise LostReply(f"{self.device.name} stopped answering in the middle of a request.")

    def _turn_away(self, op: Op, port: str | None) -> None:
        if self.device.faults.strike(FaultKind.BUSY, op, port):
            raise DeviceBusy(f"{self.device.name}: another session holds the configuration.")


def observed(held: Held) -> Observed:
    """What a session reads of a port."""
    if isinstance(held, PortState):
        return Observed(held)
    return Observed(None, held.reason, held.raw)


_switches: dict[str, EmulatedSwitch] = {}


def switch_at(hostname: str) -> EmulatedSwitch:
    """The mock switch of that name in *this process*; made at its first use, with ports on demand."""
    found = _switches.get(hostname)
    return found if found is not None else _switches.setdefault(hostname, EmulatedSwitch(hostname))


def place(hostname: str, device: EmulatedSwitch | None) -> None:
    """Put a switch where `switch_at` finds it; None takes it away, and the next use makes a new one."""
    if device is None:
        _switches.pop(hostname, None)
    else:
        _switches[hostname] = device
