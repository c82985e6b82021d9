"""A session with a node at a foreign OBMd: a token of the node, made at the start. Loaded by obmd alone.

Making a token ends the one before it, and the console that was opened with it. A session does not take its token back
at the end, since that would end whichever session came after; nobody else has ever seen it. The protocol answers 404
for a wrong admin token and for an unknown node alike, so that here both are a refused log-in.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from hil.core import guard
from hil.core.errors import DeviceError, LoginRefused, LostReply, Refused, Unreachable
from hil.core.obms import (
    BootChoice,
    BootDevice,
    ConsoleLine,
    Firmware,
    LogEntry,
    Medium,
    ObmSession,
    PowerAction,
    Sensor,
)
from hil.drivers.obm.obmd.spec import CAPABILITIES
from hil.drivers.transport.errors import mapped
from hil.drivers.transport.http import Answer, Web, basic, connect

CALLS: Final[Mapping[PowerAction, tuple[str, Any]]] = {
    PowerAction.ON: ("power_on", None),
    PowerAction.OFF: ("power_off", None),
    PowerAction.CYCLE: ("power_cycle", {"force": False}),
    PowerAction.RESET: ("power_cycle", {"force": True}),
}
AHEAD: Final = 64
"""Chunks of console output that may wait for a slow reader."""
HEADERS: Final = 1.0
"""Seconds to wait for a console's headers: an original OBMd sends them only with the first output."""


