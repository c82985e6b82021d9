"""A machine as its controller sees it: power, the boot override, sensors, an event log, a serial console that tells
how it boots.

It runs nothing. What it prints is a short story that names the device it boots from, so that a test can read from the
console alone what happened, and then a prompt that echoes what is typed. Every command that was accepted stands in
`log`, with who asked and when: who asks whether somebody reached a machine that is not theirs asks here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from hil.core.errors import Refused
from hil.core.obms import BootChoice, BootDevice, Firmware, LogEntry, Medium, PowerAction, Sensor
from hil.lab.bmc.faults import BmcFaults

ORDER = "disk"
"""What a machine without an override boots from."""


class Accepted(NamedTuple):
    """One command that the controller has carried out, or, if it lies, said it has."""

    at: float
    who: str
    action: str
    asked: str = ""


class Startup(Protocol):
    """What a machine does once it has power, where it shall do more than tell the short story."""

    def begin(self, device: str) -> None:
        """The power is on, or the machine was reset: boot, from this device first."""
        ...

    def end(self) -> None:
        """The power is gone, in the middle of whatever it did."""
        ...


class Machine:
    """One machine. `listeners` get every byte that it prints; `username` or `password` None accepts any."""

    def __init__(
        self,
        name: str = "machine",
        *,
        username: str | None = "hil",
        password: str | None = "pw",  # noqa: S107 a lab's controller, on loopback
        max_sessions: int | None = None,
        one_console: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name, self.username, self.password = name, username, password
        self.max_sessions, self.one_console, self.clock = max_sessions, one_console, clock
        self.on = False
        self.override = BootChoice(BootDevice.NONE)
        self.slots: dict[str, str | None] = {"cd": None, "usb": None}
        self.lit_until = 0.0
        self.boots: list[str] = []
        """What it has booted from, oldest first."""
        self.faults, self.log, self.events = BmcFaults(), list[Accepted](), list[LogEntry]()
        self.listeners: set[Callable[[bytes], None]] = set()
        self.typed = bytearray()
        """Everything that was typed on its console."""
        self.startup: Startup | None = None

    def note(self, who: str, action: str, asked: str = "") -> None:
        self.log.append(Accepted(self.clock(), who, action, asked))

    def changes(self) -> list[Accepted]:
        """The commands that change the machine, oldest first."""
        return [entry for entry in self.log if entry.action.endswith(("-set", "-insert", "-eject", "identify", "type"))]

    def power_set(self, action: PowerAction) -> None:
        """Do what the buttons do; a machine that was off ends on after `cycle` and `reset`."""
        match action:
            case PowerAction.ON:
                if not self.on:
                    self._start("Power on")
            case PowerAction.OFF | PowerAction.SOFT_OFF:
                if self.on and action is PowerAction.SOFT_OFF:
                    self.print(f"\r\n{self.name}: shutting down\r\n")
                self._stop()
            case PowerAction.CYCLE:
                self._stop()
                self._start("Power cycle")
            case PowerAction.RESET:
                self._start("Reset")

    def _stop(self) -> None:
        if self.on:
            self.on = False
            self._event("Power off")
            if self.startup is not None:
                self.startup.end()

    def _start(self, why: str) -> None:
        self.on = True
        self._event(why)
        chosen = ORDER if self.override.device is BootDevice.NONE else str(self.override.device)
        mode = {True: " (UEFI)", False: " (BIOS)", None: ""}[self.override.uefi]
        if not self.override.persistent:
            self.override = BootChoice(BootDevice.NONE)
        self.boots.append(chosen)
        if self.startup is not None:
            self.startup.begin(chosen)
            return
        self.print(f"\r\n{self.name}: power-on self-test: ok\r\n{self.name}: booting from {chosen}{mode}\r\n")
        if chosen == "cdrom" and self.slots["cd"]:
            self.print(f"{self.name}: image {self.slots['cd']}\r\n")
        self.print(f"{self.name} login: ")

    def _event(self, message: str) -> None:
        self.events.append(LogEntry(str(len(self.events) + 1), self.clock(), "ok", message))

    def type(self, data: bytes) -> None:
        """Take what somebody types; a machine that is off echoes nothing."""
        self.typed += data
        if self.on:
            self.print(data.replace(b"\r", f"\r\n{self.name} login: ".encode()))

    def print(self, text: str | bytes) -> None:
        data = text.encode() if isinstance(text, str) else text
        for listener in list(self.listeners):
            listener(data)

    def sensors(self) -> list[Sensor]:
        fan = 4200.0 if self.on else 0.0
        return [
            Sensor("Inlet Temp", 22.0, "degrees C", "ok"),
            Sensor("CPU Temp", 41.0 if self.on else None, "degrees C", "ok" if self.on else "ns"),
            Sensor("Fan 1", fan, "RPM", "ok" if self.on else "nr"),
            Sensor("PSU Status", None, "", "Presence detected"),
        ]

    def media(self) -> list[Medium]:
        return [Medium(slot, ("cd",) if slot == "cd" else ("usb",), image) for slot, image in self.slots.items()]

    def insert(self, slot: str, image: str | None) -> None:
        """Put an image into a slot, or take it out. Raises Refused."""
        if slot not in self.slots:
            raise Refused(f"There is no slot {slot[:40]!a}.")
        if image is not None and self.slots[slot] is not None:
            raise Refused(f"The slot {slot} holds an image already.")
        self.slots[slot] = image

    def identify(self, seconds: int) -> None:
        self.lit_until = self.clock() + seconds if seconds else 0.0

    @staticmethod
    def firmware() -> list[Firmware]:
        return [Firmware("BMC", "1.4.2"), Firmware("BIOS", "2.0.7")]
