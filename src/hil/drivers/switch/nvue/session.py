"""A session with a Cumulus switch: a revision is made, patched twice, applied, and awaited; saving is another request.

Nothing takes effect before the revision is applied, and then all of it does. A revision that the switch calls invalid
costs the port that it names its place in the batch, and the rest is tried anew; if it names none, the ports are tried
one by one. While somebody else's revision is being applied, or waits to be confirmed, HIL's would wait its turn and be
applied when nobody looks any more: the switch is busy then, and is told nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceBusy, DeviceError, LostReply, Refused
from hil.core.model import Observed, PortChange
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.nvue import parse, render
from hil.drivers.switch.nvue.spec import CAPABILITIES
from hil.drivers.switch.web_session import WebSession, chosen, vetted
from hil.drivers.transport.errors import mapped
from hil.drivers.transport.http import Answer, Web, connect

ROOT: Final = "/nvue_v1"
DONE: Final = frozenset({"applied", "applied_and_saved", "auto_save"})
FAILED: Final = frozenset(
    {"invalid", "apply_error", "apply_fail", "ays_fail", "ays_no", "confirm_fail", "ignore_fail", "ready_error"}
    | {"verify_error"}
)
"""States that a revision never leaves by itself; `ignore_fail` is a question that nobody answers."""
WORKING: Final = frozenset(
    {
        "apply",
        "ays",
        "ays_yes",
        "checked",
        "checking",
        "confirm",
        "confirm_yes",
        "confirm_no",
        "ready",
        "readying",
        "reloaded",
    }
    | {"reloading", "verified", "verifying", "auto_saving", "ignore_fail_yes"}
)
_YES: Final = {"auto-prompt": {"ays": "ays_yes"}}


class Invalid(Exception):
    """The switch does not take a revision; the text is its reason."""


class NvueSession(WebSession):
    """Speaks the contract of `SwitchSession` in revisions."""

    def __init__(self, web: Web, config: Mapping[str, Any]) -> None:
        super().__init__(web)
        self._config = config
        self._system: Any = None
        self._seen: parse.View | None = None

    async def start(self) -> None:
        """Prove that the account works. Raises LoginRefused, Unreachable, IdentityChanged."""
        with self._closing(), mapped(self._web.device, sent=False):
            answer = await self._web.ask("GET", f"{ROOT}/system", login=True)
            if not answer.ok:
                raise ValueError(f"no NVUE (HTTP {answer.status})")
            self._system = answer.json()

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        with self._closing():
            self._seen = await self._view()
        return chosen(self._seen.ports, ports, self._web.device)

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> dict[str, DeviceError | None]:
        with self._closing():
            view = self._seen or await self._view()
            self._seen = None
            todo, answers = vetted(batch, view.ports, view.lags, CAPABILITIES, ())
            if todo:
                self._undisturbed(await self._get("/revision"))
            while todo:
                todo = await self._attempt(todo, answers, writer)
        return answers

    async def save(self, writer: Writer) -> None:
        """Applying does not persist: the applied revision is copied to the startup configuration."""
        with self._closing():
            answer = await self._change("PATCH", "/revision/applied", {"state": "save", **_YES}, writer)
            if issues := _issues(answer):
                raise Refused(f"{self._web.device} does not save: {issues}")

    async def about(self) -> About:
        with self._closing():
            answer = await self._web.ask("GET", f"{ROOT}/platform")
            return parse.about(self._system, answer.json() if answer.ok else {})

    async def neighbours(self) -> dict[str, list[Neighbour]]:
        with self._closing(), mapped(self._web.device, sent=True):
            return parse.neighbours(await self._get("/interface?rev=operational"))

    async def macs(self) -> dict[str, list[Mac]]:
        with self._closing(), mapped(self._web.device, sent=True):
            return parse.macs(await self._get(f"/bridge/domain/{self._config['bridge']}/mac-table"))

    async def _view(self) -> parse.View:
        operational = await self._get("/interface?rev=operational")
        applied = await self._get("/interface?rev=applied&filled=false")
        with mapped(self._web.device, sent=True):
            return parse.view(operational, applied, self._config["bridge"])

    def _undisturbed(self, revisions: Any) -> None:
        """Raises DeviceBusy while another revision is on its way."""
        for name, entry in revisions.items() if isinstance(revisions, dict) else ():
            if isinstance(entry, dict) and entry.get("state") in WORKING:
                raise DeviceBusy(f"{self._web.device}: revision {name} is in state {entry['state']}; try again later.")

    async def _attempt(
        self, todo: list[PortChange], answers: dict[str, DeviceError | None], writer: Writer
    ) -> list[PortChange]:
        """Write these changes in one revision; answer those that are to be tried again without one that failed."""
        try:
            await self._revise(todo, writer)
        except Invalid as error:
            words = str(error)
        else:
            return []
        guilty = {change.port for change in todo if len(todo) == 1 or _names(words, change.port)}
        if not guilty:
            for change in todo:
                await self._attempt([change], answers, writer)
            return []
        answers.update({port: Refused(f"Port {port}: {words}") for port in guilty})
        return [change for change in todo if change.port not in guilty]

    async def _revise(self, todo: list[PortChange], writer: Writer) -> None:
        """Raises Invalid if the switch does not take it; the read-back tells whether a part of it was done."""
        made = await self._change("POST", "/revision", None, writer)
        if not isinstance(made, dict) or len(made) != 1:
            raise LostReply(f"{self._web.device} answers a new revision with something else.")
        name = quote(str(next(iter(made))), safe="")
        for patch in (render.cleared(self._config, todo), render.written(self._config, todo)):
            await self._change("PATCH", f"/interface?rev={name}", patch, writer)
        await self._change("PATCH", f"/revision/{name}", {"state": "apply", **_YES}, writer)
        await self._applied(name)

    async def _applied(self, name: str) -> None:
        """Wait until a revision has come to an end. Raises Invalid, LostReply after `apply_timeout` seconds."""
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self._config["apply_timeout"], 0.02
        while True:
            entry = await self._get(f"/revision/{name}")
            state = entry.get("state") if isinstance(entry, dict) else None
            if state in DONE:
                return
            if state in FAILED:
                raise Invalid(_issues(entry) or f"the revision ended in state {state}")
            if loop.time() > end:
                raise LostReply(
                    f"{self._web.device} has not applied revision {name}: it is in state {str(state)[:40]}."
                )
            await asyncio.sleep(pause)
            pause = min(2 * pause, 1.0)

    async def _get(self, path: str) -> Any:
        answer = await self._web.ask("GET", ROOT + path)
        if not answer.ok:
            raise Refused(f"{self._web.device} refuses to be read: {_words(answer)}")
        return answer.json()

    async def _change(self, method: str, path: str, data: Any, writer: Writer) -> Any:
        """Send a change. Raises DeviceBusy for 409, 423 and 503, Invalid for any other failure of a revision."""
        answer = await self._web.ask(method, ROOT + path, data=data, writer=writer)
        if answer.status in (409, 423, 503):
            raise DeviceBusy(f"{self._web.device} is busy: {_words(answer)}")
        if answer.ok:
            return answer.json()
        if path == "/revision/applied":
            raise Refused(f"{self._web.device} does not save: {_words(answer)}")
        raise Invalid(_words(answer))


def _issues(entry: Any) -> str:
    """What the switch objects to in a revision: `transition.issue.*.message`, in its own words."""
    transition = entry.get("transition") if isinstance(entry, dict) else None
    issues = transition.get("issue") if isinstance(transition, dict) else None
    found = [str(one.get("message", "")).strip() for one in (issues or {}).values() if isinstance(one, dict)]
    return "; ".join(filter(None, found))[:1000]


def _words(answer: Answer) -> str:
    """The reason in an error's body, which is JSON with `detail`, `title` or `message`, or plain text."""
    if answer.body.startswith(b"{") and isinstance(found := _quietly(answer), dict):
        for key in ("detail", "message", "title"):
            if isinstance(found.get(key), str):
                return f"{found[key][:1000]} (HTTP {answer.status})"
    return f"{answer.text[:300]} (HTTP {answer.status})"


def _quietly(answer: Answer) -> Any:
    try:
        return answer.json()
    except LostReply:
        return None


def _names(words: str, port: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(port)}(?![A-Za-z0-9])", words) is not None


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Open a session with the switch of a configuration. Raises DeviceError."""
    session = NvueSession(connect(config), config)
    try:
        await session.start()
    except BaseException:
        await session.close()
        raise
    return session
