"""A session with a switch that is configured line by line, for every platform without a transaction.

What a platform differs in is a `Platform`: what to ask, how to read the answers, which lines to write. The lines of a
port are written in turn up to the first that is refused, so a port is always left at one of the steps that the plan
went through, each within old ∪ new; the other ports go on. It never retries; after any error but a refusal it is
closed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Generic, Protocol, TypeVar

from hil.core import guard
from hil.core.devices import Capabilities, Writer
from hil.core.errors import DeviceError, Refused
from hil.core.model import Observed, PortChange
from hil.core.vlans import fold
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.cli.dialect import Dialect
from hil.drivers.switch.cli.shell import Shell, failure
from hil.drivers.switch.cli.steps import Step
from hil.drivers.switch.order import differing, foreign_vlans
from hil.drivers.transport.errors import mapped
from hil.drivers.transport.ssh import connect


class Lines(Protocol):
    """Whatever takes command lines: a shell, or an interface that is told them over HTTP."""

    sent: bool

    @property
    def device(self) -> str: ...

    async def tell_all(self, commands: Sequence[str], writer: Writer) -> Refused | None:
        """Write lines up to the first that is refused; ask the lease before each that is sent."""
        ...

    async def enter(self, writer: Writer) -> None: ...

    async def leave(self) -> None: ...


class Connection(Protocol):
    """What is to be closed."""

    def close(self) -> None: ...

    async def closed(self) -> None: ...


L = TypeVar("L", bound=Lines)
L_contra = TypeVar("L_contra", bound=Lines, contravariant=True)


class Platform(Protocol[L_contra]):
    """A platform's own part of a session. Its functions are pure, but for those that are given the shell."""

    @property
    def capabilities(self) -> Capabilities: ...

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]: ...

    async def read(self, shell: L_contra, config: Mapping[str, Any]) -> dict[str, Observed]:
        """Every port that the switch has. Raises Refused; ValueError for what makes no sense."""
        ...

    def steps(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[Step]:
        """Everything to be written for a batch that is in order and in which every port changes."""
        ...

    async def save(self, shell: L_contra, writer: Writer) -> None:
        """Raises Refused."""
        ...

    async def about(self, shell: L_contra) -> About: ...

    async def neighbours(self, shell: L_contra) -> dict[str, list[Neighbour]]: ...

    async def macs(self, shell: L_contra) -> dict[str, list[Mac]]: ...


class LineSession(Generic[L]):
    """Speak the contract of `SwitchSession` to whatever takes lines."""

    def __init__(self, connection: Connection, shell: L, platform: Platform[L], config: Mapping[str, Any]) -> None:
        self._connection, self._shell, self._platform, self._config = connection, shell, platform, config
        self._untouchable: dict[str, str] | None = None

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        with self._closing():
            found = await self._platform.read(self._shell, self._config)
        self._untouchable = {port: seen.reason for port, seen in found.items() if untouchable(seen)}
        if ports is None:
            return found
        if unknown := [port for port in ports if port not in found]:
            raise Refused(f"The switch has no port {', '.join(sorted(unknown))}.")
        return {port: found[port] for port in ports}

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> dict[str, DeviceError | None]:
        guard.device()
        answers: dict[str, DeviceError | None] = {change.port: None for change in batch}
        changes = [change for change in differing(batch) if not self._foreign(change, answers)]
        if any(change.have is None for change in changes):
            changes = await self._touchable(changes, answers)
        if changes:
            with self._closing():
                await self._write(self._platform.steps(self._config, changes), writer, answers)
        return answers

    async def save(self, writer: Writer) -> None:
        guard.device()
        with self._closing():
            writer.check()
            await self._platform.save(self._shell, writer)

    async def about(self) -> About:
        with self._closing():
            return await self._platform.about(self._shell)

    async def neighbours(self) -> dict[str, list[Neighbour]]:
        with self._closing():
            return await self._platform.neighbours(self._shell)

    async def macs(self) -> dict[str, list[Mac]]:
        with self._closing():
            return await self._platform.macs(self._shell)

    async def close(self) -> None:
        await self._connection.closed()

    async def _write(self, steps: Sequence[Step], writer: Writer, answers: dict[str, DeviceError | None]) -> None:
        try:
            await self._shell.enter(writer)
        except Refused as refused:
            answers.update({port: failure(port, refused) for step in steps for port in step.ports})
            return
        for step in steps:
            ports = [port for port in step.ports if answers[port] is None]
            if not ports:
                continue
            if error := await self._shell.tell_all(step.lines, writer):
                answers.update({port: failure(port, error) for port in ports})
        await self._shell.leave()

    def _foreign(self, change: PortChange, answers: dict[str, DeviceError | None]) -> bool:
        wrong = foreign_vlans(self._platform.capabilities, self._platform.parked(self._config), change)
        if wrong:
            answers[change.port] = Refused(f"Port {change.port}: this switch cannot carry VLAN {fold(wrong)}.")
        return bool(wrong)

    async def _touchable(self, changes: list[PortChange], answers: dict[str, DeviceError | None]) -> list[PortChange]:
        """Refuse what would write a member of a link aggregation, or what only a person can undo."""
        if self._untouchable is None:
            await self.read()
        kept = self._untouchable or {}
        for change in changes:
            if reason := kept.get(change.port):
                answers[change.port] = Refused(
                    f"Port {change.port} is not written ({reason}): free it by hand, or register what it belongs to."
                )
        return [change for change in changes if change.port not in kept]

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """Close after anything but a refusal; what makes no sense is a device that cannot be talked to."""
        guard.device()
        try:
            yield
        except Refused:
            raise
        except BaseException as error:
            self._connection.close()
            with mapped(self._shell.device, sent=self._shell.sent):
                raise error


LAG: Final = "member of LAG"
"""How the reason of a port begins that a link aggregation has taken; a platform's parser writes it."""
BY_HAND: Final = "only by hand: "
"""How the reason begins where nothing that HIL writes could undo what somebody configured."""


def untouchable(observed: Observed) -> bool:
    """Whether the port must not be written: it follows something else than its own VLAN lines."""
    return observed.state is None and observed.reason.startswith((LAG, BY_HAND))


class CliSession(LineSession[Shell]):
    """A session with a shell."""


class ShellPlatform(Platform[Shell], Protocol):
    """A platform that is spoken to in a shell."""

    @property
    def dialect(self) -> Dialect: ...


async def open_cli(config: Mapping[str, Any], platform: ShellPlatform) -> CliSession:
    """Log in and lead the shell to a privileged prompt. Raises Unreachable, LoginRefused, IdentityChanged."""
    ssh = await connect(config)
    try:
        shell = Shell(ssh.device, await ssh.shell(terminal=platform.dialect.terminal), platform.dialect, ssh.patience)
        await shell.login(config["username"], config.get("password", ""), config.get("enable_password", ""))
    except BaseException:
        ssh.close()
        raise
    return CliSession(ssh, shell, platform, config)


__all__ = [
    "BY_HAND",
    "LAG",
    "CliSession",
    "LineSession",
    "Platform",
    "ShellPlatform",
    "Step",
    "open_cli",
    "untouchable",
]
