"""A session with an Arista switch: stage, commit on a timer, read back, confirm; what is not confirmed is undone.

A batch is one configuration session `hil-<fence>-<random>`. Staging changes nothing; a line that the switch refuses
costs its port the place in the batch, and the rest is staged anew. What reads back otherwise than it was written is
rolled back, and the rest tried again without it. Sessions of HIL that a dead worker left behind are settled before
anything else: one that waits for its confirmation is confirmed (this worker has read its effects as the port's state),
any other is dropped. A timer of somebody else's makes the switch busy: what it would undo cannot be known.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceBusy, DeviceError, LoginRefused, LostReply, Refused
from hil.core.model import Observed, PortChange
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.eos import parse, render
from hil.drivers.switch.eos.spec import CAPABILITIES, SPEC
from hil.drivers.switch.web_session import WebSession, chosen, vetted
from hil.drivers.transport.errors import mapped
from hil.drivers.transport.http import Web, connect

_BUSY: Final = re.compile(r"pending sessions|commit timer|locked|another session", re.IGNORECASE)
_READ: Final = ("show running-config", "show interfaces switchport", "show configuration sessions")
_UNCONFIRMED: Final = "pendingCommitTimer"


@dataclass(frozen=True, slots=True)
class Failed:
    """A command that the switch refused: which one, `enable` not counted, and the switch's words."""

    place: int
    words: str


