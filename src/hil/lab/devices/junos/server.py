"""The NETCONF server of an emulated Juniper switch: one shared candidate, a lock, commits that take themselves back.

A session that ends drops its lock, and the candidate's changes with it. A commit confirmed is undone after its time
(the device's `sleep`) unless another commit comes first; only what is confirmed survives a reboot.
"""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from xml.sax.saxutils import escape

from hil.core.wiring import Mac, Neighbour
from hil.drivers.switch.mock.faults import FaultKind, Op
from hil.drivers.transport.netconf import BASE, BASE_1_0, BASE_1_1, Framer, framed
from hil.drivers.xml import child, element, local, parsed, text
from hil.lab.devices import Served
from hil.lab.devices.junos.documents import Invalid, check, configuration, edited, name_of
from hil.lab.devices.junos.rule import FACTORY, ElsRule
from hil.lab.devices.model import Busy, Config, Device, Dropped, Session
from hil.lab.devices.shell import Process, serve_ssh

_PORTS: Final = tuple(f"ge-0/0/{number}" for number in range(4))
CAPABILITIES: Final = (
    BASE_1_0,
    *(f"urn:ietf:params:netconf:capability:{name}:1.0" for name in ("candidate", "confirmed-commit", "validate")),
    "http://xml.juniper.net/netconf/junos/1.0",
)
OK: Final = "<ok/>"


class Switch:
    """What the sessions of one device share."""

    def __init__(self, device: Device, capabilities: tuple[str, ...] = CAPABILITIES) -> None:
        self.device, self.capabilities = device, capabilities
        self.names: dict[int, str] = {}
        self.owner: Session | None = None
        self.candidate: Config | None = None
        """None while it is as the running configuration."""
        self.before = device.config.copy()
        """What `rollback 1` loads."""
        self.timer: asyncio.Task[None] | None = None

    async def talk(self, process: Process, session: Session) -> None:
        if process.subsystem == "netconf":
            await Conversation(self, process, session).run()

    def release(self, session: Session) -> None:
        if self.owner is session:
            self.owner = self.candidate = None

    def commit(self, session: Session, candidate: Config, seconds: int | None) -> None:
        """Make a candidate the running configuration, for good or for so long."""
        device = self.device
        pending = self.timer is not None
        self.stop()
        if not pending:
            self.before = device.config.copy()
        session.commit(candidate)
        if seconds is None:
            device.saved = device.config.copy()
        else:
            self.timer = asyncio.get_running_loop().create_task(self._undo(seconds, self.before))

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    async def _undo(self, seconds: int, before: Config) -> None:
        await self.device.sleep(seconds)
        self.device.config = before.copy()
        self.device.note("timer", "rollback")
        self.timer = None


class Conversation:
    """One NETCONF session."""

    def __init__(self, switch: Switch, process: Process, session: Session) -> None:
        self.switch, self.device, self.session = switch, switch.device, session
        self._process, self._framer, self._over = process, Framer(), False

    async def run(self) -> None:
        offered = "".join(element("capability", name) for name in self.switch.capabilities)
        hello = f'<hello xmlns="{BASE}"><capabilities>{offered}</capabilities><session-id>7</session-id></hello>'
        self._process.stdout.write(framed(hello.encode(), False))
        greeting = await self._receive()
        if BASE_1_1 in self.switch.capabilities and BASE_1_1 in ET.tostring(greeting, encoding="unicode"):
            self._framer.chunked = True
        try:
            while not self._over:
                request = await self._receive()
                reply = await self._reply(request)
                self._process.stdout.write(framed(reply.encode(), self._framer.chunked))
        finally:
            self.switch.release(self.session)

    async def _receive(self) -> ET.Element:
        while True:
            for message in self._framer.messages():
                return parsed(message)
            data = await self._process.stdin.read(65536)
            if not data:
                raise EOFError
            self._framer.feed(data)

    async def _reply(self, request: ET.Element) -> str:
        operation = request[0]
        does = self._operations().get(local(operation))
        try:
            if does is None:
                raise Invalid("syntax error", local(operation))
            inner = await does(operation)
        except Invalid as error:
            inner = _error("operation-failed", error.words, error.place)
        except Busy:
            inner = _error("lock-denied", "configuration database locked by: root terminal pts/0 (pid 811)")
        return element("rpc-reply", inner, xmlns=BASE, **{"message-id": request.get("message-id", "")})

    def _operations(self) -> Mapping[str, Callable[[ET.Element], Awaitable[str]]]:
        return {
            "lock": self._lock,
            "unlock": self._unlock,
            "get-config": self._get_config,
            "get-configuration": self._get_configuration,
            "edit-config": self._edit,
            "validate": self._validate,
            "commit": self._commit,
            "discard-changes": self._discard,
            "load-configuration": self._load,
            "close-session": self._close,
            "get-interface-information": self._shows(interfaces),
            "get-software-information": self._shows(lambda _: SOFTWARE),
            "get-chassis-inventory": self._shows(lambda _: CHASSIS),
            "get-lldp-neighbors-information": self._shows(neighbours),
            "get-ethernet-switching-table-information": self._shows(lambda device: macs(device, self.switch.names)),
        }

    def _shows(self, render: Callable[[Device], str]) -> Callable[[ET.Element], Awaitable[str]]:
        async def show(_: ET.Element) -> str:
            await self.session.enter(Op.READ)
            shown = render(self.device)
            self.session.leave(Op.READ)
            return shown

        return show

    # The configuration.

    async def _get_config(self, operation: ET.Element) -> str:
        wanted = child(operation, "source", "candidate")
        config = self.switch.candidate if wanted is not None and self.switch.candidate else self.device.config
        return await self._shows(lambda _: element("data", configuration(config, self.switch.names)))(operation)

    async def _get_configuration(self, operation: ET.Element) -> str:
        return await self._shows(lambda device: configuration(device.config, self.switch.names))(operation)

    async def _lock(self, _: ET.Element) -> str:
        if self.device.faults.strike(FaultKind.BUSY, Op.WRITE):
            raise Busy
        if self.switch.owner not in (None, self.session):
            raise Busy
        if self.switch.candidate is not None:
            return _error("lock-denied", "configuration database modified")
        self.switch.owner = self.session
        return OK

    async def _unlock(self, _: ET.Element) -> str:
        self.switch.release(self.session)
        return OK

    async def _edit(self, operation: ET.Element) -> str:
        self._mine()
        await self.session.enter(Op.WRITE)
        change = child(operation, "config", "configuration")
        if change is None:
            raise Invalid("syntax error", "config")
        self.switch.candidate = edited(self.switch.candidate or self.device.config, self.switch.names, change)
        self.session.leave(Op.WRITE)
        return OK

    async def _validate(self, _: ET.Element) -> str:
        check(self.switch.candidate or self.device.config)
        return OK

    async def _commit(self, operation: ET.Element) -> str:
        self._mine()
        candidate = self.switch.candidate or self.device.config
        changed = [port for port, entry in candidate.ports.items() if entry != self.device.config.ports[port]]
        port = changed[0] if len(changed) == 1 else None
        await self.session.enter(Op.WRITE, port)
        check(candidate)
        for name in changed:
            if words := self.session.refusal(name):
                raise Invalid(words, f"[edit interfaces {name}]")
        confirmed = child(operation, "confirmed") is not None
        self.switch.commit(
            self.session, candidate, int(text(operation, "confirm-timeout") or 600) if confirmed else None
        )
        self.switch.candidate = None
        if any(self.device.faults.strike(FaultKind.HALF, Op.WRITE, name) for name in changed):
            raise Dropped
        self.session.leave(Op.WRITE, port)
        return OK

    async def _discard(self, _: ET.Element) -> str:
        self._mine()
        self.switch.candidate = None
        return OK

    async def _load(self, operation: ET.Element) -> str:
        self._mine()
        if operation.get("rollback") != "1":
            raise Invalid("only rollback 1 is kept", "load-configuration")
        self.switch.candidate = self.switch.before.copy()
        return element("load-configuration-results", OK)

    async def _close(self, _: ET.Element) -> str:
        self._over = True
        return OK

    def _mine(self) -> None:
        if self.switch.owner not in (None, self.session):
            raise Busy


