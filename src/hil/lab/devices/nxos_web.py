"""NX-API of an emulated Nexus: `POST /ins`, each command done as the shell would do it and answered for itself.

A request without a known type or a command is answered with code 400, as is a command that the shell refuses. Where
there is one output it is an object, where there are several a list; a table of one row likewise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hil.drivers.switch.nxos.dialect import DIALECT
from hil.lab.devices import nxos_show
from hil.lab.devices.model import Session
from hil.lab.devices.shell import Terminal
from hil.lab.devices.web import Answer, Request, as_json

_MODES: Final = {"cli_show": "exec", "cli_show_ascii": "exec", "cli_conf": "config"}


@dataclass(frozen=True, slots=True)
class Api:
    """Answers requests; `stops`: after a refused command nothing more of the request is done."""

    terminal: Callable[[Session], Terminal]
    stops: bool = False

    async def answer(self, session: Session, request: Request) -> Answer:
        asked = request.json()
        asked = asked.get("ins_api") if isinstance(asked, dict) else None
        if request.method != "POST" or request.path != ("ins",) or not isinstance(asked, dict):
            return as_json({"error": "no such page"}, 404)
        kind, text = asked.get("type"), asked.get("input")
        if kind not in _MODES or not isinstance(text, str) or not text:
            return as_json({"ins_api": {"type": kind, "outputs": {"output": _refused("Invalid request")}}})
        outputs = await self._do(session, kind, [part.strip() for part in text.split(" ;")])
        found = outputs[0] if len(outputs) == 1 else outputs
        body = {"type": kind, "version": "1.0", "sid": "eoc", "outputs": {"output": found}}
        return as_json({"ins_api": body})

    async def _do(self, session: Session, kind: str, commands: list[str]) -> list[dict[str, Any]]:
        terminal = self.terminal(session)
        terminal.mode = _MODES[kind]
        outputs: list[dict[str, Any]] = []
        for command in commands:
            said = await terminal.obey(command)
            if kind != "cli_conf" and not command.startswith("show "):
                outputs.append(_refused("% Invalid command"))
            elif any(DIALECT.refused.search(line) for line in said.splitlines()[:2]) or said == terminal.face.busy:
                outputs.append(_refused(said))
            else:
                outputs.append({"body": _body(terminal, kind, command, said), "code": "200", "msg": "Success"})
            if self.stops and outputs[-1]["code"] != "200":
                break
        return outputs


def _body(terminal: Terminal, kind: str, command: str, said: str) -> Any:
    if kind == "cli_show" and command in nxos_show.TABLES:
        return nxos_show.TABLES[command](terminal.device)
    return said if kind != "cli_conf" else {}


def _refused(words: str) -> dict[str, Any]:
    return {"code": "400", "msg": "Input CLI command error", "clierror": words + "\n"}
