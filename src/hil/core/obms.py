"""The contract of an out-of-band driver: what a controller (BMC) can be asked, in plain values.

A *spec* says what a kind of controller is and can do, and checks its configuration; it opens nothing, so that whoever
registers a node may import it. Its *session* is loaded by obmd alone. Only what a tenant may do to a machine is here:
no user accounts, no firmware updates, no network settings of the controller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class PowerAction(StrEnum):
    ON = "on"
    OFF = "off"
    """At once, as by pulling the plug."""
    SOFT_OFF = "soft-off"
    """Ask the operating system; it may take its time, or refuse."""
    CYCLE = "cycle"
    """Off, and on again; a machine that was off ends on."""
    RESET = "reset"
    """Restart without taking the power away; a machine that was off ends on."""


class BootDevice(StrEnum):
    NONE = "none"
    """No override: the machine's own order."""
    PXE = "pxe"
    DISK = "disk"
    CDROM = "cdrom"
    BIOS = "bios"
    """The firmware's setup."""


@dataclass(frozen=True, slots=True)
class BootChoice:
    """The override of the boot order. `persistent` false: for the next boot alone. `uefi` None: left as it is."""

    device: BootDevice
    persistent: bool = False
    uefi: bool | None = None


@dataclass(frozen=True, slots=True)
class Sensor:
    """One reading. `value` is None for a discrete sensor, or one that has no reading now; `state` is the BMC's word."""

    name: str
    value: float | None
    unit: str
    state: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of the hardware's event log. `at` is the BMC's own time, in seconds since the epoch, if it says."""

    id: str
    at: float | None
    severity: str
    message: str


@dataclass(frozen=True, slots=True)
class Medium:
    """A slot for virtual media: `kinds` as in `cd`, `usb`; `image` is a URL, None while the slot is empty."""

    slot: str
    kinds: tuple[str, ...]
    image: str | None


@dataclass(frozen=True, slots=True)
class Firmware:
    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObmCapabilities:
    """What a controller of this kind can do; declared, printed in the docs, and held by the conformance check."""

    actions: frozenset[PowerAction] = frozenset({PowerAction.ON, PowerAction.OFF, PowerAction.CYCLE})
    devices: frozenset[BootDevice] = frozenset()
    boot_read: bool = False
    """The override can be read back."""
    boot_once: bool = False
    boot_persistent: bool = False
    uefi: bool = False
    console: bool = False
    sensors: bool = False
    event_log: bool = False
    identify: bool = False
    media: bool = False
    firmware: bool = False
    max_sessions: int | None = None


class ConsoleLine(Protocol):
    """The serial console of one machine: bytes both ways. Belongs to one reader and one writer."""

    async def read(self) -> bytes:
        """Wait for output; empty bytes mean the end. Raises DeviceError."""
        ...

    async def write(self, data: bytes) -> None:
        """Type. Raises DeviceError."""
        ...

    async def close(self) -> None:
        """End it; never raises. The controller is told, so that the next one may open it."""
        ...


class ObmSession(Protocol):
    """One conversation with one controller. It raises DeviceError and nothing else on purpose.

    Belongs to one task at a time. What the capabilities do not name is Refused. After any DeviceError but Refused it is
    closed and never used again. A changing call is sent once: after LostReply the caller reads the state.
    """

    async def power(self) -> bool:
        """Whether the machine has power."""
        ...

    async def power_set(self, action: PowerAction) -> None:
        """Ask for it; answers when the controller has taken the order, not when the machine is there."""
        ...

    async def boot(self) -> BootChoice: ...

    async def boot_set(self, choice: BootChoice) -> None: ...

    async def sensors(self) -> list[Sensor]: ...

    async def event_log(self, limit: int) -> list[LogEntry]:
        """The newest `limit` entries, oldest first."""
        ...

    async def identify(self, seconds: int) -> None:
        """Light the identify LED for so long; 0 puts it out. What lights only on or off stays on until told."""
        ...

    async def media(self) -> list[Medium]: ...

    async def media_insert(self, slot: str, image: str) -> None:
        """Put the image at this URL (http or https) into a slot."""
        ...

    async def media_eject(self, slot: str) -> None: ...

    async def firmware(self) -> list[Firmware]: ...

    async def console(self) -> ConsoleLine:
        """Open the serial console; DeviceBusy if the controller gives it to one at a time and somebody has it."""
        ...

    async def close(self) -> None:
        """End the conversation; never raises."""
        ...


class ObmSpec(Protocol):
    """What obmd must know of a kind of controller before it speaks to one. Entry-point group `hil.obms`."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def v0_type(self) -> str | None:
        """The `type` of the original OBMd's registration, as in `ipmi`; None if it had no such one."""
        ...

    @property
    def capabilities(self) -> ObmCapabilities:
        """The most that a controller of this kind can do; `Refused` tells what one of them lacks."""
        ...

    @property
    def secrets(self) -> frozenset[str]: ...

    @property
    def session(self) -> str:
        """Import path `module:function` of an async `open(config) -> ObmSession`."""
        ...

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Check a configuration and answer it in normal form (JSON values). Raises BadArgument naming the key."""
        ...

    def v0_config(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """Turn the original OBMd's `info` into a configuration. Raises BadArgument."""
        ...

    def controller(self, config: Mapping[str, Any]) -> str:
        """What names the controller itself: nodes of the same one share its owner task and its limits."""
        ...
