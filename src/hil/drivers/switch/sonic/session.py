"""A session with a SONiC switch: read the database, set a checkpoint, apply one patch, read back.

A patch that is refused, or that reads otherwise than wanted afterwards, is followed by a rollback to the checkpoint if
anything of it is there; the ports that were to blame are left out, and the others are tried again. A patch that dies
on its way is left as it is: its state must be read again. Commands carry neither names nor values from outside; the
patch goes through standard input into a file that only the device knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from hil.core import guard
from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceBusy, DeviceError, LostReply, Refused
from hil.core.model import Observed, PortChange, PortState
from hil.core.vlans import fold
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.order import differing, foreign_vlans
from hil.drivers.switch.sonic import parse
from hil.drivers.switch.sonic.parse import Database
from hil.drivers.switch.sonic.render import patch
from hil.drivers.switch.sonic.spec import CAPABILITIES
from hil.drivers.transport.errors import device_error, mapped
from hil.drivers.transport.ssh import Done, Ssh, connect

READ: Final = "sudo -n sonic-cfggen -d --print-data"
CHECKPOINT: Final = "sudo -n config checkpoint hil"
APPLY: Final = 'f=$(mktemp) && cat >"$f" && sudo -n config apply-patch "$f"; s=$?; rm -f "$f"; exit $s'
ROLLBACK: Final = "sudo -n config rollback hil"
FORGET: Final = "sudo -n config delete-checkpoint hil"
SAVE: Final = "sudo -n config save -y"
_BUSY: Final = re.compile(
    r"failed to acquire lock|another .* in progress|resource temporarily unavailable", re.IGNORECASE
)
_WORDS: Final = re.compile(r"^(?:Error|Failed)\b.*$", re.MULTILINE)

Answers = dict[str, DeviceError | None]


class SonicSession:
    """Speak the contract of `SwitchSession` to one switch."""

    def __init__(self, ssh: Ssh, config: Mapping[str, Any]) -> None:
        self._ssh, self._config = ssh, config
        self._modes: bool = config["port_mode"]
        self._sent = False

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        with self._closing():
            db = await self._database()
            there = parse.ports(db)
            if unknown := sorted(set(ports or ()) - set(there)):
                raise Refused(f"{self._ssh.device} has no port {', '.join(unknown)}.")
            return {port: parse.observed(db, port, modes=self._modes) for port in (there if ports is None else ports)}

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        answers: Answers = {change.port: None for change in batch}
        with self._closing():
            for change in differing(batch):
                if wrong := foreign_vlans(CAPABILITIES, (), change):
                    answers[change.port] = Refused(f"Port {change.port}: this switch cannot carry VLAN {fold(wrong)}.")
            todo = [change for change in differing(batch) if answers[change.port] is None]
            while todo and await self._attempt(todo, answers, writer):
                todo = [change for change in todo if answers[change.port] is None]
        return answers

    async def save(self, writer: Writer) -> None:
        with self._closing():
            done = await self._run(SAVE, writer)
            if done.status:
                raise Refused(f"{self._ssh.device} refused to save: {words(done)}.")

    async def about(self) -> About:
        with self._closing():
            return parse.about(await self._shown("show version"))

    async def neighbours(self) -> dict[str, list[Neighbour]]:
        with self._closing():
            return parse.neighbours(await self._shown("show lldp table"))

    async def macs(self) -> dict[str, list[Mac]]:
        with self._closing():
            return parse.macs(await self._shown("show mac"))

    async def close(self) -> None:
        await self._ssh.closed()

    async def _attempt(self, todo: Sequence[PortChange], answers: Answers, writer: Writer) -> bool:
        """Apply one patch for these ports; answer whether it failed and another without the guilty is worth it."""
        db = await self._database()
        wants = self._accepted(db, todo, answers)
        ops = patch(wants, db, modes=self._modes)
        if not ops:
            return False
        await self._must(CHECKPOINT, writer)
        done = await self._run(APPLY, writer, json.dumps(ops).encode())
        if done.status and _BUSY.search((done.output + done.errors).decode("utf-8", "replace")):
            # Whatever has changed meanwhile is that other's: there is nothing of ours to roll back.
            raise DeviceBusy(f"{self._ssh.device} is being configured by somebody else: {words(done)}.")
        now = await self._database()
        seen = {port: parse.observed(now, port, modes=self._modes) for port in wants}
        wrong = [port for port, want in wants.items() if seen[port].state != want]
        if not done.status and not wrong:
            await self._run(FORGET, writer)
            return False
        if _rows(now, wants) != _rows(db, wants):
            await self._must(ROLLBACK, writer)
        await self._run(FORGET, writer)
        if done.status:
            return self._blame(done, list(wants), answers)
        for port in wrong:
            answers[port] = Refused(f"Port {port} reads as ({seen[port]}) after the patch: it was rolled back.")
        return True

    def _accepted(self, db: Database, todo: Sequence[PortChange], answers: Answers) -> dict[str, PortState]:
        wants = {}
        for change in todo:
            port = change.port
            if port not in db.get("PORT", {}):
                answers[port] = Refused(f"{self._ssh.device} has no port {port}.")
            elif lag := parse.lag_of(db, port):
                answers[port] = Refused(f"Port {port} is a {parse.LAG} {lag}: HIL does not write it.")
            else:
                wants[port] = change.want
        return wants

    def _blame(self, done: Done, ports: Sequence[str], answers: Answers) -> bool:
        """Answer whom a refusal concerns, and whether that could be told; if not, it is all of them."""
        said = words(done)
        named = [port for port in ports if re.search(rf"\b{re.escape(port)}(?![0-9])", said)]
        for port in named or ports:
            answers[port] = Refused(f"Port {port}: the switch refused: {said}.")
        return bool(named)

    async def _database(self) -> dict[str, dict[str, Any]]:
        text = await self._shown(READ)
        with mapped(self._ssh.device, sent=self._sent):
            return parse.database(text)

    async def _shown(self, command: str) -> str:
        done = await self._ssh.exec(command, sent=self._sent)
        if done.status is None:
            raise device_error(self._ssh.device, EOFError("the command ended without a status"), sent=self._sent)
        if done.status:
            raise Refused(f"{self._ssh.device} refused to be read: {words(done)}.")
        with mapped(self._ssh.device, sent=self._sent):
            return done.output.decode()

    async def _run(self, command: str, writer: Writer, stdin: bytes = b"") -> Done:
        """Run a command that changes something. Raises LostReply if nobody knows how it ended."""
        writer.check()
        self._sent = True
        done = await self._ssh.exec(command, stdin=stdin, sent=True, patience=self._config["apply_timeout"])
        if done.status is None:
            raise LostReply(f"{self._ssh.device}: a command was ended by a signal.")
        return done

    async def _must(self, command: str, writer: Writer) -> None:
        """Run a command without which nothing else may be done."""
        done = await self._run(command, writer)
        if done.status:
            said = words(done)
            if _BUSY.search(said):
                raise DeviceBusy(f"{self._ssh.device} is being configured by somebody else: {said}.")
            raise LostReply(f"{self._ssh.device}: {command.removeprefix('sudo -n ')} failed: {said}.")

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """Close after anything but a refusal, a crash and a cancellation included."""
        guard.device()
        try:
            yield
        except Refused:
            raise
        except BaseException:
            self._ssh.close()
            raise


def words(done: Done) -> str:
    """What a command says of its failure: the line that begins like an error, or the last one."""
    text = (done.errors + b"\n" + done.output).decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = _WORDS.findall(text)
    said = found[-1] if found else (lines[-1] if lines else f"exit status {done.status}")
    return "".join(sign for sign in said if sign.isprintable())[:300].rstrip(". ")


def _rows(db: Database, wants: Mapping[str, PortState]) -> list[Any]:
    """Everything of the database that a patch for these ports may have touched, but the VLANs themselves."""
    return [(db.get("PORT", {}).get(port), parse.members(db, port), parse.addresses(db, port)) for port in wants]


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Log in. Raises DeviceError."""
    return SonicSession(await connect(config), config)
