"""An emulated Arista switch: eAPI's `runCmds` over HTTPS, configuration sessions, a commit that waits to be confirmed.

A session is a copy of the running configuration; committing it replaces that. At most five sessions wait; a commit on
a timer is undone by the switch unless it is confirmed in time, whoever asked for it may be gone. Sessions and timers
do not survive a reboot. Commands run in order and stop at the first that fails.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from hil.core.wiring import canonical_mac
from hil.drivers.switch.mock.faults import FaultKind, Op
from hil.lab.devices import Served
from hil.lab.devices.eos_cli import FACTORY, CommandError, EosRule, Shell, running, switchports
from hil.lab.devices.model import Busy, Config, Device, Dropped, Session
from hil.lab.devices.web import Answer, Request, as_json, serve

PENDING: Final = 5
_SESSION: Final = re.compile(r"configure session (\S+)(?: (abort|commit)(?: timer (\d\d):(\d\d):(\d\d))?)?")
_FULL: Final = (
    "Maximum number of pending sessions has been reached. Please commit or abort previous sessions "
    "before creating a new one."
)
_TIMED: Final = "Cannot commit session {}: session {} has a pending commit timer"


@dataclass(slots=True)
class Pending:
    """A configuration session: its configuration, and what a rollback would bring back once it is committed."""

    config: Config
    before: Config | None = None
    timer: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        return "pending" if self.before is None else "pendingCommitTimer"


class EosPlatform:
    """The switch behind eAPI; it lives as long as it is served. `sleep` is how its commit timer waits."""

    def __init__(self, device: Device, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.device = device
        self._sleep = sleep
        self.pending: dict[str, Pending] = {}
        self._config = device.config

    async def __call__(self, session: Session, request: Request) -> Answer:
        call = request.json()
        params = call.get("params") if isinstance(call, dict) else None
        if request.whole != "/command-api" or not isinstance(params, dict) or call.get("method") != "runCmds":
            return as_json({"jsonrpc": "2.0", "id": None, "error": {"code": -32601, "message": "Method not found"}})
        commands = [c if isinstance(c, str) else str(c.get("cmd")) for c in params.get("cmds") or []]
        op = _operation(commands)
        try:
            await session.enter(op)
        except Busy:
            return _reply(
                call, commands, [{}], _FULL if op is Op.WRITE else "Configuration is locked by another session"
            )
        self._after_reboot()
        results, error = self._run(session, commands)
        session.leave(op)
        return _reply(call, commands, results, error)

    def _run(self, session: Session, commands: list[str]) -> tuple[list[dict[str, Any]], str | None]:
        results: list[dict[str, Any]] = []
        shell: Shell | None = None
        for command in commands:
            try:
                if match := _SESSION.fullmatch(command):
                    shell = self._session(session, match)
                    results.append({})
                elif shell is not None:
                    shell.line(command)
                    results.append({})
                else:
                    results.append(self._exec(session, command))
            except CommandError as error:
                return results, str(error)
        return results, None

    def _session(self, session: Session, match: re.Match[str]) -> Shell | None:
        """Enter, commit or abort a configuration session; answer a console if one was entered."""
        name, verb = match[1], match[2]
        if verb is None:
            waiting = sum(entry.before is None for entry in self.pending.values())
            if name not in self.pending and waiting >= PENDING:
                raise CommandError(_FULL)
            entry = self.pending.setdefault(name, Pending(self.device.config.copy()))
            return Shell(entry.config, _once(session))
        if (found := self.pending.get(name)) is None:
            raise CommandError(f"Session {name} does not exist")
        if verb == "abort":
            self._abort(name, found, session)
        elif match[3] is None:
            self._commit(name, found, session)
        else:
            seconds = int(match[3]) * 3600 + int(match[4]) * 60 + int(match[5])
            self._commit_for(name, found, session, seconds)
        return None

    def _commit(self, name: str, found: Pending, session: Session) -> None:
        """Commit at once, or confirm."""
        if found.before is None:
            self._apply(found.config, session)
        self._forget(name)

    def _commit_for(self, name: str, found: Pending, session: Session, seconds: int) -> None:
        for other, entry in self.pending.items():
            if entry.before is not None:
                raise CommandError(_TIMED.format(name, other))
        found.before = self.device.config.copy()
        self._apply(found.config, session)
        found.timer = asyncio.get_running_loop().create_task(self._expire(name, seconds))

    async def _expire(self, name: str, seconds: int) -> None:
        await self._sleep(seconds)
        found = self.pending.get(name)
        if found is not None and found.before is not None:
            found.timer = None
            self._abort(name, found, Session(self.device, "commit timer"))

    def _abort(self, name: str, found: Pending, session: Session) -> None:
        if found.before is not None:
            self._apply(found.before, session)
        self._forget(name)

    def _apply(self, config: Config, session: Session) -> None:
        session.commit(config)
        self._config = self.device.config

    def _forget(self, name: str) -> None:
        found = self.pending.pop(name)
        if found.timer is not None:
            found.timer.cancel()

    def _after_reboot(self) -> None:
        """A configuration that no commit of ours has put there came with a reboot, which forgets sessions."""
        if self.device.config is not self._config:
            self.close()
            self._config = self.device.config

    def close(self) -> None:
        for name in list(self.pending):
            self._forget(name)

    def _exec(self, session: Session, command: str) -> dict[str, Any]:
        match command:
            case "enable":
                return {}
            case "show version":
                return {"modelName": "DCS-7050TX-64-F", "version": "4.28.3M", "serialNumber": "EMU0000001"}
            case "show running-config":
                return running(self.device.config)
            case "show interfaces switchport":
                return switchports(self.device.config)
            case "show configuration sessions":
                return {
                    "maxSavedSessions": 1,
                    "maxOpenSessions": PENDING,
                    "sessions": {name: {"state": entry.state, "instances": {}} for name, entry in self.pending.items()},
                }
            case "show lldp neighbors detail":
                return self._lldp()
            case "show mac address-table":
                return self._macs()
            case "write memory":
                if words := session.save():
                    raise CommandError(words)
                return {"messages": ["Copy completed successfully."]}
            case _:
                raise CommandError(f"Invalid input (at token 0: '{command[:40]}')")

    def _lldp(self) -> dict[str, Any]:
        def info(chassis: str, port: str, name: str) -> dict[str, Any]:
            far = {"interfaceIdType": "macAddress" if canonical_mac(port) else "interfaceName", "interfaceId": port}
            return {
                "chassisIdType": "macAddress",
                "chassisId": chassis,
                "systemName": name,
                "neighborInterfaceInfo": far,
            }

        return {
            "lldpNeighbors": {
                port: {"lldpNeighborInfo": [info(_dotted(n.chassis), _dotted(n.port), n.name) for n in found]}
                for port, found in self.device.neighbours.items()
            }
        }

    def _macs(self) -> dict[str, Any]:
        entries = [
            {"vlanId": mac.vlan, "macAddress": mac.address, "interface": port, "entryType": "dynamic", "moves": 1}
            for port, found in self.device.macs.items()
            for mac in found
        ]
        cpu = {"vlanId": 1, "macAddress": "00:1c:73:00:00:01", "interface": "Router", "entryType": "static"}
        return {"unicastTable": {"tableEntries": [*entries, cpu]}, "multicastTable": {"tableEntries": []}}


def _once(session: Session) -> Any:
    """What a console does before it changes a port: faults strike at a port's first line."""
    seen: set[str] = set()

    def changing(port: str) -> None:
        if port in seen:
            return
        seen.add(port)
        if (words := session.refusal(port)) is not None:
            raise CommandError(words)
        if session.device.faults.strike(FaultKind.HALF, Op.WRITE, port):
            session.close()
            raise Dropped

    return changing