class ForeignObmdSession:
    """An `ObmSession` over the original protocol."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._web = _web(config)
        self.device = self._web.device
        self._token = ""
        self._ended = False

    async def log_in(self) -> None:
        """Make a token. Raises Unreachable, LoginRefused."""
        headers = {"Authorization": basic("admin", self._config["admin_token"])}
        answer = await self._web.ask("POST", f"{self._config['path']}/token", headers=headers, login=True)
        if answer.status == 404:
            raise LoginRefused(f"{self.device} refuses the admin token, or does not know the node (HTTP 404).")
        if answer.status != 200:
            raise Unreachable(f"{self.device} made no token (HTTP {answer.status}).")
        with mapped(self.device, sent=False):
            self._token = _token(json.loads(answer.body))

    async def power(self) -> bool:
        answer = await self._ask("GET", "power_status")
        with suppress(ValueError, RecursionError):
            match json.loads(answer.body):
                case {"power_status": "on"}:
                    return True
                case {"power_status": "off"}:
                    return False
        raise Refused(f"{self.device} tells no power state that HIL knows.")

    async def power_set(self, action: PowerAction) -> None:
        if action not in CALLS:
            raise Refused(f"{self.device} has no {action}: the original protocol knows none.")
        call, body = CALLS[action]
        await self._ask("POST", call, body)

    async def boot(self) -> BootChoice:
        raise self._lacks("way to read the boot device")

    async def boot_set(self, choice: BootChoice) -> None:
        if choice.device not in CAPABILITIES.devices:
            raise self._lacks(f"boot device {choice.device}")
        if choice.uefi is not None:
            raise self._lacks("choice between UEFI and legacy boot")
        if not choice.persistent and choice.device is not BootDevice.NONE:
            raise self._lacks("boot device for one boot alone")
        await self._ask("PUT", "boot_device", {"bootdev": str(choice.device)})

    async def sensors(self) -> list[Sensor]:
        raise self._lacks("sensors")

    async def event_log(self, limit: int) -> list[LogEntry]:
        raise self._lacks("event log")

    async def identify(self, seconds: int) -> None:
        raise self._lacks("light to identify the node")

    async def media(self) -> list[Medium]:
        raise self._lacks("virtual media")

    async def media_insert(self, slot: str, image: str) -> None:
        raise self._lacks("virtual media")

    async def media_eject(self, slot: str) -> None:
        raise self._lacks("virtual media")

    async def firmware(self) -> list[Firmware]:
        raise self._lacks("firmware inventory")

    async def console(self) -> ConsoleLine:
        self._check()
        console = StreamConsole(self._config, self._at("console"))
        try:
            await console.begun()
        except BaseException:
            await console.close()
            raise
        return console

    async def _ask(self, method: str, call: str, body: Any = None) -> Answer:
        self._check()
        read = method == "GET"
        try:
            answer = await self._web.ask(method, self._at(call), data=body, login=read, judge=False)
            if answer.status != 200:
                raise refusal(self.device, answer.status, changing=not read)
        except Refused:
            raise
        except BaseException:
            await self.close()
            raise
        return answer

    def _at(self, call: str) -> str:
        return f"{self._config['path']}/{call}?token={self._token}"

    def _check(self) -> None:
        guard.device()
        if self._ended:
            raise Unreachable(f"The session with {self.device} has ended: nothing was sent.")

    def _lacks(self, what: str) -> Refused:
        guard.device()
        return Refused(f"{self.device} has no {what}: the original protocol knows none.")

    async def close(self) -> None:
        self._ended = True
        await self._web.close()


class StreamConsole:
    """The console's output as a body without end. The original protocol has no way to type."""

    def __init__(self, config: Mapping[str, Any], path: str) -> None:
        self._web, self._path = _web(config), path
        self._waiting: asyncio.Queue[bytes | DeviceError] = asyncio.Queue(AHEAD)
        self._headers = asyncio.Event()
        self._over: bytes | DeviceError | None = None
        self._pump = asyncio.create_task(self._pumped())

    async def begun(self) -> None:
        """Wait for the headers for a moment. Raises what an answer that came says."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HEADERS):
                await self._headers.wait()
        if isinstance(self._over, DeviceError):
            raise self._over

    async def read(self) -> bytes:
        if self._over is not None and self._waiting.empty():
            return self._end(self._over)
        found = await self._waiting.get()
        return self._end(found) if isinstance(found, DeviceError) else found

    async def write(self, data: bytes) -> None:
        raise Refused(f"{self._web.device} takes no input: the original protocol's console only shows.")

    async def close(self) -> None:
        self._pump.cancel()
        await asyncio.wait([self._pump])
        await self._web.close()

    async def _pumped(self) -> None:
        over: bytes | DeviceError = b""
        try:
            following = await self._web.follow(self._path)
            if following.status != 200:
                raise refusal(self._web.device, following.status, changing=False)
            self._headers.set()
            while chunk := await following.read():
                await self._waiting.put(chunk)
        except DeviceError as error:
            over = error
        self._over = over
        self._headers.set()
        await self._waiting.put(over)

    @staticmethod
    def _end(over: bytes | DeviceError) -> bytes:
        if isinstance(over, DeviceError):
            raise over
        return over


def refusal(device: str, status: int, *, changing: bool) -> DeviceError:
    """What a status other than 200 means (the protocol has no words)."""
    if status == 401:
        return Unreachable(f"{device} knows the session's token no more: somebody else has made one, or it restarted.")
    if status >= 500:
        kind = LostReply if changing else Unreachable
        return kind(f"{device} could not do it: its controller failed (HTTP {status}).")
    return Refused(f"{device} says no (HTTP {status}).")


def _web(config: Mapping[str, Any]) -> Web:
    about = {key: config[key] for key in ("url", "timeout", "certificate") if key in config}
    return connect({**about, "username": "admin", "password": ""}, headers={"Authorization": ""})


def _token(found: Any) -> str:
    """Raises ValueError."""
    token = found.get("token") if isinstance(found, dict) else None
    if not isinstance(token, str) or not re.fullmatch(r"[0-9A-Fa-f]{32}", token):
        raise ValueError("the answer holds no token")
    return token


async def open_session(config: Mapping[str, Any]) -> ObmSession:
    """Make a token. Raises Unreachable, LoginRefused, IdentityChanged."""
    guard.device()
    session = ForeignObmdSession(config)
    try:
        await session.log_in()
    except BaseException:
        await session.close()
        raise
    return session
