"""The mock driver, made to be broken: a session each method of which may be, and what a broken driver is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hil.core.devices import SwitchSession, Writer
from hil.core.errors import (
    DeviceError,
)
from hil.core.model import Observed, PortChange, PortState
from hil.drivers.registry import OpenSession
from hil.drivers.switch.mock.session import open_session
from hil.drivers.switch.mock.spec import MockSpec

Answers = dict[str, DeviceError | None]
FOR_EVER = Writer(1, lambda: None)


class Session:
    """The mock's session, every method of which may be broken."""

    def __init__(self, inner: SwitchSession) -> None:
        self.inner = inner

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        return await self.inner.read(ports)

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        return await self.inner.apply(batch, writer)

    async def save(self, writer: Writer) -> None:
        await self.inner.save(writer)

    async def close(self) -> None:
        await self.inner.close()


class Wants(Session):
    """Writes something other than what was asked."""

    def instead(self, change: PortChange) -> PortState:
        raise AssertionError

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        return await self.inner.apply([replace(change, want=self.instead(change)) for change in batch], writer)


@dataclass(frozen=True)
class BrokenDriver:
    """A driver, and the promise that it breaks."""

    promise: str
    part: Any

    @property
    def open(self) -> OpenSession:
        if not isinstance(self.part, type):
            opening: OpenSession = self.part
            return opening
        return open_session if issubclass(self.part, MockSpec) else wrapping(self.part)

    @property
    def spec(self) -> MockSpec:
        if isinstance(self.part, type) and issubclass(self.part, MockSpec):
            return self.part()
        return MockSpec()

    def __str__(self) -> str:
        return f"{self.promise}-{self.part.__name__}"


def wrapping(broken: type[Session]) -> Callable[[Mapping[str, Any]], Awaitable[SwitchSession]]:
    async def opened(config: Mapping[str, Any]) -> SwitchSession:
        return broken(await open_session(config))

    return opened


def broken(drivers: Mapping[str, Sequence[Any]]) -> list[BrokenDriver]:
    """Drivers by the promise that they break."""
    return [BrokenDriver(promise, part) for promise, parts in drivers.items() for part in parts]
