"""What comes back: answers as bytes or lines, and failures told apart. Pure and total: any text is read or declined.

A text that makes no sense is a ValueError, which the session turns into a lost reply: nothing is guessed. The words of
failures are those that ipmitool 1.8.18 and 1.8.19 print; the status codes in them are tables 5-2 and 13-15 of the
IPMI specification 2.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from hil.core.errors import DeviceBusy, DeviceError, LoginRefused, LostReply, Refused, Unreachable
from hil.core.obms import BootChoice, BootDevice, Firmware, LogEntry, Sensor
from hil.drivers.obm.ipmi.commands import PERSISTENT, SELECTOR, UEFI, VALID
from hil.drivers.transport.process import Ended

_DEVICES: Final[Mapping[int, BootDevice]] = {number: device for device, number in SELECTOR.items()} | {
    3: BootDevice.DISK,  # safe mode
    8: BootDevice.CDROM,  # remote CD
    11: BootDevice.DISK,  # remote disk
}
_CREDENTIALS: Final = (
    *("RAKP 2 HMAC is invalid", "RAKP 2 message has invalid", "RAKP 4 message has invalid"),
    *("unauthorized name", "invalid name length", "unauthorized role or privilege", "invalid role"),
)
_CIPHERS: Final = (
    *("invalid authentication algorithm", "invalid integrity algorithm", "invalid confidentiality algorithm"),
    *("no matching authentication payload", "no matching integrity payload", "no cipher suite match"),
)
_FULL: Final = ("insufficient resources to create a session", "SOL payload already active on another session")
_CODE: Final = re.compile(r"rsp=0x([0-9a-f]{2})\): ?(.*)")
_BUSY: Final = frozenset({"c0", "cf"})
_NO_ANSWER: Final = frozenset({"c3"})


def octets(text: str) -> bytes:
    """The answer of a raw command. Raises ValueError."""
    return bytes.fromhex(" ".join(text.split()))


def power(answer: bytes) -> bool:
    """Get Chassis Status, 28.2. Raises ValueError."""
    if len(answer) < 3:
        raise ValueError("a chassis status of fewer than 3 bytes")
    return bool(answer[0] & 1)


def boot(answer: bytes, *, believe: bool = False) -> BootChoice:
    """Get System Boot Options, parameter 5. `believe` the device though it is not said to be in force.

    Raises ValueError; Refused for a device that HIL has no word for.
    """
    if len(answer) < 4 or answer[1] & 0x7F != 5:
        raise ValueError("no boot flags")
    first, second = answer[2], answer[3]
    uefi = bool(first & UEFI)
    if not (believe or first & VALID):
        return BootChoice(BootDevice.NONE, False, uefi)
    number = second >> 2 & 0x0F
    if number not in _DEVICES:
        raise Refused(f"The controller would boot from device {number}, for which HIL has no word.")
    return BootChoice(_DEVICES[number], bool(first & PERSISTENT), uefi)


def firmware(answer: bytes) -> list[Firmware]:
    """Get Device ID, 20.1: major revision in binary, minor in BCD. Raises ValueError."""
    if len(answer) < 4:
        raise ValueError("a device id of fewer than 4 bytes")
    return [Firmware("BMC", f"{answer[2] & 0x7F}.{answer[3]:02x}")]


def sensors(text: str) -> list[Sensor]:
    """Lines `name,value,unit,state` of `ipmitool -c sdr elist`; a name may hold commas. Skips what is no such line."""
    found = []
    for line in text.splitlines():
        parts = line.rsplit(",", 3)
        if len(parts) == 4 and parts[0].strip():
            name, value, unit, state = (part.strip() for part in parts)
            number = _number(value)
            found.append(Sensor(name, number, unit, _states(state, value if number is None else "")))
    return found


def _states(state: str, word: str) -> str:
    return ", ".join(part for part in (state, word) if part)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d{1,20}(\.\d{1,20})?", text, re.ASCII) else None


def event_log(text: str, limit: int) -> list[LogEntry]:
    """Lines `id,date,time,sensor,event,direction…` of `ipmitool -c sel elist`. Skips what is no such line."""
    found = []
    for line in text.splitlines():
        number, *rest = (part.strip() for part in line.split(","))
        if len(rest) < 3 or not re.fullmatch(r"[0-9a-fA-F]{1,4}", number):
            continue
        date, clock, *words = rest
        message = ", ".join(word for word in words if word)
        found.append(LogEntry(number.lower(), _moment(date, clock), _severity(message), message))
    return found[-limit:] if limit > 0 else []


def _moment(date: str, clock: str) -> float | None:
    """Seconds since the epoch; None before the clock was set."""
    try:
        return datetime.strptime(f"{date} {clock.partition(' ')[0]} +0000", "%m/%d/%y %H:%M:%S %z").timestamp()
    except ValueError:
        return None


def _severity(message: str) -> str:
    """IPMI has none: read it from the thresholds' names (table 42-2)."""
    words = message.lower()
    if "deasserted" in words:
        return "ok"
    if "non-critical" in words:
        return "warning"
    return "critical" if "critical" in words or "non-recoverable" in words else ""


def failure(device: str, ended: Ended, *, sent: bool) -> DeviceError:
    """Say what a call that failed means. `sent`: it could have changed something once a session was there."""
    words = f"{ended.err}\n{ended.out}"
    detail = " | ".join(line.strip() for line in words.splitlines() if line.strip())[-800:]
    if any(mark in words for mark in _FULL):
        return DeviceBusy(f"{device} has no session left for this: somebody else holds it.", detail=detail)
    if any(mark in words for mark in _CREDENTIALS):
        return LoginRefused(
            f"{device} refuses the user name or password, or the privilege level that is asked for.", detail=detail
        )
    if any(mark in words for mark in _CIPHERS):
        return Refused(
            f"{device} does not take this cipher suite: set `cipher_suite` to one that it has.", detail=detail
        )
    if "Unable to establish" in words:
        return Unreachable(f"No session with {device}: it does not answer IPMI 2.0.", detail=detail)
    if code := _CODE.search(words):
        return _refusal(device, code[1], code[2].strip(), detail)
    if "SOL payload" in words:
        return Refused(f"{device}: {_line(words, 'SOL payload')}", detail=detail)
    if sent:
        return LostReply(f"{device} stopped answering in the middle of a request.", detail=detail)
    return Unreachable(f"{device} stopped answering.", detail=detail)


def _refusal(device: str, code: str, words: str, detail: str) -> DeviceError:
    if code in _BUSY:
        return DeviceBusy(f"{device} is busy: {words or 'it says no more'}.", detail=detail)
    if code in _NO_ANSWER:
        return LostReply(f"{device} had no answer in time from its own parts.", detail=detail)
    return Refused(f"{device} says no: {words or 'no reason given'} (0x{code}).", detail=detail)


def _line(text: str, mark: str) -> str:
    return next(line.strip() for line in text.splitlines() if mark in line)
