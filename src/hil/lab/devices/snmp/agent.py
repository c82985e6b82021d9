"""The SNMP agent of an emulated switch: versions 2c and 3 over UDP, with the library that real agents are written in.

UDP knows no session; the device's model does. Each source address is one, and begins with its first request: what
makes a session die makes the agent deaf to that address. A wrong community is not answered, a wrong key of version 3
is reported (RFC 3414), and only users with authentication and privacy are let in.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config as engine_config
from pysnmp.entity.engine import SnmpEngine
from pysnmp.proto import rfc1902, rfc1905
from pysnmp.proto.api import v2c

from hil.drivers.switch.mock.faults import FaultKind, Op
from hil.drivers.switch.snmp.mib import Oid
from hil.lab.devices import Served
from hil.lab.devices.model import Busy, Config, Device, Dropped, Session
from hil.lab.devices.snmp.rule import FACTORY, QBridgeRule
from hil.lab.devices.snmp.tables import ERROR, SAVE, SERIAL, Rejected, Tables

_PORTS: Final = tuple(f"ge.1.{number}" for number in range(1, 5))
_WRONG_DIGESTS: Final = (1, 3, 6, 1, 6, 3, 15, 1, 1, 5, 0)
_AUTH_PRIV: Final = 3
_V3: Final = 3
_REQUESTS: Final = (
    rfc1905.GetRequestPDU.tagSet,
    rfc1905.GetNextRequestPDU.tagSet,
    rfc1905.GetBulkRequestPDU.tagSet,
    rfc1905.SetRequestPDU.tagSet,
)
_MOST: Final = 64
"""Binds in one answer; an agent that was asked for more sends less (RFC 3416, section 4.2.3)."""

Binds = list[tuple[Any, Any]]


@dataclass(slots=True)
class _Answer:
    """An error's name and place, or the binds; `report` is what version 3 reports instead."""

    binds: Binds
    status: str = ""
    place: int = 0
    report: Mapping[str, Any] | None = None


