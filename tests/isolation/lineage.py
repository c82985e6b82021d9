"""Whose doing a port's state is: HIL's, or a hand at the console, or the factory's.

What a hand did is excused until HIL has read the port as wished or written it, and not a moment longer; a reboot brings
back whatever was saved, and with it whose doing that was. A reboot alone excuses nothing: what HIL has settled it must
have saved. All of this is worked out from the devices' own logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hil.core.model import PortState
from hil.drivers.switch.mock.device import Carried, Command, EmulatedSwitch, Held

EVERYTHING: Final = -1
"""Stands for the VLANs of a port that carries all of them."""


def vlans(carried: Carried) -> frozenset[int]:
    found = carried.tagged if carried.native is None else carried.tagged | {carried.native}
    return found | {EVERYTHING} if carried.everything else found


@dataclass(frozen=True, slots=True)
class Doing:
    """`ours`: the VLANs that HIL put on the port or has accepted there; `foreign`: the whole is not HIL's doing."""

    ours: frozenset[int] = frozenset()
    foreign: bool = True


class Lineage:
    """The doings of one switch: of what is running, and of what a reboot would bring back."""

    def __init__(self, device: EmulatedSwitch) -> None:
        self.device = device
        self.running: dict[str, Doing] = dict.fromkeys(device.ports(), Doing())
        self.startup = dict(self.running)
        self._seen = len(device.log)

    def follow(self) -> list[Command]:
        """Take in what has happened to the device; answers what was new."""
        fresh = self.device.log[self._seen :]
        self._seen = len(self.device.log)
        for command in fresh:
            self._take(command)
        return fresh

    def _take(self, command: Command) -> None:
        if command.action == "save":
            self.startup = dict(self.running)
        elif command.action == "reboot":
            self.running = dict(self.startup)
        elif command.port is not None and command.after is not None:
            self.running[command.port] = self._changed(self.running[command.port], command)

    def _changed(self, doing: Doing, command: Command) -> Doing:
        kept = self._vlans(command.after)
        if command.action == "hand":
            return Doing(doing.ours & kept, doing.foreign or command.before != command.after)
        lied = command.after == command.before and command.after != command.asked
        return doing if lied else Doing(kept, foreign=False)

    def _vlans(self, held: Held | None) -> frozenset[int]:
        """What a port so configured carries; a parked native carries nothing."""
        if not isinstance(held, PortState):
            return frozenset(range(1, 4095)) | {EVERYTHING}
        native = None if held.native == self.device.parked else held.native
        return vlans(Carried(native, held.tagged))

    def accepted(self, port: str) -> None:
        """HIL has read the port and found it as wished: from now on it is HIL's."""
        self.running[port] = Doing(vlans(self.device.carried(port)), foreign=False)

    def excused(self, port: str, vlan: int) -> bool:
        return vlan not in self.running[port].ours

    def foreign(self, port: str) -> bool:
        return self.running[port].foreign

    def renewed(self, port: str) -> None:
        """The port was exchanged for a new one."""
        self.running[port] = self.startup[port] = Doing()


def lineages(devices: Mapping[str, EmulatedSwitch]) -> dict[str, Lineage]:
    return {name: Lineage(device) for name, device in devices.items()}
