"""Which switch drivers are installed: specs found through the entry points `hil.switches`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, runtime_checkable

from hil.core.devices import Capabilities, SwitchSession, SwitchSpec
from hil.drivers.installed import Drivers

GROUP: Final = "hil.switches"
DRIVERS: Final[Drivers[SwitchSpec]] = Drivers(
    GROUP,
    "switch driver",
    "switch type",
    ("name", "title", "v0_type", "capabilities", "secrets", "session", "validate", "v0_config", "port_name", "parked",
     "render"),
)  # fmt: skip
OpenSession = Callable[[Mapping[str, Any]], Awaitable[SwitchSession]]
find: Final = DRIVERS.find


@runtime_checkable
class ConfiguredCapabilities(Protocol):
    """What a spec has besides when the configuration of a switch decides what it can do."""

    def capabilities_of(self, config: Mapping[str, Any]) -> Capabilities: ...


@runtime_checkable
class DescribedSettings(Protocol):
    """What a spec has besides when it can say what its configuration looks like."""

    def settings_schema(self) -> dict[str, Any]: ...


def switch_specs() -> Mapping[str, SwitchSpec]:
    """Answer every usable driver by name, sorted."""
    return DRIVERS.installed.specs


def broken_switches() -> Mapping[str, str]:
    """Answer every driver that is installed and cannot be used, with the reason."""
    return DRIVERS.installed.broken


def switch_spec(name: str) -> SwitchSpec:
    """Find a driver. Raises BadArgument that lists what is there."""
    return DRIVERS.spec(name)


def spec_by_v0_type(v0_type: str) -> SwitchSpec:
    """Find a driver by the original API's type: the last segment of its URI. Raises BadArgument."""
    return DRIVERS.by_v0_type(v0_type)


def capabilities_of(spec: SwitchSpec, config: Mapping[str, Any]) -> Capabilities:
    """What a switch of this configuration can do; by default the spec's word."""
    return spec.capabilities_of(config) if isinstance(spec, ConfiguredCapabilities) else spec.capabilities


def settings_schema(spec: SwitchSpec) -> dict[str, Any] | None:
    """The JSON Schema of a switch's configuration; None if the driver does not say."""
    return spec.settings_schema() if isinstance(spec, DescribedSettings) else None


def open_session_function(spec: SwitchSpec) -> OpenSession:
    """Import the function that opens sessions; for workers alone. Raises BadArgument."""
    found: OpenSession = DRIVERS.opener(spec)
    return found
