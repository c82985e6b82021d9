"""How drivers of any kind are found: specs behind entry points, loaded once, and never trusted to load.

A spec is imported to be looked at; a session only by who opens one, so that the API needs no route to a device. A
driver that cannot be loaded is reported by name and leaves the others alone. What was found is kept for the life of the
process and cannot be changed.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

from hil.core.errors import BadArgument

_log = logging.getLogger(__name__)


class Spec(Protocol):
    """What specs of every kind have."""

    @property
    def name(self) -> str: ...

    @property
    def v0_type(self) -> str | None: ...

    @property
    def session(self) -> str: ...


S = TypeVar("S", bound=Spec)


@dataclass(frozen=True, slots=True)
class Found(Generic[S]):
    """The drivers that can be used, by name, and why the others cannot."""

    specs: Mapping[str, S]
    broken: Mapping[str, str]


@dataclass
class Drivers(Generic[S]):
    """The drivers of one kind. `what` names one, as in `switch driver`; `typed` what the original API called it."""

    group: str
    what: str
    typed: str
    members: tuple[str, ...]
    _kept: Found[S] | None = field(default=None, init=False)

    @property
    def installed(self) -> Found[S]:
        """What the installed packages offer; looked for once."""
        if self._kept is None:
            self._kept = self.find(entry_points(group=self.group))
            for name, reason in self._kept.broken.items():
                _log.warning("The %s %s cannot be loaded: %s", self.what, name, reason)
        return self._kept

    def spec(self, name: str) -> S:
        """Find a driver. Raises BadArgument that lists what is there."""
        found = self.installed
        if spec := found.specs.get(name):
            return spec
        there = ", ".join(found.specs) or "none"
        if name in found.broken:
            raise BadArgument(
                f"The {self.what} {name} is installed but broken; usable are: {there}.", detail=found.broken[name]
            )
        raise BadArgument(f"{name[:64]!a} is no {self.what}: use one of {there}.")

    def by_v0_type(self, v0_type: str) -> S:
        """Find a driver by the original API's word for it. Raises BadArgument."""
        by_type = {spec.v0_type: spec for spec in self.installed.specs.values() if spec.v0_type is not None}
        if spec := by_type.get(v0_type):
            return spec
        raise BadArgument(f"{v0_type[:64]!a} is no {self.typed}: use one of {', '.join(sorted(by_type)) or 'none'}.")

    def opener(self, spec: S) -> Any:
        """Import the function that opens sessions. Raises BadArgument."""
        module, _, function = spec.session.partition(":")
        try:
            return getattr(importlib.import_module(module), function)
        except Exception as error:
            raise BadArgument(
                f"The {self.what} {spec.name} cannot be used here: reinstall the package that provides it.",
                detail=f"{spec.session}: {_told(error)}",
            ) from error

    def find(self, points: Iterable[EntryPoint]) -> Found[S]:
        """Load what entry points name. A name that two packages claim belongs to neither."""
        specs: dict[str, S] = {}
        broken: dict[str, str] = {}
        claims: dict[str, str] = {}
        for point in points:
            if claims.setdefault(point.name, point.value) != point.value:
                broken[point.name] = f"claimed by {claims[point.name]} and by {point.value}: uninstall one"
                continue
            try:
                specs[point.name] = self._load(point)
            except Exception as error:
                broken[point.name] = f"{point.value}: {_told(error)}"
        usable = {name: specs[name] for name in sorted(specs) if name not in broken}
        return Found(MappingProxyType(usable), MappingProxyType(dict(sorted(broken.items()))))

    def _load(self, point: EntryPoint) -> S:
        spec: S = point.load()
        if missing := [member for member in self.members if not hasattr(spec, member)]:
            raise TypeError(f"no spec: it lacks {', '.join(missing)}")
        if spec.name != point.name:
            raise TypeError(f"the spec calls itself {spec.name!r}")
        return spec


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
