"""A machine's own disk: one boot sector that says whose disk it is, echoes what is typed, and hears the power button.

That is all that a test of power, boot device and console needs of an operating system, in 512 bytes. It is written
here, for the 8086 (real mode, BIOS interrupts 10h and 16h), so that the lab ships nobody's binary.
"""

from __future__ import annotations

from typing import Final

SECTOR: Final = 512
SIZE: Final = 1024 * 1024
"""Bytes; a disk smaller than a track is refused by some firmware."""
_ORIGIN: Final = 0x7C00
_CODE: Final = bytes.fromhex(
    "fa 31c0 8ed8 8ed0 bc007c fb fc"  # cli; no segment; the stack below us; sti; cld
    "ba0206 b80001 ef"  # have the power button told: bit 8 of the register that enables
    "be0000"  # mov si, message (filled in below)
    "ac 84c0 7409 b40e bb0700 cd10 ebf2"  # say: lodsb; until zero, teletype; loop
    "ba0006 ed f6c401 7520"  # wait: was the button pressed? then to the end
    "b401 cd16 7503 f4 ebee"  # is there a key? else sleep until the next interrupt; loop
    "31c0 cd16 84c0 74e6"  # key: fetch it; back if it is no character
    "b40e bb0700 cd10 3c0d 75db b00a ebf3"  # echo it, and a line feed behind a carriage return; back
    "ba0406 b80020 ef f4 ebfd"  # off: sleep state 5, now; until then, nothing
)
"""The registers are ACPI's (PM1 status, enable and control), where SeaBIOS puts them on this board: from port 600h."""
_MESSAGE_AT: Final = _CODE.index(bytes.fromhex("be0000")) + 1


def greeting(name: str) -> str:
    """What a machine says once it runs from its disk."""
    return f"{name} runs from its own disk."


def sector(name: str) -> bytes:
    """Make the boot sector of a machine. Raises ValueError for a name that does not fit."""
    text = f"\r\n{greeting(name)}\r\n> ".encode("ascii") + b"\0"
    where = (_ORIGIN + len(_CODE)).to_bytes(2, "little")
    code = _CODE[:_MESSAGE_AT] + where + _CODE[_MESSAGE_AT + 2 :]
    if len(code) + len(text) > SECTOR - 2:
        raise ValueError(f"{name[:40]!a} is too long for a boot sector")
    return (code + text).ljust(SECTOR - 2, b"\0") + b"\x55\xaa"


def image(name: str) -> bytes:
    return sector(name).ljust(SIZE, b"\0")
