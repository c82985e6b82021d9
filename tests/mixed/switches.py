"""Switches of real platforms with the face that the isolation suite knows: ports `p0`, `p1`, …, no protocols.

Behind each stands an emulator of the lab that is spoken to in its own protocol, on loopback, by the driver that HIL
uses for the real device. A link is that driver's session with gates beside every operation, where a worker can
stand or die.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceError
from hil.core.model import CLOSED, Observed, PortChange
from hil.drivers.registry import switch_spec
from hil.drivers.switch.mock.device import Carried, Command, Held
from hil.drivers.switch.mock.faults import Faults
from hil.lab.devices import Served, emulator
from hil.lab.devices.model import Config, Device
from hil.lab.devices.parent import ParentDevice
from tests.isolation.lineage import Doing, Lineage

if TYPE_CHECKING:
    from tests.mixed.stage import MixedStage


class Face:
    """One emulated device under the names of the suite's ports."""

    fenced = False
    parked = None

    def __init__(self, driver: str, name: str, count: int, **settings: Any) -> None:
        pattern = emulator(driver).ports[0]
        self.driver, self.spec = driver, switch_spec(driver)
        self.real = {f"p{at}": re.sub(r"\d+$", str(at + 1), pattern) for at in range(count)}
        self.ours = {real: port for port, real in self.real.items()}
        self.device: Device = emulator(driver).device(name, tuple(self.real.values()), **settings)
        self.nativeless = self.spec.capabilities.nativeless
        self.born = {port: self.device.running(real) for port, real in self.real.items()}
        self.fresh = self.device.config.copy()
        self.served: Served | None = None
        self.settings: Mapping[str, Any] = {}
        """Added to the configuration under which the device is served."""

    @property
    def faults(self) -> Faults:
        return self.device.faults

    @property
    def log(self) -> list[Command]:
        return self.device.log

    def ports(self) -> list[str]:
        return list(self.real)

    def running(self, port: str) -> Held:
        return self.device.running(self.real[port])

    def startup(self, port: str) -> Held:
        return self.device.startup(self.real[port])

    def carried(self, port: str) -> Carried:
        return self.device.carried(self.real[port])

    def set_by_hand(self, port: str, held: Held) -> None:
        """Change a port at the console. The switch behind a parent HIL is the parent's to guard, and its child has no
        way to see what a hand did there before the parent has: that is the subject of the parent's own histories."""
        if not isinstance(self.device, ParentDevice):
            self.device.set_by_hand(self.real[port], held)

    def reboot(self) -> None:
        self.device.reboot()

    def renew(self, port: str) -> None:
        """A new port, as the factory made it."""
        real = self.real[port]
        if isinstance(self.device, ParentDevice):
            self.device.leaf.set_by_hand(real, CLOSED)
            return
        for config in (self.device.config, self.device.saved):
            config.ports[real] = self.fresh.ports[real]

    def kept(self) -> Config:
        return self.device.saved.copy()

    def restore(self, kept: Config) -> None:
        self.device.config, self.device.saved = kept.copy(), kept.copy()


class MixedLineage(Lineage):
    """Worked out from the log of a device to which one change of a port is several commands."""

    def follow(self) -> list[Command]:
        fresh = self.device.log[self._seen :]
        self._seen = len(self.device.log)
        ours: Mapping[str, str] = self.device.ours  # type: ignore[attr-defined]  # always a Face
        told = [entry if entry.port is None else entry._replace(port=ours[entry.port]) for entry in fresh]
        for command in told:
            self._take(command)
        return told

    def _changed(self, doing: Doing, command: Command) -> Doing:
        """A command makes HIL's what it adds; what a hand put there stays the hand's until it is gone or accepted."""
        if command.action == "hand":
            return super()._changed(doing, command)
        before, after = self._vlans(command.before), self._vlans(command.after)
        ours = after & (doing.ours | (after - before))
        return Doing(ours, foreign=doing.foreign and after != ours)


class Link:
    """A worker's connection to one switch: breaks when the worker dies, and takes everything half-done with it."""

    def __init__(self, stage: MixedStage, name: str, face: Face, session: SwitchSession, mine: Collection[Any]) -> None:
        self.stage, self.name, self.device, self._session, self._mine = stage, name, face, session, mine

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        await self.stage.gate()
        found = await self._session.read(None if ports is None else [self.device.real[port] for port in ports])
        seen = {self.device.ours[port]: state for port, state in found.items()}
        self.stage.on_read(self.name, list(seen))
        await self.stage.gate()
        return seen

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> dict[str, DeviceError | None]:
        changes = [PortChange(self.device.real[change.port], change.have, change.want) for change in batch]
        answers = await self._session.apply(changes, self._gated(writer))
        if any(answers.values()):
            self.stage.on_refusal()
        await self.stage.gate()
        return {self.device.ours[port]: error for port, error in answers.items()}

    def _gated(self, writer: Writer) -> Writer:
        """A permit that is also a point where the worker can die, just before it sends."""

        def check() -> None:
            writer.check()
            self.stage.point("write.send")

        return Writer(writer.fence, check)

    async def save(self, writer: Writer) -> None:
        await self._session.save(self._gated(writer))
        await self.stage.gate()

    async def close(self) -> None:
        await self._session.close()

    def cut(self) -> None:
        """End it on the device's side, as a connection that breaks."""
        for session in self._mine:
            session.close()


class Talk:
    """What the suite's worker keeps of a connection, to break it when it is killed."""

    def __init__(self, link: Link) -> None:
        self.device, self.close = link.device, link.cut


async def real_time(seconds: float) -> None:
    """A device's short delay, in a thousandth of its time."""
    await asyncio.sleep(seconds / 1000)
