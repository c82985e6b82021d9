"""Faults planted in drivers on purpose: the mixed histories must find each of them, or they prove nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

from hil.core.devices import Writer
from hil.core.model import CLOSED, PortChange, PortState
from tests.mixed.history import PAIRS
from tests.mixed.switches import Link

Mutation = Callable[[], AbstractContextManager[Any]]


def widened_first() -> AbstractContextManager[Any]:
    """A driver that opens all that is wanted, and a VLAN too many, before it closes what is to go."""
    real = Link.apply

    async def apply(link: Link, batch: Sequence[PortChange], writer: Writer) -> Any:
        wide = [replace(change, want=_wider(change)) for change in batch if change.want.native is not None]
        if wide:
            await real(link, wide, writer)
        now = await link._session.read([link.device.real[change.port] for change in batch])
        have = {link.device.ours[port]: seen.state for port, seen in now.items()}
        return await real(link, [replace(change, have=have[change.port]) for change in batch], writer)

    return patch.object(Link, "apply", apply)


def _wider(change: PortChange) -> PortState:
    return PortState(change.want.native, (change.want.tagged | {100, 101, 102}) - {change.want.native})


def detach_skipped() -> AbstractContextManager[Any]:
    """A driver that answers that a port was closed, reads it as closed, and leaves it as it was."""
    real_apply, real_read = Link.apply, Link.read
    claimed: set[tuple[int, str]] = set()

    async def apply(link: Link, batch: Sequence[PortChange], writer: Writer) -> Any:
        skipped = [change.port for change in batch if change.want == CLOSED and change.have]
        claimed.update((id(link.device), port) for port in skipped)
        rest = [change for change in batch if change.port not in skipped]
        claimed.difference_update((id(link.device), change.port) for change in rest)
        return (await real_apply(link, rest, writer) if rest else {}) | dict.fromkeys(skipped)

    async def read(link: Link, ports: Any = None) -> Any:
        found = await real_read(link, ports)
        return {
            port: replace(seen, state=CLOSED) if (id(link.device), port) in claimed else seen
            for port, seen in found.items()
        }

    return _Both(patch.object(Link, "apply", apply), patch.object(Link, "read", read))


def save_skipped() -> AbstractContextManager[Any]:
    """A driver that answers that it saved, and did not."""

    async def save(link: Link, writer: Writer) -> None:
        writer.check()

    return patch.object(Link, "save", save)


class _Both(AbstractContextManager[None]):
    """Two protections taken away together."""

    def __init__(self, *parts: AbstractContextManager[Any]) -> None:
        self._parts = parts

    def __enter__(self) -> None:
        for part in self._parts:
            part.__enter__()

    def __exit__(self, *failure: Any) -> None:
        for part in reversed(self._parts):
            part.__exit__(*failure)


MUTATIONS: Final[Mapping[str, tuple[tuple[str, str], Mutation]]] = {
    "a driver widens before it narrows": (PAIRS[3], widened_first),
    "a driver closes nothing and believes that it did": (PAIRS[4], detach_skipped),
    "nothing is saved": (PAIRS[9], save_skipped),
}
"""What is gone, the pair of platforms on which it is looked for, and how it is taken away."""
