"""Emulated switches of every platform, each in its real protocol, all over one VLAN model. See `model` first."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol

from hil.lab.devices.model import Device

__all__ = ["EMULATORS", "Emulator", "Served", "emulator"]


@dataclass(frozen=True, slots=True)
class Served:
    """A device that is being served: `config` is what HIL must be told to reach it, host keys included."""

    device: Device
    config: Mapping[str, Any]


class Emulator(Protocol):
    """A platform of the lab, under the name of its driver."""

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of some ports, four or more, as the driver writes them."""
        ...

    def device(self, name: str, ports: tuple[str, ...] | None = None, **settings: Any) -> Device:
        """Make a device; `settings` are those of `Device`."""
        ...

    def serve(self, device: Device) -> AbstractAsyncContextManager[Served]:
        """Serve it on a free loopback port for as long as the block lasts."""
        ...


EMULATORS: Final[Mapping[str, str]] = {
    "dnos6": "hil.lab.devices.dnos6:EMULATOR",
    "eos": "hil.lab.devices.eos:EMULATOR",
    "hil": "hil.lab.devices.parent:EMULATOR",
    "ios": "hil.lab.devices.ios:EMULATOR",
    "junos": "hil.lab.devices.junos:EMULATOR",
    "nvue": "hil.lab.devices.nvue:EMULATOR",
    "nxos": "hil.lab.devices.nxos:EMULATOR",
    "os10": "hil.lab.devices.os10:EMULATOR",
    "os9": "hil.lab.devices.os9:EMULATOR",
    "powerconnect": "hil.lab.devices.powerconnect:EMULATOR",
    "slx": "hil.lab.devices.slx:EMULATOR",
    "snmp": "hil.lab.devices.snmp:EMULATOR",
    "sonic": "hil.lab.devices.sonic:EMULATOR",
}


def emulator(driver: str) -> Emulator:
    """Find the emulator of a driver's platform. Raises KeyError."""
    module, _, name = EMULATORS[driver].partition(":")
    found: Emulator = getattr(import_module(module), name)
    return found
