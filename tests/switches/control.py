"""A hand on an emulated device of any platform, as the conformance check wants it, and what only a platform can say.

What an aggregation is called, and which lines make an edge port, is written here once more, by hand: the drivers are
measured by it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hil.core.model import PortState
from hil.lab.devices.model import Device, Dropped, PortConfig
from hil.testing import Control
from hil.testing.emulated import Hand

AGGREGATIONS: Mapping[str, str] = {
    "dnos6": "7",
    "eos": "7",
    "ios": "Po7",
    "junos": "ae7",
    "nvue": "bond7",
    "nxos": "Po7",
    "os10": "7",
    "os9": "7",
    "powerconnect": "7",
    "slx": "7",
    "snmp": "7",
    "sonic": "PortChannel7",
}
"""What a platform calls the aggregation that takes a port; `hil` has none to show."""

EDGE: Mapping[str, Sequence[str]] = {
    "dnos6": ("spanning-tree portfast",),
    "eos": ("spanning-tree portfast", "spanning-tree bpduguard enable"),
    "ios": ("switchport nonegotiate", "spanning-tree portfast trunk", "spanning-tree bpduguard enable"),
    "junos": ("edge",),
    "nvue": ("admin-edge", "bpdu-guard"),
    "nxos": ("spanning-tree port type edge trunk", "spanning-tree bpduguard enable"),
    "os10": ("spanning-tree port type edge", "spanning-tree bpduguard enable"),
    "os9": ("spanning-tree rstp edge-port bpduguard shutdown-on-violation",),
    "powerconnect": ("spanning-tree portfast", "spanning-tree bpduguard enable"),
}
"""The lines of an edge port; platforms that are left out harden nothing, as their grades say."""

EDGE_OF_SWITCH: Mapping[str, str] = {
    "dnos6": "spanning-tree bpdu-protection",
    "junos": "bpdu-block-on-edge",
}
"""Where BPDU guard is one line for all edge ports of the switch."""

NEVER_SHOWN = frozenset({"snmp"})
"""Where no credential travels: a message of SNMPv3 is signed with a key that is good for one engine (RFC 3414, 2.6)."""


class Hourglass:
    """A sleep for a device whose timers end when the test says so."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def sleep(self, seconds: float) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    async def run_out(self) -> None:
        """End every sleep. Whoever slept has gone on by the time that anything comes over a socket."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()
        await asyncio.sleep(0)


class PlatformHand(Hand):
    """What a test can do to one device of a platform."""

    def __init__(self, device: Device, platform: str) -> None:
        super().__init__(device)
        self.device, self.platform = device, platform
        self._before: dict[str, PortConfig] = {}
        self._logins = 0
        admits = device.admits

        def counting(username: str, password: str) -> bool:
            self._logins += 1
            return admits(username, password)

        device.admits = counting  # type: ignore[method-assign]  # the lab's devices count no log-ins

    async def lose_reply(self) -> None:
        """Let the device die after the write that opens a port, which may be the last of several commands."""
        device = self.device
        before = {port: device.running(port) for port in device.ports()}

        def dies(step: str) -> None:
            if step == "write.after" and any(_opened(device, port, before[port]) for port in before):
                device.on_step = None
                raise Dropped

        device.on_step = dies

    async def bundle(self, port: str) -> None:
        found = self._before[port] = self.device.config.ports[port]
        self.device.config.ports[port] = replace(found, lag=AGGREGATIONS[self.platform])

    async def unbundle(self, port: str) -> None:
        self.device.config.ports[port] = self._before.pop(port)

    async def edge(self, port: str) -> bool:
        config = self.device.config
        switch = EDGE_OF_SWITCH.get(self.platform)
        return set(EDGE[self.platform]) <= config.ports[port].lines and (switch is None or switch in config.lines)

    async def soften(self, port: str) -> None:
        config = self.device.config
        config.ports[port] = replace(config.ports[port], lines=config.ports[port].lines - set(EDGE[self.platform]))
        config.lines -= {EDGE_OF_SWITCH.get(self.platform, "")}

    async def logins(self) -> int:
        return self._logins


def control_of(device: Device, platform: str, hourglass: Hourglass | None = None) -> Control:
    """Everything that a test can do to an emulated device of this platform."""
    hand = PlatformHand(device, platform)
    own: dict[str, Any] = {}
    if platform in AGGREGATIONS:
        own |= {"bundle": hand.bundle, "unbundle": hand.unbundle}
    if platform in EDGE:
        own |= {"edge": hand.edge, "soften": hand.soften}
    if platform not in NEVER_SHOWN:
        own |= {"logins": hand.logins}
    if hourglass is not None:
        own |= {"timeout": hourglass.run_out}
    return hand.control(**own)


def _opened(device: Device, port: str, before: object) -> bool:
    now = device.running(port)
    return now != before and isinstance(now, PortState) and now.enabled