def _operation(commands: list[str]) -> Op:
    if "write memory" in commands:
        return Op.SAVE
    return Op.WRITE if any(command.startswith("configure") for command in commands) else Op.READ


def _dotted(text: str) -> str:
    """A MAC address as EOS writes it; any other text in the quotes that EOS puts around it."""
    mac = canonical_mac(text)
    if mac is None:
        return f'"{text}"'
    digits = mac.replace(":", "")
    return ".".join(digits[at : at + 4] for at in (0, 4, 8))


def _reply(call: Any, commands: list[str], results: list[dict[str, Any]], error: str | None) -> Answer:
    if error is None:
        return as_json({"jsonrpc": "2.0", "id": call.get("id"), "result": results})
    place = len(results)
    message = f"CLI command {place + 1} of {len(commands)} '{commands[place]}' failed: could not run command"
    data = [*results, {"errors": [error]}]
    return as_json({"jsonrpc": "2.0", "id": call.get("id"), "error": {"code": 1002, "message": message, "data": data}})


@dataclass(frozen=True, slots=True)
class EosEmulator:
    ports: tuple[str, ...] = ("Ethernet1", "Ethernet2", "Ethernet3", "Ethernet4", "Ethernet5/1", "Ethernet5/2")

    def device(self, name: str, ports: tuple[str, ...] | None = None, **settings: Any) -> Device:
        return Device(name, EosRule(), ports or self.ports, **({"factory": FACTORY} | settings))

    @asynccontextmanager
    async def serve(self, device: Device) -> AsyncIterator[Served]:
        platform = EosPlatform(device, device.sleep)
        try:
            async with serve(device, platform) as served:
                yield served
        finally:
            platform.close()


EMULATOR: Final = EosEmulator()