class EosSession(WebSession):
    """Speaks the contract of `SwitchSession` in eAPI's `runCmds`."""

    def __init__(self, web: Web, config: Mapping[str, Any]) -> None:
        super().__init__(web)
        self._config = config
        secret = config.get("enable")
        self._enable: str | dict[str, str] = "enable" if secret is None else {"cmd": "enable", "input": secret}
        self._seen: parse.View | None = None
        self._sessions: Mapping[str, str] | None = None
        self._number = 0
        self.version: Any = None

    async def start(self) -> None:
        """Prove that the account works. Raises LoginRefused, Unreachable, IdentityChanged."""
        with self._closing():
            self.version = self._done(await self._run(["show version"], login=True))[0]

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        with self._closing():
            view = await self._view()
        return chosen(view.ports, ports, self._web.device)

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> dict[str, DeviceError | None]:
        with self._closing():
            view = self._seen or await self._view()
            self._seen = None
            todo, answers = vetted(batch, view.ports, view.lags, CAPABILITIES, SPEC.parked(self._config))
            if todo:
                await self._settle_stale(writer)
            while todo:
                todo = await self._attempt(todo, answers, writer)
        return answers

    async def save(self, writer: Writer) -> None:
        with self._closing():
            if self._sessions is None:
                await self._view()
            await self._settle_stale(writer)
            self._done(await self._run(["write memory"], writer))

    async def about(self) -> About:
        with self._closing():
            return parse.about(self.version)

    async def neighbours(self) -> dict[str, list[Neighbour]]:
        with self._closing(), mapped(self._web.device, sent=True):
            return parse.neighbours(self._done(await self._run(["show lldp neighbors detail"]))[0])

    async def macs(self) -> dict[str, list[Mac]]:
        with self._closing(), mapped(self._web.device, sent=True):
            return parse.macs(self._done(await self._run(["show mac address-table"]))[0])

    async def _view(self) -> parse.View:
        with mapped(self._web.device, sent=True):
            view = parse.view(*self._done(await self._run(_READ)))
        self._seen, self._sessions = view, view.sessions
        return view

    async def _settle_stale(self, writer: Writer) -> None:
        """Bring to an end what an earlier worker began. Raises DeviceBusy about somebody else's timer."""
        for name, state in (self._sessions or {}).items():
            if not name.startswith("hil-"):
                if state == _UNCONFIRMED:
                    raise DeviceBusy(f"{self._web.device}: session {name} waits for its confirmation; try again later.")
            elif state == _UNCONFIRMED:
                await self._confirm(name, writer)
            elif state == "pending":
                await self._run([f"configure session {name} abort"], writer)
        self._sessions = {}

    async def _attempt(
        self, todo: list[PortChange], answers: dict[str, DeviceError | None], writer: Writer
    ) -> list[PortChange]:
        """Write these changes; answer those that are to be tried again without one that failed."""
        name = f"hil-{writer.fence}-{secrets.token_hex(4)}"
        lines = render.batch_lines(self._config, todo)
        staged = await self._run([f"configure session {name}", *(line for _, line in lines)], writer)
        if isinstance(staged, Failed):
            await self._drop(staged, name if staged.place else None, writer)
            port = lines[staged.place - 1][0]
            answers[port] = Refused(f"Port {port}: {staged.words}")
            return [change for change in todo if change.port != port]
        limit = render.timer(self._config["commit_timer"])
        committed = await self._run([f"configure session {name} commit timer {limit}"], writer)
        if isinstance(committed, Failed):
            await self._drop(committed, name, writer)
            answers.update({change.port: Refused(f"Port {change.port}: {committed.words}") for change in todo})
            return []
        return await self._settle(name, todo, answers, writer)

    async def _settle(
        self, name: str, todo: list[PortChange], answers: dict[str, DeviceError | None], writer: Writer
    ) -> list[PortChange]:
        """Read back; confirm if all is as written, else roll back and say what was not."""
        seen = (await self._view()).ports
        self._seen, self._sessions = None, {}
        wrong = {
            change.port: seen.get(change.port, Observed(None, "gone"))
            for change in todo
            if change.port not in seen or seen[change.port].state != change.want
        }
        if not wrong:
            await self._confirm(name, writer)
            return []
        if isinstance(failed := await self._run([f"configure session {name} abort"], writer), Failed):
            raise LostReply(f"{self._web.device} did not roll back {name}, or has done so by itself: {failed.words}")
        for port, found in wrong.items():
            answers[port] = Refused(f"Port {port} read back as ({found}) after the change, which was rolled back.")
        return [change for change in todo if change.port not in wrong]

    async def _confirm(self, name: str, writer: Writer) -> None:
        if isinstance(failed := await self._run([f"configure session {name} commit"], writer), Failed):
            raise LostReply(
                f"{self._web.device} did not take the confirmation of {name} and rolls back, or has: {failed.words}"
            )

    async def _drop(self, failed: Failed, name: str | None, writer: Writer) -> None:
        """Leave no session behind (None: there is none). Raises DeviceBusy if the switch had no room for it."""
        if name is not None:
            await self._run([f"configure session {name} abort"], writer)
        if _BUSY.search(failed.words):
            raise DeviceBusy(f"{self._web.device} is busy: {failed.words}")
        if name is None:
            raise Refused(f"{self._web.device} refuses a configuration session: {failed.words}")

    async def _run(
        self, commands: Sequence[str], writer: Writer | None = None, *, login: bool = False
    ) -> list[Any] | Failed:
        """Run commands in privileged mode; EOS stops at the first that fails (eAPI, error 1002)."""
        self._number += 1
        call = {
            "jsonrpc": "2.0",
            "method": "runCmds",
            "params": {"version": 1, "cmds": [self._enable, *commands], "format": "json"},
            "id": f"hil-{self._number}",
        }
        answer = await self._web.ask("POST", "/command-api", data=call, writer=writer, login=login)
        reply = answer.json() if answer.ok else None
        with mapped(self._web.device, sent=not login):
            match reply:
                case {"result": list() as results} if len(results) == len(commands) + 1:
                    return results[1:]
                case {"error": {"message": str() as message, **rest}}:
                    return self._failed(message, rest.get("data"))
                case _:
                    raise ValueError(f"no answer of eAPI (HTTP {answer.status}): {answer.text[:200]}")

    def _failed(self, message: str, data: Any) -> Failed:
        results = data if isinstance(data, list) else []
        last = results[-1] if results and isinstance(results[-1], dict) else {}
        words = "; ".join(str(error) for error in last.get("errors") or []) or message
        place = max(len(results) - 2, 0)
        if len(results) == 1:
            raise LoginRefused(f"{self._web.device} does not let this account enter privileged mode: {words[:200]}")
        return Failed(place, words[:1000])

    def _done(self, results: list[Any] | Failed) -> list[Any]:
        if isinstance(results, Failed):
            kind = DeviceBusy if _BUSY.search(results.words) else Refused
            raise kind(f"{self._web.device}: {results.words}")
        return results


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Open a session with the switch of a configuration. Raises DeviceError."""
    session = EosSession(connect(config), config)
    try:
        await session.start()
    except BaseException:
        await session.close()
        raise
    return session
