"""Which out-of-band drivers are installed: specs found through the entry points `hil.obms`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from hil.core.obms import ObmSession, ObmSpec
from hil.drivers.installed import Drivers

GROUP: Final = "hil.obms"
DRIVERS: Final[Drivers[ObmSpec]] = Drivers(
    GROUP,
    "out-of-band driver",
    "type of OBM",
    ("name", "title", "v0_type", "capabilities", "secrets", "session", "validate", "v0_config", "controller"),
)
OpenObm = Callable[[Mapping[str, Any]], Awaitable[ObmSession]]
find: Final = DRIVERS.find


def obm_specs() -> Mapping[str, ObmSpec]:
    """Answer every usable driver by name, sorted."""
    return DRIVERS.installed.specs


def broken_obms() -> Mapping[str, str]:
    """Answer every driver that is installed and cannot be used, with the reason."""
    return DRIVERS.installed.broken


def obm_spec(name: str) -> ObmSpec:
    """Find a driver. Raises BadArgument that lists what is there."""
    return DRIVERS.spec(name)


def obm_spec_by_v0_type(v0_type: str) -> ObmSpec:
    """Find a driver by the `type` of the original OBMd's registration. Raises BadArgument."""
    return DRIVERS.by_v0_type(v0_type)


def open_obm_function(spec: ObmSpec) -> OpenObm:
    """Import the function that opens sessions; for obmd alone. Raises BadArgument."""
    found: OpenObm = DRIVERS.opener(spec)
    return found
