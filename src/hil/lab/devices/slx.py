"""An emulated VDX or SLX switch: its REST interface in XML, one port's configuration a resource.

It creates what is posted (409 if it is there), replaces what is put, deletes (404 if it is not there), and runs the few
operations that the driver needs. A copy of the configuration takes a while and is asked for by its number. With
`autosave` each change is saved by itself, as in a VDX's logical chassis mode.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from hil.drivers.switch.mock.faults import Op
from hil.lab.devices import Served
from hil.lab.devices.model import Busy, Device, Session
from hil.lab.devices.slx_tree import Refusal, SlxRule, changed, printed
from hil.lab.devices.web import Answer, Request, serve

TYPE: Final = "TenGigabitEthernet"
XML: Final = "application/vnd.configuration.resource+xml"
_CONFIG: Final = "/rest/config/running/interface"
_PORT: Final = re.compile(rf"{_CONFIG}/{TYPE}/\"([0-9/]+)\"/?(.*)")
_VLAN: Final = re.compile(r"<Vlan><name>(\d+)</name></Vlan>")


class SlxPlatform:
    """The switch behind the interface; it lives as long as it is served."""

    def __init__(self, device: Device, *, autosave: bool = False) -> None:
        self.device, self.autosave = device, autosave
        self.copies: dict[str, str] = {}

    async def __call__(self, session: Session, request: Request) -> Answer:
        operation = request.path[-1] if request.path[:2] == ("rest", "operations") else ""
        match = _PORT.fullmatch(request.whole)
        op = Op.SAVE if operation == "bna-config-cmd" else Op.READ if operation or request.method == "GET" else Op.WRITE
        port = match[1] if match else None
        try:
            await session.enter(op, port)
        except Busy:
            return _error(409, "the configuration database is locked by session 27")
        try:
            answer = self._operate(session, operation, request) if operation else self._config(session, request, match)
        except Refusal as error:
            answer = _error(error.status, str(error))
        session.leave(op, port)
        return answer

    def _config(self, session: Session, request: Request, match: re.Match[str] | None) -> Answer:
        body = request.body.decode("utf-8", "replace")
        if match is None:
            return self._around(request, body)
        port, rest = match[1], match[2]
        if port not in self.device.config.ports:
            raise Refusal(404, "the interface does not exist")
        before = self.device.config.ports[port]
        if request.method == "GET":
            return Answer(200, printed(TYPE, port, before).encode(), XML)
        if (words := session.refusal(port)) is not None:
            raise Refusal(400, words)
        after = changed(before, self.device.config.vlans, request.method, rest, body)
        session.set(port, after)
        if self.autosave:
            self.device.saved = self.device.config.copy()
        return Answer(201 if request.method == "POST" else 204)

    def _around(self, request: Request, body: str) -> Answer:
        """What is no port: the collection of ports, told by their names, and VLANs."""
        if request.method == "GET" and request.whole == f"{_CONFIG}/{TYPE}":
            entries = "".join(f"<{TYPE}><name>{port}</name></{TYPE}>\r\n" for port in self.device.config.ports)
            return Answer(200, f'<collection xmlns:y="http://brocade.com/ns/rest">{entries}</collection>'.encode(), XML)
        if request.method == "POST" and request.whole == _CONFIG and (found := _VLAN.fullmatch(body)):
            vlan = int(found[1])
            if not 1 <= vlan <= 4090:
                raise Refusal(400, "invalid value")
            if vlan in self.device.config.vlans:
                raise Refusal(409, "object already exists")
            self.device.config.vlans.add(vlan)
            return Answer(201)
        raise Refusal(404, "resource not found")

    def _operate(self, session: Session, name: str, request: Request) -> Answer:
        match name:
            case "show-firmware-version":
                inner = "<os-name>Network Operating System Software</os-name><os-version>7.2.0</os-version>"
                return _output(f"<show-firmware-version><switchid>1</switchid>{inner}</show-firmware-version>")
            case "bna-config-cmd":
                number = str(len(self.copies) + 1)
                self.copies[number] = session.save() or "completed"
                return _output(f"<session-id>{number}</session-id><status>in-progress</status>")
            case "bna-config-cmd-status":
                found = re.search(r"<session-id>(\d+)</session-id>", request.body.decode("utf-8", "replace"))
                state = self.copies.get(found[1] if found else "", "no such session")
                return _output(f"<session-id>{found[1] if found else 0}</session-id><status>{escape(state)}</status>")
            case "get-mac-address-table":
                return _output("".join(self._macs()))
            case "get-lldp-neighbor-detail":
                return self._lldp(request)
            case _:
                raise Refusal(404, "resource not found")

    def _macs(self) -> list[str]:
        return [
            f"<mac-address-table><vlanid>{mac.vlan}</vlanid><mac-address>{_dotted(mac.address)}</mac-address>"
            "<mac-type>Dynamic</mac-type><mac-state>Active</mac-state><forwarding-interface>"
            f"<interface-type>{TYPE.lower()}</interface-type><interface-name>{port}</interface-name>"
            "</forwarding-interface></mac-address-table>"
            for port, found in self.device.macs.items()
            for mac in found
        ]

    def _lldp(self, request: Request) -> Answer:
        """One neighbour an answer, so that whoever asks has to go on."""
        entries = [(port, n) for port, found in self.device.neighbours.items() for n in found]
        found = re.search(r"<last-rcvd-ifindex>(\d+)<", request.body.decode("utf-8", "replace"))
        place = int(found[1]) if found else 0
        if place >= len(entries):
            return _output("<has-more>false</has-more>")
        port, near = entries[place]
        return _output(
            f"<lldp-neighbor-detail><local-interface-name>Te {port}</local-interface-name>"
            f"<local-interface-ifindex>{place + 1}</local-interface-ifindex>"
            f"<remote-interface-name>{escape(near.port)}</remote-interface-name>"
            f"<remote-chassis-id>{escape(near.chassis)}</remote-chassis-id>"
            f"<remote-system-name>{escape(near.name)}</remote-system-name></lldp-neighbor-detail>"
            f"<has-more>{'true' if place + 1 < len(entries) else 'false'}</has-more>"
        )


def _output(inner: str) -> Answer:
    return Answer(200, f'<output xmlns="urn:brocade.com:mgmt:brocade-ext">{inner}</output>'.encode(), XML)


def _error(status: int, words: str) -> Answer:
    body = f"<errors><error><error-type>application</error-type><error-message>{escape(words)}</error-message></error>"
    return Answer(status, f"{body}</errors>".encode(), XML)


def _dotted(mac: str) -> str:
    digits = mac.replace(":", "")
    return ".".join(digits[at : at + 4] for at in (0, 4, 8))


@dataclass(frozen=True, slots=True)
class SlxEmulator:
    ports: tuple[str, ...] = ("101/0/1", "101/0/2", "101/0/3", "101/0/4", "101/0/10")

    def device(self, name: str, ports: tuple[str, ...] | None = None, **settings: Any) -> Device:
        return Device(name, SlxRule(), ports or self.ports, **settings)

    @asynccontextmanager
    async def serve(self, device: Device) -> AsyncIterator[Served]:
        async with serve(device, SlxPlatform(device), {"interface_type": TYPE}) as served:
            yield served


EMULATOR: Final = SlxEmulator()
