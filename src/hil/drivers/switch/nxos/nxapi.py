"""NX-API: the command lines of a Nexus as JSON over HTTPS (`POST /ins`, the `ins_api` form of Cisco's programmability
guide), one step of a plan a request.

A step's lines are sent together and judged together: the switch answers for each, and the first refusal is the step's.
Whether it went on after that differs between releases; the plan is made so that it does not matter. The first request
shows something harmless, so that a wrong password is told from an unreachable switch before anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hil.core.devices import Writer
from hil.core.errors import DeviceBusy, Refused
from hil.drivers.switch.cli.shell import words
from hil.drivers.switch.nxos.dialect import BUSY
from hil.drivers.transport.errors import mapped
from hil.drivers.transport.http import Web, connect

SLOW: Final = 180.0
"""Seconds that a step, a save or the whole running configuration may take."""
SEPARATOR: Final = " ;"
"""Between the commands of one request."""


class Nxapi:
    """Takes lines as a shell does. Made by `open_nxapi`."""

    def __init__(self, web: Web) -> None:
        self.device, self.sent = web.device, False
        self._web = web

    async def login(self) -> None:
        """Ask something harmless. Raises Unreachable, LoginRefused, IdentityChanged, Refused."""
        await self._ask("cli_show_ascii", ["show clock"], login=True)

    async def show(self, command: str) -> Any:
        """Answer the JSON of a command that shows something. Raises Refused."""
        return (await self._ask("cli_show", [command]))[0].get("body")

    async def ask(self, command: str) -> str:
        """Answer the text of a command that shows something. Raises Refused."""
        body = (await self._ask("cli_show_ascii", [command], patience=SLOW))[0].get("body")
        return body if isinstance(body, str) else ""

    async def tell_all(self, commands: Sequence[str], writer: Writer) -> Refused | None:
        """Send lines in one request; answer the first refusal among them. Raises DeviceBusy, LeaseLost, LostReply."""
        try:
            await self._ask("cli_conf", commands, writer=writer, patience=SLOW)
        except Refused as error:
            return error
        return None

    async def enter(self, writer: Writer) -> None:
        """Each request configures by itself."""

    async def leave(self) -> None:
        """Each request configures by itself."""

    def close(self) -> None:
        """Use no more; `closed` drops the connection."""
        self._web.ended = True

    async def closed(self) -> None:
        await self._web.close()

    async def _ask(
        self,
        kind: str,
        commands: Sequence[str],
        *,
        writer: Writer | None = None,
        login: bool = False,
        patience: float | None = None,
    ) -> list[Mapping[str, Any]]:
        body = {
            "version": "1.0",
            "type": kind,
            "chunk": "0",
            "sid": "1",
            "input": SEPARATOR.join(commands),
            "output_format": "json",
        }
        self.sent = self.sent or writer is not None
        answer = await self._web.ask(
            "POST", "/ins", data={"ins_api": body}, writer=writer, login=login, patience=patience
        )
        with mapped(self.device, sent=self.sent):
            outputs = _outputs(answer.json())
        for command, output in zip(commands, outputs, strict=False):
            if str(output.get("code")) != "200":
                raise self._refusal(command, output)
        if len(outputs) != len(commands):
            raise Refused(f"The switch answered {len(outputs)} of {len(commands)} commands from `{commands[0]}` on.")
        return outputs

    def _refusal(self, command: str, output: Mapping[str, Any]) -> Refused | DeviceBusy:
        said = words("\n".join(str(output.get(key, "")) for key in ("clierror", "msg") if output.get(key)))
        if BUSY.search(said):
            return DeviceBusy(f"{self.device} is being configured by somebody else: {said}")
        return Refused(f"The switch refuses `{command}`: {said}")


async def open_nxapi(config: Mapping[str, Any]) -> Nxapi:
    """Log in. Raises Unreachable, LoginRefused, IdentityChanged."""
    shell = Nxapi(connect({**config, "url": f"https://{_host(config['hostname'])}:{config.get('port', 443)}"}))
    try:
        await shell.login()
    except BaseException:
        await shell.closed()
        raise
    return shell


def _host(hostname: str) -> str:
    return f"[{hostname}]" if ":" in hostname else hostname


def _outputs(answer: Any) -> list[Mapping[str, Any]]:
    """The outputs of an answer: one command's is an object, several are a list. Raises ValueError."""
    try:
        found = answer["ins_api"]["outputs"]["output"]
    except (KeyError, TypeError, IndexError):
        raise ValueError("an answer that is none of NX-API") from None
    outputs = found if isinstance(found, list) else [found]
    if not outputs or not all(isinstance(output, dict) for output in outputs):
        raise ValueError("an answer that is none of NX-API")
    return outputs
