"""An Acme switch on loopback, for its authors and for whoever wants to see the driver work.

`python -m hil_acme.bench check` prints the report of HIL's conformance check; `serve` serves it, prints the settings
with which HIL finds it, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from hil.core.errors import BadArgument
from hil.core.model import PortState
from hil.testing import Control, check_switch_driver
from hil.testing.case import Notes
from hil_acme.session import open_session
from hil_acme.spec import SPEC
from hil_acme.text import observed, state, written

PORTS = ("a1", "a2", "a3")
PASSWORD = "turtle"


class Acme:
    """The switch: a running and a saved configuration, and what shall go wrong next."""

    def __init__(self) -> None:
        self.running = dict.fromkeys(PORTS, "2 -")
        self.saved = dict(self.running)
        self.refusals: dict[str, str] = {}
        self.lose = False
        self.full = ""
        self.writes = 0
        self.notes: list[dict[str, str]] = []

    @asynccontextmanager
    async def served(self) -> AsyncIterator[dict[str, Any]]:
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            yield {"host": "127.0.0.1", "port": port, "password": PASSWORD}

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        known = False
        while line := (await reader.readline()).decode().strip():
            answer = self._answer(line, known)
            if answer is None:
                break
            known = known or answer[-1] == "ok"
            writer.write("".join(f"{said}\n" for said in answer).encode())
        writer.transport.abort()

    def _answer(self, line: str, known: bool) -> list[str] | None:
        match line.split(" "):
            case ["login", password]:
                return ["ok"] if password == PASSWORD else ["no wrong password"]
            case ["show"] if known:
                return [*(f"{port} {text}" for port, text in self.running.items()), "ok"]
            case ["about"] if known:
                return ["Roadrunner 4.2", "ok"]
            case ["save"] if known:
                if words := self.full:
                    self.full = ""
                    return [f"no {words}"]
                self.saved = dict(self.running)
                return ["ok"]
            case ["set", port, native, tagged] if known:
                return self._set(port, native, tagged)
        return ["no such command"]

    def _set(self, port: str, native: str, tagged: str) -> list[str] | None:
        if words := self.refusals.pop(port, None):
            return [f"no {words}"]
        if port not in self.running:
            return [f"no port {port}"]
        if self.running[port].startswith("lag"):
            return [f"no {port} belongs to {self.running[port]}"]
        try:
            self.running[port] = written(state(native, tagged))
        except (BadArgument, ValueError):
            return ["no VLANs of that kind"]
        self.writes += 1
        self.notes.append(dict(self.running))
        lost, self.lose = self.lose, False
        return None if lost else ["ok"]


def control(acme: Acme) -> Control:
    """The hand on the switch that HIL's check wants."""

    async def refuse(port: str, words: str) -> None:
        acme.refusals[port] = words

    async def lose_reply() -> None:
        acme.lose = True

    async def reboot() -> None:
        acme.running = dict(acme.saved)

    async def make_foreign(port: str) -> None:
        acme.running[port] = "all"

    async def writes() -> int:
        return acme.writes

    async def fail_save(words: str) -> None:
        acme.full = words

    async def carries(port: str) -> PortState | None:
        return observed(acme.running[port]).state

    async def bundle(port: str) -> None:
        acme.running[port] = "lag 3"

    async def unbundle(port: str) -> None:
        acme.running[port] = "- -"

    def watch(ports: Sequence[str]) -> Notes:
        acme.notes = [dict(acme.running)]
        return lambda: [{port: observed(note[port]).state for port in ports} for note in acme.notes]

    return Control(
        refuse=refuse,
        lose_reply=lose_reply,
        reboot=reboot,
        make_foreign=make_foreign,
        writes=writes,
        fail_save=fail_save,
        carries=carries,
        watch=watch,
        bundle=bundle,
        unbundle=unbundle,
    )


async def check() -> None:
    acme = Acme()
    async with Acme().served() as gone:
        pass
    async with acme.served() as config:
        report = await check_switch_driver(
            open_session,
            config,
            PORTS,
            control(acme),
            spec=SPEC,
            wrong_login=config | {"password": "hare"},
            unreachable=gone,
            unknown_port="a9",
        )
    print(report)


async def serve() -> None:
    async with Acme().served() as config:
        print(json.dumps(config), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run({"check": check, "serve": serve}[sys.argv[1]]())
