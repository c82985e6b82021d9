"""Faults planted in HIL and obmd on purpose: the histories must find each of them, or they prove nothing.

Each takes one protection away, as a careless change could; `MUTATIONS` names what is gone.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

from sqlalchemy import update

from hil.core.errors import DeviceError
from hil.core.model import NodeState
from hil.drivers.obmd_link import ObmdLink, Reach
from hil.obmd.nodes import Nodes
from hil.obmd.schema import nodes as rows
from hil.obmd.store import ObmdStore
from hil.obmd.term import Term
from hil.services.capability import Capability, Verifier
from hil.worker.release import Releases

Mutation = Callable[[], AbstractContextManager[Any]]


def epoch_unasked() -> AbstractContextManager[Any]:
    real = Nodes.admit

    def admit(self: Nodes, name: str, capability: Capability, *rights: Any) -> Any:
        entry = self._entries.get(name)
        known = capability if entry is None else replace(capability, epoch=entry.record.epoch)
        return real(self, name, known, *rights)

    return patch.object(Nodes, "admit", admit)


def untold() -> AbstractContextManager[Any]:
    async def disable(self: ObmdLink, reach: Reach) -> None:
        """The books say that obmd was told."""

    return patch.object(ObmdLink, "disable", disable)


def answer_unawaited() -> AbstractContextManager[Any]:
    """obmd is told; whether it has heard does not matter."""
    real = ObmdLink.disable

    async def disable(self: ObmdLink, reach: Reach) -> None:
        with suppress(DeviceError):
            await real(self, reach)

    return patch.object(ObmdLink, "disable", disable)


def release_unwaiting() -> AbstractContextManager[Any]:
    """A node is free once its ports are, whatever may be alive at its obmd."""
    real = Releases._one

    async def one(self: Releases, node: Any, *rest: Any) -> None:
        if node.state == NodeState.RELEASING and not node.ports:
            await self._call(self.store.change, lambda unit: self._free(unit, _node(unit, node.id)))
            return
        await real(self, node, *rest)

    return patch.object(Releases, "_one", one)


def _node(unit: Any, identity: int) -> Any:
    from hil.store.tables import Node

    return unit.session.get(Node, identity)


def viewers_kept() -> AbstractContextManager[Any]:
    """Nobody is put out when a term ends, and nothing is stopped."""

    async def end(self: Term) -> None:
        await asyncio.sleep(0)

    return patch.object(Term, "end", end)


def expiry_ignored() -> AbstractContextManager[Any]:
    real = Verifier.verify

    def verify(self: Verifier, token: str, now: float) -> Capability:
        return real(self, token, _issued(token, now))

    return patch.object(Verifier, "verify", verify)


def _issued(token: str, now: float) -> float:
    try:
        payload = token.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iat"])
    except (ValueError, IndexError, KeyError):
        return now


def keys_remembered() -> AbstractContextManager[Any]:
    """A key that obmd once believed is believed for ever."""
    real, known = Verifier.__init__, list[str]()

    def init(self: Verifier, keys: Any) -> None:
        known.extend(keys)
        real(self, known)

    return patch.object(Verifier, "__init__", init)


@contextmanager
def late_epochs_taken() -> Iterator[None]:
    """An epoch that comes late replaces a newer one."""

    async def raise_epoch(self: Nodes, name: str, epoch: int, *, enabled: bool, **more: Any) -> None:
        async with self._locks[name]:
            entry = self._entries[name]
            if entry.node is not None:
                await entry.node.end_terms()
            await asyncio.to_thread(lambda: self._store.raise_epoch(name, epoch, enabled=enabled))
            await self._again(name)

    def write(self: ObmdStore, name: str, epoch: int, *, enabled: bool, **more: Any) -> None:
        with self._change() as connection:
            connection.execute(update(rows).where(rows.c.name == name).values(epoch=epoch, enabled=enabled))

    with patch.object(Nodes, "raise_epoch", raise_epoch), patch.object(ObmdStore, "raise_epoch", write):
        yield


MUTATIONS: Final[Mapping[str, tuple[int, Mutation]]] = {
    "obmd forgets to ask for the epoch": (0, epoch_unasked),
    "obmd is not told that a time is over": (0, untold),
    "HIL does not wait for obmd's answer": (0, answer_unawaited),
    "a release does not wait for obmd": (0, release_unwaiting),
    "viewers are not put out": (0, viewers_kept),
    "capabilities never expire": (0, expiry_ignored),
    "a key is believed for ever": (0, keys_remembered),
    "epochs that come late are taken": (0, late_epochs_taken),
    "a release on PostgreSQL does not wait for obmd": (1, release_unwaiting),
}
"""What is gone, the layout on which it is looked for, and how it is taken away."""
