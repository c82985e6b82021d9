"""What is said to the parent: API v1 over HTTPS, with an API key. Loaded by workers alone.

Here is where HTTP statuses become errors of a device. A request that the parent turns down has changed nothing there,
since it accepts lists whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from hil.core.devices import Writer
from hil.core.errors import DeviceBusy, DeviceError, LostReply, Refused, Unreachable
from hil.drivers.switch.parent.parse import problem
from hil.drivers.transport.http import Answer, Web, bearer, connect


class Talk:
    """A conversation with one API."""

    def __init__(self, web: Web, timeout: float) -> None:
        self._web, self._timeout, self.device = web, timeout, web.device

    async def get(
        self, path: str, query: Mapping[str, Any] | None = None, *, absent: bool = False, extra: float = 0.0
    ) -> Any:
        """Read something; None for what is not there, if it may be `absent`. `extra` is more patience, in seconds."""
        asked = quote(path) + (f"?{urlencode(query)}" if query else "")
        answer = await self._web.ask("GET", asked, patience=self._timeout + extra)
        if absent and answer.status == 404:
            return None
        return self._judged(answer, changing=False)

    async def login(self, path: str) -> Any:
        """The first request, which tries the key."""
        return self._judged(await self._web.ask("GET", path, login=True), changing=False)

    async def post(self, path: str, data: Any, writer: Writer, *, wait: float = 0.0) -> Any:
        """Ask for a change; the answer may be held back `wait` seconds. Raises Refused or DeviceBusy if turned down."""
        asked = quote(path) + (f"?{urlencode({'wait': wait})}" if wait else "")
        answer = await self._web.ask("POST", asked, data=data, writer=writer, patience=self._timeout + wait)
        return self._judged(answer, changing=True)

    def abort(self) -> None:
        """Say nothing more in this conversation."""
        self._web.ended = True

    async def close(self) -> None:
        await self._web.close()

    def _judged(self, answer: Answer, *, changing: bool) -> Any:
        if answer.ok:
            return answer.json()
        kind, words = problem(answer.text)
        raise self._error(answer.status, kind, words, changing)

    def _error(self, status: int, kind: str, words: str, changing: bool) -> DeviceError:
        """What an answer that is no success means. An error without a type of HIL's comes from something in between."""
        said = f"{self.device}: {words or f'HTTP {status}'}"
        if kind == "pending" or status == 429:
            return DeviceBusy(said)
        if 400 <= status < 500 and kind:
            return Refused(said)
        return LostReply(said) if changing else Unreachable(said)


async def open_talk(config: Mapping[str, Any]) -> Talk:
    """Prepare a conversation; its first request connects. Raises Unreachable."""
    account = {"username": "", "password": "", **config}
    web = connect(account, headers={"Authorization": bearer(config["api_key"])})
    return Talk(web, config["timeout"])
