"""What a switch can tell beside its ports' VLANs: who it is, who is plugged in, whom it has heard.

Two optional readings of a switch session (LLDP neighbours, MAC table) and one that every driver of ours has (`about`).
They judge nothing: `hil-admin wiring check` compares them with what is registered. All are read-only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class About:
    """The device in its own words; what it does not say is empty."""

    model: str
    firmware: str
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """What the device at the other end of a port says of itself by LLDP (IEEE 802.1AB)."""

    chassis: str
    """Chassis id; a MAC address in canonical form where it is one."""
    port: str
    """Port id; a MAC address in canonical form where it is one, as a server's NIC sends it."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Mac:
    """A MAC address that the switch has learned on a port, in canonical form `aa:bb:cc:dd:ee:ff`."""

    address: str
    vlan: int | None


@runtime_checkable
class TellsAbout(Protocol):
    async def about(self) -> About:
        """Raises DeviceError."""
        ...


@runtime_checkable
class SeesNeighbours(Protocol):
    async def neighbours(self) -> dict[str, list[Neighbour]]:
        """By port, in the driver's canonical names; ports without one are left out. Raises DeviceError."""
        ...


@runtime_checkable
class SeesMacs(Protocol):
    async def macs(self) -> dict[str, list[Mac]]:
        """By port, dynamic entries only; ports without one are left out. Raises DeviceError."""
        ...


def canonical_mac(text: str) -> str | None:
    """Answer `aa:bb:cc:dd:ee:ff` for a MAC in any usual notation; None for what is none.

    >>> canonical_mac("0011.22Aa.bbCC"), canonical_mac("00-11-22-aa-bb-cc"), canonical_mac("eth0")
    ('00:11:22:aa:bb:cc', '00:11:22:aa:bb:cc', None)
    """
    digits = text.strip().replace(":", "").replace("-", "").replace(".", "").lower()
    if len(digits) != 12 or not set(digits) <= set("0123456789abcdef"):
        return None
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))
