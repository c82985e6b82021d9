"""A session with a node at a parent HIL, over its API v1. Loaded by obmd alone.

Opening it asks what the machine can do, which tries the key, the node, whether out-of-band management is enabled and
whether the parent's obmd is there: whatever is missing is told in the parent's words before anything is asked of the
machine. A power state is always read anew, since the child keeps its own age. A changing call is sent once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

from hil.core import guard
from hil.core.errors import Refused
from hil.core.obms import (
    BootChoice,
    ConsoleLine,
    Firmware,
    LogEntry,
    Medium,
    ObmSession,
    PowerAction,
    Sensor,
)
from hil.drivers.obm.parent import parse
from hil.drivers.obm.parent.console import open_console
from hil.drivers.transport.errors import mapped
from hil.drivers.transport.http import Answer, Web, bearer, connect

T = TypeVar("T")
MOST: Final = 1000
"""Entries of the event log that the parent gives at once."""
_SLOT: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}")


class ParentNodeSession:
    """An `ObmSession` over API v1."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._web = _web(config)

    async def start(self) -> None:
        """Try everything that is between here and the machine. Raises Unreachable, LoginRefused, Refused."""
        await self._read("capabilities", _mapping)

    async def power(self) -> bool:
        return await self._read("power?max_age=0", parse.power)

    async def power_set(self, action: PowerAction) -> None:
        await self._change("POST", "power", {"action": str(action)})

    async def boot(self) -> BootChoice:
        return await self._read("boot", parse.boot)

    async def boot_set(self, choice: BootChoice) -> None:
        wanted = {"device": str(choice.device), "persistent": choice.persistent, "uefi": choice.uefi}
        await self._change("PUT", "boot", wanted)

    async def sensors(self) -> list[Sensor]:
        return await self._read("sensors", lambda found: parse.items(found, parse.sensor))

    async def event_log(self, limit: int) -> list[LogEntry]:
        asked = min(max(limit, 1), MOST)
        found = await self._read(f"event-log?limit={asked}", lambda found: parse.items(found, parse.entry))
        return found[-limit:] if limit > 0 else []

    async def identify(self, seconds: int) -> None:
        await self._change("POST", "identify", {"seconds": seconds})

    async def media(self) -> list[Medium]:
        return await self._read("media", lambda found: parse.items(found, parse.medium))

    async def media_insert(self, slot: str, image: str) -> None:
        await self._change("PUT", self._slot(slot), {"image": image})

    async def media_eject(self, slot: str) -> None:
        await self._change("DELETE", self._slot(slot))

    async def firmware(self) -> list[Firmware]:
        return await self._read("firmware", lambda found: parse.items(found, parse.firmware))

    async def ticket(self) -> parse.Ticket:
        """Ask for the way to the console: that changes nothing at the machine. Raises DeviceError."""
        return await self._ask("POST", "console", {}, lambda answer: parse.ticket(answer.json()), changing=False)

    async def console(self) -> ConsoleLine:
        guard.device()
        ticket = await self.ticket()
        try:
            return await open_console(self._config, ticket, lambda: new_ticket(self._config))
        except Refused:
            raise
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self._web.close()

    def _slot(self, slot: str) -> str:
        guard.device()
        if not _SLOT.fullmatch(slot):
            raise Refused(f"{self._web.device} can have no slot {slot[:40]!a}.")
        return f"media/{slot}"

    async def _read(self, path: str, read: Callable[[Any], T]) -> T:
        return await self._ask("GET", path, None, lambda answer: read(answer.json()), changing=False)

    async def _change(self, method: str, path: str, body: Any = None) -> None:
        await self._ask(method, path, body, lambda answer: None, changing=True)

    async def _ask(self, method: str, path: str, body: Any, read: Callable[[Answer], T], *, changing: bool) -> T:
        """One request below the node. Whatever fails, but for a refusal, ends the session."""
        guard.device()
        whole = f"/v1/nodes/{quote(self._config['node'], safe='')}/{path}"
        try:
            answer = await self._web.ask(method, whole, data=body, login=not changing, judge=False)
            if not answer.ok:
                raise parse.refusal(self._web.device, answer.status, answer.text, changing=changing)
            with mapped(self._web.device, sent=True):
                return read(answer)
        except Refused:
            raise
        except BaseException:
            await self.close()
            raise


def _mapping(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError("not what a controller can do")
    return found


def _web(config: Mapping[str, Any]) -> Web:
    return connect({**config, "username": "", "password": ""}, headers={"Authorization": bearer(config["api_key"])})


async def new_ticket(config: Mapping[str, Any]) -> parse.Ticket:
    """Ask for one over a connection of its own. Raises DeviceError."""
    session = ParentNodeSession(config)
    try:
        return await session.ticket()
    finally:
        await session.close()


async def open_session(config: Mapping[str, Any]) -> ObmSession:
    """Log in. Raises Unreachable, LoginRefused, IdentityChanged, Refused."""
    guard.device()
    session = ParentNodeSession(config)
    try:
        await session.start()
    except BaseException:
        await session.close()
        raise
    return session
