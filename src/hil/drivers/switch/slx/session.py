"""A session with a VDX or SLX switch: requests one after the other, the status of each checked.

There is no transaction. A port whose request is refused is left where it is, which is never wider than it was or shall
be, and the other ports go on. A 409 that says *it is there already* is success; a 409 that speaks of a lock is not.
Operations (`/rest/operations/…`) are the remote procedures of the switch's own YANG modules: copying the configuration,
LLDP, MAC table, version.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceBusy, DeviceError, LostReply, Refused
from hil.core.model import Observed, PortChange
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.slx import parse, render
from hil.drivers.switch.slx.spec import CAPABILITIES
from hil.drivers.switch.web_session import WebSession, vetted
from hil.drivers.transport.errors import mapped
from hil.drivers.transport.http import Answer, Web, connect

_LOCKED: Final = re.compile(rb"\block|in use by|another (session|user)", re.IGNORECASE)
_XML: Final = {"Content-Type": "application/vnd.configuration.resource+xml"}
_PAGES: Final = 1000


class SlxSession(WebSession):
    """Speaks the contract of `SwitchSession` in REST."""

    def __init__(self, web: Web, config: Mapping[str, Any]) -> None:
        super().__init__(web)
        self._config = config
        self._type = config["interface_type"]
        self._seen: dict[str, Observed] = {}
        self._lags: dict[str, str] = {}
        self._made: set[str] = set()

    async def start(self) -> None:
        """Prove that the account works and the type of interface exists. Raises LoginRefused, Refused, Unreachable."""
        with self._closing():
            await self._names(login=True)

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        with self._closing():
            self._seen, self._lags = {}, {}
            for port in await self._names() if ports is None else ports:
                if not await self._look(port):
                    raise Refused(f"{self._web.device} has no port {self._type} {port}.")
            return dict(self._seen)

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> dict[str, DeviceError | None]:
        with self._closing():
            for change in batch:
                if change.port not in self._seen:
                    await self._look(change.port)
            todo, answers = vetted(batch, self._seen, self._lags, CAPABILITIES, ())
            self._seen, self._lags, self._made = {}, {}, set()
            for change in todo:
                answers[change.port] = await self._write(change, writer)
        return answers

    async def save(self, writer: Writer) -> None:
        """Copy the running configuration, and wait for it; a switch that saves by itself is told nothing."""
        with self._closing():
            if self._config["save"] == "automatic":
                writer.check()
                return
            copy = "<bna-config-cmd><src>running-config</src><dest>startup-config</dest></bna-config-cmd>"
            number, state = self._job(await self._operate("bna-config-cmd", copy, writer))
            loop = asyncio.get_running_loop()
            end, pause = loop.time() + self._config["save_timeout"], 0.02
            ask = f"<bna-config-cmd-status><session-id>{int(number or 0)}</session-id></bna-config-cmd-status>"
            while state == "in-progress":
                if loop.time() > end:
                    raise LostReply(f"{self._web.device} is still copying its configuration.")
                await asyncio.sleep(pause)
                pause = min(2 * pause, 2.0)
                state = self._job(await self._operate("bna-config-cmd-status", ask))[1]
            if state != "completed":
                raise Refused(f"{self._web.device} does not save: {state[:300] or 'no reason given'}")

    async def about(self) -> About:
        with self._closing(), mapped(self._web.device, sent=True):
            return parse.about((await self._operate("show-firmware-version")).body)

    async def neighbours(self) -> dict[str, list[Neighbour]]:
        found: dict[str, list[Neighbour]] = {}
        page = ""
        with self._closing(), mapped(self._web.device, sent=True):
            for _ in range(_PAGES):
                more = f"<last-rcvd-ifindex>{page}</last-rcvd-ifindex>" if page else ""
                ask = f"<get-lldp-neighbor-detail>{more}</get-lldp-neighbor-detail>"
                part, page = parse.neighbours((await self._operate("get-lldp-neighbor-detail", ask)).body, self._type)
                for port, near in part.items():
                    found.setdefault(port, []).extend(near)
                if not page.isdigit():
                    break
        return found

    async def macs(self) -> dict[str, list[Mac]]:
        with self._closing(), mapped(self._web.device, sent=True):
            return parse.macs((await self._operate("get-mac-address-table")).body, self._type)

    async def _names(self, *, login: bool = False) -> list[str]:
        answer = await self._web.ask("GET", f"{render.ROOT}/{self._type}", login=login)
        if not answer.ok:
            raise Refused(f"{self._web.device}, interfaces {self._type}: {parse.words(answer.body, answer.status)}")
        with mapped(self._web.device, sent=not login):
            return parse.names(answer.body)

    async def _look(self, port: str) -> bool:
        """Read one port; answer whether it exists."""
        answer = await self._web.ask("GET", render.port_path(self._config, port))
        if answer.status == 404:
            return False
        if not answer.ok:
            raise Refused(f"Port {port}: {parse.words(answer.body, answer.status)}")
        with mapped(self._web.device, sent=True):
            self._seen[port], lag = parse.port(answer.body)
        if lag:
            self._lags[port] = lag
        return True

    async def _write(self, change: PortChange, writer: Writer) -> Refused | None:
        """Write one port; the first refusal ends it there, in an order in which that is never wider."""
        try:
            for request in render.requests(self._config, change):
                await self._send(request, writer)
        except Refused as error:
            return Refused(f"Port {change.port}: {error.message}")
        return None

    async def _send(self, request: render.Request, writer: Writer) -> None:
        if request.body in self._made:
            return
        answer = await self._web.ask(request.method, request.path, body=request.body, headers=_XML, writer=writer)
        if not answer.ok:
            self._not_locked(answer)
            if answer.status not in request.tolerated:
                raise Refused(parse.words(answer.body, answer.status))
        if request.makes_vlan:
            self._made.add(request.body)

    async def _operate(self, name: str, body: str = "", writer: Writer | None = None) -> Answer:
        content = body or f"<{name}></{name}>"
        answer = await self._web.ask("POST", f"/rest/operations/{name}", body=content, headers=_XML, writer=writer)
        if not answer.ok:
            self._not_locked(answer)
            raise Refused(f"{self._web.device}, {name}: {parse.words(answer.body, answer.status)}")
        return answer

    def _job(self, answer: Answer) -> tuple[str, str]:
        with mapped(self._web.device, sent=True):
            number, state = parse.job(answer.body)
            if state == "in-progress" and not (number.isascii() and number.isdigit()):
                raise ValueError("a copy without a number")
        return number, state

    def _not_locked(self, answer: Answer) -> None:
        if answer.status in (423, 503) or (answer.status == 409 and _LOCKED.search(answer.body)):
            raise DeviceBusy(f"{self._web.device} is busy: {parse.words(answer.body, answer.status)}")


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Open a session with the switch of a configuration. Raises DeviceError."""
    session = SlxSession(connect(config), config)
    try:
        await session.start()
    except BaseException:
        await session.close()
        raise
    return session