def _error(tag: str, words: str, place: str = "") -> str:
    where = element("error-path", escape(place)) if place else ""
    return element(
        "rpc-error",
        "<error-type>protocol</error-type>",
        element("error-tag", tag),
        "<error-severity>error</error-severity>",
        where,
        element("error-message", f"\n{escape(words)}\n"),
    )


# -- what it shows ------------------------------------------------------------------------------------------------

SOFTWARE: Final = (
    "<software-information><host-name>lab</host-name><product-model>ex4300-48t</product-model>"
    "<product-name>ex4300-48t</product-name><junos-version>21.4R3-S5.4</junos-version></software-information>"
)
CHASSIS: Final = (
    "<chassis-inventory><chassis><name>Chassis</name><serial-number>LAB0815</serial-number>"
    "<description>EX4300-48T</description></chassis></chassis-inventory>"
)


def interfaces(device: Device) -> str:
    """Physical interfaces, those that are no ports among them."""
    parts = [
        element("physical-interface", element("name", f"\n{name}\n"), "<admin-status>up</admin-status>")
        for name in (*device.ports(), "vme", "irb")
    ]
    return element("interface-information", *parts)


def neighbours(device: Device) -> str:
    def one(port: str, told: Neighbour) -> str:
        return element(
            "lldp-neighbor-information",
            element("lldp-local-port-id", port),
            element("lldp-remote-chassis-id", escape(told.chassis)),
            element("lldp-remote-port-id", escape(told.port)),
            element("lldp-remote-system-name", escape(told.name)),
        )

    parts = [one(port, told) for port, found in device.neighbours.items() for told in found]
    return element("lldp-neighbors-information", *parts)


def macs(device: Device, names: dict[int, str]) -> str:
    def one(port: str, mac: Mac) -> str:
        return element(
            "l2ng-mac-entry",
            element("l2ng-l2-mac-vlan-name", name_of(names, mac.vlan or 1)),
            element("l2ng-l2-mac-address", mac.address),
            element("l2ng-l2-mac-flags", "D"),
            element("l2ng-l2-mac-logical-interface", f"{port}.0"),
        )

    parts = [one(port, mac) for port, found in device.macs.items() for mac in found]
    return element("l2ng-l2ald-rtb-macdb", element("l2ng-l2ald-mac-entry-vlan", *parts))


class JunosEmulator:
    """The lab's Juniper switch; `capabilities` is what its hello offers."""

    ports = _PORTS

    def __init__(self, capabilities: tuple[str, ...] = CAPABILITIES) -> None:
        self._capabilities = capabilities

    def device(self, name: str, ports: tuple[str, ...] | None = None, **settings: Any) -> Device:
        return Device(name, ElsRule(), ports or self.ports, **{"factory": FACTORY, **settings})

    @asynccontextmanager
    async def serve(self, device: Device) -> AsyncIterator[Served]:
        switch = Switch(device, self._capabilities)
        async with serve_ssh(device, switch.talk) as config:
            try:
                yield Served(device, config)
            finally:
                timer = switch.timer
                switch.stop()
                if timer is not None:
                    with suppress(asyncio.CancelledError):
                        await timer


EMULATOR: Final = JunosEmulator()
