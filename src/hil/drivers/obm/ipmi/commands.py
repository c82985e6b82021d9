"""What is sent: ipmitool's arguments and the bytes of the commands. Pure.

Raw commands are used wherever the specification gives the bytes, since their answers are bytes too and need no
reading of prose. Names and numbers are those of the IPMI specification 2.0, revision 1.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hil.core.obms import BootChoice, BootDevice, PowerAction

PROGRAM: Final = "ipmitool"
CONTROL: Final[Mapping[PowerAction, int]] = {
    PowerAction.OFF: 0,
    PowerAction.ON: 1,
    PowerAction.CYCLE: 2,
    PowerAction.RESET: 3,
    PowerAction.SOFT_OFF: 5,
}
"""Chassis Control, 28.3."""
SELECTOR: Final[Mapping[BootDevice, int]] = {
    BootDevice.NONE: 0,
    BootDevice.PXE: 1,
    BootDevice.DISK: 2,
    BootDevice.CDROM: 5,
    BootDevice.BIOS: 6,
}
"""Boot flags, data 2, bits 5:2; table 28-14, parameter 5."""
VALID, PERSISTENT, UEFI = 0x80, 0x40, 0x20
"""Boot flags, data 1."""

POWER: Final = (0x00, 0x01)
DEVICE_ID: Final = (0x06, 0x01)
BOOT: Final = (0x00, 0x09, 0x05, 0x00, 0x00)
BOOT_HANDLED: Final = (0x00, 0x08, 0x04, 0x01, 0x01)
"""Boot info acknowledge: an override of before was dealt with."""
BOOT_STAYS: Final = (0x00, 0x08, 0x03, 0x08)
"""Do not forget the override if no power command follows within 60 seconds (parameter 3, bit 3)."""
SENSORS: Final = ("sdr", "elist", "full", "compact")


def arguments(config: Mapping[str, Any], secret: str, words: Sequence[str], *options: str) -> list[str]:
    """One call of ipmitool; `secret` is the path of the password."""
    return [
        *(PROGRAM, "-I", "lanplus", "-H", config["address"], "-p", str(config["port"]), "-U", config["username"]),
        *("-f", secret, "-C", str(config["cipher_suite"]), "-L", config["privilege"]),
        *options,
        *words,
    ]


READ_PATIENCE: Final = ("-N", "1", "-R", "2")
"""Two attempts for each packet, of one and of two seconds."""


def change_patience(config: Mapping[str, Any]) -> tuple[str, ...]:
    """One attempt: ipmitool would send a change again, and not every controller knows that it had it before.

    The wait is half of what a command may take, since the log-in alone may need as much.
    """
    return ("-N", str(max(1, int(config["timeout"] / 2))), "-R", "1")


def raw(data: Sequence[int]) -> list[str]:
    return ["raw", *(f"0x{octet:02x}" for octet in data)]


def control(action: PowerAction) -> tuple[int, ...]:
    return (0x00, 0x02, CONTROL[action])


def boot(choice: BootChoice, *, uefi: bool) -> tuple[int, ...]:
    """Set the boot flags; `uefi` is what the choice says, or what was there before."""
    first = VALID | (PERSISTENT if choice.persistent else 0) | (UEFI if uefi else 0)
    return (0x00, 0x08, 0x05, first, SELECTOR[choice.device] << 2, 0, 0, 0)


def identify(seconds: int) -> tuple[int, ...]:
    """Chassis Identify, 28.5: one byte of seconds; beyond that, on until told."""
    return (0x00, 0x04, max(seconds, 0)) if seconds <= 255 else (0x00, 0x04, 0x00, 0x01)


def typed(data: bytes, *, at_start: bool) -> tuple[bytes, bool]:
    """Write input so that ipmitool sends it as it is; answer also whether a line starts after it.

    At the start of a line ipmitool takes `~` for itself, and sends it only if it comes twice.
    """
    written = bytearray()
    for octet in data:
        written += b"~~" if at_start and octet == 0x7E else bytes((octet,))
        at_start = octet in b"\r\n"
    return bytes(written), at_start