class Agent:
    """Serves one device on one socket."""

    def __init__(self, device: Device, engine_id: bytes) -> None:
        self.device, self.tables = device, Tables(device, engine_id)
        self._sessions: dict[Any, Session | None] = {}
        self._turns: dict[Any, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._engine = SnmpEngine()
        (node,) = self._engine.get_mib_builder().import_symbols("__SNMP-FRAMEWORK-MIB", "snmpEngineID")
        # Set here and not given to the engine, which would keep its boots in a file of this machine.
        node.syntax = node.syntax.clone(hexValue=engine_id.hex())
        self._engine.snmpEngineID = node.syntax

    def listen(self, listener: socket.socket) -> None:
        device = self.device
        transport = udp.UdpTransport().open_server_mode(sock=listener)
        engine_config.add_transport(self._engine, udp.DOMAIN_NAME, transport)
        keys = keys_of(device)
        engine_config.add_v1_system(self._engine, "lab", keys["community"])
        engine_config.add_v3_user(
            self._engine,
            device.username or "hil",
            engine_config.USM_AUTH_HMAC192_SHA256,
            keys["auth_password"],
            engine_config.USM_PRIV_CFB128_AES,
            keys["priv_password"],
        )
        self._engine.message_dispatcher.register_context_engine_id(self._engine.snmpEngineID, _REQUESTS, self._received)

    async def close(self) -> None:
        self._engine.close_dispatcher()
        for task in self._tasks:
            task.cancel()
        for task in list(self._tasks):
            with suppress(asyncio.CancelledError):
                await task
        for session in self._sessions.values():
            if session is not None:
                session.close()

    def _received(
        self,
        engine: Any,
        mp: Any,
        model: Any,
        name: Any,
        level: Any,
        engine_id: Any,
        context: Any,
        version: Any,
        pdu: Any,
        most: Any,
        reference: Any,
    ) -> None:
        """Take a request that the engine has authenticated; the answer is sent later."""
        seen = engine.observer.get_execution_context("rfc3412.receiveMessage:request")
        address = tuple(seen["transportAddress"])
        private = int(model) != _V3 or int(level) == _AUTH_PRIV

        def reply(answer: _Answer) -> None:
            response = v2c.apiPDU.get_response(pdu)
            v2c.apiPDU.set_varbinds(response, answer.binds)
            if answer.status:
                v2c.apiPDU.set_error_status(response, answer.status)
                v2c.apiPDU.set_error_index(response, answer.place)
            engine.message_dispatcher.return_response_pdu(
                engine, mp, model, name, level, engine_id, context, version, response, most, reference,
                dict(answer.report or {}),
            )  # fmt: skip

        task = asyncio.get_running_loop().create_task(self._serve(address, str(name), pdu, private, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, address: Any, user: str, pdu: Any, private: bool, reply: Any) -> None:
        turn = self._turns.setdefault(address, asyncio.Lock())
        async with turn:
            try:
                answer = await self._answer(address, user, pdu, private)
            except Dropped:
                return
            with suppress(OSError):
                reply(answer)

    async def _answer(self, address: Any, user: str, pdu: Any, private: bool) -> _Answer:
        binds: Binds = list(v2c.apiPDU.get_varbinds(pdu))
        if address not in self._sessions:
            if not self.device.admits(self.device.username or "", self.device.password or ""):
                return _Answer(binds, report={"oid": _WRONG_DIGESTS, "val": rfc1902.Counter32(1)})
            self._sessions[address] = None
            self._sessions[address] = await self.device.begin(user)
        session = self._sessions[address]
        if session is None or not session.alive:
            raise Dropped
        if not private:
            return _Answer(binds, "authorizationError", 1)
        if pdu.tagSet == rfc1905.SetRequestPDU.tagSet:
            return await self._change(session, binds)
        await session.enter(Op.READ)
        found = self._found(pdu, binds)
        session.leave(Op.READ)
        return _Answer(found)

    # Reading.

    def _found(self, pdu: Any, binds: Binds) -> Binds:
        objects = self.tables.objects()
        if pdu.tagSet == rfc1905.GetRequestPDU.tagSet:
            return [(name, objects.get(tuple(name), rfc1905.noSuchInstance)) for name, _ in binds]
        order = sorted(objects)
        if pdu.tagSet == rfc1905.GetNextRequestPDU.tagSet:
            return [_next(order, objects, tuple(name)) for name, _ in binds]
        rows = int(v2c.apiBulkPDU.get_max_repetitions(pdu))
        found: Binds = []
        cursors = [tuple(name) for name, _ in binds]
        for _ in range(rows):
            if len(found) + len(cursors) > _MOST:
                break
            row = [_next(order, objects, cursor) for cursor in cursors]
            cursors = [tuple(name) for name, _ in row]
            found += row
        return found

    # Writing.

    async def _change(self, session: Session, binds: Binds) -> _Answer:
        names = [tuple(name) for name, _ in binds]
        op = Op.SAVE if SAVE in names else Op.WRITE
        port = self._marked(self._try(binds)[0])
        try:
            await session.enter(op, port)
        except Busy:
            return _Answer(binds, "inconsistentValue", 1)  # as if another manager had moved the advisory lock
        candidate, failed = self._try(binds)
        if failed is None:
            failed = self._save(session, binds) if op is Op.SAVE else self._commit(session, candidate, len(binds))
        if failed is None and SERIAL in names:
            self.tables.serial = (self.tables.serial + 1) % 2**31
        session.leave(op, port)
        return _Answer(binds) if failed is None else _Answer(binds, *failed)

    def _try(self, binds: Binds) -> tuple[Config, tuple[str, int] | None]:
        """Set everything in a copy; answer it, and the first error with its place."""
        candidate = self.device.config.copy()
        for place, (name, value) in enumerate(binds, 1):
            oid: Oid = tuple(name)
            if oid == SERIAL:
                if int(value) != self.tables.serial:
                    return candidate, ("inconsistentValue", place)
            elif oid != SAVE:
                try:
                    self.tables.set(candidate, oid, value)
                except (Rejected, ValueError, TypeError, AttributeError) as error:
                    return candidate, (str(error) if isinstance(error, Rejected) else "wrongType", place)
        return candidate, None

    def _changed(self, candidate: Config) -> list[str]:
        return [port for port, entry in candidate.ports.items() if entry != self.device.config.ports[port]]

    def _marked(self, candidate: Config) -> str | None:
        """The port that a fault of this message is about: the only one, or one that a fault names."""
        changed = self._changed(candidate)
        named = {fault.port for fault in self.device.faults}
        return next((port for port in changed if port in named or len(changed) == 1), None)

    def _commit(self, session: Session, candidate: Config, last: int) -> tuple[str, int] | None:
        changed = self._changed(candidate)
        if lag := next((port for port in changed if candidate.ports[port].lag), None):
            return self._refused(f"{lag} belongs to {candidate.ports[lag].lag}", last)
        refused = [
            fault.words
            for fault in self.device.faults
            if fault.kind is FaultKind.REFUSE and any(fault.fits(Op.WRITE, port) for port in changed)
        ]
        if refused:
            # A message about several ports is refused because of one: that one will be refused alone again.
            words = session.refusal(changed[0]) if len(changed) == 1 else refused[0]
            if words is not None:
                return self._refused(words, last)
        self.device.config.vlans |= candidate.vlans
        for port in changed:
            session.set(port, candidate.ports[port])
        return None

    def _save(self, session: Session, binds: Binds) -> tuple[str, int] | None:
        words = session.save()
        return None if words is None else self._refused(words, len(binds))

    def _refused(self, words: str, place: int) -> tuple[str, int]:
        self.tables.error = words
        return "genErr", place


def _next(order: list[Oid], objects: Mapping[Oid, Any], after: Oid) -> tuple[Any, Any]:
    at = bisect_right(order, after)
    if at == len(order):
        return rfc1902.ObjectName(after), rfc1905.endOfMibView
    return rfc1902.ObjectName(order[at]), objects[order[at]]


def keys_of(device: Device) -> dict[str, str]:
    """The secrets of a device, from its one password: pass phrases must be eight characters long."""
    password = device.password or "any"
    return {
        "community": f"community-{password}",
        "auth_password": f"authentic-{password}",
        "priv_password": f"private-{password}",
    }


class SnmpEmulator:
    """The lab's Q-BRIDGE switch. Each time it is served it has a new engine id."""

    ports = _PORTS

    def device(self, name: str, ports: tuple[str, ...] | None = None, **settings: Any) -> Device:
        return Device(name, QBridgeRule(), ports or self.ports, **{"factory": FACTORY, **settings})

    @asynccontextmanager
    async def serve(self, device: Device) -> AsyncIterator[Served]:
        engine_id = bytes.fromhex("80007ed904") + secrets.token_bytes(8)
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.setblocking(False)
        listener.bind(("127.0.0.1", 0))
        agent = Agent(device, engine_id)
        agent.listen(listener)
        keys = keys_of(device)
        config = {
            "hostname": "127.0.0.1",
            "port": listener.getsockname()[1],
            "version": "3",
            "username": device.username or "hil",
            "auth_password": keys["auth_password"],
            "priv_password": keys["priv_password"],
            "engine_id": engine_id.hex(),
            "save_oid": _dotted(SAVE),
            "error_oid": _dotted(ERROR),
        }
        try:
            yield Served(device, config)
        finally:
            await agent.close()


def _dotted(oid: Oid) -> str:
    return ".".join(str(part) for part in oid)


EMULATOR: Final = SnmpEmulator()
