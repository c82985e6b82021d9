"""Which switch drivers are installed: specs found through the entry points `hil.switches`.

It never loads a session unless asked to, so that the API needs no route to a device. A driver that cannot be
loaded is reported by name and leaves the others alone. What was found is kept for the life of the process and
cannot be changed.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Final, Protocol, runtime_checkable

from hil.core.devices import Capabilities, SwitchSession, SwitchSpec
from hil.core.errors import BadArgument

GROUP: Final = "hil.switches"
_MEMBERS: Final = (
    *("name", "title", "v0_type", "capabilities", "secrets", "session"),
    *("validate", "v0_config", "port_name", "parked", "render"),
)
_log = logging.getLogger(__name__)

OpenSession = Callable[[Mapping[str, Any]], Awaitable[SwitchSession]]


@runtime_checkable
class ConfiguredCapabilities(Protocol):
    """What a spec has besides when the configuration of a switch decides what it can do."""

    def capabilities_of(self, config: Mapping[str, Any]) -> Capabilities: ...


@runtime_checkable
class DescribedSettings(Protocol):
    """What a spec has besides when it can say what its configuration looks like."""

    def settings_schema(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Found:
    """The drivers that can be used, by name, and why the others cannot."""

    specs: Mapping[str, SwitchSpec]
    broken: Mapping[str, str]


def switch_specs() -> Mapping[str, SwitchSpec]:
    """Answer every usable driver by name, sorted."""
    return _installed().specs


def broken_switches() -> Mapping[str, str]:
    """Answer every driver that is installed and cannot be used, with the reason."""
    return _installed().broken


def switch_spec(name: str) -> SwitchSpec:
    """Find a driver. Raises BadArgument that lists what is there."""
    found = _installed()
    if spec := found.specs.get(name):
        return spec
    there = ", ".join(found.specs) or "none"
    if name in found.broken:
        raise BadArgument(
            f"The switch driver {name} is installed but broken; usable are: {there}.",
            detail=found.broken[name],
        )
    raise BadArgument(f"{name[:64]!a} is no switch driver: use one of {there}.")


def spec_by_v0_type(v0_type: str) -> SwitchSpec:
    """Find a driver by the original API's type: the last segment of its URI. Raises BadArgument."""
    by_type = {spec.v0_type: spec for spec in _installed().specs.values() if spec.v0_type is not None}
    if spec := by_type.get(v0_type):
        return spec
    raise BadArgument(f"{v0_type[:64]!a} is no switch type: use one of {', '.join(sorted(by_type)) or 'none'}.")


def capabilities_of(spec: SwitchSpec, config: Mapping[str, Any]) -> Capabilities:
    """What a switch of this configuration can do; by default the spec's word."""
    return spec.capabilities_of(config) if isinstance(spec, ConfiguredCapabilities) else spec.capabilities


def settings_schema(spec: SwitchSpec) -> dict[str, Any] | None:
    """The JSON Schema of a switch's configuration; None if the driver does not say."""
    return spec.settings_schema() if isinstance(spec, DescribedSettings) else None


def open_session_function(spec: SwitchSpec) -> OpenSession:
    """Import the function that opens sessions; for workers alone. Raises BadArgument."""
    module, _, function = spec.session.partition(":")
    try:
        found: OpenSession = getattr(importlib.import_module(module), function)
    except Exception as error:
        raise BadArgument(
            f"The switch driver {spec.name} cannot be used here: reinstall the package that provides it.",
            detail=f"{spec.session}: {_told(error)}",
        ) from error
    return found


def find(points: Iterable[EntryPoint]) -> Found:
    """Load what entry points name. A name that two packages claim belongs to neither."""
    specs: dict[str, SwitchSpec] = {}
    broken: dict[str, str] = {}
    claims: dict[str, str] = {}
    for point in points:
        if claims.setdefault(point.name, point.value) != point.value:
            broken[point.name] = f"claimed by {claims[point.name]} and by {point.value}: uninstall one"
            continue
        try:
            specs[point.name] = _load(point)
        except Exception as error:
            broken[point.name] = f"{point.value}: {_told(error)}"
    usable = {name: specs[name] for name in sorted(specs) if name not in broken}
    return Found(MappingProxyType(usable), MappingProxyType(dict(sorted(broken.items()))))


def _load(point: EntryPoint) -> SwitchSpec:
    spec: SwitchSpec = point.load()
    if missing := [member for member in _MEMBERS if not hasattr(spec, member)]:
        raise TypeError(f"no switch spec: it lacks {', '.join(missing)}")
    if spec.name != point.name:
        raise TypeError(f"the spec calls itself {spec.name!r}")
    return spec


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


@cache
def _installed() -> Found:
    found = find(entry_points(group=GROUP))
    for name, reason in found.broken.items():
        _log.warning("The switch driver %s cannot be loaded: %s", name, reason)
    return found
