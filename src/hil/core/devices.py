"""The contract of a switch driver: mostly data, a few pure functions, one session.

A *spec* says what a platform is and can do, and checks configuration; it needs no route to any device, so the API may
import it. The spec names its *session* by import path; only workers load that. Out-of-band management has a contract
of its own. Nothing here opens a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from hil.core.errors import DeviceError
from hil.core.model import Observed, PortChange
from hil.core.vlans import FIRST, LAST


class Nativeless(StrEnum):
    """How a trunk port is kept from carrying untagged frames."""

    TRUE = "true"
    """The platform has a real *no native*."""
    PARKED = "parked"
    """The native VLAN is parked on one that leads nowhere."""
    NO = "no"
    """A native network must come first and leave last."""


class Update(StrEnum):
    REPLACE_PORT = "replace-port"
    DELTA_PORT = "delta-port"
    VLAN_BITMAP = "vlan-bitmap"
    WHOLE_FILE = "whole-file"


class Atomicity(StrEnum):
    SWITCH = "switch"
    PORT = "port"
    NONE = "none"


class Save(StrEnum):
    EXPLICIT = "explicit"
    ON_COMMIT = "on-commit"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a platform can do; declared, printed in the docs, and held by the conformance check."""

    nativeless: Nativeless
    update: Update
    atomicity: Atomicity
    save: Save
    batch_read: bool
    fenced: bool = False
    """The device itself refuses a writer whose fence is older than one it has seen."""
    confirm_timer: tuple[int, int] | None = None
    """Shortest and longest automatic rollback, in seconds; None where there is none."""
    vlans: tuple[int, int] = (FIRST, LAST)
    reserved: frozenset[int] = frozenset()
    max_line_chars: int | None = None
    max_request_bytes: int | None = None
    max_sessions: int | None = None
    connects_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Writer:
    """The permission to write, as a session holds it.

    `fence` grows each time a lane changes hands. `check` raises LeaseLost once the lease is too near its end; a session
    calls it immediately before every write that it sends, with nothing awaited in between.
    """

    fence: int
    check: Callable[[], None]


class SwitchSession(Protocol):
    """One conversation with one switch. Every method raises DeviceError and nothing else on purpose.

    A session belongs to one task. After any DeviceError but Refused it is closed and never used again.
    """

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        """Read the configuration of these ports (None: all that the switch has); an unknown port is Refused."""
        ...

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> dict[str, DeviceError | None]:
        """Make each port what it must become, in one batch; answer per port None or the device's refusal.

        No step of it may carry a VLAN outside old ∪ new on any port. Raises LostReply if the session died after
        something was sent.
        """
        ...

    async def save(self, writer: Writer) -> None:
        """Make the running configuration survive a reboot."""
        ...

    async def close(self) -> None:
        """End the conversation; never raises."""
        ...


class SwitchSpec(Protocol):
    """What the API and the worker must know of a platform before they speak to it."""

    @property
    def name(self) -> str:
        """Short name of the driver, as in `ovs`."""
        ...

    @property
    def title(self) -> str: ...

    @property
    def v0_type(self) -> str | None:
        """Last segment of the original API's type URI; None if the original had no such switch."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def secrets(self) -> frozenset[str]:
        """Keys of the configuration that are encrypted at rest and never shown."""
        ...

    @property
    def session(self) -> str:
        """Import path `module:function` of an async `open(config) -> SwitchSession`, loaded by workers alone."""
        ...

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Check a configuration and answer it in normal form (JSON values). Raises BadArgument naming the key."""
        ...

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Turn the original API's registration fields into a configuration. Raises BadArgument."""
        ...

    def port_name(self, text: str) -> str:
        """Canonical form of a port's name. Raises BadArgument."""
        ...

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        """VLANs that this switch uses for itself; the allocator never hands them out."""
        ...

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        """Exactly what `apply` would send for this batch, as text for people. Pure."""
        ...
