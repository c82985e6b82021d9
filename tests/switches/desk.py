"""A switch on the desk: a driver's session over an emulator's command line, without a server between them.

Everything but the bytes is real: the platform's reading, planning and judging on one side, the emulated device on the
other. `after` is called with each line once the device has done it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from hil.core.devices import Writer
from hil.core.model import CLOSED, Observed, PortChange, PortState
from hil.drivers.switch.cli.dialect import Answers
from hil.drivers.switch.cli.session import CliSession, ShellPlatform
from hil.drivers.switch.cli.shell import Shell
from hil.drivers.switch.mock.device import Foreign
from hil.lab.devices.model import Device, PortConfig, Session
from hil.lab.devices.shell import Terminal
from tests.switches.harness import Watched

WRITER = Writer(1, lambda: None)
Held = PortState | Foreign | PortConfig


class Cabled(Protocol):
    """An emulator whose command line can be had without a server."""

    def terminal(self, session: Session) -> Terminal: ...


class DeskShell(Shell):
    """Hands lines to a terminal."""

    def __init__(self, terminal: Terminal, platform: ShellPlatform) -> None:
        super().__init__("desk", _Nowhere(), platform.dialect, 1.0)
        self.terminal = terminal
        self.said: list[str] = []
        self.after: Callable[[str], None] = lambda line: None
        self._see()

    async def run(self, command: str, *, answers: Answers = (), changes: bool = False, patience: float = 0.0) -> str:
        self.said.append(command)
        self.sent = self.sent or changes
        output = await self.terminal.obey(command)
        self._see()
        self.after(command)
        return output

    async def resynchronise(self) -> None:
        """There is nothing on the way."""

    def _see(self) -> None:
        self.mode = f"{self.terminal.host}{self.terminal.face.prompts[self.terminal.mode]}"


class _Nowhere:
    """No bytes pass here."""

    ended = False

    def write(self, data: bytes) -> None:
        raise AssertionError(data)

    async def drain(self) -> None:
        raise AssertionError

    async def read(self, limit: int = 0) -> bytes:
        raise AssertionError

    def close(self) -> None:
        """Nothing to close."""

    async def closed(self) -> None:
        """Nothing to wait for."""


class Desk:
    """One device, one session of its driver."""

    def __init__(
        self,
        emulated: Cabled,
        device: Device,
        platform: ShellPlatform,
        config: Mapping[str, Any],
        kind: type[CliSession] = CliSession,
    ) -> None:
        terminal = emulated.terminal(Session(device, "desk"))
        terminal.mode = "exec"
        self.device, self.config, self.platform = device, config, platform
        self.shell = DeskShell(terminal, platform)
        self.session = kind(_Nowhere(), self.shell, platform, config)

    def put(self, port: str, held: Held) -> None:
        """Make a port what it is to be before the test begins."""
        if isinstance(held, PortConfig):
            self.device.config.vlans |= (held.allowed or frozenset()) | {held.native or 1, held.access or 1}
            self.device.config.ports[port] = held
        else:
            self.device.set_by_hand(port, held)

    async def read(self) -> dict[str, Observed]:
        return await self.session.read()

    async def leads(self, wants: Mapping[str, PortState], *, blind: bool = False) -> list[str]:
        """Apply, watched line by line; answer what was said. `blind`: nothing is known of any port before."""
        seen = await self.session.read(list(wants))
        batch = [PortChange(port, None if blind else seen[port].state, want) for port, want in wants.items()]
        watched = Watched(self.device, wants)
        self.shell.said.clear()
        self.shell.after = watched.check
        assert set((await self.session.apply(batch, WRITER)).values()) <= {None}
        self.shell.after = lambda line: None
        said = list(self.shell.said)
        watched.reached()
        assert {port: found.state for port, found in (await self.session.read(list(wants))).items()} == dict(wants)
        return said

    async def agrees(self, port: str) -> None:
        """What is read of a port is what the device does, or is declined with the device's words."""
        found, held = (await self.session.read([port]))[port], self.device.running(port)
        carried = self.device.carried(port)
        if isinstance(held, PortState):
            assert found.state == held
            assert not carried.everything
            assert held == CLOSED or (set(carried.tagged) | {carried.native}) - {None} <= held.vlans
        else:
            assert found.state is None, held
            assert found.reason
            assert found.raw


CHARACTERISTIC = (
    CLOSED,
    PortState(10),
    PortState(11),
    PortState(10, frozenset({20})),
    PortState(20, frozenset({10})),
    PortState(11, frozenset({10, 20})),
    PortState(None, frozenset({20})),
    PortState(None, frozenset({10, 11, 20})),
)
"""States of which each pair differs in its own way."""


async def every_pair(make: Callable[[], Desk], port: str, *, nativeless: bool = True) -> None:
    """Lead a port from each characteristic state to each other, known and unknown, watched line by line."""
    states = [state for state in CHARACTERISTIC if nativeless or state.native or not state.enabled]
    for have in states:
        for want in states:
            for blind in (False, True):
                there = make()
                await there.leads({port: have}, blind=True)
                await there.leads({port: want}, blind=blind)
